//! The thread that owns the hint logs: what the shards command is carried out in batches, with one sync per batch.
//!
//! Invariants:
//! - a hint counts as stored only after its log was synced;
//! - every `Append` is settled and every `ReadPage` answered, also when the disk fails;
//! - every shard is told of every change of a target's backlog.
//!
//! The queue has no bound of its own: a shard has at most `hints_pending_max` appends, and one page per target, on
//! their way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc;

use quorate_http::NodeEvent;
use quorate_node::{Event, HintBacklog, HintCommand};
use quorate_store::hints::{HintLogs, HintStatus};
use quorate_store::{DiskError, Hint, HintNumber};
use quorate_types::NodeId;
use tracing::{error, warn};

use crate::alarm::Alarm;
use crate::common::Common;
use crate::shard::item::Item;
use crate::switch::Step;

/// A shard's way to the thread.
#[derive(Clone, Debug)]
pub(crate) struct HintQueue {
    batches: mpsc::Sender<Commands>,
}

#[derive(Debug)]
struct Commands {
    shard: usize,
    commands: Vec<HintCommand>,
}

impl HintQueue {
    /// Hands over what `shard` wants done. If the thread is gone, the replica is ending.
    pub(crate) fn send(&self, shard: usize, commands: Vec<HintCommand>) {
        let _ = self.batches.send(Commands { shard, commands });
    }
}

/// The thread's own side.
pub(crate) struct HintThread {
    common: Arc<Common>,
    logs: HintLogs,
    batches: mpsc::Receiver<Commands>,
    /// What happened to each target's log in this batch, by target.
    touched: BTreeMap<NodeId, Touched>,
    pages: Vec<PageWanted>,
    /// Targets whose log is known to be full: said once.
    full: BTreeSet<NodeId>,
    /// The size of each target's backlog when it was last announced; 0: none.
    announced: BTreeMap<NodeId, u64>,
}

#[derive(Debug)]
struct PageWanted {
    shard: usize,
    target: NodeId,
    after: HintNumber,
    bytes_max: usize,
}

/// Appends of one batch for one target, by shard.
#[derive(Clone, Debug)]
struct Touched {
    shards: Vec<Appends>,
    failed: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Appends {
    taken: u64,
    refused: u64,
}

impl HintThread {
    pub(crate) fn new(common: Arc<Common>, logs: HintLogs) -> (HintThread, HintQueue) {
        let (sender, batches) = mpsc::channel();
        let (touched, pages, full, announced) =
            (BTreeMap::new(), Vec::new(), BTreeSet::new(), BTreeMap::new());
        let thread = HintThread { common, logs, batches, touched, pages, full, announced };
        (thread, HintQueue { batches: sender })
    }

    /// Until every shard has dropped its queue; a replica that was killed leaves the logs as they are.
    pub(crate) fn run(mut self) {
        let _alarm = Alarm::new("the hint thread", &self.common);
        self.tell_found();
        while let Ok(first) = self.batches.recv() {
            if self.common.switch.step() == Step::Stop && self.common.is_killed() {
                return;
            }
            self.take(first);
            while let Ok(more) = self.batches.try_recv() {
                self.take(more);
            }
            self.finish_batch();
        }
        if self.common.is_killed() {
            return;
        }
        if let Err(failure) = self.logs.close() {
            error!(%failure, "the hint logs did not close in good order; what was durable still is");
        }
    }

    fn tell_found(&mut self) {
        for status in self.logs.status() {
            self.tell_all(|_| Event::HintsFound { target: status.target, backlog: backlog(&status) });
            self.announce(status.target, backlog(&status));
        }
    }

    fn take(&mut self, Commands { shard, commands }: Commands) {
        for command in commands {
            match command {
                HintCommand::Append { target, hint } => self.append(shard, target, &hint),
                HintCommand::ReadPage { target, after, bytes_max } => {
                    self.pages.push(PageWanted { shard, target, after, bytes_max: bytes_max as usize });
                }
                HintCommand::Delivered { target, through } => self.delivered(target, through),
            }
        }
    }

