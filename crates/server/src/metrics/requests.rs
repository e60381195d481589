//! What clients asked, counted where the answer leaves: by door, verb, level and outcome, with its latency.
//!
//! Invariants:
//! - a shard counts for the connections that it owns, in plain numbers of its own: no lock, no atomic, no allocation;
//! - what a request is counted under (verb, level, when it came) travels with it as [`Origin::tag`]: nothing is looked
//!   up when the answer is there;
//! - labels come from the lists here, whatever a client sends: their number is bounded.
//!
//! Latency is from the turn that took the request in to the one that took its answer to the connection: what it
//! waited in the inbox for that turn is not in it.

use quorate_coordinator::{Origin, Tag};
use quorate_types::{KeyspaceId, Level, Mono, ReadOutcome, Refusal, WriteOutcome};
use quorate_wire::{PageOutcome, RequestBody, ResponseBody, RingKeyspace};

use super::latency::Latency;
use crate::connections::ConnectionId;

/// Declares a list of label values.
macro_rules! labels {
    ($(#[$doc:meta])* $Name:ident: $($Value:ident = $word:literal),* $(,)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $Name { $($Value),* }

        impl $Name {
            pub(crate) const ALL: &[$Name] = &[$($Name::$Value),*];
            /// As metrics show them, in the order of the enum.
            pub(crate) const WORDS: &[&str] = &[$($word),*];
        }
    };
}

labels! {
    /// Where requests come in.
    Door: Tcp = "tcp", Resp = "resp", Http = "http"
}

labels! {
    /// What is asked.
    Verb: Get = "get", Put = "put", Delete = "delete", Expire = "expire", Page = "page", Explain = "explain",
        Status = "status", Ring = "ring"
}

labels! {
    /// What it came to.
    Outcome: Found = "found", Deleted = "deleted", NotFound = "not_found", Written = "written", Answered = "answered",
        Unavailable = "unavailable", TimedOut = "timed_out", Indeterminate = "indeterminate", Rejected = "rejected",
        Overloaded = "overloaded", Refused = "refused", Duplicate = "duplicate"
}

/// The levels as metrics show them; `none`: the verb has none.
pub(crate) const LEVELS: [&str; 15] = [
    "none",
    "ONE",
    "TWO",
    "THREE",
    "QUORUM",
    "ALL",
    "LINEARIZABLE",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "other",
];

fn level_at(level: Option<Level>) -> u8 {
    match level {
        None => 0,
        Some(Level::One) => 1,
        Some(Level::Two) => 2,
        Some(Level::Three) => 3,
        Some(Level::Quorum) => 4,
        Some(Level::All) => 5,
        Some(Level::Linearizable) => 6,
        Some(Level::Exactly(k @ 1..=7)) => 6 + k,
        Some(Level::Exactly(_)) => 14,
    }
}

impl Door {
    /// The door of `connection`.
    pub(crate) fn of(connection: ConnectionId) -> Door {
        if connection.is_http() {
            Door::Http
        } else if connection.is_resp() {
            Door::Resp
        } else {
            Door::Tcp
        }
    }
}

impl Outcome {
    /// What an answer says.
    pub(crate) fn of(body: &ResponseBody) -> Outcome {
        match body {
            ResponseBody::Write(WriteOutcome::Written { .. }) => Outcome::Written,
            ResponseBody::Write(WriteOutcome::Indeterminate { .. }) => Outcome::Indeterminate,
            ResponseBody::Read(ReadOutcome::Found { .. }) => Outcome::Found,
            ResponseBody::Read(ReadOutcome::Deleted { .. }) => Outcome::Deleted,
            ResponseBody::Read(ReadOutcome::NotFound { .. }) => Outcome::NotFound,
            ResponseBody::Write(WriteOutcome::Unavailable { .. })
            | ResponseBody::Read(ReadOutcome::Unavailable { .. })
            | ResponseBody::Page(PageOutcome::Unavailable { .. }) => Outcome::Unavailable,
            ResponseBody::Read(ReadOutcome::TimedOut { .. })
            | ResponseBody::Page(PageOutcome::TimedOut { .. }) => Outcome::TimedOut,
            ResponseBody::Write(WriteOutcome::Rejected { reason })
            | ResponseBody::Read(ReadOutcome::Rejected { reason })
            | ResponseBody::Page(PageOutcome::Rejected { reason }) => {
                Outcome::declined(reason, Outcome::Rejected)
            }
            ResponseBody::Refused(reason) => Outcome::declined(reason, Outcome::Refused),
            ResponseBody::Page(PageOutcome::Page { .. })
            | ResponseBody::Explain(_)
            | ResponseBody::Status(_)
            | ResponseBody::Ring(_) => Outcome::Answered,
        }
    }

    fn declined(reason: &Refusal, otherwise: Outcome) -> Outcome {
        if matches!(reason, Refusal::Overloaded { .. }) { Outcome::Overloaded } else { otherwise }
    }
}

const DOORS: usize = Door::ALL.len();
const VERBS: usize = Verb::ALL.len();
const OUTCOMES: usize = Outcome::ALL.len();

/// What a request is counted under, as the driver's byte of its [`Tag`]: verb and level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Labels(u8);

impl Labels {
    fn new(verb: Verb, level: Option<Level>) -> Labels {
        Labels((verb as u8) << 4 | level_at(level))
    }

    pub(crate) fn of(tag: Tag) -> Labels {
        Labels(tag.own())
    }

    pub(crate) fn verb(self) -> usize {
        usize::from(self.0 >> 4)
    }

    pub(crate) fn level(self) -> usize {
        usize::from(self.0 & 0xf)
    }
}

/// The counts of one shard.
#[derive(Clone, Debug)]
pub(crate) struct RequestCounts {
    answers: Box<[u64]>,
    latencies: Box<[Latency]>,
}

/// Answers that were counted alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answers {
    pub(crate) door: &'static str,
    pub(crate) verb: &'static str,
    pub(crate) level: &'static str,
    pub(crate) outcome: &'static str,
    pub(crate) count: u64,
}

