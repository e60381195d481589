//! The one machine that a node talks to: it plans requests and hands events to the machine they belong to.

use std::sync::Arc;

use bytes::Bytes;
use quorate_ring::Ring;
use quorate_types::mutants::{Mutant, planted};
use quorate_types::{KeyspaceId, Level, Mono, NodeId, Now, ReadOutcome, Refusal, Version, WriteOutcome};
use quorate_wire::{PageOutcome, ResponseBody};

use crate::config::{CoordinatorConfig, KeyspacePolicy};
use crate::counters::Counters;
use crate::deadlines::Deadlines;
use crate::effect::Effect;
use crate::explain::Explains;
use crate::latency::Latencies;
use crate::limits::{HedgeBudget, Load};
use crate::page::Pages;
use crate::plan::{Asked, Declined, Unplanned, plan};
use crate::query::Queries;
use crate::read::Reads;
use crate::request::{
    ClientExplain, ClientPage, ClientRead, ClientWrite, Liveness, Origin, PageReply, ReadReply, StampHandle,
    UnstampedWrite, WriteHandle,
};
use crate::slab::{Kind, Slot};
use crate::turn::{Shared, Turn};
use crate::write::{Fate, Writes};

/// Requests in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Requests that wait for their answer, and the bytes held.
    pub load: Load,
    /// Writes, answered ones that still wait for a replica included.
    pub writes: usize,
    /// Of those, the answered ones.
    pub stragglers: usize,
    /// LINEARIZABLE writes in their first phase.
    pub queries: usize,
    /// Reads, answered ones that still compare or repair replicas included.
    pub reads: usize,
    /// Pages.
    pub pages: usize,
    /// Explains.
    pub explains: usize,
}

impl InFlight {
    /// Whether nothing waits for anything any more: what a graceful shutdown waits for.
    pub fn is_idle(&self) -> bool {
        *self == InFlight::default()
    }
}

/// Reads and writes in flight on one shard of one node.
///
/// Each `start_*` leads to exactly one [`Effect::Answer`], some at once. Effects are pushed in the order in which
/// they should be carried out; none depends on the one before.
#[derive(Debug)]
pub struct Coordinator {
    shared: Shared,
    writes: Writes,
    queries: Queries,
    reads: Reads,
    pages: Pages,
    explains: Explains,
    due: Vec<Slot>,
}

impl Coordinator {
    /// A coordinator with nothing in flight.
    pub fn new(config: CoordinatorConfig, ring: Arc<Ring>) -> Coordinator {
        let shared = Shared {
            config,
            ring,
            deadlines: Deadlines::new(),
            counters: Counters::default(),
            load: Load::default(),
            hedges: HedgeBudget::default(),
            latencies: Latencies::default(),
        };
        Coordinator {
            shared,
            writes: Writes::new(),
            queries: Queries::new(),
            reads: Reads::new(),
            pages: Pages::new(),
            explains: Explains::new(),
            due: Vec::new(),
        }
    }

    /// Begins a write: sends it to all replicas believed alive and takes hints for the others.
    ///
    /// Answered at once, with nothing sent: `Unavailable`; `Rejected` (no such keyspace, a level above `n`);
    /// [`ResponseBody::Refused`] (a limit is reached, the deadline has passed). Of a retry these say that nothing was
    /// sent this time; what became of the first attempt is as open as before.
    pub fn start_write(&mut self, now: Now, live: &impl Liveness, write: ClientWrite, out: &mut Vec<Effect>) {
        let asked = Asked {
            keyspace: write.keyspace,
            partition: write.token.partition(),
            level: write.level,
            default_level: |policy| policy.write_level,
            deadline: write.deadline,
            bytes: (write.key.len() + write.value.as_ref().map_or(0, Bytes::len)) as u64,
        };
        let mut turn = Turn { now, shared: &mut self.shared, out };
        self.writes.make_room(&mut turn, asked.bytes);
        match plan(&turn, live, &asked) {
            Ok(plan) => self.writes.start(&mut turn, write, &plan),
            Err(why) => turn.decline(write.origin, why, declined_write),
        }
    }

    /// Whether a write at `level` (`None`: the keyspace's default) is LINEARIZABLE: it begins with
    /// [`Self::start_unstamped_write`], unless it is a retry that carries its version.
    pub fn stamps_later(&self, keyspace: KeyspaceId, level: Option<Level>) -> bool {
        let default = || self.shared.config.keyspaces.get(&keyspace).map(|policy| policy.write_level);
        level.or_else(default) == Some(Level::Linearizable) && !planted(Mutant::StampWithoutAsking)
    }

