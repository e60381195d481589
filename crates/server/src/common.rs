//! What all threads of a replica share: names, clocks, switches, inboxes and counters. Nothing of the data.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use quorate_coordinator::Origin;
use quorate_http::NodeEvent;
use quorate_node::{Drain, Event, PeerChange};
use quorate_ring::Ring;
use quorate_types::{ClusterId, Generation, NodeId, SessionId};
use tokio::sync::{oneshot, watch};

use crate::clock::Clock;
use crate::connections::ConnectionId;
use crate::connections::resp::clients::RespClients;
use crate::counters::Counters;
use crate::give_back::GiveBack;
use crate::shard::inbox::Inbox;
use crate::shard::item::Item;
use crate::spans::Spans;
use crate::switch::Switch;
use crate::view::gathering::{Gathering, LineFull, Place, Scraper, ShardPart, StatusLine};
use crate::view::news::News;
use crate::view::overview::Overview;
use crate::view::standing::Standing;

/// Who this replica is.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) node: NodeId,
    pub(crate) name: String,
    pub(crate) cluster: ClusterId,
    pub(crate) cluster_name: String,
    pub(crate) generation: Generation,
}

/// Who is taken no more.
#[derive(Clone, Copy, Debug)]
enum Refused {
    Nobody,
    Clients,
    /// Peers, too.
    Everybody,
}

impl Refused {
    fn by(drain: Drain) -> Refused {
        match drain {
            Drain::Clients => Refused::Clients,
            Drain::Everybody => Refused::Everybody,
        }
    }
}

/// See the module.
pub(crate) struct Common {
    pub(crate) about: About,
    pub(crate) clock: Clock,
    pub(crate) ring: Arc<Ring>,
    pub(crate) switch: Switch,
    pub(crate) counters: Arc<Counters>,
    pub(crate) inboxes: Vec<Arc<Inbox>>,
    pub(crate) overview: Overview,
    pub(crate) standing: Standing,
    pub(crate) news: News,
    pub(crate) resp_clients: RespClients,
    pub(crate) spans: Spans,
    pub(crate) give_back: Option<GiveBack>,
    appends: AtomicU64,
    statuses: StatusLine,
    scrapes: Arc<AtomicUsize>,
    connections: AtomicU64,
    killed: AtomicBool,
    /// A [`Refused`], which only grows.
    refused: AtomicU8,
    /// Of whom each shard has nothing under way any more.
    drained: Mutex<Vec<Option<Drain>>>,
    drained_changed: Condvar,
    failure: watch::Sender<Option<String>>,
}

impl Common {
    pub(crate) fn new(
        about: About,
        clock: Clock,
        ring: Arc<Ring>,
        inboxes: Vec<Arc<Inbox>>,
        overview: Overview,
    ) -> Common {
        let peers = ring.members().iter().map(|member| member.id).filter(|&node| node != about.node);
        let standing = Standing::new(peers, inboxes.len());
        let news = News::new(about.generation.0, overview.events_kept_max);
        Common {
            spans: Spans::of(&about),
            give_back: None,
            about,
            clock,
            ring,
            switch: Switch::default(),
            counters: Arc::default(),
            drained: Mutex::new(vec![None; inboxes.len()]),
            inboxes,
            overview,
            standing,
            news,
            resp_clients: RespClients::default(),
            appends: AtomicU64::new(0),
            statuses: StatusLine::default(),
            scrapes: Arc::default(),
            connections: AtomicU64::new(0),
            killed: AtomicBool::new(false),
            refused: AtomicU8::new(Refused::Nobody as u8),
            drained_changed: Condvar::new(),
            failure: watch::Sender::new(None),
        }
    }

    /// Records were appended to the log.
    pub(crate) fn appended(&self, records: usize) {
        self.appends.fetch_add(records as u64, Ordering::Relaxed);
    }

    /// Records appended to the log since the start.
    pub(crate) fn appends(&self) -> u64 {
        self.appends.load(Ordering::Relaxed)
    }

    /// Asks every shard for its part of a status for `origin`, now or when the one under way is there.
    pub(crate) fn gather_status(&self, origin: Origin) -> Result<(), LineFull> {
        self.gather_for(self.statuses.ask(origin)?);
        Ok(())
    }

    /// A status was gathered: those who have asked meanwhile are next.
    pub(crate) fn status_gathered(&self) {
        self.gather_for(self.statuses.gathered());
    }

    fn gather_for(&self, whom: Option<Vec<Origin>>) {
        let Some(whom) = whom else { return };
        let gathering = Arc::new(Gathering::new(whom, self.inboxes.len()));
        self.inboxes.iter().for_each(|inbox| inbox.push(Item::Status(Arc::clone(&gathering))));
    }

