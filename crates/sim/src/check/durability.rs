//! What was acknowledged is not lost.
//!
//! A write acknowledged at W by replicas that sync before they acknowledge survives any number of crashes, of the
//! whole cluster too, and the loss of W − 1 disks. It may be overshadowed by a larger version, never vanish:
//! - at the end as many replicas as its level needed hold its version or a larger one (those that were not looked at
//!   count as holding it, a lost disk as one less);
//! - of the reads that must overlap it, the last ones show it or something newer: a read is judged by the disks that were
//!   lost before it ended, and not by those that came after.
//!
//! Each acknowledged write is *kept*, *lost* (the last read that began after the acknowledgement misses it),
//! *overshadowed* (missed like a newer one that is lost), *stale* (a read missed it, a later one has it: freshness judges
//! that) or *never read* at an overlapping level; the report counts them, as Jepsen's set-full does for elements.
//!
//! Source: invariant A1; Jepsen checker/set-full.

use quorate_types::{Mono, Version};

use super::KeyCheck;
use super::judge::{Invariant, Judge, Verdict};
use super::register::{Acked, Register, Sight, Write};

pub(super) struct Durability {
    judge: Judge,
}

impl Durability {
    pub(super) fn new() -> Durability {
        Durability { judge: Judge::new(Invariant::Durability) }
    }
}

impl KeyCheck for Durability {
    fn look(&mut self, register: &Register<'_>) {
        let finals = register.finals();
        let newest = finals.iter().map(|copy| copy.held.as_ref().map(crate::history::Held::newest));
        let mut newest: Vec<Option<Version>> = newest.collect();
        newest.sort_unstable();
        let unseen = usize::from(register.promise.n).saturating_sub(newest.len());
        let reads = Shown::of(register);
        // If the newest is lost, so is what it overshadowed: that is one violation.
        for write in newest_first(register) {
            let (Some(version), Some(acked)) = (write.version(), write.acked()) else { continue };
            let kept = acked.required.saturating_sub(register.losses.since(write.begun));
            let fate = reads.fate(register, write);
            let is_at_the_end = kept > 0 && !finals.is_empty();
            if fate == Fate::Unread && !is_at_the_end {
                continue;
            }
            self.judge.looked(1);
            let held = newest.len() - newest.partition_point(|copy| *copy < Some(version));
            if is_at_the_end && held + unseen < kept {
                self.judge.violated(Some(register.key), &[write.op], || {
                    let (id, required) = (register.id(write.op), acked.required);
                    format!(
                        "#{id} was acknowledged by {required} replicas; at the end {held} of {} have it or something newer",
                        newest.len()
                    )
                });
                break;
            }
            if let Fate::Lost { by } = fate {
                self.judge.violated(Some(register.key), &[write.op, by], || {
                    let (id, by) = (register.id(write.op), register.id(by));
                    format!("#{id} was acknowledged as {version}, and the last read that must show it, #{by}, does not")
                });
                break;
            }
        }
    }

    fn verdict(self: Box<Self>) -> Verdict {
        self.judge.verdict()
    }
}

/// The writes of a key, those of larger versions first.
pub(super) fn newest_first<'a, 'b>(register: &'b Register<'a>) -> Vec<&'b Write<'a>> {
    let mut writes: Vec<&Write<'a>> = register.writes.iter().collect();
    writes.sort_by_key(|write| std::cmp::Reverse(write.version()));
    writes
}

/// What reads say of an acknowledged write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// All reads that must show it do.
    Kept,
    /// The last that must show it does not.
    Lost {
        /// That one.
        by: usize,
    },
    /// One that must show it did not, a later one did.
    Stale {
        /// From the acknowledgement to the beginning of the last read that missed it.
        for_ns: u64,
    },
    /// No read had to show it.
    Unread,
}

/// The reads of a key by what they show, for each number of disks that were lost before they ended, and of replicas that
/// they ask.
pub(super) struct Shown {
    /// By lost disks, by `required`: sights sorted by version, with the latest beginning among those up to each, and from
    /// each on.
    by_lost: Vec<Vec<Sorted>>,
}

#[derive(Default)]
struct Sorted {
    versions: Vec<Option<Version>>,
    /// The latest beginning among the sights before this place, and whose.
    latest_before: Vec<Option<(Mono, usize)>>,
    /// The latest beginning among the sights from this place on.
    latest_from: Vec<Option<(Mono, usize)>>,
}

impl Shown {
    pub(super) fn of(register: &Register<'_>) -> Shown {
        let n = usize::from(register.promise.n);
        let mut sights: Vec<Vec<&Sight<'_>>> = vec![Vec::new(); register.losses.count() + 1];
        for sight in &register.sights {
            sights[register.losses.before(Mono(sight.at.0.saturating_add(1)))].push(sight);
        }
        let at_least = |sights: &[&Sight<'_>], required: usize| {
            Sorted::of(sights.iter().copied().filter(|sight| sight.required >= required))
        };
        let by_required = |sights: Vec<&Sight<'_>>| (0..=n).map(|least| at_least(&sights, least)).collect();
        Shown { by_lost: sights.into_iter().map(by_required).collect() }
    }

    pub(super) fn fate(&self, register: &Register<'_>, write: &Write<'_>) -> Fate {
        let (Some(version), Some(Acked { at, required })) = (write.version(), write.acked()) else {
            return Fate::Unread;
        };
        let after = |latest: Option<(Mono, usize)>| latest.filter(|(begun, _)| *begun > at);
        let (mut missed, mut showed) = (None, None);
        // Each disk that was lost since it began leaves one replica less to overlap with.
        let since = self.by_lost.iter().skip(register.losses.before(write.begun));
        for (by_required, kept) in since.zip((1..=required).rev()) {
            let needed = usize::from(register.promise.n) + 1 - kept;
            let Some(sorted) = by_required.get(needed) else { continue };
            let place = sorted.versions.partition_point(|seen| *seen < Some(version));
            missed = missed.max(after(sorted.latest_before[place]));
            showed = showed.max(after(sorted.latest_from[place]));
        }
        match (missed, showed) {
            (None, None) => Fate::Unread,
            (None, Some(_)) => Fate::Kept,
            (Some((missed, by)), showed) if showed.is_none_or(|(showed, _)| showed <= missed) => {
                Fate::Lost { by }
            }
            (Some((missed, _)), _) => Fate::Stale { for_ns: missed.0 - at.0 },
        }
    }
}

impl Sorted {
    fn of<'a>(sights: impl Iterator<Item = &'a Sight<'a>>) -> Sorted {
        let mut sights: Vec<(Option<Version>, (Mono, usize))> =
            sights.map(|sight| (sight.version, (sight.begun, sight.op))).collect();
        sights.sort_unstable();
        let mut sorted =
            Sorted { versions: sights.iter().map(|(version, _)| *version).collect(), ..Sorted::default() };
        let running = |latest: &mut Option<(Mono, usize)>, begun: Option<(Mono, usize)>| {
            *latest = (*latest).max(begun);
            Some(*latest)
        };
        let begun = || sights.iter().map(|(_, begun)| Some(*begun));
        sorted.latest_before = std::iter::once(None).chain(begun()).scan(None, running).collect();
        sorted.latest_from = std::iter::once(None).chain(begun().rev()).scan(None, running).collect();
        sorted.latest_from.reverse();
        sorted
    }
}