impl RequestCounts {
    pub(crate) fn new() -> RequestCounts {
        RequestCounts {
            answers: vec![0; DOORS * VERBS * LEVELS.len() * OUTCOMES].into(),
            latencies: vec![Latency::default(); DOORS * VERBS].into(),
        }
    }

    fn count(&mut self, door: Door, labels: Labels, outcome: Outcome) {
        let at = (door as usize * VERBS + labels.verb()) * LEVELS.len() + labels.level();
        self.answers[at * OUTCOMES + outcome as usize] += 1;
    }

    /// Adds what another shard counted.
    pub(crate) fn add(&mut self, other: &RequestCounts) {
        self.answers.iter_mut().zip(&other.answers).for_each(|(sum, more)| *sum += more);
        self.latencies.iter_mut().zip(&other.latencies).for_each(|(sum, more)| sum.add(more));
    }

    /// What was counted at all.
    pub(crate) fn answers(&self) -> impl Iterator<Item = Answers> {
        let counted = self.answers.iter().enumerate().filter(|(_, count)| **count > 0);
        counted.map(|(at, &count)| {
            let (at, outcome) = (at / OUTCOMES, at % OUTCOMES);
            let (at, level) = (at / LEVELS.len(), at % LEVELS.len());
            Answers {
                door: Door::WORDS[at / VERBS],
                verb: Verb::WORDS[at % VERBS],
                level: LEVELS[level],
                outcome: Outcome::WORDS[outcome],
                count,
            }
        })
    }

    /// The latencies of doors and verbs that were used.
    pub(crate) fn latencies(&self) -> impl Iterator<Item = (&'static str, &'static str, &Latency)> {
        let used = self.latencies.iter().enumerate().filter(|(_, latency)| latency.count() > 0);
        used.map(|(at, latency)| (Door::WORDS[at / VERBS], Verb::WORDS[at % VERBS], latency))
    }
}

/// Counts for one shard; see the module.
#[derive(Debug)]
pub(crate) struct Meter {
    /// The levels of requests that name none, for reads and writes.
    keyspaces: Vec<(KeyspaceId, Level, Level)>,
    counts: RequestCounts,
}

impl Meter {
    pub(crate) fn new(keyspaces: &[RingKeyspace]) -> Meter {
        let levels = |keyspace: &RingKeyspace| (keyspace.id, keyspace.read, keyspace.write);
        Meter { keyspaces: keyspaces.iter().map(levels).collect(), counts: RequestCounts::new() }
    }

    /// What `body`, which came now, will be counted under.
    pub(crate) fn tag(&self, now: Mono, body: &RequestBody) -> Tag {
        let (verb, level) = match body {
            RequestBody::Get { keyspace, level, .. } => (Verb::Get, self.read_level(*keyspace, *level)),
            RequestBody::Page { keyspace, level, .. } => (Verb::Page, self.read_level(*keyspace, *level)),
            RequestBody::Put { keyspace, level, .. } => (Verb::Put, self.write_level(*keyspace, *level)),
            RequestBody::Delete { keyspace, level, .. } => {
                (Verb::Delete, self.write_level(*keyspace, *level))
            }
            RequestBody::Expire { keyspace, write, .. } => {
                (Verb::Expire, self.write_level(*keyspace, *write))
            }
            RequestBody::Explain { .. } => (Verb::Explain, None),
            RequestBody::Status => (Verb::Status, None),
            RequestBody::Ring => (Verb::Ring, None),
        };
        Tag::new(now, Labels::new(verb, level).0)
    }

