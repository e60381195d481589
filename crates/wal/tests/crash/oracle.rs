//! "acknowledged ⊆ recovered ⊆ appended, in order", for processes that report what they do.
//!
//! A [`History`] is fed every [`Report`] that the parent has read. After a death [`History::check`] compares it with
//! what is found in the log, and either convicts, or takes what was found as the new truth: from then on it has to
//! stay, whatever dies next.
//!
//! Invariants:
//! - only what arrived counts: an acknowledgement is one when the parent has read it;
//! - a life (one opening of the log) appends behind what its opening found, so each new LSN belongs to one life, and
//!   what an earlier opening did not find never comes back;
//! - what recovery or a tail delivered is as good as acknowledged durable.

use std::collections::BTreeMap;

use quorate_wal::{Durability, Error, Recovery};

use crate::name::Name;
use crate::report::Report;

/// What killed the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The process alone died: what the operating system had, it still has.
    Killed,
    /// The power went: only what was synced must be there.
    PowerCut,
}

/// What is in the log.
#[derive(Clone, Debug)]
pub struct Found {
    pub oldest: u64,
    /// (LSN, kind, payload).
    pub records: Vec<(u64, u8, Vec<u8>)>,
}

/// What the log did wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conviction {
    #[error("LOST: LSN {lsn}, {name}, was acknowledged; the log ends at LSN {last}")]
    Lost { lsn: u64, name: Name, last: u64 },
    #[error("LOST: everything up to LSN {lsn} was delivered; the log ends at LSN {last}")]
    LostDelivered { lsn: u64, last: u64 },
    #[error("ALTERED: no writer ever made the record at LSN {lsn}")]
    Altered { lsn: u64 },
    #[error("PHANTOM: {name} at LSN {lsn} was never appended")]
    Phantom { lsn: u64, name: Name },
    #[error("OUT OF ORDER: LSN {expected} must come, LSN {lsn} does")]
    Gap { lsn: u64, expected: u64 },
    #[error("OUT OF ORDER: {name} at LSN {lsn}, where counter {expected} of that writer must come")]
    Disorder { lsn: u64, name: Name, expected: u64 },
    #[error("MISPLACED: {found} at LSN {lsn}, which was {expected}")]
    Misplaced { lsn: u64, found: Name, expected: Name },
    #[error("RESURRECTED: {name} at LSN {lsn}, which belongs to life {owner}")]
    Resurrected { lsn: u64, name: Name, owner: u64 },
    #[error("SPLIT: {name} at LSN {lsn} without the rest of its batch")]
    Split { lsn: u64, name: Name },
    #[error("RECYCLED: the log begins at LSN {oldest}, but the records from LSN {needed} on were to be kept")]
    Recycled { oldest: u64, needed: u64 },
    #[error("ACKNOWLEDGED TWICE: LSN {lsn} was {one} and is {other}")]
    AckedTwice { lsn: u64, one: Name, other: Name },
    #[error("{0}")]
    Broken(String),
}

/// One opening of the log since the last check.
#[derive(Clone, Debug)]
struct Life {
    number: u64,
    /// The last record that was there before it.
    after: u64,
    /// The last record that each writer was about to append.
    tried: BTreeMap<u32, u64>,
}

/// What a good check saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    pub oldest: u64,
    pub last: u64,
    pub acked: u64,
    /// Records that were to be appended since the last check and are not there; rightly, or it would not be good.
    pub unacked_lost: u64,
}

/// What is known of one log.
#[derive(Clone, Debug)]
pub struct History {
    seed: u64,
    /// What the last check found, by LSN.
    known: BTreeMap<u64, Name>,
    lives: Vec<Life>,
    acked: BTreeMap<u64, (Name, Durability)>,
    /// Everything up to here was delivered.
    delivered: u64,
    /// Everything up to here may be recycled.
    cut: u64,
    pinned: Option<u64>,
}

