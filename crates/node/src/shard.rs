//! The machine: what a shard is made of, and the turn.
//!
//! Invariants:
//! - a turn is any number of events and one [`Shard::end_turn`]; what is batched (writes per link, acknowledgements,
//!   reads of our copy, a clock ceiling) is done at its end;
//! - effects of the coordinator are carried out before the next event, until there are none;
//! - the shard touches only partitions p with p mod `shards` = `shard`; what belongs elsewhere is refused.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use quorate_coordinator::{Coordinator, Effect};
use quorate_ring::Ring;
use quorate_store::{Store, Ticket};
use quorate_types::mutants::{Mutant, planted};
use quorate_types::{Mono, NodeId, Now, Timestamp, crash_point};

use crate::config::ShardConfig;
use crate::counters::NodeCounters;
use crate::effects::Effects;
use crate::event::{Drain, Event, LinkLoss};
use crate::handoff::Handoff;
use crate::links::Links;
use crate::liveness::Peers;
use crate::log_queue::{LogQueue, Waiter};
use crate::outbound::Settled;
use crate::sessions::Sessions;
use crate::stamps::Stamps;
use crate::status::{LimitsReached, ShardStatus};

use late::Late;
use local::{ReadOrder, Waiting};
use requests::{Parked, WriteRequest};
use traces::Traces;

mod connections;
mod hints;
mod late;
mod local;
mod peer;
mod queues;
mod read_first;
mod requests;
mod route;
mod traces;

pub use queues::Queue;

/// One shard of one replica.
pub struct Shard {
    config: ShardConfig,
    ring: Arc<Ring>,
    replica: Replica,
    coordinator: Coordinator,
    stamps: Stamps,
    links: Links,
    peers: Peers,
    clients: Clients,
    hints: Hints,
    traces: Traces,
    late: Late,
    counters: NodeCounters,
    scratch: Scratch,
    housekeeping_due: Mono,
}

/// The copies that this shard holds, and what is on its way to them.
struct Replica {
    store: Store,
    log: LogQueue,
    /// Reads of this turn.
    reads: Vec<ReadOrder>,
    /// What waits for the store.
    waiting: BTreeMap<Ticket, Waiting>,
    /// Writes of peers that wait for the log.
    peer_writes: usize,
    peer_bytes: usize,
}

/// What is known of the clients.
#[derive(Debug)]
struct Clients {
    sessions: Sessions,
    /// What waits for the clock's ceiling.
    parked: VecDeque<Parked>,
    /// Writes whose key is being read first, by the number of that read.
    reading_first: BTreeMap<u64, WriteRequest>,
    read_first_number: u64,
    draining: Option<Drain>,
}

/// Hints: those on disk, and how many of ours are not there yet.
#[derive(Debug)]
struct Hints {
    handoff: Handoff,
    pending: u64,
}

/// Buffers that are used again.
#[derive(Debug, Default)]
struct Scratch {
    effects: Vec<Effect>,
    spare: Vec<Effect>,
    settled: Vec<Settled<Waiter>>,
}

impl Shard {
    /// A shard that holds `store` and stamps above `clock_start`, the stored ceiling; all peers are down.
    ///
    /// Its first turn asks for a clock ceiling in the log; writes that come before it is durable wait for it.
    pub fn new(config: ShardConfig, ring: Arc<Ring>, store: Store, clock_start: Timestamp) -> Shard {
        let held = store.config();
        assert_eq!((held.shard, held.shards), (config.shard, config.shards), "the store of another shard");
        let members: Vec<NodeId> = ring.members().iter().map(|member| member.id).collect();
        let rank = members.iter().filter(|&&node| node < config.node).count();
        let limits = &config.limits;
        let clock_start = if planted(Mutant::ClockGoesBack) { Timestamp(0) } else { clock_start };
        Shard {
            coordinator: Coordinator::new(config.coordinator.clone(), Arc::clone(&ring)),
            stamps: Stamps::new(config.shard, clock_start, config.clock),
            links: Links::default(),
            clients: Clients {
                sessions: Sessions::new(
                    limits.session_numbers,
                    limits.session_slots_max,
                    limits.session_grace,
                ),
                parked: VecDeque::new(),
                reading_first: BTreeMap::new(),
                read_first_number: 0,
                draining: None,
            },
            hints: Hints {
                handoff: Handoff::new(config.handoff, (config.shard, config.shards), (rank, members.len())),
                pending: 0,
            },
            peers: Peers::new(config.node, members, config.liveness),
            replica: Replica {
                store,
                log: LogQueue::new(),
                reads: Vec::new(),
                waiting: BTreeMap::new(),
                peer_writes: 0,
                peer_bytes: 0,
            },
            traces: Traces::default(),
            late: Late::default(),
            counters: NodeCounters::default(),
            scratch: Scratch::default(),
            housekeeping_due: Mono(0),
            config,
            ring,
        }
    }

