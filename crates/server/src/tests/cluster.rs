//! A cluster in this process, and a client that speaks frames.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::{Replica, ShutDown, StartOptions};
use bytes::Bytes;
use quorate_transport::{Connection, Tcp, Transport, TransportError, handshake};
use quorate_types::{ClusterId, KeyspaceId, Level};
use quorate_wire::{
    ExpiryRequest, FrameWriter, HandshakeRefusal, Hello, NodeStatus, PROTOCOL_MAX, PROTOCOL_MIN, Request,
    RequestBody, Response, ResponseBody, Role, decode,
};
use tokio::runtime::Runtime;

/// Nothing here takes longer unless it is broken.
const DEADLINE: Duration = Duration::from_secs(20);

static CLUSTERS: AtomicU32 = AtomicU32::new(0);

/// Nodes n1, n2, … on addresses of their own.
pub(super) struct Cluster {
    pub(super) nodes: usize,
    /// The configuration behind the nodes.
    pub(super) extra: String,
    wal: String,
    network: String,
    first_host: u32,
    dir: tempfile::TempDir,
    replicas: BTreeMap<String, Replica>,
}

impl Cluster {
    /// Starts `nodes` nodes; `extra` is appended to their configuration.
    pub(super) fn start(nodes: usize, extra: &str) -> Cluster {
        Cluster::start_with_wal(nodes, "", extra)
    }

    /// Starts `nodes` nodes with these keys of the log.
    pub(super) fn start_with_wal(nodes: usize, wal: &str, extra: &str) -> Cluster {
        let pid = std::process::id();
        let mut cluster = Cluster {
            nodes,
            extra: extra.to_owned(),
            wal: wal.to_owned(),
            network: format!("127.{}.{}", 64 + (pid >> 8) % 64, pid % 256),
            first_host: 1 + 8 * (CLUSTERS.fetch_add(1, Ordering::Relaxed) % 30),
            dir: tempfile::tempdir().unwrap(),
            replicas: BTreeMap::new(),
        };
        for node in cluster.names() {
            cluster.restart(&node);
        }
        cluster
    }

    fn names(&self) -> Vec<String> {
        (1..=self.nodes).map(|k| format!("n{k}")).collect()
    }

    /// Where `node` listens.
    pub(super) fn addr(&self, node: &str) -> String {
        let k: u32 = node[1..].parse().unwrap();
        format!("{}.{}:7381", self.network, self.first_host + k - 1)
    }

    /// Where `node` listens for Redis clients.
    pub(super) fn resp_addr(&self, node: &str) -> SocketAddr {
        self.addr(node).replace(":7381", ":7379").parse().unwrap()
    }

    /// Where `node` listens for HTTP clients.
    pub(super) fn http_addr(&self, node: &str) -> SocketAddr {
        self.addr(node).replace(":7381", ":7380").parse().unwrap()
    }

    /// Where `node` listens for operators.
    pub(super) fn admin_addr(&self, node: &str) -> SocketAddr {
        self.addr(node).replace(":7381", ":7382").parse().unwrap()
    }

    /// The configuration.
    pub(super) fn config(&self) -> Config {
        let mut text = format!(
            "[cluster]\nname = \"in-process\"\n[wal]\nsegment_bytes = \"4MiB\"\n{}\n\
             [liveness]\nping_every = \"50ms\"\nsilent_after = \"500ms\"\n",
            self.wal
        );
        for node in self.names() {
            let (addr, resp) = (self.addr(&node), self.resp_addr(&node));
            let (http, admin) = (self.http_addr(&node), self.admin_addr(&node));
            writeln!(
                text,
                "[[node]]\nid = \"{node}\"\naddr = \"{addr}\"\nresp_addr = \"{resp}\"\nhttp_addr = \"{http}\"\n\
                 admin_addr = \"{admin}\""
            )
            .unwrap();
        }
        Config::parse(&(text + &self.extra), self.dir.path()).unwrap()
    }

    /// Starts `node`, from what is on its disk.
    pub(super) fn restart(&mut self, node: &str) {
        let replica = Replica::start(&self.config(), node, &StartOptions::default()).unwrap();
        self.replicas.insert(node.to_owned(), replica);
    }

    /// The running `node`.
    pub(super) fn replica(&self, node: &str) -> &Replica {
        &self.replicas[node]
    }

    /// As SIGKILL.
    pub(super) fn kill(&mut self, node: &str) {
        self.replicas.remove(node).unwrap().kill();
    }

    /// As SIGTERM.
    pub(super) fn shut_down(&mut self, node: &str) -> ShutDown {
        self.replicas.remove(node).unwrap().shut_down()
    }

    /// A client of `node`.
    pub(super) fn client(&self, node: &str) -> Raw {
        Raw::connect(&self.addr(node), Some(ClusterId::of_name("in-process"))).unwrap()
    }

