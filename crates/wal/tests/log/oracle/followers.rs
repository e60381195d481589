//! Readers of a log in use, through the shell: what a tail delivered, no power cut takes back; what is retained, no
//! checkpoint gives back; what a waiter or a subscriber was told, is so.

use quorate_wal::testkit::{SimIo, SplitMix};
use quorate_wal::{Durability, Error, Lsn, Options, Retention, Tail, Wal};

use crate::tally::{Tally, number, sweep};
use crate::{options, records, shared};

const HAPPENINGS: &[&str] = &[
    "a tail delivered",
    "a tail waited for what was written and not durable",
    "a tail was made in the middle",
    "a tail found its records recycled",
    "a pin held segments back",
    "a checkpoint gave segments back",
    "the power went",
    "the process died",
    "a sync failed",
    "unacknowledged records were lost",
];

struct World {
    disk: SimIo,
    options: Options,
    chance: SplitMix,
    wal: Wal,
    appended: Vec<Vec<u8>>,
    /// Somebody was told that it is durable: a waiter, a subscriber, the reader of a tail.
    told: u64,
    tails: Vec<Tail>,
    pin: Option<Retention>,
    cut: u64,
    seen: Tally,
}

/// One history; panics where a promise is broken.
pub fn run(seed: u64) -> Tally {
    let disk = SimIo::new(seed);
    let options = options().spare_segments_max((seed % 3) as usize);
    let wal = Wal::open(&options, shared(&disk)).unwrap().0;
    let mut world = World {
        disk,
        options,
        chance: SplitMix::new(!seed),
        wal,
        appended: Vec::new(),
        told: 0,
        tails: Vec::new(),
        pin: None,
        cut: 0,
        seen: Tally::default(),
    };
    for _ in 0..150 {
        world.step();
    }
    world.restart(SimIo::cut_power);
    world.seen
}

impl World {
    fn step(&mut self) {
        match self.chance.below(24) {
            0..8 => self.append(),
            8..10 => self.sync(),
            10..15 => self.read(),
            15..17 => self.follow(),
            17 => self.wal.note_idle(),
            18..20 => self.retain(),
            20..22 => self.checkpoint(),
            22 if self.chance.one_in(4) => self.disk.fail_sync_after(1 + self.chance.below(3)),
            23 if self.chance.one_in(3) => {
                self.seen.note("the power went");
                self.restart(SimIo::cut_power);
            }
            23 if self.chance.one_in(3) => {
                self.seen.note("the process died");
                self.restart(SimIo::kill);
            }
            _ => {}
        }
        self.told = self.told.max(self.wal.durable_lsn().get());
        if self.wal.stopped().is_some() {
            self.seen.note("a sync failed");
            self.read();
            self.restart(SimIo::cut_power);
        }
    }

    fn append(&mut self) {
        for _ in 0..=self.chance.below(6) {
            let weak = self.chance.one_in(2);
            let durability = if weak { Durability::Written } else { Durability::Durable };
            let payload = vec![self.chance.bits() as u8; self.chance.below(200) as usize];
            let Ok(append) = self.wal.append_with(durability, 1, &[&payload]) else { return };
            self.appended.push(payload);
            if self.chance.one_in(2) && append.wait().is_ok() && !weak {
                self.told = self.told.max(append.lsn().get());
            }
        }
    }

    fn sync(&mut self) {
        let last = self.wal.last_lsn();
        if self.wal.sync_to(last).is_ok() {
            self.told = last.get();
        }
    }

