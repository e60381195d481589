//! Explain: what each replica holds of a key, asked one by one and answered however many are silent.
//!
//! Invariants:
//! - exactly one answer, at the latest after `explain_timeout`, with one view per replica in the ring's order;
//! - replicas believed dead are not asked; they are shown as not alive and silent;
//! - nothing is repaired, no value is fetched (empty ones excepted), and no copy is judged by a clock.

use quorate_types::{Mono, NodeId, NodeTiming, Version};
use quorate_wire::{CopyView, Explanation, FullIf, ReadDigest, ReadResult, ReplicaView, ResponseBody};

use crate::effect::Effect;
use crate::plan::survey;
use crate::replicas::{Members, Replicas};
use crate::request::{ClientExplain, Liveness, Origin, ReadHandle, ReadReply};
use crate::slab::{Kind, Slab, Slot};
use crate::slow::{Replies, Sought};
use crate::turn::Turn;

#[derive(Debug)]
struct ExplainTask {
    asked: ClientExplain,
    n: u8,
    started: Mono,
    deadline: Mono,
    replicas: Replicas,
    waiting: Members,
    views: Vec<ReplicaView>,
}

/// All explains in flight.
#[derive(Debug)]
pub(crate) struct Explains {
    tasks: Slab<ExplainTask>,
}

impl Explains {
    pub(crate) fn new() -> Explains {
        Explains { tasks: Slab::new(Kind::Explain) }
    }

    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whose request it is, while it is in flight.
    pub(crate) fn origin(&self, slot: Slot) -> Option<Origin> {
        self.tasks.look(slot).map(|task| task.asked.origin)
    }

    pub(crate) fn start(&mut self, turn: &mut Turn, live: &dyn Liveness, explain: ClientExplain) {
        let (n, replicas) = match survey(turn, &explain) {
            Ok(surveyed) => surveyed,
            Err(reason) => return turn.refuse(explain.origin, reason),
        };
        let task = ExplainTask::new(turn, live, explain, (n, replicas));
        turn.shared.load.enter(task.bytes());
        let deadline = task.deadline;
        let slot = self.tasks.insert(task);
        let Some(task) = self.tasks.at(slot) else { return };
        turn.wake(deadline, slot);
        for member in task.waiting.iter() {
            turn.out.push(Effect::Read {
                to: replicas.node(member),
                handle: ReadHandle::from(slot),
                keyspace: task.asked.keyspace,
                key: task.asked.key.clone(),
                token: task.asked.token,
                full: FullIf::UpTo(0),
                deadline,
            });
        }
        self.end_if_complete(turn, slot);
    }

    pub(crate) fn on_reply(&mut self, turn: &mut Turn, reply: ReadReply) {
        let slot = reply.handle.slot();
        let Some(task) = self.tasks.at(slot) else {
            turn.counters().answers_stale += 1;
            return;
        };
        match task.replicas.member(reply.from).filter(|&member| task.waiting.remove(member)) {
            Some(member) => task.view(turn, member, copy_of(reply.result)),
            None => turn.counters().answers_duplicate += 1,
        }
        self.end_if_complete(turn, slot);
    }

    pub(crate) fn on_peer_down(&mut self, turn: &mut Turn, node: NodeId) {
        for slot in self.tasks.slots_where(|task| task.replicas.member(node).is_some()) {
            let Some(task) = self.tasks.at(slot) else { continue };
            if let Some(member) = task.replicas.member(node).filter(|&member| task.waiting.remove(member)) {
                task.view(turn, member, CopyView::Silent);
                self.end_if_complete(turn, slot);
            }
        }
    }

    pub(crate) fn on_timer(&mut self, turn: &mut Turn, slot: Slot) {
        let Some(task) = self.tasks.at(slot).filter(|task| task.deadline <= turn.now.mono) else { return };
        for member in std::mem::take(&mut task.waiting).iter() {
            task.view(turn, member, CopyView::Silent);
        }
        self.end_if_complete(turn, slot);
    }

