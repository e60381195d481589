//! One key as the checkers see it: its writes, each with all its attempts, what reads saw of it, and its copies.

use quorate_types::{Level, Mono, NodeId, Version};

use super::losses::Losses;
use crate::history::{Answer, Copy, Held, History, KeyNumber, Op, OpKind, Outcome, Promise, Value};

/// See the module's head.
pub(super) struct Register<'a> {
    pub(super) key: KeyNumber,
    pub(super) history: &'a History,
    pub(super) promise: &'a Promise,
    /// Of its replicas, if the history tells which these are; else all.
    pub(super) losses: Losses,
    /// Of all nodes.
    pub(super) all_losses: &'a Losses,
    /// In the order in which they began.
    pub(super) writes: Vec<Write<'a>>,
    /// In the order in which they began.
    pub(super) sights: Vec<Sight<'a>>,
    /// In the order of time.
    pub(super) copies: Vec<&'a Copy>,
}

/// An acknowledgement: from `at` on, `required` replicas had it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acked {
    pub(super) at: Mono,
    pub(super) required: usize,
}

/// The expiry that a write was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ToldExpiry {
    pub(super) at_ms: Option<u64>,
}

/// A write with all its attempts.
#[derive(Debug)]
pub(super) struct Write<'a> {
    /// The first attempt's place.
    pub(super) op: usize,
    /// When the first attempt began.
    pub(super) begun: Mono,
    pub(super) level: Level,
    /// The value; `None` deletes.
    pub(super) value: Option<&'a Value>,
    /// Whether it sets an expiry.
    pub(super) expires: bool,
    /// The version that it was told, and when first.
    pub(super) version: Option<(Version, Mono)>,
    /// Another version that it was told, which must not be.
    pub(super) other_version: Option<Version>,
    /// The expiry that it was told, if it was acknowledged.
    pub(super) expiry: Option<ToldExpiry>,
    pub(super) acks: Vec<Acked>,
    /// False only if every attempt was answered by a plain no.
    pub(super) may_exist: bool,
}

impl Write<'_> {
    /// The first acknowledgement.
    pub(super) fn acked(&self) -> Option<Acked> {
        self.acks.iter().copied().min_by_key(|acked| acked.at)
    }

    pub(super) fn version(&self) -> Option<Version> {
        self.version.map(|(version, _)| version)
    }
}

/// What a read saw of the key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight<'a> {
    pub(super) op: usize,
    pub(super) begun: Mono,
    pub(super) at: Mono,
    pub(super) level: Level,
    pub(super) required: usize,
    /// The version that was seen, of a tombstone or something expired, too.
    pub(super) version: Option<Version>,
    /// The record, if there was one to see.
    pub(super) held: Option<&'a Held>,
    pub(super) by: By,
}

/// How something was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// A get.
    Get,
    /// A get that was told of a tombstone.
    Tombstone,
    /// A scan: pages repair nothing.
    Scan,
}

/// Where in the history something about a key stands.
#[derive(Clone, Copy)]
enum Place {
    Op(u32),
    /// Operation, answer, entry.
    Entry(u32, u32, u32),
    Copy(u32),
}

/// One register after the other, in the order of [`History::keys`].
pub(super) fn registers<'a>(
    history: &'a History,
    losses: &'a Losses,
) -> impl Iterator<Item = Register<'a>> + 'a {
    let mut places = places(history);
    // Stable: within a key the order of time stays.
    places.sort_by_key(|(key, _)| *key);
    let mut from = 0;
    std::iter::from_fn(move || {
        let (key, _) = *places.get(from)?;
        let end = from + places[from..].partition_point(|(other, _)| *other == key);
        let register = Register::of(key, &places[from..end], history, losses);
        from = end;
        Some(register)
    })
}

fn places(history: &History) -> Vec<(KeyNumber, Place)> {
    let mut places = Vec::with_capacity(history.ops().len() + history.copies().len());
    for (at, op) in history.ops().iter().enumerate() {
        if let Some(key) = op.key() {
            places.push((key, Place::Op(at as u32)));
        }
        for (answer, told) in op.answers.iter().enumerate() {
            let entries = told.scanned.iter().enumerate();
            places.extend(
                entries.map(|(entry, key)| (*key, Place::Entry(at as u32, answer as u32, entry as u32))),
            );
        }
    }
    let copies = history.copies().iter().enumerate();
    places.extend(copies.map(|(at, copy)| (copy.key, Place::Copy(at as u32))));
    places
}