    /// Some tail reads on.
    fn read(&mut self) {
        if self.tails.is_empty() {
            return;
        }
        let which = self.chance.below(self.tails.len() as u64) as usize;
        for _ in 0..=self.chance.below(30) {
            let tail = &mut self.tails[which];
            let next = tail.next_lsn();
            match tail.try_next() {
                Ok(Some(record)) => {
                    assert_eq!(record.lsn, next, "in order");
                    assert_eq!(record.payload, self.appended[next.get() as usize - 1], "LSN {next}");
                    self.told = self.told.max(next.get());
                    self.seen.note("a tail delivered");
                }
                Ok(None) => {
                    if self.wal.marks().written >= next {
                        self.seen.note("a tail waited for what was written and not durable");
                    }
                    return;
                }
                Err(Error::Recycled { from, oldest }) => {
                    assert!(from < oldest && from == next && oldest == self.wal.oldest_lsn());
                    self.seen.note("a tail found its records recycled");
                    self.tails.swap_remove(which);
                    return;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn follow(&mut self) {
        if self.tails.len() < 4 {
            let (oldest, last) = (self.wal.oldest_lsn().get(), self.wal.last_lsn().get());
            let from = oldest + self.chance.below(last + 2 - oldest);
            self.tails.push(self.wal.tail(Lsn::new(from)).expect("it is there, or comes next"));
            self.seen.note("a tail was made in the middle");
        }
    }

    fn retain(&mut self) {
        if let Some(pin) = &mut self.pin
            && self.chance.one_in(2)
        {
            let lsn = pin.lsn().get() + self.chance.below(40);
            pin.advance(Lsn::new(lsn));
        } else {
            let oldest = self.wal.oldest_lsn().get();
            let from = oldest + self.chance.below(self.told.saturating_sub(oldest) + 1);
            self.pin = Some(self.wal.retain("oracle", Lsn::new(from)).expect("it is there"));
        }
    }

    fn checkpoint(&mut self) {
        let (oldest, durable) = (self.wal.oldest_lsn(), self.wal.durable_lsn().get());
        self.cut = self.cut.max(self.chance.below(durable + 1));
        self.wal.checkpoint(Lsn::new(self.cut));
        if self.pinned() <= self.cut {
            self.seen.note("a pin held segments back");
        }
        if self.wal.oldest_lsn() > oldest {
            self.seen.note("a checkpoint gave segments back");
        }
        assert!(self.wal.oldest_lsn().get() <= self.pinned(), "a pinned record was given back");
    }

    fn pinned(&self) -> u64 {
        self.pin.as_ref().map_or(u64::MAX, |pin| pin.lsn().get())
    }

    /// The log's owner is gone, one way or the other, and comes back.
    fn restart(&mut self, how: fn(&SimIo)) {
        let pinned = self.pinned();
        self.told = self.told.max(self.wal.durable_lsn().get());
        // Dropping a pin sets segments free: the dead do nothing to the disk.
        self.disk.cut_power_after(1);
        self.tails.clear();
        self.pin = None;
        how(&self.disk);
        let recovery = loop {
            match Wal::open(&self.options, shared(&self.disk)) {
                Ok((wal, recovery)) => {
                    self.wal = wal;
                    break recovery;
                }
                // The sync that was to fail.
                Err(Error::Io { .. }) => self.disk.cut_power(),
                Err(error) => panic!("{error}"),
            }
        };
        let (oldest, last) = (recovery.oldest_lsn().get(), recovery.last_lsn().get());
        assert!(last >= self.told, "told that {} is durable, recovered up to {last}", self.told);
        assert!(last <= self.appended.len() as u64, "phantoms");
        assert!(oldest <= pinned.min(self.cut + 1), "recycled too much");
        let found = records(&recovery).unwrap();
        let appended = &self.appended[oldest as usize - 1..last as usize];
        assert!(found.iter().map(|(_, _, payload)| payload).eq(appended), "not what was appended");
        assert_eq!(
            found.iter().map(|(lsn, _, _)| *lsn).collect::<Vec<_>>(),
            (oldest..=last).collect::<Vec<_>>()
        );
        self.seen.add("unacknowledged records were lost", self.appended.len() as u64 - last);
        self.appended.truncate(last as usize);
        self.told = last;
        // Read once more by whoever follows: what was delivered stays what it was.
        self.tails.push(self.wal.tail(Lsn::new(oldest)).expect("the oldest is there"));
    }
}

#[test]
fn what_a_tail_delivered_or_a_pin_retains_is_there_after_any_crash() {
    let total = sweep(1_000, "followers", run);
    if number("WAL_SEED").is_none() {
        total.require(HAPPENINGS);
    }
}
