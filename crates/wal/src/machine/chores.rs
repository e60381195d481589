//! Segments ahead and behind: which chores are due, and what became of them.
//!
//! Invariants: one chore at a time; the next segment is prepared only once the change to the active one is complete, so
//! at most one `.seg` is without a header; segments retire oldest first, one by one.

use super::{InFlight, Machine, Next};
use crate::Lsn;
use crate::chore::{Chore, ChoreDone, ChoreKind, ChoreResult, Fate};

impl Machine {
    /// Everything up to `lsn` is safe elsewhere: whole segments below it may go.
    pub fn checkpoint(&mut self, lsn: Lsn) {
        self.cut = self.cut.max(lsn.min(self.marks.durable));
    }

    /// The next chore that is due, if none is in flight. Segments are made ready when a quarter of the active one is
    /// filled.
    pub fn take_chore(&mut self) -> Option<Chore> {
        if self.is_preparation_due()
            && let Some(chore) = self.take_chore_now()
        {
            return Some(chore);
        }
        if !self.may_chore() || !self.may_retire() {
            return None;
        }
        // Out of the log from now on: who asks for its records is told so, however long the disk takes.
        let oldest = self.kept.pop_front()?;
        let spare = self.free.len() < self.limits.spare_segments_max && self.holds.allow_reuse();
        let fate = if spare { Fate::Spare } else { Fate::Removed };
        Some(self.begin_chore(ChoreKind::Retire { index: oldest.index, fate }))
    }

    /// As [`Machine::take_chore`], for a caller that was told [`Take::NeedsSegment`](crate::Take::NeedsSegment).
    pub fn take_chore_now(&mut self) -> Option<Chore> {
        if !self.may_chore() || !self.can_prepare() {
            return None;
        }
        let (index, segment_bytes) = (self.active.header.index + 1, self.limits.segment_bytes);
        let from = self.free.pop();
        Some(self.begin_chore(ChoreKind::Prepare { index, from, segment_bytes }))
    }

    fn begin_chore(&mut self, kind: ChoreKind) -> Chore {
        self.chore_in_flight = true;
        Chore(kind)
    }

    fn may_chore(&self) -> bool {
        !self.chore_in_flight && self.stopped.is_none()
    }

    /// Whether [`Machine::take_chore`] has one.
    pub fn chore_is_due(&self) -> bool {
        self.may_chore() && (self.may_retire() || self.is_preparation_due() && self.can_prepare())
    }

    fn may_retire(&self) -> bool {
        let retirable = self.retirable();
        self.kept.front().is_some_and(|kept| kept.last_lsn <= retirable)
    }

    fn is_preparation_due(&self) -> bool {
        self.active.offset > self.active.header.segment_bytes / 4 && self.prepare_failed.is_none()
    }

    fn can_prepare(&self) -> bool {
        matches!(self.next, Next::Unready) && self.in_flight != InFlight::Rotation
    }

    /// Whether a batch waits for the next segment.
    pub fn needs_segment(&self) -> bool {
        matches!(self.next, Next::Unready)
            && self.staging.oldest_frame_bytes().is_some_and(|first| self.is_full(first))
    }

    /// Whether a chore is under way.
    pub fn chore_in_flight(&self) -> bool {
        self.chore_in_flight
    }

    /// How the chore went. A segment that could not be made is tried again when the active one is full; only if that
    /// fails too, the log is poisoned.
    pub fn chore_completed(&mut self, chore: &Chore, done: ChoreDone) {
        assert!(self.chore_in_flight, "completed without a chore in flight");
        self.chore_in_flight = false;
        match done.0 {
            ChoreResult::Prepared(prepared) => {
                self.prepare_failed = None;
                self.next = Next::Ready(prepared);
            }
            ChoreResult::Retired => {
                self.prepare_failed = None;
                if let ChoreKind::Retire { index, fate: Fate::Spare } = chore.0 {
                    self.free.push(index);
                }
            }
            ChoreResult::Failed { source } => self.prepare_failed = Some(source),
            ChoreResult::Broken { action, source } => self.poison(action, source),
        }
    }

    /// The segment that must be there now could not be made: gives up.
    pub fn give_up_for_want_of_a_segment(&mut self) {
        if let Some(source) = self.prepare_failed.take() {
            self.poison("make the next segment", source);
        }
    }
}
