//! The door for Redis clients: takes connections and deals them out to the shards.
//!
//! Invariants:
//! - at most `resp.connections_max` clients, over all listeners of the node; one more is told so and closed, as is
//!   everybody while the node drains;
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

use super::refusals::Refusals;
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
/// What a client is told that comes while the node drains: in the code that clients try again after.
const DRAINING: &[u8] =
    b"-TRYAGAIN the node is draining and takes no new clients: connect to another node\r\n";

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
    too_many: Refusals,
    draining: Refusals,
}

impl RespListening {
    /// Must be called on the runtime that will keep it.
    pub(crate) fn open(self, door: RespDoor) -> io::Result<OpenRespDoor> {
        let RespListening { bound: Bound { listener, local_addr }, settings } = self;
        if settings.password.is_none() && !local_addr.ip().is_loopback() {
            warn!(%local_addr, "Redis clients from other machines need no password: set resp.password_file");
        }
        let listener = TcpListener::from_std(listener)?;
        let settings = Arc::new(settings);
        let (too_many, draining) = Default::default();
        Ok(OpenRespDoor { door, listener, settings, local_addr, too_many, draining })
    }
}

impl OpenRespDoor {
    /// Until the task is dropped. Runs on shard 0's runtime.
    pub(crate) async fn keep(mut self) {
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

    fn take(&mut self, stream: TcpStream, peer_addr: SocketAddr) {
        let RespDoor { common, clients, next } = &self.door;
        let now = common.clock.mono();
        if common.is_draining() {
            common.counters.resp_refused_draining.increment();
            if let Some(passed_over) = self.draining.one_more(now) {
                info!(%peer_addr, passed_over, "refused: a Redis client came while the node drains");
            }
            return turn_away(&stream, DRAINING);
        }
        let Ok(permit) = Arc::clone(clients).try_acquire_owned() else {
            common.counters.resp_connections_max_hit.increment();
            if let Some(passed_over) = self.too_many.one_more(now) {
                info!(%peer_addr, passed_over, "refused: resp.connections_max clients are connected");
            }
            return turn_away(&stream, TOO_MANY);
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

fn turn_away(stream: &TcpStream, why: &[u8]) {
    // It may be gone already; there is nobody else to tell.
    let _ = stream.try_write(why);
}

/// The socket off this runtime, sending at once, asking after long silence.
fn prepared(stream: TcpStream) -> std::io::Result<std::net::TcpStream> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 6);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    stream.into_std()
}