    /// Until every node sees every other one.
    pub(super) fn wait_for_links(&self) {
        for node in self.replicas.keys() {
            let mut client = self.client(node);
            poll(&format!("{node} sees all"), || client.status().peers.iter().all(|peer| peer.alive));
        }
    }
}

/// Until `holds`.
pub(super) fn poll(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        std::thread::yield_now();
    }
}

/// The keyspace of every request here.
pub(super) fn keyspace() -> KeyspaceId {
    KeyspaceId::of_name("default")
}

/// A put at the default level.
pub(super) fn put(key: &str, value: &str) -> RequestBody {
    put_with(key, value, None)
}

/// A put at `level`.
pub(super) fn put_at(key: &str, value: &str, level: Level) -> RequestBody {
    put_with(key, value, Some(level))
}

fn put_with(key: &str, value: &str, level: Option<Level>) -> RequestBody {
    RequestBody::Put {
        keyspace: keyspace(),
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
        level,
        expiry: ExpiryRequest::Never,
        version: None,
    }
}

/// A get at the default level.
pub(super) fn get(key: &str) -> RequestBody {
    RequestBody::Get { keyspace: keyspace(), key: Bytes::copy_from_slice(key.as_bytes()), level: None }
}

/// One connection, driven by the calling thread.
pub(super) struct Raw {
    runtime: Runtime,
    connection: Connection,
    writer: FrameWriter,
    number: u64,
    received: Vec<Response>,
    /// Answers up to this number are passed over.
    forgotten: u64,
}

impl Raw {
    /// Greets the node at `addr`.
    pub(super) fn connect(addr: &str, cluster: Option<ClusterId>) -> Result<Raw, HandshakeRefusal> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let hello = Hello {
            protocol_min: PROTOCOL_MIN,
            protocol_max: PROTOCOL_MAX,
            cluster,
            cluster_name: String::new(),
            dialled: None,
            role: Role::Client {},
        };
        let connection = runtime.block_on(async {
            let mut connection = Tcp::default().dial(addr).await.unwrap();
            match handshake::greet(&mut connection, &hello, DEADLINE).await {
                Ok(_) => Ok(connection),
                Err(TransportError::HandshakeRefused { refusal, .. }) => Err(refusal),
                Err(other) => panic!("{other}"),
            }
        })?;
        Ok(Raw {
            runtime,
            connection,
            writer: FrameWriter::default(),
            number: 0,
            received: Vec::new(),
            forgotten: 0,
        })
    }

    /// Puts a request into the next frame; its number.
    pub(super) fn send(&mut self, body: RequestBody) -> u64 {
        self.number += 1;
        let request = Request { number: self.number, time_left_ms: 5_000, want_receipt: false, body };
        self.writer.push(&request).unwrap();
        self.number
    }

    /// Puts a request with an earlier number into the next frame.
    pub(super) fn send_again(&mut self, number: u64, body: RequestBody) {
        let request = Request { number, time_left_ms: 5_000, want_receipt: false, body };
        self.writer.push(&request).unwrap();
    }

    /// Passes over later answers to `number`.
    pub(super) fn forget(&mut self, number: u64) {
        self.forgotten = number;
    }

    /// Sends the frame.
    pub(super) fn flush(&mut self) {
        let frame = self.writer.finish();
        let sink = &self.connection.sink;
        self.runtime.block_on(async {
            sink.try_send(frame).unwrap();
            sink.flushed().await;
        });
    }

    /// The next answer.
    pub(super) fn recv(&mut self) -> Response {
        while self.received.is_empty() {
            let source = &mut self.connection.source;
            let mut frames = Vec::new();
            self.runtime
                .block_on(async { tokio::time::timeout(DEADLINE, source.recv(&mut frames)).await })
                .expect("no answer in time")
                .unwrap();
            let messages = frames.into_iter().flat_map(decode);
            self.received = messages.map(|message| message.unwrap().try_into().unwrap()).collect();
            self.received.reverse();
            self.received.retain(|response| response.number > self.forgotten);
        }
        self.received.pop().unwrap()
    }

    /// Asks and waits for the answer.
    pub(super) fn call(&mut self, body: RequestBody) -> ResponseBody {
        let number = self.send(body);
        self.flush();
        let response = self.recv();
        assert_eq!(response.number, number);
        response.body
    }

    /// One of the node's counters.
    pub(super) fn counter(&mut self, name: &str) -> u64 {
        let counters = self.status().counters;
        counters.iter().find(|(counter, _)| counter == name).map(|(_, value)| *value).unwrap()
    }

    /// The node's status.
    pub(super) fn status(&mut self) -> NodeStatus {
        match self.call(RequestBody::Status) {
            ResponseBody::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }
}
