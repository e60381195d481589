//! What clients send when they come, recorded from the real ones and played to a door without them.
//!
//! ```text
//! # redis-py-8 8.1.0
//! connection
//! > *2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n           the bytes of one command
//! < %{"server": "redis", …, "id": …}          its reply, in which `…` stands for what differs from time to time
//! ```
//!
//! A fixture is the bytes of the client; only keys are ours. `CLIENTS_RECORD=1` writes them anew.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use libtest_mimic::Failed;

use crate::install::Missing;
use crate::recorder::{Conversation, Recorder};
use crate::reply::{Reply, arguments, commands};
use crate::runs::Runs;

/// Nothing here takes longer unless it is broken.
const DEADLINE: Duration = Duration::from_secs(30);

/// What stands for what differs from time to time.
const ANY: &str = "…";

/// Fields of `INFO` that clients look at and that never differ.
const FIRM_FIELDS: [&str; 5] = ["redis_version", "redis_mode", "role", "loading", "cluster_enabled"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/handshakes")
}

/// The names of all fixtures, sorted.
pub fn names() -> Vec<String> {
    let entries = fs::read_dir(folder()).expect("the folder of the fixtures");
    let names =
        entries.filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".txt")?.to_owned()));
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names
}

fn read(name: &str) -> Result<String, Failed> {
    let text = fs::read_to_string(folder().join(format!("{name}.txt")));
    Ok(text.map_err(|why| format!("its fixture: {why} (CLIENTS_RECORD=1 writes it)"))?)
}

/// Plays the fixture `name` to `door`: each command must be answered as it was when it was recorded.
pub fn replay(name: &str, door: &str) -> Result<(), Failed> {
    let fixture = read(name)?;
    let mut exchanges = 0;
    let mut stream = None;
    let mut lines = fixture.lines().filter(|line| !line.starts_with('#'));
    while let Some(line) = lines.next() {
        let Some(command) = line.strip_prefix("> ") else {
            stream = Some(connected(door)?);
            continue;
        };
        let command = unescaped(command).ok_or_else(|| format!("no bytes are written so: {command}"))?;
        let expected =
            lines.next().and_then(|line| line.strip_prefix("< ")).ok_or("a command without its reply")?;
        let stream = stream.as_mut().ok_or("a command without a connection")?;
        stream.get_mut().write_all(&command)?;
        let found = firm(&command, &Reply::read(stream)?).to_string();
        if found != expected {
            return Err(format!("{}\nexpected {expected}\nfound    {found}", command.escape_ascii()).into());
        }
        exchanges += 1;
    }
    if exchanges < 2 { Err("the fixture says nothing".into()) } else { Ok(()) }
}

fn connected(door: &str) -> std::io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(door)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    Ok(BufReader::new(stream))
}

/// Lets the real client say hello: it must say what its fixture says. `Ok(Some)`: it could not be tried, and why.
#[allow(clippy::fn_params_excessive_bools, reason = "it is a setting, passed on")]
pub fn live(runs: &Runs, door: &str, records: bool) -> Result<Option<String>, Failed> {
    let recorder = Recorder::before(door)?;
    let said = runs.hello(&recorder.addr);
    let conversations = recorder.conversations();
    let version = match said {
        Ok(said) => said?,
        Err(Missing::Skipped(why)) => return Ok(Some(why)),
        Err(Missing::Broken(why)) => return Err(why.into()),
    };
    let name = runs.client.name;
    let found = written(&format!("{name} {version}"), &conversations)?;
    if records {
        fs::write(folder().join(format!("{name}.txt")), &found)?;
        return Ok(None);
    }
    let (said, recorded) = (shape(&found), shape(&read(name)?));
    if said == recorded {
        Ok(None)
    } else {
        let [recorded, said] = [recorded, said].map(|shape| shape.join("\n  "));
        Err(format!(
            "its fixture is out of date (CLIENTS_RECORD=1 writes it anew)\n  {recorded}\nit says\n  {said}"
        )
        .into())
    }
}

/// The commands of a fixture without what depends on the machine that a client runs on, connection by connection;
/// sorted, because connections of one client are opened side by side.
fn shape(fixture: &str) -> Vec<String> {
    let mut connections: Vec<String> = Vec::new();
    for line in fixture.lines().filter(|line| !line.starts_with('#')) {
        match (line.strip_prefix("> ").and_then(unescaped), connections.last_mut()) {
            (Some(command), Some(connection)) => {
                let mut words = arguments(&command);
                let about_itself = words.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"SETINFO"));
                words.truncate(if about_itself { 3 } else { words.len() });
                let words: Vec<String> = words.iter().map(|word| word.escape_ascii().to_string()).collect();
                let _ = write!(connection, "{} · ", words.join(" "));
            }
            _ if line == "connection" => connections.push(String::new()),
            _ => {}
        }
    }
    connections.sort_unstable();
    connections
}

/// The fixture of what was said.
fn written(title: &str, conversations: &[Conversation]) -> Result<String, Failed> {
    let mut text = format!("# {title}\n");
    for Conversation { sent, answered } in conversations {
        text.push_str("connection\n");
        let mut answered = &answered[..];
        for command in commands(sent) {
            let reply =
                Reply::read(&mut answered).map_err(|why| format!("{}: {why}", command.escape_ascii()))?;
            let _ = writeln!(text, "> {}\n< {}", command.escape_ascii(), firm(&command, &reply));
        }
    }
    Ok(text)
}

/// `reply` to `command` without what differs from time to time.
fn firm(command: &[u8], reply: &Reply) -> Reply {
    let words: Vec<String> =
        arguments(command).iter().map(|word| String::from_utf8_lossy(word).to_uppercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let any = || Reply::Status(ANY.to_owned());
    match (&words[..], reply) {
        (["HELLO", ..], _) => {
            let mut greeting = reply.clone();
            if let Some(id) = greeting.value_of("id") {
                *id = any();
            }
            greeting
        }
        (["CLIENT", "ID" | "INFO" | "LIST"] | ["TIME"], _) => any(),
        (["INFO", ..], Reply::Bulk(text)) => {
            Reply::Bulk(firm_info(&String::from_utf8_lossy(text)).into_bytes())
        }
        (["INFO", ..], Reply::Verbatim(text)) => Reply::Verbatim(firm_info(text)),
        _ => reply.clone(),
    }
}

fn firm_info(text: &str) -> String {
    let line = |line: &str| match line.split_once(':') {
        Some((field, _)) if !FIRM_FIELDS.contains(&field) => format!("{field}:*"),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\r\n")
}

/// What `escape_ascii` made of bytes, undone.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (kind, after) = rest.split_first()?;
        rest = after;
        bytes.push(match kind {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'\\' | b'\'' | b'"' => *kind,
            b'x' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            _ => return None,
        });
    }
    Some(bytes)
}
