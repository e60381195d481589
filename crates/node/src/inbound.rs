//! The answering side of a link: which of the peer's batches were executed, and which are to be acknowledged.
//!
//! Invariants:
//! - a batch number of one epoch is executed at most once, in whatever order and number its frames arrive;
//! - a batch is acknowledged when every write in it is durable and applied, or refused by name; never before;
//! - a duplicate of an acknowledged batch is acknowledged again, for the acknowledgement may have been lost;
//! - the last [`WINDOW`] batches are remembered; an older one counts as executed and is not answered.

use std::collections::VecDeque;

use quorate_types::{NodeId, Refusal};
use quorate_wire::{Acks, BatchRange, LinkEpoch, PartialBatch};

/// Batches remembered per link: twice what a sender may have outstanding by default.
pub(crate) const WINDOW: usize = 4_096;

/// What to do with a batch that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It is new: execute its writes.
    Execute,
    /// It was seen before; if it was answered, it will be again.
    Duplicate,
    /// It is older than the window, or of an epoch before this one: ignore it.
    TooOld,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Unseen,
    Waiting(Box<Waiting>),
    Done,
    Partial(Vec<(u32, Refusal)>),
}

#[derive(Debug, Default)]
struct Waiting {
    writes: u32,
    refused: Vec<(u32, Refusal)>,
}

/// One link that a peer dialled.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) peer: NodeId,
    epoch: Option<LinkEpoch>,
    /// Batches `first ..`.
    states: VecDeque<State>,
    first: u64,
    /// Batches to acknowledge at the end of the turn.
    ready: Vec<u64>,
}

impl Inbound {
    pub(crate) fn new(peer: NodeId) -> Inbound {
        Inbound { peer, epoch: None, states: VecDeque::new(), first: 1, ready: Vec::new() }
    }

    /// A batch of `writes` writes came in.
    pub(crate) fn on_batch(&mut self, epoch: LinkEpoch, batch: u64, writes: usize) -> Arrival {
        if self.epoch.is_none_or(|ours| ours < epoch) {
            *self = Inbound { epoch: Some(epoch), ..Inbound::new(self.peer) };
        }
        if self.epoch != Some(epoch) || batch < self.first || batch == u64::MAX {
            return Arrival::TooOld;
        }
        self.reach(batch);
        match self.at(batch) {
            Some(state @ State::Unseen) if writes > 0 => {
                *state = State::Waiting(Box::new(Waiting { writes: writes as u32, refused: Vec::new() }));
                Arrival::Execute
            }
            Some(state @ State::Unseen) => {
                *state = State::Done;
                self.ready.push(batch);
                Arrival::Execute
            }
            Some(State::Done | State::Partial(_)) => {
                self.ready.push(batch);
                Arrival::Duplicate
            }
            Some(State::Waiting(_)) | None => Arrival::Duplicate,
        }
    }

    /// One write of `batch` is durable and applied.
    pub(crate) fn on_applied(&mut self, epoch: LinkEpoch, batch: u64) {
        self.on_settled(epoch, batch, None);
    }

    /// The write `index` of `batch` was refused.
    pub(crate) fn on_refused(&mut self, epoch: LinkEpoch, batch: u64, index: u32, why: Refusal) {
        self.on_settled(epoch, batch, Some((index, why)));
    }

    /// The acknowledgements that this turn has for the peer.
    pub(crate) fn take_acks(&mut self, credit_bytes: u32) -> Option<Acks> {
        let epoch = self.epoch.filter(|_| !self.ready.is_empty())?;
        let mut ready = std::mem::take(&mut self.ready);
        ready.sort_unstable();
        ready.dedup();
        let mut acks = Acks { epoch, ranges: Vec::new(), partial: Vec::new(), credit_bytes };
        for &batch in &ready {
            match self.at(batch) {
                Some(State::Done) => extend_ranges(&mut acks.ranges, batch),
                Some(State::Partial(refused)) => {
                    acks.partial.push(PartialBatch { batch, refused: refused.clone() });
                }
                _ => {} // slid out of the window within the turn
            }
        }
        ready.clear();
        self.ready = ready;
        Some(acks)
    }

    fn on_settled(&mut self, epoch: LinkEpoch, batch: u64, refused: Option<(u32, Refusal)>) {
        if self.epoch != Some(epoch) {
            return;
        }
        let Some(state @ State::Waiting(_)) = self.at(batch) else { return };
        let State::Waiting(waiting) = state else { return };
        waiting.refused.extend(refused);
        waiting.writes -= 1;
        if waiting.writes == 0 {
            let refused = std::mem::take(&mut waiting.refused);
            *state = if refused.is_empty() { State::Done } else { State::Partial(refused) };
            self.ready.push(batch);
        }
    }

    fn at(&mut self, batch: u64) -> Option<&mut State> {
        self.states.get_mut(usize::try_from(batch.checked_sub(self.first)?).ok()?)
    }

    /// Makes a state for `batch`, forgetting what lies [`WINDOW`] behind it; O(`WINDOW`) whatever the gap.
    fn reach(&mut self, batch: u64) {
        if batch < self.first + self.states.len() as u64 {
            return;
        }
        let first = (batch + 1).saturating_sub(WINDOW as u64).max(self.first);
        let gone = (first - self.first).min(self.states.len() as u64) as usize;
        self.states.drain(..gone);
        self.first = first;
        self.states.resize_with((batch + 1 - first) as usize, State::default);
    }
}

