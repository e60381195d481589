//! The door of a replica: accepts connections, hears their greeting, and brings each to the shard that will own it.
//!
//! Invariants:
//! - nobody comes in without a greeting that was judged; who is refused is told why;
//! - at most [`GREETINGS_MAX`] strangers are heard at one time, each for [`GREETING_TIMEOUT`] at most;
//! - at most `connections_max` clients; links of peers don't count, and are never refused for want of room.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quorate_node::{Direction, LinkPeer};
use quorate_transport::{Connection, Listener, TransportError, handshake};
use quorate_types::SessionId;
use quorate_wire::{HandshakeRefusal, Hello, Host, Role, Welcome};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use crate::common::Common;
use crate::connections::ConnectionId;
use crate::connections::arrival::{Arrival, Way, Who};
use crate::shard::item::Item;

/// Connections that may be in their greeting at one time; more wait in the system's queue.
const GREETINGS_MAX: usize = 256;
/// How long a greeting may take.
const GREETING_TIMEOUT: Duration = Duration::from_secs(5);
/// Hosts whose last refusal is remembered, so that it is logged once.
const TOLD_MAX: usize = 256;
/// The pause after an accept failed, for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// See the module.
pub(crate) struct Door {
    pub(crate) common: Arc<Common>,
    pub(crate) host: Host,
    pub(crate) clients: Arc<Semaphore>,
    pub(crate) connections_max: usize,
    pub(crate) next_client: AtomicUsize,
    /// What each host was told when it was last refused.
    pub(crate) told: Mutex<BTreeMap<String, HandshakeRefusal>>,
}

impl Door {
    /// Until the task is dropped. Runs on shard 0's runtime.
    pub(crate) async fn keep(self: Arc<Self>, listener: Box<dyn Listener>) {
        let mut greetings = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept(), if greetings.len() < GREETINGS_MAX => match accepted {
                    Ok(connection) => drop(greetings.spawn(Arc::clone(&self).greet(connection))),
                    Err(failure) => {
                        warn!(%failure, "a connection was not accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = greetings.join_next() => {}
            }
        }
    }

    /// Whether the host at `peer_addr` was not told the same the last time: one that tries again and again is logged once.
    fn is_news(&self, peer_addr: &str, refusal: &HandshakeRefusal) -> bool {
        let host = peer_addr.rsplit_once(':').map_or(peer_addr, |(host, _)| host);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= TOLD_MAX {
            told.clear();
        }
        told.insert(host.to_owned(), refusal.clone()).as_ref() != Some(refusal)
    }

    async fn greet(self: Arc<Self>, mut connection: Connection) {
        let peer_addr = connection.peer_addr.clone();
        match self.hear(&mut connection).await {
            Ok(guest) => self.bring_in(connection, guest),
            Err(Unwelcome::Refused(refusal)) => {
                if self.is_news(&peer_addr, &refusal) {
                    info!(peer_addr, why = %refusal, "refused at the door");
                }
                self.count(&refusal);
                // It may be gone already; there is nobody else to tell.
                let _ = handshake::refuse(&connection, refusal);
                connection.sink.flushed().await;
            }
            Err(Unwelcome::Unheard(failure @ TransportError::Wire { .. })) => {
                self.common.counters.connections_garbled.increment();
                info!(peer_addr, why = %failure, "closed: what came over the connection is no greeting");
            }
            Err(Unwelcome::Unheard(failure)) => {
                self.common.counters.handshakes_refused.increment();
                debug!(peer_addr, %failure, "no greeting");
            }
        }
    }

    fn count(&self, refusal: &HandshakeRefusal) {
        let counters = &self.common.counters;
        let counter = match refusal {
            HandshakeRefusal::TooManyConnections { .. } => &counters.connections_max_hit,
            _ => &counters.handshakes_refused,
        };
        counter.increment();
    }

    async fn hear(&self, connection: &mut Connection) -> Result<Guest, Unwelcome> {
        let hello = handshake::receive_hello(connection, GREETING_TIMEOUT).await?;
        let shard = self.shard_for(&hello);
        let id = self.common.new_connection(shard);
        let answer = self.judge(&hello, SessionId(id.0))?;
        let who = self.who(&hello)?;
        handshake::welcome(connection, answer)?;
        Ok(Guest { id, shard, who })
    }

    fn judge(&self, hello: &Hello, session: SessionId) -> Result<Welcome, HandshakeRefusal> {
        let refused = match hello.role {
            Role::Client {} => self.common.is_draining(),
            Role::Peer { .. } => self.common.is_ending(),
        };
        if refused {
            return Err(HandshakeRefusal::ShuttingDown);
        }
        self.host.judge(hello, session)
    }

    /// Peers name their shard (judged after this), clients are dealt out in turn.
    fn shard_for(&self, hello: &Hello) -> usize {
        let shards = self.common.inboxes.len();
        match hello.role {
            Role::Peer { to_shard, .. } => usize::from(to_shard) % shards,
            Role::Client {} => self.next_client.fetch_add(1, Ordering::Relaxed) % shards,
        }
    }

    fn who(&self, hello: &Hello) -> Result<Who, HandshakeRefusal> {
        if let Role::Peer { node, generation, from_shard, shards, .. } = hello.role {
            let peer = LinkPeer { node, generation, shard: from_shard, shards };
            return Ok(Who::Peer { peer, direction: Direction::Inbound });
        }
        let connections_max = self.connections_max as u32;
        let permit = Arc::clone(&self.clients).try_acquire_owned();
        permit.map(Who::Client).map_err(|_| HandshakeRefusal::TooManyConnections { connections_max })
    }

    /// Shard 0 runs where the door is; to others the connection moves.
    fn bring_in(&self, connection: Connection, Guest { id, shard, who }: Guest) {
        let way = match shard {
            0 => Way::Here(connection),
            _ => match connection.detach() {
                Ok(detached) => Way::Moved(detached),
                Err(failure) => return debug!(%failure, "a connection ended on its way to its shard"),
            },
        };
        if let Who::Client(_) = &who {
            self.common.counters.connections_accepted.increment();
        }
        let arrival = Arrival { id, way, who, ended: None };
        self.common.inboxes[shard].push(Item::Arrived(Box::new(arrival)));
    }
}

/// Somebody who may come in.
struct Guest {
    id: ConnectionId,
    shard: usize,
    who: Who,
}

/// Somebody who may not.
enum Unwelcome {
    Refused(HandshakeRefusal),
    Unheard(TransportError),
}

impl From<HandshakeRefusal> for Unwelcome {
    fn from(refusal: HandshakeRefusal) -> Unwelcome {
        Unwelcome::Refused(refusal)
    }
}

impl From<TransportError> for Unwelcome {
    fn from(failure: TransportError) -> Unwelcome {
        Unwelcome::Unheard(failure)
    }
}
