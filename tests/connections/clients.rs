//! Clients that behave, and ask nothing more.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::DEADLINE;
use crate::node::Node;

/// The doors that need no handshake of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Resp,
    Http,
}

/// Connections that were answered once and then say nothing.
pub struct Idle {
    _open: Vec<TcpStream>,
}

impl Idle {
    /// `many` of them.
    pub async fn open(node: &Node, door: Door, many: usize) -> Idle {
        let mut open = Vec::with_capacity(many);
        for k in 0..many {
            let mut stream = connect(node.addr(door), k).await;
            let (ask, end): (&[u8], &[u8]) = match door {
                Door::Resp => (b"PING\r\n", b"+PONG\r\n"),
                Door::Http => (b"GET /health/live HTTP/1.1\r\nhost: h\r\n\r\n", b"{\"status\":\"live\"}"),
            };
            stream.write_all(ask).await.expect("it takes a request");
            timeout(DEADLINE, read_until(&mut stream, end)).await.expect("it answers in time");
            open.push(stream);
        }
        Idle { _open: open }
    }
}

/// Client `k`'s connection, from one of several addresses: one has too few ports.
pub async fn connect(to: SocketAddr, k: usize) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a descriptor is free: see ulimit -n");
    let from = Ipv4Addr::new(127, 251, 1, 1 + (k % 200) as u8);
    socket.bind((from, 0).into()).expect("a port is free");
    timeout(DEADLINE, socket.connect(to)).await.expect("it listens in time").expect("it listens")
}

async fn read_until(stream: &mut TcpStream, end: &[u8]) {
    let mut said = Vec::new();
    while !said.ends_with(end) {
        let read = stream.read_buf(&mut said).await.expect("it answers");
        assert_ne!(read, 0, "closed after {:?}", String::from_utf8_lossy(&said));
    }
}
