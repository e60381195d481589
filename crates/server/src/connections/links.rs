//! The outgoing links of a shard: one to every shard of every peer, dialled again for as long as the shard lives.
//!
//! Invariants:
//! - a link joins one sending and one receiving shard; how many shards a peer has, the first handshake says, and a
//!   peer that comes back with fewer or more is followed;
//! - every failed dial is told to the machine at once; the log has it once per reason, not once per try;
//! - a link that the machine urges is dialled soon, whatever its backoff.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quorate_node::{DialFailure, Direction, LinkPeer};
use quorate_transport::{Connection, Dialer, Nudge, RedialOptions, Transport, TransportError, handshake};
use quorate_types::NodeId;
use quorate_wire::{HandshakeRefusal, Hello, LinkEpoch, PROTOCOL_MAX, PROTOCOL_MIN, Role, Welcome};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::common::Common;
use crate::connections::ConnectionId;
use crate::connections::arrival::{Arrival, Way, Who};
use crate::shard::item::Item;

/// How long a peer may take to answer a greeting.
const GREETING_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the wait between two dials may grow: a peer that is back is noticed within this, or at once if it dials us.
const REDIAL: RedialOptions = RedialOptions {
    first: Duration::from_millis(50),
    max: Duration::from_secs(1),
    stable_after: Duration::from_secs(10),
};

/// The outgoing links of one shard. Dropping it ends them.
pub(crate) struct Links {
    peers: BTreeMap<NodeId, Arc<Far>>,
    tasks: JoinSet<()>,
}

/// One peer, as its links see it together.
struct Far {
    peer: NodeId,
    addr: String,
    /// How many shards it has, as far as is known.
    shards: watch::Sender<u16>,
    nudges: Mutex<Vec<Nudge>>,
}

impl Links {
    /// Dials `peers` from shard `shard`, on the calling task's runtime.
    pub(crate) fn start(
        common: &Arc<Common>,
        transport: &Arc<dyn Transport>,
        peers: &[(NodeId, String)],
        shard: usize,
    ) -> Links {
        let mut links = Links { peers: BTreeMap::new(), tasks: JoinSet::new() };
        for (peer, addr) in peers {
            let (shards, nudges) = (watch::Sender::new(1), Mutex::default());
            let far = Arc::new(Far { peer: *peer, addr: addr.clone(), shards, nudges });
            let near = Near { common: Arc::clone(common), transport: Arc::clone(transport), shard };
            links.peers.insert(*peer, Arc::clone(&far));
            links.tasks.spawn(keep_links(near, far));
        }
        links
    }

    /// Dials `peer` soon where a link to it is missing.
    pub(crate) fn urge(&self, peer: NodeId) {
        if let Some(far) = self.peers.get(&peer) {
            far.nudges.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(Nudge::nudge);
        }
    }
}

/// This side of a link.
#[derive(Clone)]
struct Near {
    common: Arc<Common>,
    transport: Arc<dyn Transport>,
    shard: usize,
}

async fn keep_links(near: Near, far: Arc<Far>) {
    let mut links = JoinSet::new();
    let mut shards = far.shards.subscribe();
    loop {
        let wanted = *shards.borrow_and_update();
        for to_shard in links.len() as u16..wanted {
            links.spawn(near.clone().keep_link(Arc::clone(&far), to_shard));
        }
        if shards.changed().await.is_err() {
            return;
        }
    }
}

impl Near {
    async fn keep_link(self, far: Arc<Far>, to_shard: u16) {
        let mut dialer =
            Dialer::new(Arc::clone(&self.transport), far.addr.clone(), REDIAL, self.seed(&far, to_shard));
        far.nudges.lock().unwrap_or_else(PoisonError::into_inner).push(dialer.nudger());
        let mut shards = far.shards.subscribe();
        loop {
            if shards.wait_for(|shards| to_shard < *shards).await.is_err() {
                return;
            }
            let id = self.common.new_connection(self.shard);
            match self.dial(&mut dialer, &far, to_shard, id).await {
                Ok((connection, welcome)) => {
                    dialer.succeeded();
                    self.use_link(connection, welcome, &far, to_shard, id).await;
                }
                Err(failure) => self.failed(&far, &failure),
            }
        }
    }