    /// Something happened. Its effects are appended to `out`; more come with [`Shard::end_turn`].
    pub fn on_event(&mut self, now: Now, event: Event, out: &mut Effects) {
        self.peers.on_time(now.mono);
        match event {
            Event::Request { origin, request } => self.on_request(now, origin, request, out),
            Event::TracedRequest(traced) => self.on_traced_request(now, *traced, out),
            Event::SessionClosed { session } => self.clients.sessions.on_closed(now.mono, session),
            Event::LinkUp { link, peer, direction } => self.on_link_up(now, link, (peer, direction), out),
            Event::LinkDown { link, why } => self.on_link_down(now, link, why),
            Event::DialFailed { peer, why } => self.peers.on_dial_failed(now.mono, peer, why),
            Event::Peer { link, message } => self.on_peer(now, link, message, out),
            Event::Logged { through } => self.on_logged(now, through),
            Event::LogFailed => self.on_log_failed(now, out),
            Event::HintsStored { target, settled, refused, backlog } => {
                self.hints.pending = self.hints.pending.saturating_sub(settled);
                self.counters.hints_refused += refused;
                self.hints.handoff.on_backlog(now.mono, target, backlog);
            }
            Event::HintsFound { .. } if planted(Mutant::HintsForgottenAtStart) => {}
            Event::HintsFound { target, backlog } => self.hints.handoff.on_backlog(now.mono, target, backlog),
            Event::HintPage { target, hints } => self.on_hint_page(now, target, hints, out),
            Event::HintPageFailed { target } => {
                self.counters.hint_pages_failed += 1;
                self.hints.handoff.on_page_failed(now.mono, target);
            }
            Event::StoreReady { ticket } => self.on_store_ready(now, ticket, out),
            Event::Tick => {}
            Event::Drain(drain) => self.clients.draining = self.clients.draining.max(Some(drain)),
        }
        self.carry_out(now, out);
    }

    /// Ends a turn: timers that are due, and everything that was kept to leave together.
    pub fn end_turn(&mut self, now: Now, out: &mut Effects) {
        self.peers.on_time(now.mono);
        if now.mono >= self.housekeeping_due {
            self.housekeeping_due = now.mono + self.config.liveness.ping_every / 2;
            self.keep_house(now, out);
        }
        self.on_liveness_changes(now, out);
        if self.coordinator.next_timer().is_some_and(|at| at <= now.mono) {
            self.coordinator.on_tick(now, &self.peers, &mut self.scratch.effects);
        }
        self.carry_out(now, out);
        self.answer_reads(now, out);
        self.poll_hints(now, out);
        self.reserve_stamps(now, out);
        self.flush_links(now, out);
        self.traces.take_served(out);
    }

    /// When an [`Event::Tick`] is due if nothing else happens before; `None`: never.
    pub fn next_timer(&self) -> Option<Mono> {
        let ready = |target| self.is_hint_target_ready(target);
        let hints = if self.is_ending() { None } else { self.hints.handoff.next_timer(ready) };
        let timers = [
            self.coordinator.next_timer(),
            self.peers.next_timer(),
            hints,
            // Sessions are looked through by housekeeping only: an earlier tick would find nothing to do.
            self.clients.sessions.next_timer().map(|at| at.max(self.housekeeping_due)),
        ];
        timers.into_iter().flatten().min()
    }

