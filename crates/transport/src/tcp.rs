//! TCP: one socket per connection, frames written at once or from a bounded queue.
//!
//! Invariants:
//! - a frame is written by the calling task if nothing is queued, so that the usual case costs one system call and
//!   no task switch; otherwise a task writes what is queued, many frames a call, and ends when the queue is empty;
//! - a peer that takes nothing for `write_deadline` while bytes wait is cut off;
//! - the read buffer grows as bytes arrive, never by what a header claims.

mod link;
mod queue;
mod source;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use quorate_types::limits::FRAME_BYTES_MAX;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream, lookup_host};

use crate::{Connection, Listener, Transport, TransportError};

/// Limits of TCP connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpOptions {
    /// How long a dial may take.
    pub dial_timeout: Duration,
    /// How long the other side may take nothing while bytes wait for it.
    pub write_deadline: Duration,
    /// Silence after which the system asks whether the other machine is still there; six such questions, a sixth of
    /// it apart, unanswered end the connection.
    pub keepalive: Duration,
    /// Most bytes that wait to be sent on a connection; a single frame may exceed it when nothing else waits.
    pub link_queue_bytes_max: usize,
    /// The largest frame that is received, bytes.
    pub frame_bytes_max: usize,
}

impl Default for TcpOptions {
    fn default() -> Self {
        TcpOptions {
            dial_timeout: Duration::from_secs(2),
            write_deadline: Duration::from_secs(5),
            keepalive: Duration::from_secs(30),
            link_queue_bytes_max: 32 << 20,
            frame_bytes_max: FRAME_BYTES_MAX,
        }
    }
}

/// The network.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp {
    options: TcpOptions,
}

impl Tcp {
    /// TCP within `options`.
    pub fn new(options: TcpOptions) -> Tcp {
        Tcp { options }
    }
}

#[async_trait]
impl Transport for Tcp {
    async fn dial(&self, addr: &str) -> Result<Connection, TransportError> {
        let after = self.options.dial_timeout;
        match tokio::time::timeout(after, dial(addr)).await {
            Ok(dialled) => connection(dialled?, addr.to_owned(), self.options),
            Err(_) => Err(TransportError::DialTimeout { addr: addr.to_owned(), after }),
        }
    }

    async fn listen(&self, addr: &str) -> Result<Box<dyn Listener>, TransportError> {
        let targets = resolve(addr).await?;
        let listener = TcpListener::bind(&targets[..]).await.map_err(|source| cannot_listen(addr, source))?;
        let local_addr = listener.local_addr().map_err(|source| cannot_listen(addr, source))?.to_string();
        Ok(Box::new(TcpAcceptor { listener, local_addr, options: self.options }))
    }
}

struct TcpAcceptor {
    listener: TcpListener,
    local_addr: String,
    options: TcpOptions,
}

#[async_trait]
impl Listener for TcpAcceptor {
    fn local_addr(&self) -> String {
        self.local_addr.clone()
    }

    async fn accept(&self) -> Result<Connection, TransportError> {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => return connection(stream, peer.to_string(), self.options),
                // The caller hung up while it waited: not our failure.
                Err(error) if is_of_one_caller(&error) => {}
                Err(source) => return Err(TransportError::Accept { source }),
            }
        }
    }
}

async fn resolve(addr: &str) -> Result<Vec<SocketAddr>, TransportError> {
    let unresolved = |source| TransportError::Address { addr: addr.to_owned(), source };
    let found: Vec<_> = lookup_host(addr).await.map_err(unresolved)?.collect();
    if found.is_empty() {
        return Err(unresolved(io::ErrorKind::NotFound.into()));
    }
    Ok(found)
}

async fn dial(addr: &str) -> Result<TcpStream, TransportError> {
    let targets = resolve(addr).await?;
    TcpStream::connect(&targets[..]).await.map_err(|source| {
        let addr = addr.to_owned();
        match source.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => {
                TransportError::Refused { addr, source }
            }
            _ => TransportError::Unreachable { addr, source },
        }
    })
}

fn cannot_listen(addr: &str, source: io::Error) -> TransportError {
    let addr = addr.to_owned();
    match source.kind() {
        io::ErrorKind::AddrInUse => TransportError::AddressInUse { addr, source },
        _ => TransportError::CannotListen { addr, source },
    }
}

fn is_of_one_caller(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

fn connection(
    stream: TcpStream,
    peer_addr: String,
    options: TcpOptions,
) -> Result<Connection, TransportError> {
    prepare(&stream, options).map_err(|source| TransportError::Lost { source })?;
    Ok(source::connection(stream, peer_addr, options))
}

fn prepare(stream: &TcpStream, options: TcpOptions) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(options.keepalive).with_interval(options.keepalive / 6);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_sends_at_once_and_asks_after_long_silence() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        prepare(&stream, TcpOptions::default()).unwrap();
        let socket = SockRef::from(&stream);
        assert!(stream.nodelay().unwrap() && socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(30));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(5));
    }
}