    /// Begins a LINEARIZABLE write: asks all replicas believed alive for the newest version that they hold. Once a
    /// majority has said it, [`Effect::Stamp`] asks for a larger one; [`Self::on_stamp`] begins the second phase.
    ///
    /// Answered at once, with nothing sent: as [`Self::start_write`].
    pub fn start_unstamped_write(
        &mut self,
        now: Now,
        live: &impl Liveness,
        write: UnstampedWrite,
        out: &mut Vec<Effect>,
    ) {
        let asked = Asked {
            keyspace: write.keyspace,
            partition: write.token.partition(),
            level: write.level,
            default_level: |policy| policy.write_level,
            deadline: write.deadline,
            bytes: write.bytes(),
        };
        let mut turn = Turn { now, shared: &mut self.shared, out };
        self.writes.make_room(&mut turn, asked.bytes);
        match plan(&turn, live, &asked) {
            Ok(plan) => self.queries.start(&mut turn, write, &plan),
            Err(why) => turn.decline(write.origin, why, declined_write),
        }
    }

    /// What became of an [`Effect::Stamp`]: a version larger than `above` and than all that the clock issued before,
    /// or why there is none.
    pub fn on_stamp(
        &mut self,
        now: Now,
        live: &impl Liveness,
        (handle, stamp): (StampHandle, Result<Version, Refusal>),
        out: &mut Vec<Effect>,
    ) {
        let mut turn = Turn { now, shared: &mut self.shared, out };
        self.queries.on_stamp((&mut turn, live), handle.slot(), stamp, &mut self.writes);
    }

    /// Begins a read: asks as many replicas as the level needs, the nearest for the value itself.
    ///
    /// Answered at once, with nothing sent: as [`Self::start_write`].
    pub fn start_read(&mut self, now: Now, live: &impl Liveness, read: ClientRead, out: &mut Vec<Effect>) {
        let asked = Asked {
            keyspace: read.keyspace,
            partition: read.token.partition(),
            level: read.level,
            default_level: |policy| policy.read_level,
            deadline: read.deadline,
            bytes: read.key.len() as u64,
        };
        let mut turn = Turn { now, shared: &mut self.shared, out };
        self.writes.make_room(&mut turn, asked.bytes);
        match plan(&turn, live, &asked) {
            Ok(plan) => self.reads.start(&mut turn, live, read, &plan),
            Err(why) => turn.decline(read.origin, why, |declined| {
                ResponseBody::Read(match declined {
                    Declined::Rejected(reason) => ReadOutcome::Rejected { reason },
                    Declined::Unavailable { required, alive } => ReadOutcome::Unavailable { required, alive },
                })
            }),
        }
    }

    /// Begins the reading of one page: asks as many replicas as the level needs and merges what they hold.
    ///
    /// Answered at once, with nothing sent: as [`Self::start_write`]; `Rejected` at LINEARIZABLE too, which is a
    /// promise about single keys that a page, which repairs nothing, can't keep.
    pub fn start_page(&mut self, now: Now, live: &impl Liveness, page: ClientPage, out: &mut Vec<Effect>) {
        let asked = Asked {
            keyspace: page.keyspace,
            partition: page.partition,
            level: page.level,
            default_level: KeyspacePolicy::page_level,
            deadline: page.deadline,
            bytes: page.start.key_bytes() as u64,
        };
        let mut turn = Turn { now, shared: &mut self.shared, out };
        self.writes.make_room(&mut turn, asked.bytes);
        let planned = match page.level {
            Some(Level::Linearizable) => {
                Err(Unplanned::unsupported("a page at LINEARIZABLE; read it at QUORUM"))
            }
            _ => plan(&turn, live, &asked),
        };
        match planned {
            Ok(plan) => self.pages.start(&mut turn, live, page, &plan),
            Err(why) => turn.decline(page.origin, why, |declined| {
                ResponseBody::Page(match declined {
                    Declined::Rejected(reason) => PageOutcome::Rejected { reason },
                    Declined::Unavailable { required, alive } => PageOutcome::Unavailable { required, alive },
                })
            }),
        }
    }

    /// Begins an explain: asks every replica by itself. Answered at the latest after `explain_timeout`.
    ///
    /// `hints_here` of the views is left at 0 for the node to fill in.
    pub fn start_explain(
        &mut self,
        now: Now,
        live: &impl Liveness,
        explain: ClientExplain,
        out: &mut Vec<Effect>,
    ) {
        let mut turn = Turn { now, shared: &mut self.shared, out };
        self.writes.make_room(&mut turn, explain.key.len() as u64);
        self.explains.start(&mut turn, live, explain);
    }

    /// Whose request the [`WriteHandle`], `ReadHandle` or `PageHandle` with this raw number is of, answered or not.
    ///
    /// `None` once nothing is waited for any more.
    pub fn origin_of(&self, handle: u64) -> Option<Origin> {
        let slot = Slot(handle);
        match slot.kind()? {
            Kind::Write => self.writes.origin(slot),
            Kind::Read => self.reads.origin(slot),
            Kind::Explain => self.explains.origin(slot),
            Kind::Page => self.pages.origin(slot),
            Kind::Query => self.queries.origin(slot),
        }
    }

