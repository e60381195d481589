//! The hint dispatcher: brings targets what they missed, as soon as they show life.
//!
//! ```text
//!         target ready, hints on disk              page read                    all settled
//!  Idle ───────────────────────────────► Reading ───────────► Sending ─┬─ all delivered ───────► Idle, page by page
//!   ▲        (not before `not_before`)              nothing: Idle      └─ some not: back off ──► Idle, same place
//! ```
//!
//! Invariants:
//! - a target is served by one shard, one page at a time, in the order of its log;
//! - a hint is given up as delivered only when every replica it went to acknowledged it, or when it never can be
//!   (expired, or refused for good), and only together with all before it; so a crash or a lost acknowledgement
//!   repeats hints and never skips one;
//! - what is on its way to one target is bounded by the target's credit, halved when it does not answer, and by a
//!   rate that all nodes share.
//!
//! Sources: Cassandra's hints after CASSANDRA-6230, -11960 (resumable), -14309 (window from the oldest hint);
//! Scylla's replay storms after a replace (scylladb#7976) for credit and rate.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_store::{Hint, HintNumber};
use quorate_types::mutants::{Mutant, planted};
use quorate_types::{Mono, NodeId, Now, Refusal, rarely};

use crate::config::HandoffConfig;
use crate::effects::HintCommand;
use crate::event::HintBacklog;
use crate::outbound::Verdict;

/// A page that the log does not answer for this long is asked for again.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Credit grows by this much per page that went well, until the most.
const CREDIT_STEP: u32 = 64 << 10;

/// One hint of one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HintSlot {
    pub(crate) target: NodeId,
    page: u64,
    index: u32,
}

/// How a hint stands, once no copy of it is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Delivered,
    /// The target will never take it.
    Dropped,
    /// It is older than the window.
    Expired,
    /// It will be tried again.
    Failed,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    number: HintNumber,
    /// Copies on their way.
    waiting: u32,
    standing: Standing,
}

#[derive(Debug)]
struct Page {
    hints: Vec<Progress>,
    /// Hints with copies on their way, and one more while the page is being sent.
    open: usize,
    bytes: u64,
    started: Mono,
}

#[derive(Debug)]
enum State {
    Idle,
    Reading { since: Mono },
    Sending(Page),
}

#[derive(Debug)]
struct Target {
    backlog: HintBacklog,
    state: State,
    position: HintNumber,
    page: u64,
    /// Bytes that a page may have, by what went well so far.
    window: u32,
    /// Bytes that a page may have, by what the target said last.
    granted: u32,
    backoff: Duration,
    not_before: Mono,
}

/// The dispatcher of one shard, and what is known of all hints on the node.
#[derive(Debug)]
pub(crate) struct Handoff {
    config: HandoffConfig,
    /// This shard, of so many.
    shard: (usize, usize),
    /// How much later than the first node on the ring this one begins.
    stagger: Duration,
    /// Bytes per second that this node may send to one target.
    rate: u64,
    targets: BTreeMap<NodeId, Target>,
}

impl Handoff {
    /// The dispatcher of `shard` (of so many), on a node with `rank` others of `nodes` before it on the ring.
    pub(crate) fn new(
        config: HandoffConfig,
        shard: (usize, usize),
        (rank, nodes): (usize, usize),
    ) -> Handoff {
        let stagger = config.stagger * rank as u32;
        let rate = (config.rate_bytes / nodes.saturating_sub(1).max(1) as u64).max(1);
        Handoff { config, shard, stagger, rate, targets: BTreeMap::new() }
    }

    /// What is on disk for `target` now.
    pub(crate) fn on_backlog(&mut self, now: Mono, target: NodeId, backlog: HintBacklog) {
        let fresh = Target {
            backlog,
            state: State::Idle,
            position: HintNumber(0),
            page: 0,
            window: self.config.page_bytes_max.min(CREDIT_STEP * 4),
            granted: u32::MAX,
            backoff: self.config.backoff_min,
            not_before: now + self.stagger,
        };
        self.targets.entry(target).or_insert(fresh).backlog = backlog;
    }

    /// `target` shows life: begin soon, whatever it did to the last page.
    pub(crate) fn on_alive(&mut self, now: Mono, target: NodeId) {
        if let Some(known) = self.targets.get_mut(&target) {
            known.backoff = self.config.backoff_min;
            known.not_before = known.not_before.min(now + self.stagger);
        }
    }

    /// How many bytes of hints `target` takes at a time, as it said.
    pub(crate) fn on_credit(&mut self, target: NodeId, bytes: u32) {
        if let Some(known) = self.targets.get_mut(&target) {
            known.granted = bytes;
        }
    }

