//! What happened, as one rolling hash with checkpoints, and its last part in words.
//!
//! Two runs of one seed must have the same hash. If they don't, their checkpoints say within which
//! [`CHECKPOINT_EVERY`] events they part, and the ring of the last events shows how it ended.

use std::collections::VecDeque;
use std::fmt;

use quorate_types::Mono;

/// Events between two checkpoints of the hash.
pub const CHECKPOINT_EVERY: u64 = 10_000;
/// Events that are remembered in words.
const REMEMBERED: usize = 64;

/// Something that happened to a shard of a node, or (node 0) to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When.
    pub at: Mono,
    /// The node's number, from 1.
    pub node: usize,
    /// Its shard.
    pub shard: usize,
    /// What.
    pub what: &'static str,
    /// What tells it from others of its kind: numbers, or a hash of its bytes.
    pub detail: [u64; 2],
}

impl Happening {
    /// It in words, with its time counted from `begin`: as in the plan, if that is when the cluster was up.
    pub fn since(self, begin: Mono) -> impl fmt::Display {
        Told(self, begin)
    }
}

struct Told(Happening, Mono);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Told(Happening { at, node, shard, what, detail: [a, b] }, begin) = self;
        let ns = at.0.saturating_sub(begin.0);
        let (ms, ns) = (ns / 1_000_000, ns % 1_000_000);
        write!(f, "{ms:>8}.{ns:06} ms  n{node}/{shard}  {what:<16} {a:x} {b:x}")
    }
}

/// The trace of a run.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    hash: u64,
    events: u64,
    checkpoints: Vec<u64>,
    last: VecDeque<Happening>,
    /// Everything, if somebody looks on.
    kept: Option<Vec<Happening>>,
}

impl Trace {
    /// Takes in what happened.
    pub fn note(&mut self, happening: Happening) {
        let Happening { at, node, shard, what, detail } = happening;
        let place = (node as u64) << 32 | shard as u64;
        let mut bytes = [0; 40];
        let words = [at.0, place, detail[0], detail[1], xxhash_rust::xxh3::xxh3_64(what.as_bytes())];
        for (to, word) in bytes.chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        self.hash = xxhash_rust::xxh3::xxh3_64_with_seed(&bytes, self.hash);
        self.events += 1;
        if self.events.is_multiple_of(CHECKPOINT_EVERY) {
            self.checkpoints.push(self.hash);
        }
        if self.last.len() == REMEMBERED {
            self.last.pop_front();
        }
        self.last.push_back(happening);
        if let Some(kept) = &mut self.kept {
            kept.push(happening);
        }
    }

    /// From now on everything is kept for [`Trace::take`].
    pub fn keep(&mut self) {
        self.kept = Some(Vec::new());
    }

    /// What happened since this was last asked.
    pub fn take(&mut self) -> Vec<Happening> {
        self.kept.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The hash over everything so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Events so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The hash after each [`CHECKPOINT_EVERY`] events.
    pub fn checkpoints(&self) -> &[u64] {
        &self.checkpoints
    }

    /// The last events, oldest first.
    pub fn last(&self) -> impl Iterator<Item = &Happening> {
        self.last.iter()
    }

    /// The events within which this run and `other` part; `None` if they don't, as far as the checkpoints see.
    pub fn parts_from(&self, other: &Trace) -> Option<std::ops::Range<u64>> {
        let same = self.checkpoints.iter().zip(&other.checkpoints).take_while(|(a, b)| a == b).count() as u64;
        let from = same * CHECKPOINT_EVERY;
        (self.hash != other.hash).then_some(from..from + CHECKPOINT_EVERY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(events: u64, odd_at: Option<u64>) -> Trace {
        let mut trace = Trace::default();
        for i in 0..events {
            let detail = [i, u64::from(odd_at == Some(i))];
            trace.note(Happening { at: Mono(i), node: 1, shard: 0, what: "tick", detail });
        }
        trace
    }

    #[test]
    fn equal_events_give_an_equal_hash_and_one_that_differs_is_found_between_two_checkpoints() {
        let (a, b, odd) = (trace(35_000, None), trace(35_000, None), trace(35_000, Some(23_456)));
        assert_eq!((a.hash(), a.parts_from(&b)), (b.hash(), None));
        assert_eq!(a.parts_from(&odd), Some(20_000..30_000));
    }

    #[test]
    fn the_last_events_are_remembered_in_order() {
        let last: Vec<u64> = trace(1_000, None).last().map(|h| h.at.0).collect();
        assert_eq!(last, (936..1_000).collect::<Vec<_>>());
    }
}
