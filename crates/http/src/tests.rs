//! The door over connections in memory, on a clock that only moves when nothing else can.

mod admin;
mod again;
mod events;
mod garbage;
mod limits;
mod many;
mod node;
mod openapi;
mod shapes;
mod words;

use std::fmt::Write as _;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::door::{Door, Stop};
use crate::limits::Limits;
use crate::{connection, routes};
use node::{Fake, about};

/// A door, and the node behind it.
pub(crate) struct Bench {
    pub(crate) door: Arc<Door>,
    pub(crate) node: Arc<Fake>,
    pub(crate) stop: watch::Sender<Stop>,
}

/// An answer, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Bench {
        let node = Arc::new(Fake::default());
        let door = Arc::new(Door::new(Arc::clone(&node) as _, about(), limits));
        Bench { door, node, stop: watch::Sender::new(Stop::No) }
    }

    /// A connection to the door; `bytes` fit into it each way.
    pub(crate) fn connect(&self, bytes: usize) -> DuplexStream {
        self.connected(bytes).0
    }

    /// A connection, and the task that serves it.
    fn connected(&self, bytes: usize) -> (DuplexStream, JoinHandle<()>) {
        let (client, server) = tokio::io::duplex(bytes);
        let (door, stop) = (Arc::clone(&self.door), self.stop.subscribe());
        let serving =
            tokio::spawn(async move { connection::serve(server, &door, routes::router(&door), stop).await });
        (client, serving)
    }

    /// Sends one request; its head is `line` and `headers`, one a line.
    pub(crate) async fn send(&self, line: &str, headers: &str, body: impl AsRef<[u8]>) -> Reply {
        let body = body.as_ref();
        let mut head = format!("{line} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n");
        for header in headers.lines() {
            write!(head, "{header}\r\n").unwrap();
        }
        if !body.is_empty() {
            write!(head, "content-length: {}\r\n", body.len()).unwrap();
        }
        let request = [head.as_bytes(), b"\r\n", body].concat();
        Reply::parse(&self.exchange(&request).await)
    }

    /// Sends `bytes`; everything that comes back until the door closes.
    pub(crate) async fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        let (client, serving) = self.connected(64 << 10);
        let (mut read, mut write) = tokio::io::split(client);
        let mut answer = Vec::new();
        let sending = async {
            // The door may refuse before it has read everything.
            let _ = write.write_all(bytes).await;
        };
        let ((), read) = tokio::join!(sending, read.read_to_end(&mut answer));
        read.unwrap();
        serving.await.expect("it does not panic");
        answer
    }
}

impl Reply {
    pub(crate) fn parse(bytes: &[u8]) -> Reply {
        let at = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = std::str::from_utf8(&bytes[..at]).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        Reply { status, headers: lines.map(header).collect(), body: bytes[at + 4..].to_vec() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The problem document's type and outcome; checks that it is one.
    pub(crate) fn problem(&self) -> (String, String) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text());
        let document: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(document["status"], self.status);
        assert!(document["detail"].is_string() && document["title"].is_string());
        let kind = document["type"].as_str().unwrap().trim_start_matches("urn:quorate:problem:");
        (kind.to_owned(), document["outcome"].as_str().unwrap().to_owned())
    }
}