    fn append(&mut self, shard: usize, target: NodeId, hint: &Hint) {
        let taken = self.logs.append(target, hint);
        let appends = &mut self.touch(target).shards[shard];
        appends.taken += 1;
        match taken {
            Ok(_) => {
                self.full.remove(&target);
            }
            Err(failure) => {
                appends.refused += 1;
                self.refused(target, &failure);
            }
        }
    }

    fn refused(&mut self, target: NodeId, failure: &DiskError) {
        let counters = &self.common.counters;
        counters.hints_not_stored.increment();
        if matches!(failure, DiskError::HintsFull { .. }) {
            counters.hints_bytes_per_target_max_hit.increment();
        }
        if self.full.insert(target) {
            warn!(target = %target, %failure, "hints are not taken; only read repair will bring these writes to it");
        }
    }

    fn delivered(&mut self, target: NodeId, through: HintNumber) {
        self.touch(target);
        if let Err(failure) = self.logs.delivered(target, through) {
            warn!(target = %target, %failure, "delivered hints were not forgotten; they will be delivered again");
        }
    }

    fn touch(&mut self, target: NodeId) -> &mut Touched {
        let shards = self.common.inboxes.len();
        let none = || Touched { shards: vec![Appends::default(); shards], failed: false };
        self.touched.entry(target).or_insert_with(none)
    }

    /// Syncs, settles, and answers the pages.
    fn finish_batch(&mut self) {
        if !self.touched.is_empty() {
            self.sync();
            self.settle();
        }
        for wanted in std::mem::take(&mut self.pages) {
            self.answer(&wanted);
        }
    }

    fn sync(&mut self) {
        self.common.counters.hint_batches.increment();
        for (target, synced) in self.logs.sync() {
            if let Err(failure) = synced {
                error!(target = %target, %failure, "hints could not be made durable: they do not count");
                self.touch(target).failed = true;
            }
        }
    }

    fn settle(&mut self) {
        let backlogs: BTreeMap<_, _> = self.logs.status().iter().map(|s| (s.target, backlog(s))).collect();
        for (target, touched) in std::mem::take(&mut self.touched) {
            let backlog = backlogs.get(&target).copied().unwrap_or_default();
            self.announce(target, backlog);
            self.tell_all(|shard| {
                let Appends { taken: settled, refused } = touched.shards[shard];
                let refused = if touched.failed { settled } else { refused };
                Event::HintsStored { target, settled, refused, backlog }
            });
        }
    }

    /// Announces a backlog that has begun, doubled, halved or gone since it was last announced: a batch may come every
    /// millisecond, and nobody wants to be told so often.
    fn announce(&mut self, target: NodeId, HintBacklog { durable, bytes, .. }: HintBacklog) {
        let told = self.announced.entry(target).or_default();
        let same =
            durable == *told || durable != 0 && *told != 0 && durable < *told * 2 && durable > *told / 2;
        if same {
            return;
        }
        *told = durable;
        let target = self.common.overview.name_of(target);
        self.common.news.announce(&NodeEvent::HintBacklog { target, durable, bytes });
    }

    fn answer(&mut self, wanted: &PageWanted) {
        let PageWanted { shard, target, after, bytes_max } = *wanted;
        let answer = match self.logs.page(target, after, bytes_max) {
            Ok(hints) => Event::HintPage { target, hints },
            Err(failure) => {
                error!(target = %target, %failure, "hints can't be read; nothing of them was changed, they are tried again");
                Event::HintPageFailed { target }
            }
        };
        self.tell(shard, answer);
    }

    fn tell_all(&self, event: impl Fn(usize) -> Event) {
        (0..self.common.inboxes.len()).for_each(|shard| self.tell(shard, event(shard)));
    }

    fn tell(&self, shard: usize, event: Event) {
        self.common.inboxes[shard].push(Item::Happened(Box::new(event)));
    }
}

fn backlog(status: &HintStatus) -> HintBacklog {
    HintBacklog { durable: status.durable, bytes: status.bytes, oldest_wall_ms: status.oldest_wall_ms }
}