    /// `from` has the write on disk and applied.
    pub fn on_write_acked(&mut self, now: Now, from: NodeId, handle: WriteHandle, out: &mut Vec<Effect>) {
        self.on_fate(now, (from, handle), Fate::Acked, out);
    }

    /// `from` did not apply the write and never will.
    pub fn on_write_refused(
        &mut self,
        now: Now,
        from: NodeId,
        handle: WriteHandle,
        reason: Refusal,
        out: &mut Vec<Effect>,
    ) {
        self.on_fate(now, (from, handle), Fate::Refused(reason), out);
    }

    /// The link to `from` died or was full: the write may or may not be applied there.
    pub fn on_write_lost(&mut self, now: Now, from: NodeId, handle: WriteHandle, out: &mut Vec<Effect>) {
        self.on_fate(now, (from, handle), Fate::Lost, out);
    }

    fn on_fate(
        &mut self,
        now: Now,
        (from, handle): (NodeId, WriteHandle),
        fate: Fate,
        out: &mut Vec<Effect>,
    ) {
        let slot = handle.slot();
        let mut turn = Turn { now, shared: &mut self.shared, out };
        match slot.kind() {
            Some(Kind::Write) => self.writes.on_fate(&mut turn, from, slot, fate),
            Some(Kind::Read) => self.reads.on_repair_fate(&mut turn, from, slot, &fate),
            _ => turn.counters().answers_stale += 1,
        }
    }

    /// A replica answered a read, an explain or the first phase of a LINEARIZABLE write.
    pub fn on_read_reply(&mut self, now: Now, live: &impl Liveness, reply: ReadReply, out: &mut Vec<Effect>) {
        let slot = reply.handle.slot();
        let mut turn = Turn { now, shared: &mut self.shared, out };
        match slot.kind() {
            Some(Kind::Read) => self.reads.on_reply(&mut turn, live, reply),
            Some(Kind::Explain) => self.explains.on_reply(&mut turn, reply),
            Some(Kind::Query) => self.queries.on_reply(&mut turn, reply),
            _ => turn.counters().answers_stale += 1,
        }
    }

    /// A replica answered with its part of a page.
    pub fn on_page_reply(&mut self, now: Now, live: &impl Liveness, reply: PageReply, out: &mut Vec<Effect>) {
        self.pages.on_reply(&mut Turn { now, shared: &mut self.shared, out }, live, reply);
    }

    /// `node` will not answer what it was asked: reads ask another replica, or fail at once if there is none.
    ///
    /// Writes to it are told one by one ([`Self::on_write_lost`]). O(reads and first phases in flight).
    pub fn on_peer_down(&mut self, now: Now, live: &impl Liveness, node: NodeId, out: &mut Vec<Effect>) {
        let mut turn = Turn { now, shared: &mut self.shared, out };
        self.queries.on_peer_down(&mut turn, node);
        self.reads.on_peer_down(&mut turn, live, node);
        self.pages.on_peer_down(&mut turn, live, node);
        self.explains.on_peer_down(&mut turn, node);
    }

    /// Handles every deadline that has passed. Nothing is lost by calling it late, or too often.
    pub fn on_tick(&mut self, now: Now, live: &impl Liveness, out: &mut Vec<Effect>) {
        let mut due = std::mem::take(&mut self.due);
        self.shared.deadlines.take_due(now.mono, &mut due);
        let mut turn = Turn { now, shared: &mut self.shared, out };
        for slot in due.drain(..) {
            match slot.kind() {
                Some(Kind::Write) => self.writes.on_timer(&mut turn, slot),
                Some(Kind::Read) => self.reads.on_timer(&mut turn, live, slot),
                Some(Kind::Explain) => self.explains.on_timer(&mut turn, slot),
                Some(Kind::Page) => self.pages.on_timer(&mut turn, slot),
                Some(Kind::Query) => self.queries.on_timer(&mut turn, slot),
                None => {}
            }
        }
        self.due = due;
    }

    /// When [`Self::on_tick`] is due; may be earlier than anything happens, is never later than 2.1 ms after it.
    pub fn next_timer(&self) -> Option<Mono> {
        self.shared.deadlines.next()
    }

    /// What is in flight.
    pub fn in_flight(&self) -> InFlight {
        InFlight {
            load: self.shared.load,
            writes: self.writes.len(),
            stragglers: self.writes.straggling(),
            queries: self.queries.len(),
            reads: self.reads.len(),
            pages: self.pages.len(),
            explains: self.explains.len(),
        }
    }

    /// What has happened since the start.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// The settings.
    pub fn config(&self) -> &CoordinatorConfig {
        &self.shared.config
    }
}

fn declined_write(declined: Declined) -> ResponseBody {
    ResponseBody::Write(match declined {
        Declined::Rejected(reason) => WriteOutcome::Rejected { reason },
        Declined::Unavailable { required, alive } => WriteOutcome::Unavailable { required, alive },
    })
}