    /// Asks every shard for what metrics are made of; `None`: too many scrapes are under way.
    pub(crate) fn scrape(&self) -> Option<oneshot::Receiver<Vec<ShardPart>>> {
        let Some(place) = Place::take(&self.scrapes) else {
            self.counters.scrapes_max_hit.increment();
            return None;
        };
        let (whom, parts) = Scraper::new(place);
        let scrape = Arc::new(Gathering::new(whom, self.inboxes.len()));
        self.inboxes.iter().for_each(|inbox| inbox.push(Item::Scrape(Arc::clone(&scrape))));
        Some(parts)
    }

    /// The number of a new connection of `shard`: unique in this incarnation, links of ours included.
    pub(crate) fn new_connection(&self, shard: usize) -> ConnectionId {
        ConnectionId::new(self.connections.fetch_add(1, Ordering::Relaxed) + 1, shard)
    }

    /// The number of a new connection of a Redis client of `shard`, and how the client is told of it.
    pub(crate) fn new_resp_connection(&self, shard: usize) -> (ConnectionId, u64) {
        let serial = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        (ConnectionId::resp(serial, shard), serial)
    }

    /// Stops every thread at its next step: nothing is flushed, sockets are reset.
    pub(crate) fn kill(&self) {
        self.killed.store(true, Ordering::Release);
        self.stop();
    }

    /// Stops every thread at its next step; what was answered is still sent.
    pub(crate) fn stop(&self) {
        self.switch.stop();
        self.wake_all();
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }

    /// Lets every shard look at the switch.
    pub(crate) fn wake_all(&self) {
        self.inboxes.iter().for_each(|inbox| inbox.wake());
    }

    /// Takes no new connections and requests of these from now on.
    pub(crate) fn drain(&self, drain: Drain) {
        self.refused.fetch_max(Refused::by(drain) as u8, Ordering::Release);
        self.news.announce(&NodeEvent::DrainBegun);
        self.inboxes.iter().for_each(|inbox| inbox.push(Item::Drain(drain)));
    }

    /// Shard `shard` sees a peer come or go.
    pub(crate) fn peer_changed(&self, shard: usize, change: PeerChange) {
        let Some(PeerChange { peer, down }) = self.standing.changed(shard, change) else { return };
        let peer = self.overview.name_of(peer);
        self.news.announce(&match down {
            None => NodeEvent::PeerUp { peer },
            Some(why) => NodeEvent::PeerDown { peer, why: why.to_string() },
        });
    }

    /// Whether clients are refused.
    pub(crate) fn is_draining(&self) -> bool {
        self.refused.load(Ordering::Acquire) >= Refused::Clients as u8
    }

    /// Whether peers are refused, too.
    pub(crate) fn is_ending(&self) -> bool {
        self.refused.load(Ordering::Acquire) >= Refused::Everybody as u8
    }

    /// Shard `index` has nothing of these under way any more.
    pub(crate) fn drained(&self, index: usize, drain: Drain) {
        let mut drained = self.drained.lock().unwrap_or_else(PoisonError::into_inner);
        drained[index] = drained[index].max(Some(drain));
        self.drained_changed.notify_all();
    }

    /// Whether no shard has a client's request under way any more.
    pub(crate) fn is_drained(&self) -> bool {
        self.drained.lock().unwrap_or_else(PoisonError::into_inner).iter().all(Option::is_some)
    }

    /// Waits until no shard has anything under way, `timeout` at most; whether it is so.
    pub(crate) fn wait_drained(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut drained = self.drained.lock().unwrap_or_else(PoisonError::into_inner);
        while !drained.iter().all(|done| *done == Some(Drain::Everybody)) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.switch.is_stopped() {
                return false;
            }
            let waited = self.drained_changed.wait_timeout(drained, left.min(Duration::from_millis(100)));
            drained = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// A client is gone: every shard may have requests of its session.
    pub(crate) fn session_closed(&self, session: SessionId) {
        for inbox in &self.inboxes {
            inbox.push(Item::Happened(Box::new(Event::SessionClosed { session })));
        }
    }

    /// The replica can't go on as it is; the first reason stays.
    pub(crate) fn fail(&self, why: &str) {
        let first = self.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            failure.get_or_insert_with(|| why.to_owned());
            first
        });
        if first {
            self.news.announce(&NodeEvent::Failed { why: why.to_owned() });
        }
    }

    pub(crate) fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.subscribe()
    }
}