impl<'a> Register<'a> {
    fn of(
        key: KeyNumber,
        places: &[(KeyNumber, Place)],
        history: &'a History,
        losses: &'a Losses,
    ) -> Register<'a> {
        let promise = history.promise_of(key);
        let (writes, sights, copies) = (Vec::new(), Vec::new(), Vec::new());
        let (all_losses, losses) = (losses, losses.clone());
        let mut register = Register { key, history, promise, losses, all_losses, writes, sights, copies };
        for (_, place) in places {
            match *place {
                Place::Op(at) => register.take(at as usize, &history.ops()[at as usize]),
                Place::Entry(at, answer, entry) => {
                    let op = &history.ops()[at as usize];
                    register.take_entry((at as usize, op), &op.answers[answer as usize], entry as usize);
                }
                Place::Copy(at) => register.copies.push(&history.copies()[at as usize]),
            }
        }
        if !all_losses.is_empty()
            && let Some(replicas) = register.replicas()
        {
            register.losses = all_losses.of_nodes(&replicas);
        }
        register
    }

    /// Its replicas, if all of them were looked at in the end; `None`: the history does not tell.
    fn replicas(&self) -> Option<Vec<NodeId>> {
        let nodes: Vec<NodeId> = self.finals().iter().map(|copy| copy.node).collect();
        (nodes.len() == usize::from(self.promise.n)).then_some(nodes)
    }

    fn take(&mut self, at: usize, op: &'a Op) {
        if op.writes() {
            self.take_write(at, op);
            return;
        }
        for answer in &op.answers {
            let (version, held, by) = match &answer.outcome {
                Outcome::Found(held) => (Some(held.version), Some(held), By::Get),
                Outcome::Deleted { version } => (Some(*version), None, By::Tombstone),
                Outcome::NotFound { expired } => (*expired, None, By::Get),
                _ => continue,
            };
            self.see(at, op, answer, (version, held, by));
        }
    }

    fn take_entry(&mut self, (at, op): (usize, &'a Op), answer: &'a Answer, entry: usize) {
        let Outcome::Scanned { entries } = &answer.outcome else { return };
        let held = &entries[entry].record;
        self.see(at, op, answer, (Some(held.version), Some(held), By::Scan));
    }

    fn see(&mut self, op: usize, asked: &Op, answer: &Answer, what: (Option<Version>, Option<&'a Held>, By)) {
        let Some(required) = self.promise.required(asked.level) else { return };
        let (version, held, by) = what;
        let (begun, level, at) = (asked.begun, asked.level, answer.at);
        self.sights.push(Sight { op, begun, at, level, required, version, held, by });
    }

    fn take_write(&mut self, at: usize, op: &'a Op) {
        let known = op.retry_of.and_then(|first| self.writes.binary_search_by_key(&first, |w| w.op).ok());
        let index = known.unwrap_or_else(|| {
            self.writes.push(Write::new(at, op));
            self.writes.len() - 1
        });
        let required = self.promise.required(op.level);
        let write = &mut self.writes[index];
        let said_no = op.answers.iter().filter(|answer| answer.outcome.is_plain_no()).count();
        write.may_exist |= said_no == 0 || said_no < op.answers.len() || said_no <= op.duplicates as usize;
        for answer in &op.answers {
            write.hear(answer, required);
        }
    }

    /// The last word of each replica about the key: those that were asked at the end.
    pub(super) fn finals(&self) -> Vec<&'a Copy> {
        let finals = self.copies.iter().filter(|copy| copy.moment == crate::history::When::Final);
        let mut last: Vec<&Copy> = Vec::new();
        for copy in finals {
            last.retain(|other| other.node != copy.node);
            last.push(copy);
        }
        last
    }

    /// The number by which people know an operation.
    pub(super) fn id(&self, op: usize) -> u64 {
        self.history.ops()[op].id
    }
}

impl<'a> Write<'a> {
    fn new(at: usize, op: &'a Op) -> Write<'a> {
        let (value, expires) = match &op.kind {
            OpKind::Put { value, expires, .. } => (Some(value), *expires),
            _ => (None, false),
        };
        Write {
            op: at,
            begun: op.begun,
            level: op.level,
            value,
            expires,
            version: None,
            other_version: None,
            expiry: None,
            acks: Vec::new(),
            may_exist: false,
        }
    }

    fn hear(&mut self, answer: &Answer, required: Option<usize>) {
        if let Some(version) = answer.outcome.written_version() {
            match self.version {
                None => self.version = Some((version, answer.at)),
                Some((known, _)) if known != version => self.other_version = Some(version),
                Some(_) => {}
            }
        }
        if let (Outcome::Written { expires_at_ms, .. }, Some(required)) = (&answer.outcome, required) {
            self.expiry = Some(ToldExpiry { at_ms: *expires_at_ms });
            self.acks.push(Acked { at: answer.at, required });
        }
    }
}