    /// What it holds: for checkpoints, digests and tests.
    pub fn store(&self) -> &Store {
        &self.replica.store
    }

    /// The store, given back for good.
    pub fn into_store(self) -> Store {
        self.replica.store
    }

    /// Everything that it appended up to this log record is in the store: what a checkpoint that begins now covers.
    pub fn applied_through(&self) -> u64 {
        self.replica.log.applied_through()
    }

    /// The highest clock ceiling that it handed to the log: a checkpoint must carry at least this.
    pub fn clock_ceiling(&self) -> Timestamp {
        self.stamps.ceiling()
    }

    /// Whether it drains and nothing that matters to that is in flight any more: no client's request and no hint on its way
    /// to the disk; and, if peers are refused too, no record on its way to the log.
    pub fn quiescent(&self) -> bool {
        let clients_idle = self.clients.parked.is_empty()
            && self.coordinator.in_flight().is_idle()
            && self.hints.pending == 0;
        let replica_idle = || self.replica.log.len() == 0 && self.replica.waiting.is_empty();
        match self.clients.draining {
            None => false,
            Some(Drain::Clients) => clients_idle,
            Some(Drain::Everybody) => clients_idle && replica_idle(),
        }
    }

    /// Whether it refuses peers, too.
    fn is_ending(&self) -> bool {
        self.clients.draining == Some(Drain::Everybody)
    }

    /// Writes that wait for the clock's ceiling.
    pub fn parked(&self) -> usize {
        self.clients.parked.len()
    }

    /// How it is.
    pub fn status(&self) -> ShardStatus {
        let peers = self.peers.views().map(|mut view| {
            view.in_flight = self.links.in_flight(view.node);
            view
        });
        ShardStatus {
            keyspaces: self.replica.store.stats().collect(),
            peers: peers.collect(),
            hints: self.hints.handoff.backlogs().collect(),
            hints_pending: self.hints.pending,
            in_flight: self.coordinator.in_flight(),
            log_pending: self.replica.log.len() as u64,
            sessions: self.clients.sessions.len() as u64,
            log_failed: self.replica.log.has_failed(),
            counters: self.counters.entries().chain(self.coordinator.counters().entries()).collect(),
        }
    }

    /// How often its limits were reached.
    pub fn limits_reached(&self) -> LimitsReached {
        LimitsReached::new(&self.counters, self.coordinator.counters())
    }

    /// Deadlines that need no better than an eighth of a second.
    fn keep_house(&mut self, now: Now, out: &mut Effects) {
        let mut settled = std::mem::take(&mut self.scratch.settled);
        let mut lost = Vec::new();
        for (_, link) in self.links.all_outbound() {
            link.expire(now.mono, &mut settled);
            lost.extend(settled.drain(..).map(|write| (link.node(), write)));
        }
        self.scratch.settled = settled;
        for (from, (waiter, verdict)) in lost {
            self.settle(now, from, waiter, verdict);
        }
        for link in self.peers.on_tick(now.mono) {
            out.close.push(link);
            self.on_link_down(now, link, LinkLoss::Ours);
        }
        self.clients.sessions.on_tick(now.mono);
    }

    fn reserve_stamps(&mut self, now: Now, out: &mut Effects) {
        if self.replica.log.has_failed() {
            return;
        }
        // A ceiling so far ahead would keep the stamps there when the clock is right again.
        if let Some(why) = self.clock_is_ahead(now) {
            self.counters.clock_ahead_refused += self.clients.parked.len() as u64;
            return self.refuse_parked(now, &why, out);
        }
        let log = &mut self.replica.log;
        if let Some(ceiling) = self.stamps.ceiling_to_log(now, log.next_sequence()) {
            log.append_ceiling(ceiling, &mut out.log);
            crash_point!("clock.ceiling_logged");
        }
    }

    fn owns(&self, partition: quorate_types::PartitionId) -> bool {
        usize::from(partition.0) < quorate_types::PARTITIONS
            && partition.shard(self.config.shards) == self.config.shard
    }
}