    /// Asks for the pages that are due of targets that are `ready`.
    pub(crate) fn poll(&mut self, now: Mono, ready: impl Fn(NodeId) -> bool, out: &mut Vec<HintCommand>) {
        let (config, (shard, shards)) = (self.config, self.shard);
        let owned = |target: NodeId| target.0 as usize % shards == shard;
        for (&target, known) in self.targets.iter_mut().filter(|&(&target, _)| owned(target)) {
            if known.is_due(now) && ready(target) {
                known.state = State::Reading { since: now };
                let bytes_max = known.window.min(known.granted).max(config.page_bytes_min);
                let bytes_max = if rarely!("handoff.small_page") { 1 } else { bytes_max };
                out.push(HintCommand::ReadPage { target, after: known.position, bytes_max });
            }
        }
    }

    /// A page was read: what is to be sent, each hint under its slot; then [`Handoff::on_sent`].
    ///
    /// A hint older than the window is not among them.
    pub(crate) fn on_page(
        &mut self,
        now: Now,
        target: NodeId,
        hints: Vec<(HintNumber, Hint)>,
    ) -> Vec<(HintSlot, Hint)> {
        let window_ms = u64::try_from(self.config.window.as_millis()).unwrap_or(u64::MAX);
        let mut opened = Vec::new();
        let Some(known) = self.targets.get_mut(&target) else { return opened };
        let State::Reading { .. } = known.state else { return opened };
        if hints.is_empty() {
            known.state = State::Idle;
            known.backlog = HintBacklog::default();
            return opened;
        }
        known.page += 1;
        let mut page = Page { hints: Vec::with_capacity(hints.len()), open: 1, bytes: 0, started: now.mono };
        for (index, (number, hint)) in (0..).zip(hints) {
            page.bytes += hint.encoded_len() as u64;
            let is_expired = hint.created_wall_ms.saturating_add(window_ms) <= now.wall_ms;
            let standing = if is_expired { Standing::Expired } else { Standing::Delivered };
            page.hints.push(Progress { number, waiting: 0, standing });
            if !is_expired {
                opened.push((HintSlot { target, page: known.page, index }, hint));
            }
        }
        known.state = State::Sending(page);
        opened
    }

    /// A page could not be read: the disk may be well again later.
    pub(crate) fn on_page_failed(&mut self, now: Mono, target: NodeId) {
        let Some(known) = self.targets.get_mut(&target) else { return };
        if let State::Reading { .. } = known.state {
            known.state = State::Idle;
            known.went_badly(now, &self.config);
        }
    }

    /// One more copy of the hint is on its way.
    pub(crate) fn on_copy(&mut self, slot: HintSlot) {
        let Some((page, index)) = self.page(slot) else { return };
        page.open += usize::from(page.hints[index].waiting == 0);
        page.hints[index].waiting += 1;
    }

    /// The hint goes nowhere any more.
    pub(crate) fn on_dropped(&mut self, slot: HintSlot) {
        if let Some((page, index)) = self.page(slot) {
            page.hints[index].standing = Standing::Dropped;
        }
    }

    /// A copy was settled; then ask [`Handoff::finish`].
    pub(crate) fn on_verdict(&mut self, slot: HintSlot, verdict: &Verdict) {
        let Some((page, index)) = self.page(slot) else { return };
        let hint = &mut page.hints[index];
        let Some(waiting) = hint.waiting.checked_sub(1) else { return };
        hint.waiting = waiting;
        match verdict {
            Verdict::Acked => {}
            Verdict::Refused(why) if is_for_good(why) => {
                if hint.standing == Standing::Delivered {
                    hint.standing = Standing::Dropped;
                }
            }
            _ if planted(Mutant::FailedHintIsDelivered) => {}
            _ => hint.standing = Standing::Failed,
        }
        page.open -= usize::from(waiting == 0);
    }

    /// Everything of the page of `target` was sent.
    pub(crate) fn on_sent(&mut self, target: NodeId) {
        if let Some(Target { state: State::Sending(page), .. }) = self.targets.get_mut(&target) {
            page.open -= 1;
        }
    }

    /// Ends the pages of which nothing is open any more; how each ended.
    pub(crate) fn finish(&mut self, now: Mono, out: &mut Vec<HintCommand>) -> Vec<PageEnd> {
        let (config, rate) = (self.config, self.rate);
        let ends = self.targets.iter_mut().filter_map(|(&target, known)| {
            let (end, through) = known.finish(now, rate, &config)?;
            out.extend(through.map(|through| HintCommand::Delivered { target, through }));
            Some(end)
        });
        ends.collect()
    }