fn extend_ranges(ranges: &mut Vec<BatchRange>, batch: u64) {
    match ranges.last_mut() {
        Some(range) if range.last + 1 == batch => range.last = batch,
        _ => ranges.push(BatchRange { first: batch, last: batch }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use quorate_types::Generation;

    const EPOCH: LinkEpoch = LinkEpoch { generation: Generation(3), connection: 5 };

    fn link() -> Inbound {
        Inbound::new(NodeId(2))
    }

    fn ranges(link: &mut Inbound) -> Vec<(u64, u64)> {
        let acks = link.take_acks(0);
        acks.map_or(Vec::new(), |a| a.ranges.iter().map(|r| (r.first, r.last)).collect())
    }

    #[test]
    fn a_batch_is_acknowledged_when_its_last_write_is_applied() {
        let mut link = link();
        assert_eq!(link.on_batch(EPOCH, 1, 2), Arrival::Execute);
        link.on_applied(EPOCH, 1);
        assert_eq!(ranges(&mut link), []);
        link.on_applied(EPOCH, 1);
        assert_eq!(ranges(&mut link), [(1, 1)]);
        assert_eq!(ranges(&mut link), [], "once");
    }

    #[test]
    fn batches_done_in_one_turn_are_acknowledged_as_ranges_in_whatever_order_they_came() {
        let mut link = link();
        for batch in [4, 1, 2, 7] {
            link.on_batch(EPOCH, batch, 1);
            link.on_applied(EPOCH, batch);
        }
        assert_eq!(ranges(&mut link), [(1, 2), (4, 4), (7, 7)]);
    }

    #[test]
    fn a_duplicate_is_not_executed_again_and_answered_again_only_if_it_was_answered() {
        let mut link = link();
        link.on_batch(EPOCH, 1, 1);
        assert_eq!(link.on_batch(EPOCH, 1, 1), Arrival::Duplicate);
        assert_eq!(ranges(&mut link), []);
        link.on_applied(EPOCH, 1);
        assert_eq!(ranges(&mut link), [(1, 1)]);
        assert_eq!(link.on_batch(EPOCH, 1, 1), Arrival::Duplicate);
        assert_eq!(ranges(&mut link), [(1, 1)]);
    }

    #[test]
    fn a_batch_with_a_refused_write_is_never_in_a_range() {
        let mut link = link();
        link.on_batch(EPOCH, 1, 2);
        link.on_refused(EPOCH, 1, 1, Refusal::DeadlinePassed);
        link.on_applied(EPOCH, 1);
        let acks = link.take_acks(7).unwrap();
        let partial = vec![PartialBatch { batch: 1, refused: vec![(1, Refusal::DeadlinePassed)] }];
        assert_eq!(
            acks,
            Acks { epoch: EPOCH, ranges: Vec::new(), partial: partial.clone(), credit_bytes: 7 }
        );
        link.on_batch(EPOCH, 1, 2);
        assert_eq!(link.take_acks(7).unwrap().partial, partial, "again, to a duplicate");
    }

    #[test]
    fn an_older_epoch_is_ignored_and_a_newer_one_begins_anew() {
        let mut link = link();
        link.on_batch(EPOCH, 1, 1);
        let older = LinkEpoch { connection: 4, ..EPOCH };
        let newer = LinkEpoch { connection: 6, ..EPOCH };
        assert_eq!(link.on_batch(older, 2, 1), Arrival::TooOld);
        assert_eq!(link.on_batch(newer, 1, 1), Arrival::Execute);
        link.on_applied(EPOCH, 1);
        assert_eq!(ranges(&mut link), [], "that was the old one");
        link.on_applied(newer, 1);
        assert_eq!(link.take_acks(0).unwrap().epoch, newer);
    }

    #[test]
    fn what_slid_out_of_the_window_counts_as_executed_and_is_not_answered() {
        let mut link = link();
        link.on_batch(EPOCH, 1, 1);
        assert_eq!(link.on_batch(EPOCH, WINDOW as u64 + 1, 1), Arrival::Execute);
        link.on_applied(EPOCH, 1);
        assert_eq!(ranges(&mut link), []);
        assert_eq!(link.on_batch(EPOCH, 1, 1), Arrival::TooOld);
        assert_eq!(link.on_batch(EPOCH, u64::MAX - 1, 1), Arrival::Execute, "a huge gap costs nothing");
        assert_eq!(link.states.len(), WINDOW);
        assert_eq!(link.on_batch(EPOCH, u64::MAX, 1), Arrival::TooOld);
    }

    proptest! {
        #[test]
        fn a_number_is_executed_at_most_once(batches in proptest::collection::vec(1u64..200, 1..300)) {
            let mut link = link();
            let mut executed = std::collections::BTreeSet::new();
            for batch in batches {
                match link.on_batch(EPOCH, batch, 1) {
                    Arrival::Execute => prop_assert!(executed.insert(batch)),
                    Arrival::Duplicate => prop_assert!(executed.contains(&batch)),
                    Arrival::TooOld => prop_assert!(false, "the window is wider"),
                }
            }
        }
    }
}
