//! The door for Redis clients: takes connections and deals them out to the shards.
//!
//! Invariants:
//! - at most `resp.connections_max` clients, over all listeners of the node; one more is told so and closed;
//! - nothing is read here: what a client sends is its shard's matter.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use quorate_resp::{Peer, Settings};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, info, warn};

use crate::common::Common;
use crate::connections::ConnectionId;
use crate::connections::bound::Bound;
use crate::shard::item::Item;

/// The pause after an accept failed, for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Silence after which the system asks whether the client's machine is still there.
const KEEPALIVE: Duration = Duration::from_mins(5);
/// What one client too many is told.
const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";

/// A client on its way to the shard that will own it.
#[derive(Debug)]
pub(crate) struct RespArrival {
    pub(crate) id: ConnectionId,
    pub(crate) peer: Peer,
    pub(crate) stream: std::net::TcpStream,
    pub(crate) settings: Arc<Settings>,
    /// Its place within `resp.connections_max`.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// A listener, and as what.
pub(crate) struct RespListening {
    pub(crate) bound: Bound,
    pub(crate) settings: Settings,
}

/// What all listeners of a node share.
#[derive(Clone)]
pub(crate) struct RespDoor {
    pub(crate) common: Arc<Common>,
    pub(crate) clients: Arc<Semaphore>,
    pub(crate) next: Arc<AtomicUsize>,
}

/// A listener that is open.
pub(crate) struct OpenRespDoor {
    door: RespDoor,
    listener: TcpListener,
    settings: Arc<Settings>,
    pub(crate) local_addr: SocketAddr,
}

impl RespListening {
    /// Must be called on the runtime that will keep it.
    pub(crate) fn open(self, door: RespDoor) -> io::Result<OpenRespDoor> {
        let RespListening { bound: Bound { listener, local_addr }, settings } = self;
        if settings.password.is_none() && !local_addr.ip().is_loopback() {
            warn!(%local_addr, "Redis clients from other machines need no password: set resp.password_file");
        }
        let listener = TcpListener::from_std(listener)?;
        Ok(OpenRespDoor { door, listener, settings: Arc::new(settings), local_addr })
    }
}

impl OpenRespDoor {
    /// Until the task is dropped. Runs on shard 0's runtime.
    pub(crate) async fn keep(self) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer_addr)) => self.take(stream, peer_addr),
                Err(failure) => {
                    warn!(%failure, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn take(&self, stream: TcpStream, peer_addr: SocketAddr) {
        let RespDoor { common, clients, next } = &self.door;
        if common.is_draining() {
            return;
        }
        let Ok(permit) = Arc::clone(clients).try_acquire_owned() else {
            common.counters.resp_connections_max_hit.increment();
            info!(%peer_addr, "refused: resp.connections_max clients are connected");
            // It may be gone already; there is nobody else to tell.
            let _ = stream.try_write(TOO_MANY);
            return;
        };
        let shard = next.fetch_add(1, Ordering::Relaxed) % common.inboxes.len();
        match prepared(stream) {
            Ok(stream) => {
                common.counters.resp_connections_accepted.increment();
                let (id, serial) = common.new_resp_connection(shard);
                let peer =
                    Peer { id: serial, addr: peer_addr.to_string(), local_addr: self.local_addr.to_string() };
                let settings = Arc::clone(&self.settings);
                let arrival = RespArrival { id, peer, stream, settings, permit };
                common.inboxes[shard].push(Item::RespArrived(Box::new(arrival)));
            }
            Err(failure) => debug!(%failure, "a connection ended on its way to its shard"),
        }
    }
}

/// The socket off this runtime, sending at once, asking after long silence.
fn prepared(stream: TcpStream) -> std::io::Result<std::net::TcpStream> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 6);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    stream.into_std()
}