    fn end_if_complete(&mut self, turn: &mut Turn, slot: Slot) {
        if self.tasks.at(slot).is_none_or(|task| !task.waiting.is_empty()) {
            return;
        }
        let Some(task) = self.tasks.remove(slot) else { return };
        turn.shared.load.unanswered -= 1;
        turn.shared.load.bytes -= task.bytes();
        turn.counters().explains_answered += 1;
        turn.report_if_slow((task.asked.origin, task.started), |turn| {
            (task.asked.keyspace, Sought::Key(task.asked.key.clone()), task.replies(turn))
        });
        let (origin, explanation) = task.explanation();
        turn.answer(origin, ResponseBody::Explain(Box::new(explanation)), None);
    }
}

impl ExplainTask {
    fn new(
        turn: &Turn,
        live: &dyn Liveness,
        asked: ClientExplain,
        (n, replicas): (usize, Replicas),
    ) -> ExplainTask {
        let alive = replicas.members_where(|node| turn.shared.is_alive(live, node));
        let view = |member| ReplicaView {
            node: replicas.node(member),
            alive: alive.contains(member),
            elapsed_us: 0,
            copy: CopyView::Silent,
            hints_here: 0,
        };
        ExplainTask {
            n: n as u8,
            started: turn.now.mono,
            deadline: asked.deadline.min(turn.now.mono + turn.shared.config.explain_timeout),
            replicas,
            waiting: alive,
            views: replicas.members_where(|_| true).iter().map(view).collect(),
            asked,
        }
    }

    fn bytes(&self) -> u64 {
        self.asked.key.len() as u64
    }

    fn view(&mut self, turn: &Turn, member: u8, copy: CopyView) {
        let view = &mut self.views[usize::from(member)];
        (view.copy, view.elapsed_us) = (copy, turn.elapsed_us(self.started));
    }

    /// Those believed dead were not asked.
    fn replies(&self, turn: &Turn) -> Replies {
        let (mut receipt, mut silent) = (turn.empty_receipt(&self.replicas), Vec::new());
        for ReplicaView { node, alive, elapsed_us, copy, .. } in &self.views {
            let (node, elapsed_us) = (*node, *elapsed_us);
            match copy {
                CopyView::Silent if *alive => silent.push(node),
                CopyView::Silent => {}
                CopyView::Refused(reason) => receipt.refused.push((node, reason.clone())),
                _ => receipt.answered.push(NodeTiming { node, elapsed_us, version: version_of(copy) }),
            }
        }
        receipt.answered.sort_by_key(|timing| timing.elapsed_us);
        Replies { receipt, silent }
    }

    fn explanation(self) -> (Origin, Explanation) {
        let winner = self.views.iter().filter_map(|view| version_of(&view.copy)).max();
        let explanation = Explanation {
            token: self.asked.token,
            partition: self.asked.token.partition(),
            n: self.n,
            replicas: self.views,
            winner,
        };
        (self.asked.origin, explanation)
    }
}

fn copy_of(result: ReadResult) -> CopyView {
    let digest = match result {
        ReadResult::Record(None) => return CopyView::Absent,
        ReadResult::Refused(reason) => return CopyView::Refused(reason),
        ReadResult::Record(Some(record)) => ReadDigest::of(&record),
        ReadResult::Digest(digest) => digest,
    };
    let ReadDigest { version, expiry, value_bytes, tombstone, .. } = digest;
    if tombstone {
        CopyView::Tombstone { version }
    } else {
        CopyView::Present { version, expiry, value_bytes }
    }
}

fn version_of(copy: &CopyView) -> Option<Version> {
    match copy {
        CopyView::Present { version, .. } | CopyView::Tombstone { version } => Some(*version),
        CopyView::Absent | CopyView::Refused(_) | CopyView::Silent => None,
    }
}