    /// Whether a new hint for `target` lies within the window that its oldest one opened.
    pub(crate) fn is_within_window(&self, wall_ms: u64, target: NodeId) -> bool {
        let window_ms = u64::try_from(self.config.window.as_millis()).unwrap_or(u64::MAX);
        let oldest = self.targets.get(&target).and_then(|known| known.backlog.oldest_wall_ms);
        oldest.is_none_or(|oldest| wall_ms <= oldest.saturating_add(window_ms))
    }

    /// Hints on disk for `target`, as far as is known.
    pub(crate) fn backlog(&self, target: NodeId) -> HintBacklog {
        self.targets.get(&target).map(|known| known.backlog).unwrap_or_default()
    }

    /// All of them.
    pub(crate) fn backlogs(&self) -> impl Iterator<Item = (NodeId, HintBacklog)> {
        self.targets.iter().map(|(&target, known)| (target, known.backlog))
    }

    /// When to poll again for a target that is `ready`.
    pub(crate) fn next_timer(&self, ready: impl Fn(NodeId) -> bool) -> Option<Mono> {
        let (shard, shards) = self.shard;
        let owned = |target: NodeId| target.0 as usize % shards == shard;
        let mine = self.targets.iter().filter(|&(&target, _)| owned(target) && ready(target));
        mine.filter_map(|(_, known)| known.due_at()).min()
    }

    fn page(&mut self, slot: HintSlot) -> Option<(&mut Page, usize)> {
        let known = self.targets.get_mut(&slot.target).filter(|known| known.page == slot.page)?;
        let State::Sending(page) = &mut known.state else { return None };
        Some((page, slot.index as usize))
    }
}

impl Target {
    fn due_at(&self) -> Option<Mono> {
        match self.state {
            State::Idle if self.backlog.durable > 0 => Some(self.not_before),
            State::Reading { since } => Some(since + READ_TIMEOUT),
            _ => None,
        }
    }

    fn is_due(&self, now: Mono) -> bool {
        self.due_at().is_some_and(|at| at <= now)
    }

    /// Ends the page if nothing of it is open any more: how, and the last hint that is done with.
    fn finish(
        &mut self,
        now: Mono,
        rate: u64,
        config: &HandoffConfig,
    ) -> Option<(PageEnd, Option<HintNumber>)> {
        let State::Sending(page) = &self.state else { return None };
        if page.open > 0 && !planted(Mutant::HintDeletedBeforeAck) {
            return None;
        }
        let done = page.hints.iter().take_while(|hint| hint.standing != Standing::Failed);
        let through = done.clone().last().map(|hint| hint.number);
        let count = |standing| done.clone().filter(|hint| hint.standing == standing).count() as u64;
        let end = PageEnd {
            delivered: count(Standing::Delivered),
            dropped: count(Standing::Dropped),
            expired: count(Standing::Expired),
            complete: done.clone().count() == page.hints.len(),
        };
        let not_before = page.started + Duration::from_nanos(page.bytes.saturating_mul(1_000_000_000) / rate);
        self.state = State::Idle;
        self.position = through.unwrap_or(self.position);
        self.backlog.durable = self.backlog.durable.saturating_sub(end.done());
        if end.complete {
            self.went_well(not_before, config);
        } else {
            // A target that takes a part is not to be waited for: it is given less at a time.
            if end.done() > 0 {
                self.backoff = config.backoff_min;
            }
            self.went_badly(now, config);
            self.not_before = self.not_before.max(not_before);
        }
        Some((end, through))
    }

    fn went_well(&mut self, not_before: Mono, config: &HandoffConfig) {
        self.not_before = not_before;
        self.backoff = config.backoff_min;
        self.window = self.window.saturating_add(CREDIT_STEP).min(config.page_bytes_max);
    }

    fn went_badly(&mut self, now: Mono, config: &HandoffConfig) {
        self.not_before = now + self.backoff;
        self.backoff = (self.backoff * 2).min(config.backoff_max);
        self.window = (self.window / 2).max(config.page_bytes_min);
    }
}

/// How a page ended: what of its hints is done with for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PageEnd {
    /// Acknowledged by the target, or by today's owners.
    pub(crate) delivered: u64,
    /// Never taken by the target.
    pub(crate) dropped: u64,
    /// Older than the window.
    pub(crate) expired: u64,
    /// Nothing of it will be sent again.
    pub(crate) complete: bool,
}

impl PageEnd {
    fn done(&self) -> u64 {
        self.delivered + self.dropped + self.expired
    }
}

/// Whether a replica that refuses so will never take the write.
fn is_for_good(why: &Refusal) -> bool {
    matches!(
        why,
        Refusal::NotReplica
            | Refusal::UnknownKeyspace
            | Refusal::ValueTooLarge { .. }
            | Refusal::KeyLength { .. }
    )
}

#[cfg(test)]
mod tests;