    fn read_level(&self, keyspace: KeyspaceId, named: Option<Level>) -> Option<Level> {
        named.or_else(|| self.levels(keyspace).map(|(_, read, _)| *read))
    }

    fn write_level(&self, keyspace: KeyspaceId, named: Option<Level>) -> Option<Level> {
        named.or_else(|| self.levels(keyspace).map(|(_, _, write)| *write))
    }

    fn levels(&self, keyspace: KeyspaceId) -> Option<&(KeyspaceId, Level, Level)> {
        self.keyspaces.iter().find(|(known, ..)| *known == keyspace)
    }

    /// The request of `origin` was answered; how long that took, nanoseconds.
    pub(crate) fn answered(&mut self, now: Mono, origin: &Origin, body: &ResponseBody) -> u64 {
        let (door, labels) = (Door::of(ConnectionId(origin.connection)), Labels::of(origin.tag));
        let elapsed_ns = origin.tag.elapsed_ns(now);
        self.counts.count(door, labels, Outcome::of(body));
        self.counts.latencies[door as usize * VERBS + labels.verb()].record(elapsed_ns);
        elapsed_ns
    }

    /// The request of `origin` gets no answer of its own: it was there already.
    pub(crate) fn unanswered(&mut self, origin: &Origin) {
        self.counts.count(
            Door::of(ConnectionId(origin.connection)),
            Labels::of(origin.tag),
            Outcome::Duplicate,
        );
    }

    pub(crate) fn counts(&self) -> &RequestCounts {
        &self.counts
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use quorate_types::SessionId;

    use super::*;

    fn meter() -> Meter {
        let id = KeyspaceId(1);
        let (read, write) = (Level::One, Level::Quorum);
        Meter::new(&[RingKeyspace { id, name: "default".into(), n: 3, read, write }])
    }

    fn get(level: Option<Level>) -> RequestBody {
        RequestBody::Get { keyspace: KeyspaceId(1), key: Bytes::from_static(b"k"), level }
    }

    fn origin(connection: ConnectionId, tag: Tag) -> Origin {
        Origin { connection: connection.0, session: SessionId::NONE, number: 1, tag }
    }

    #[test]
    fn every_level_and_verb_survives_its_tag_and_a_level_that_nobody_has_is_other() {
        let meter = meter();
        let word = |level| LEVELS[Labels::of(meter.tag(Mono(u64::MAX), &get(level))).level()];
        let named = [Level::One, Level::Two, Level::Three, Level::Quorum, Level::All, Level::Linearizable];
        for level in named.into_iter().chain((1..=7).map(Level::Exactly)) {
            assert_eq!(word(Some(level)), level.to_string());
        }
        assert_eq!((word(Some(Level::Exactly(200))), word(None)), ("other", "ONE"));
        for &verb in Verb::ALL {
            let labels = Labels::new(verb, Some(Level::Exactly(200)));
            let tag = Tag::new(Mono(77), labels.0);
            assert_eq!((Labels::of(tag), labels.verb()), (labels, verb as usize));
        }
        assert_eq!(Labels::of(meter.tag(Mono(0), &RequestBody::Status)).level(), 0);
    }

    #[test]
    fn what_shards_counted_adds_up_per_door_verb_level_and_outcome() {
        let mut shards = [meter(), meter()];
        let refused = ResponseBody::Refused(Refusal::Overloaded { limit: "requests_max".into() });
        let doors = [ConnectionId::new(1, 0), ConnectionId::resp(2, 0), ConnectionId::http(0)];
        for (at, door) in doors.into_iter().enumerate() {
            for shard in &mut shards {
                let tag = shard.tag(Mono(1_000), &get(Some(Level::All)));
                let took = shard.answered(Mono(31_000), &origin(door, tag), &refused);
                assert_eq!(took, 30_000);
                (0..at).for_each(|_| shard.unanswered(&origin(door, tag)));
            }
        }
        let mut sum = shards[0].counts().clone();
        sum.add(shards[1].counts());
        let rows: Vec<_> = sum.answers().map(|row| (row.door, row.outcome, row.count)).collect();
        let overloaded = |door| (door, "overloaded", 2);
        let duplicates = |door, count| (door, "duplicate", count);
        let expected = [
            overloaded("tcp"),
            overloaded("resp"),
            duplicates("resp", 2),
            overloaded("http"),
            duplicates("http", 4),
        ];
        assert_eq!(rows, expected);
        assert!(sum.answers().all(|row| (row.verb, row.level) == ("get", "ALL")));
        let counts: Vec<_> = sum.latencies().map(|(.., latency)| latency.count()).collect();
        assert_eq!(counts, [2, 2, 2]);
    }
}