    /// What the jitter of a link's dials is drawn from: differs between links.
    fn seed(&self, far: &Far, to_shard: u16) -> u64 {
        let ends = u64::from(self.common.about.node.0) << 32 | u64::from(far.peer.0);
        ends ^ self.common.about.generation.0 << 16 ^ (self.shard as u64) << 8 ^ u64::from(to_shard)
    }

    async fn dial(
        &self,
        dialer: &mut Dialer,
        far: &Far,
        to_shard: u16,
        id: ConnectionId,
    ) -> Result<(Connection, Welcome), TransportError> {
        let mut connection = dialer.next().await?;
        let hello = self.hello(far, to_shard, id);
        let welcome = handshake::greet(&mut connection, &hello, GREETING_TIMEOUT).await?;
        Ok((connection, welcome))
    }

    fn hello(&self, far: &Far, to_shard: u16, id: ConnectionId) -> Hello {
        let about = &self.common.about;
        Hello {
            protocol_min: PROTOCOL_MIN,
            protocol_max: PROTOCOL_MAX,
            cluster: Some(about.cluster),
            cluster_name: about.cluster_name.clone(),
            dialled: Some(far.peer),
            role: Role::Peer {
                node: about.node,
                generation: about.generation,
                connection: id.0,
                from_shard: self.shard as u16,
                to_shard,
                shards: self.common.inboxes.len() as u16,
                ring_hash: self.common.ring.hash(),
            },
        }
    }

    /// Hands the link to the shard's loop and waits for its end.
    async fn use_link(
        &self,
        connection: Connection,
        welcome: Welcome,
        far: &Far,
        to_shard: u16,
        id: ConnectionId,
    ) {
        self.common.counters.links_dialled.increment();
        self.common.overview.dialled(far.peer);
        far.set_shards(welcome.shards);
        let epoch = LinkEpoch { generation: self.common.about.generation, connection: id.0 };
        let peer = LinkPeer {
            node: far.peer,
            generation: welcome.generation,
            shard: to_shard,
            shards: welcome.shards,
        };
        let who = Who::Peer { peer, direction: Direction::Outbound { epoch, protocol: welcome.protocol } };
        let (ended, end) = oneshot::channel();
        let arrival = Arrival { id, way: Way::Here(connection), who, ended: Some(ended) };
        self.common.inboxes[self.shard].push(Item::Arrived(Box::new(arrival)));
        // Never sent to: dropped with the link's reader.
        let _ = end.await;
    }

    fn failed(&self, far: &Far, failure: &TransportError) {
        if let TransportError::HandshakeRefused {
            refusal: HandshakeRefusal::NoSuchShard { shards, .. },
            ..
        } = failure
        {
            return far.set_shards(*shards);
        }
        self.common.counters.dials_failed.increment();
        let why = words(failure);
        if self.common.overview.dial_failed(far.peer, &why) {
            let peer = self.common.overview.name(far.peer).unwrap_or("?");
            if let TransportError::HandshakeRefused { .. } = failure {
                warn!(peer, addr = far.addr, why, "no link");
            } else {
                info!(peer, addr = far.addr, why, "no link");
            }
        }
        let event = Item::DialFailed { peer: far.peer, why: dial_failure(failure) };
        self.common.inboxes[self.shard].push(event);
    }
}

impl Far {
    fn set_shards(&self, shards: u16) {
        self.shards.send_if_modified(|known| std::mem::replace(known, shards) != shards);
    }
}

/// The failure for people, without what differs from try to try.
fn words(failure: &TransportError) -> String {
    match failure {
        TransportError::HandshakeRefused { refusal, .. } => refusal.to_string(),
        other => other.to_string(),
    }
}

fn dial_failure(failure: &TransportError) -> DialFailure {
    match failure {
        TransportError::Refused { .. } => DialFailure::Refused,
        TransportError::HandshakeRefused { .. } => DialFailure::HandshakeRefused,
        TransportError::Closed | TransportError::ClosedHere | TransportError::Lost { .. } => {
            DialFailure::Reset
        }
        TransportError::DialTimeout { .. } | TransportError::HandshakeTimeout { .. } => DialFailure::TimedOut,
        _ => DialFailure::Unreachable,
    }
}