impl Found {
    /// Everything that `recovery` delivers.
    pub fn read(recovery: &Recovery) -> Result<Self, Error> {
        let mut records = Vec::new();
        recovery.replay(recovery.oldest_lsn())?.for_each::<Error>(|record| {
            records.push((record.lsn.get(), record.kind, record.payload.to_vec()));
            Ok(())
        })?;
        let found = Self { oldest: recovery.oldest_lsn().get(), records };
        assert_eq!(found.last(), recovery.last_lsn().get(), "replay ends where recovery said");
        Ok(found)
    }

    fn last(&self) -> u64 {
        self.records.last().map_or(self.oldest - 1, |(lsn, ..)| *lsn)
    }
}

impl History {
    /// Of a log that nobody opened yet.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            known: BTreeMap::new(),
            lives: Vec::new(),
            acked: BTreeMap::new(),
            delivered: 0,
            cut: 0,
            pinned: None,
        }
    }

    /// A process said this.
    pub fn feed(&mut self, report: &Report) -> Result<(), Conviction> {
        match report {
            Report::Opened { life, last, .. } => return self.open(*life, *last),
            Report::Trying { writer, last } => {
                self.life()?.tried.insert(*writer, *last);
            }
            Report::Acked { writer, counter, lsn, safety } => {
                let name = Name::single(self.life()?.number, *writer, *counter);
                return self.ack(*lsn, name, *safety);
            }
            Report::Cutting { lsn } => self.cut = self.cut.max(*lsn),
            Report::Pinned { lsn } => self.pinned = Some(*lsn),
            Report::Unpinned => self.pinned = None,
            Report::Delivered { lsn } => self.delivered = self.delivered.max(*lsn),
            Report::Broken { why } => return Err(Conviction::Broken(why.clone())),
            Report::Opening | Report::Refused { .. } | Report::Stopped { .. } | Report::Finished => {}
        }
        Ok(())
    }

    fn life(&mut self) -> Result<&mut Life, Conviction> {
        let unopened = || Conviction::Broken("a process appended before it opened the log".to_owned());
        self.lives.last_mut().ok_or_else(unopened)
    }

    /// Acknowledged so far since the last check.
    pub fn acked(&self) -> u64 {
        self.acked.len() as u64
    }

    /// The last record acknowledged since the last check.
    pub fn last_acked(&self) -> Option<u64> {
        self.acked.last_key_value().map(|(lsn, _)| *lsn)
    }

    fn open(&mut self, number: u64, last: u64) -> Result<(), Conviction> {
        self.nothing_lost(last, Fate::Killed)?;
        self.delivered = last;
        // Pins live in memory.
        self.pinned = None;
        self.lives.push(Life { number, after: last, tried: BTreeMap::new() });
        Ok(())
    }

    fn ack(&mut self, lsn: u64, name: Name, safety: Durability) -> Result<(), Conviction> {
        match self.acked.insert(lsn, (name, safety)) {
            Some((one, _)) if !one.is_of(&name) => Err(Conviction::AckedTwice { lsn, one, other: name }),
            _ => Ok(()),
        }
    }

    /// Compares with what is in the log; takes that for the truth if it may be.
    pub fn check(&mut self, found: &Found, fate: Fate) -> Result<Checked, Conviction> {
        let last = found.last();
        self.nothing_lost(last, fate)?;
        self.nothing_recycled_too_early(found.oldest)?;
        let names = self.names(found)?;
        self.each_in_its_place(&names)?;
        self.writers_in_order(&names, found.oldest)?;
        batches_whole(&names)?;
        let appended: u64 = self.lives.iter().flat_map(|life| life.tried.values()).sum();
        let before = self.lives.first().map_or(last, |life| life.after);
        let checked = Checked {
            oldest: found.oldest,
            last,
            acked: self.acked(),
            unacked_lost: appended.saturating_sub(last - before),
        };
        *self = Self { known: names, delivered: last, cut: self.cut, ..Self::new(self.seed) };
        Ok(checked)
    }

    fn nothing_lost(&self, last: u64, fate: Fate) -> Result<(), Conviction> {
        let counts = |safety| fate == Fate::Killed || safety == Durability::Durable;
        let lost = self.acked.range(last + 1..).find(|(_, (_, safety))| counts(*safety));
        if let Some((lsn, (name, _))) = lost {
            return Err(Conviction::Lost { lsn: *lsn, name: *name, last });
        }
        if self.delivered > last {
            return Err(Conviction::LostDelivered { lsn: self.delivered, last });
        }
        Ok(())
    }

    fn nothing_recycled_too_early(&self, oldest: u64) -> Result<(), Conviction> {
        let needed = self.pinned.unwrap_or(u64::MAX).min(self.cut + 1);
        if oldest > needed { Err(Conviction::Recycled { oldest, needed }) } else { Ok(()) }
    }

    /// Who the records are, which must be as they were made, one after the other.
    fn names(&self, found: &Found) -> Result<BTreeMap<u64, Name>, Conviction> {
        let mut names = BTreeMap::new();
        for (expected, (lsn, kind, payload)) in (found.oldest..).zip(&found.records) {
            let lsn = *lsn;
            if lsn != expected {
                return Err(Conviction::Gap { lsn, expected });
            }
            names.insert(lsn, Name::recognise(self.seed, *kind, payload).ok_or(Conviction::Altered { lsn })?);
        }
        Ok(names)
    }

    fn each_in_its_place(&self, names: &BTreeMap<u64, Name>) -> Result<(), Conviction> {
        for (lsn, name) in names {
            let (lsn, found) = (*lsn, *name);
            if let Some((expected, _)) = self.acked.get(&lsn)
                && !expected.is_of(name)
            {
                return Err(Conviction::Misplaced { lsn, found, expected: *expected });
            }
            match self.known.get(&lsn) {
                Some(known) if known == name => {}
                Some(known) => return Err(Conviction::Misplaced { lsn, found, expected: *known }),
                None => self.belongs(lsn, found)?,
            }
        }
        Ok(())
    }

    /// A record that is new since the last check was appended by the life that had this LSN to give.
    fn belongs(&self, lsn: u64, name: Name) -> Result<(), Conviction> {
        let Some(owner) = self.lives.iter().rfind(|life| life.after < lsn) else {
            return Err(Conviction::Phantom { lsn, name });
        };
        if owner.number != name.life {
            return Err(Conviction::Resurrected { lsn, name, owner: owner.number });
        }
        let tried = owner.tried.get(&name.writer).copied().unwrap_or(0);
        if name.counter > tried { Err(Conviction::Phantom { lsn, name }) } else { Ok(()) }
    }

    /// Of each writer a prefix of what it appended, without gap.
    fn writers_in_order(&self, names: &BTreeMap<u64, Name>, oldest: u64) -> Result<(), Conviction> {
        let mut next: BTreeMap<(u64, u32), u64> = BTreeMap::new();
        for life in self.lives.iter().filter(|life| life.after + 1 >= oldest) {
            next.extend(life.tried.keys().map(|writer| ((life.number, *writer), 1)));
        }
        for (lsn, name) in names.iter().filter(|(lsn, _)| !self.known.contains_key(lsn)) {
            let expected = *next.entry((name.life, name.writer)).or_insert(name.counter);
            if name.counter != expected {
                return Err(Conviction::Disorder { lsn: *lsn, name: *name, expected });
            }
            next.insert((name.life, name.writer), expected + 1);
        }
        Ok(())
    }
}

fn batches_whole(names: &BTreeMap<u64, Name>) -> Result<(), Conviction> {
    let mut open: Option<(u64, Name)> = None;
    for (lsn, name) in names {
        let fits = match &open {
            Some((_, before)) => before.is_continued_by(name),
            None => name.place == 0,
        };
        if !fits {
            let (lsn, name) = open.unwrap_or((*lsn, *name));
            return Err(Conviction::Split { lsn, name });
        }
        open = (name.place + 1 < name.of).then_some((*lsn, *name));
    }
    open.map_or(Ok(()), |(lsn, name)| Err(Conviction::Split { lsn, name }))
}

impl Name {
    /// The same record; an acknowledgement does not tell the place in a batch.
    fn is_of(&self, other: &Self) -> bool {
        (self.life, self.writer, self.counter) == (other.life, other.writer, other.counter)
    }

    fn is_continued_by(&self, next: &Self) -> bool {
        let expected = Self { counter: self.counter + 1, place: self.place + 1, ..*self };
        *next == expected
    }
}
