//! Replies as a client reads them: every type of RESP2 and RESP3 that a server of strings sends, told apart.

use std::fmt;
use std::io::{self, BufRead};

/// One reply, as it was on the wire: a null of RESP2 is not one of RESP3.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    Status(String),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    Verbatim(String),
    Null,
    NullBulk,
    NullArray,
    Array(Vec<Reply>),
    Set(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
}

fn garbled(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn line(input: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    input.read_until(b'\n', &mut line)?;
    match line.strip_suffix(b"\r\n") {
        Some(text) => Ok(String::from_utf8_lossy(text).into_owned()),
        None if line.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
        None => Err(garbled(format!("a line without its end: {}", line.escape_ascii()))),
    }
}

fn blob(input: &mut impl BufRead, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len + 2];
    input.read_exact(&mut bytes)?;
    if bytes.split_off(len) != b"\r\n" {
        return Err(garbled(format!("{len} bytes without their end of line")));
    }
    Ok(bytes)
}

impl Reply {
    /// The next reply of `input`.
    pub fn read(input: &mut impl BufRead) -> io::Result<Reply> {
        let line = line(input)?;
        let (kind, rest) = line.split_at_checked(1).ok_or_else(|| garbled("an empty line".to_owned()))?;
        let number = || rest.parse::<i64>().map_err(|why| garbled(format!("{line}: {why}")));
        let length =
            || number().and_then(|n| usize::try_from(n).map_err(|why| garbled(format!("{line}: {why}"))));
        Ok(match (kind, rest) {
            ("+", text) => Reply::Status(text.to_owned()),
            ("-", text) => Reply::Error(text.to_owned()),
            (":", _) => Reply::Integer(number()?),
            ("_", "") => Reply::Null,
            ("$", "-1") => Reply::NullBulk,
            ("*", "-1") => Reply::NullArray,
            ("$", _) => Reply::Bulk(blob(input, length()?)?),
            ("=", _) => Reply::Verbatim(String::from_utf8_lossy(&blob(input, length()?)?).into_owned()),
            ("*", _) => Reply::Array(Reply::read_many(input, length()?)?),
            ("~", _) => Reply::Set(Reply::read_many(input, length()?)?),
            ("%", _) => {
                let flat = Reply::read_many(input, 2 * length()?)?;
                Reply::Map(flat.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
            }
            _ => return Err(garbled(format!("no reply begins so: {line}"))),
        })
    }

    fn read_many(input: &mut impl BufRead, count: usize) -> io::Result<Vec<Reply>> {
        (0..count).map(|_| Reply::read(input)).collect()
    }

    /// The text of a bulk or verbatim string or a status.
    pub fn text(&self) -> Option<&str> {
        match self {
            Reply::Bulk(bytes) => std::str::from_utf8(bytes).ok(),
            Reply::Verbatim(text) | Reply::Status(text) => Some(text),
            _ => None,
        }
    }

    /// What a map has under `key`, in either version of the protocol.
    pub fn value_of(&mut self, key: &str) -> Option<&mut Reply> {
        match self {
            Reply::Map(pairs) => {
                pairs.iter_mut().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
            }
            Reply::Array(flat) => {
                let mut pairs = flat.chunks_exact_mut(2);
                pairs.find(|pair| pair[0].text() == Some(key)).map(|pair| &mut pair[1])
            }
            _ => None,
        }
    }
}

/// In one line; no two replies look the same.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = |f: &mut fmt::Formatter<'_>, replies: &[Reply]| {
            let texts: Vec<String> = replies.iter().map(Reply::to_string).collect();
            write!(f, "[{}]", texts.join(", "))
        };
        match self {
            Reply::Status(text) => write!(f, "+{text}"),
            Reply::Error(text) => write!(f, "-{text}"),
            Reply::Integer(number) => write!(f, ":{number}"),
            Reply::Bulk(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Reply::Verbatim(text) => write!(f, "=\"{}\"", text.escape_default()),
            Reply::Null => f.write_str("_"),
            Reply::NullBulk => f.write_str("$-1"),
            Reply::NullArray => f.write_str("*-1"),
            Reply::Array(replies) => f.write_str("*").and_then(|()| many(f, replies)),
            Reply::Set(replies) => f.write_str("~").and_then(|()| many(f, replies)),
            Reply::Map(pairs) => {
                let texts: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}: {value}")).collect();
                write!(f, "%{{{}}}", texts.join(", "))
            }
        }
    }
}

/// The commands in `input`, each as its arguments, up to the first that is not whole.
pub fn commands(mut input: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let Some(len) = command_len(input) {
        let (command, rest) = input.split_at(len);
        found.push(command.to_vec());
        input = rest;
    }
    found
}

/// How long the command at the front of `input` is: an array of bulk strings, or a line.
fn command_len(input: &[u8]) -> Option<usize> {
    let mut rest = input;
    if input.first() == Some(&b'*') {
        Reply::read(&mut rest).ok()?;
    } else {
        line(&mut rest).ok()?;
    }
    Some(input.len() - rest.len())
}

/// The arguments of one command out of [`commands`].
pub fn arguments(command: &[u8]) -> Vec<Vec<u8>> {
    match Reply::read(&mut &command[..]) {
        Ok(Reply::Array(parts)) => parts
            .into_iter()
            .filter_map(|part| match part {
                Reply::Bulk(bytes) => Some(bytes),
                _ => None,
            })
            .collect(),
        _ => command
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .map(<[u8]>::to_vec)
            .collect(),
    }
}
