//! One connection to one of both servers.

use std::fmt;
use std::io::{self, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::reply::Reply;

/// Nothing here takes longer unless it is broken.
const DEADLINE: Duration = Duration::from_mins(1);

/// Commands that have subcommands.
const FAMILIES: [&str; 5] = ["CLIENT", "CLUSTER", "COMMAND", "CONFIG", "MEMORY"];

/// A command, name first.
#[derive(Clone, PartialEq, Eq)]
pub struct Command(pub Vec<Vec<u8>>);

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(|word| word.escape_ascii().to_string()).collect();
        write!(f, "‹{}›", words.join("› ‹"))
    }
}

impl Command {
    pub fn of(words: &[&str]) -> Command {
        Command(words.iter().map(|word| word.as_bytes().to_vec()).collect())
    }

    /// Argument `at` in capitals; nothing if there is none.
    pub fn word(&self, at: usize) -> String {
        self.0.get(at).map_or_else(String::new, |word| String::from_utf8_lossy(word).to_uppercase())
    }

    /// Its name in capitals, a subcommand behind a blank.
    pub fn name(&self) -> String {
        let (name, sub) = (self.word(0), self.word(1));
        if FAMILIES.contains(&name.as_str()) && !sub.is_empty() { format!("{name} {sub}") } else { name }
    }

    /// Whether one of its arguments is one of `options`.
    pub fn has(&self, options: &[&str]) -> bool {
        (1..self.0.len()).any(|at| options.contains(&self.word(at).as_str()))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("*{}\r\n", self.0.len()).into_bytes();
        for word in &self.0 {
            bytes.extend(format!("${}\r\n", word.len()).into_bytes());
            bytes.extend(word);
            bytes.extend(b"\r\n");
        }
        bytes
    }
}

/// See the module.
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    pub fn new(addr: &str) -> io::Result<Connection> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        Ok(Connection(BufReader::new(stream)))
    }

    pub fn send(&mut self, commands: &[Command]) -> io::Result<()> {
        self.send_raw(&commands.iter().flat_map(Command::bytes).collect::<Vec<u8>>())
    }

    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    pub fn receive(&mut self) -> io::Result<Reply> {
        Reply::read(&mut self.0)
    }

    pub fn ask(&mut self, command: &Command) -> io::Result<Reply> {
        self.send(std::slice::from_ref(command))?;
        self.receive()
    }

    /// All keys that fit, by as many calls of `SCAN` as it takes.
    pub fn scan(&mut self, options: &[String]) -> io::Result<Vec<Vec<u8>>> {
        let (mut cursor, mut found) = (b"0".to_vec(), Vec::new());
        loop {
            let mut words = vec![b"SCAN".to_vec(), cursor.clone()];
            words.extend(options.iter().map(|option| option.clone().into_bytes()));
            let Reply::Array(parts) = self.ask(&Command(words))? else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            let [Reply::Bulk(next), Reply::Array(keys)] = &parts[..] else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            found.extend(keys.iter().filter_map(|key| match key {
                Reply::Bulk(key) => Some(key.clone()),
                _ => None,
            }));
            if next == b"0" {
                found.sort_unstable();
                found.dedup();
                return Ok(found);
            }
            cursor.clone_from(next);
        }
    }
}
