//! "acknowledged ⊆ recovered ⊆ appended, in order", on a simulated disk, from seeds.
//!
//! The machine is driven without its shell, so that power cuts fall between a write and its sync, inside rotations,
//! chores, checkpoints and recovery itself. One seed: one history. `WAL_SEEDS=100000 cargo test -p quorate-wal
//! oracle` for more; `WAL_SEED=n` replays one.

use std::ops::RangeInclusive;
use std::sync::Arc;

use quorate_wal::testkit::{SimIo, SplitMix};
use quorate_wal::{Batch, Chores, Durability, Error, Io, Lsn, Machine, Opened, Options, Take};

const DIR: &str = "/log";

struct World {
    disk: SimIo,
    io: Arc<dyn Io>,
    options: Options,
    chance: SplitMix,
    /// One fault in so many.
    calm: u64,
    /// What was appended: (kind, payload) of LSN 1, 2, …
    appended: Vec<(u8, Vec<u8>)>,
    /// Batches that must not be split.
    atomic: Vec<RangeInclusive<u64>>,
    /// The log said that this is durable.
    acked: u64,
    /// It said that this was handed to the operating system in this life.
    written: u64,
    cut: u64,
    log: Option<Opened>,
    seen: Seen,
}

/// What happened: a sweep in which something never does proves nothing about it.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    crashes: u64,
    kills: u64,
    rotations: u64,
    retired: u64,
    poisoned: u64,
    interrupted_opens: u64,
    copied: u64,
    unacked_lost: u64,
    full: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = SplitMix::new(seed ^ 0x0bac_1e00);
        let disk = SimIo::new(seed);
        disk.short_writes([0, 0, 4, 20][chance.below(4) as usize]);
        let options = Options::new(DIR)
            .segment_bytes(4096 << chance.below(2))
            .staged_bytes_max(4096 << chance.below(4))
            .spare_segments_max(chance.below(3) as usize)
            .chores(Chores::Inline);
        let io: Arc<dyn Io> = Arc::new(disk.clone());
        Self {
            disk,
            io,
            options,
            calm: 1 + chance.below(10),
            chance,
            appended: Vec::new(),
            atomic: Vec::new(),
            acked: 0,
            written: 0,
            cut: 0,
            log: None,
            seen: Seen::default(),
        }
    }

    fn record(&mut self) -> (u8, Vec<u8>) {
        let bytes = match self.chance.below(20) {
            0 => self.chance.below(2500),
            1 => 0,
            _ => self.chance.below(90),
        };
        let noise = self.chance.bits();
        (noise as u8, (0..bytes).map(|i| (noise >> (i % 57)) as u8).collect())
    }

    /// One step of a log's life.
    fn step(&mut self) {
        if self.log.is_none() {
            return self.open();
        }
        match self.chance.below(100) {
            0..45 => self.stage_some(),
            45..50 => self.stage_atomic(),
            50..78 => self.flush(),
            78..88 => self.chore(),
            88..91 => self.checkpoint(),
            91..93 => self.watermark(),
            fault if self.chance.one_in(self.calm) => self.fault(fault),
            _ => {}
        }
        self.note_marks();
    }

    fn fault(&mut self, which: u64) {
        match which {
            93 => self.disk.cut_power_after(1 + self.chance.below(12)),
            94 => self.disk.fail_sync_after(1 + self.chance.below(3)),
            95 => self.disk.fail_write_after(1 + self.chance.below(3)),
            96 | 97 => self.crash(),
            98 => self.kill(),
            _ => self.close(),
        }
    }

    fn stage_some(&mut self) {
        for _ in 0..=self.chance.below(12) {
            if self.log.is_some() {
                self.stage();
            }
        }
    }

    fn machine(&mut self) -> &mut Machine {
        &mut self.log.as_mut().expect("open").machine
    }

    fn stage(&mut self) {
        let (kind, payload) = self.record();
        let durability = if self.chance.one_in(4) { Durability::Written } else { Durability::Durable };
        let (head, tail) = payload.split_at(payload.len() / 3);
        match self.machine().stage(kind, &[head, tail], durability) {
            Ok(lsn) => {
                self.appended.push((kind, payload));
                assert_eq!(lsn.get(), self.appended.len() as u64, "LSNs are dense");
            }
            Err(error) => self.refused(&error),
        }
    }

    fn stage_atomic(&mut self) {
        let records: Vec<_> = (0..=self.chance.below(6)).map(|_| self.record()).collect();
        let parts: Vec<_> = records.iter().map(|(kind, payload)| (*kind, [&payload[..]])).collect();
        let batch = parts.iter().map(|(kind, parts)| (*kind, &parts[..]));
        match self.log.as_mut().expect("open").machine.stage_batch(batch, Durability::Durable) {
            Ok(last) => {
                let first = self.appended.len() as u64 + 1;
                self.appended.extend(records);
                assert_eq!(last.get(), self.appended.len() as u64);
                self.atomic.push(first..=last.get());
            }
            Err(error) => self.refused(&error),
        }
    }

    fn refused(&mut self, error: &Error) {
        match error {
            Error::Full { .. } => self.seen.full += 1,
            Error::TooLarge { .. } => {}
            Error::Poisoned { .. } => self.restart(),
            other => panic!("refused: {other}"),
        }
    }

    fn flush(&mut self) {
        match self.machine().take_batch() {
            Take::Batch(batch) => self.carry_out(batch),
            Take::Nothing => {}
            Take::Busy => panic!("nothing is left in flight"),
            Take::NeedsSegment => {
                let chore = self.machine().take_chore_now().expect("a segment can be made");
                let done = chore.carry_out(&*self.io, DIR.as_ref());
                self.machine().chore_completed(&chore, done);
                self.machine().give_up_for_want_of_a_segment();
                if self.machine().stopped().is_some() {
                    self.restart();
                }
            }
        }
    }

    fn carry_out(&mut self, mut batch: Batch) {
        let rotates = batch.rotates();
        let written = batch.write();
        if written.is_ok() && self.chance.one_in(40) {
            return self.crash();
        }
        let result = written.map_err(|e| ("write", e)).and_then(|()| batch.sync().map_err(|e| ("sync", e)));
        let good = result.is_ok();
        self.machine().completed(batch, result);
        self.seen.rotations += u64::from(good && rotates);
        if !good {
            self.seen.poisoned += 1;
            let refusal = self.machine().stage(0, &[], Durability::Durable);
            assert!(matches!(refusal, Err(Error::Poisoned { .. })), "poisoned for good: {refusal:?}");
            assert!(matches!(self.machine().take_batch(), Take::Nothing), "nothing is written any more");
            self.restart();
        }
    }

    fn chore(&mut self) {
        let Some(chore) = self.machine().take_chore() else { return };
        let done = chore.carry_out(&*self.io, DIR.as_ref());
        self.machine().chore_completed(&chore, done);
        self.seen.retired += u64::from(format!("{chore:?}").contains("Retire"));
    }

    fn checkpoint(&mut self) {
        let oldest = self.machine().oldest_lsn().get();
        let span = self.acked.saturating_sub(oldest) + 1;
        self.cut = self.cut.max((oldest + self.chance.below(span)).min(self.acked));
        let cut = Lsn::new(self.cut);
        self.machine().checkpoint(cut);
    }

    fn watermark(&mut self) {
        if let Some(batch) = self.machine().take_watermark() {
            self.carry_out(batch);
        }
    }

    fn close(&mut self) {
        if let Some(batch) = self.machine().take_close() {
            self.carry_out(batch);
            self.restart();
        }
    }

    fn note_marks(&mut self) {
        if let Some(log) = &self.log {
            let marks = log.machine.marks();
            assert!(marks.durable <= marks.written && marks.written <= marks.staged, "{marks:?}");
            assert!(marks.durable.get() >= self.acked, "the durable mark fell: {marks:?}");
            self.acked = marks.durable.get();
            self.written = marks.written.get();
        }
    }

    fn restart(&mut self) {
        if self.chance.one_in(2) { self.crash() } else { self.kill() }
    }

    fn crash(&mut self) {
        self.note_marks();
        self.log = None;
        self.written = self.acked;
        self.disk.cut_power();
        self.seen.crashes += 1;
    }

    fn kill(&mut self) {
        if self.disk.is_dark() {
            return self.crash();
        }
        self.note_marks();
        self.log = None;
        self.disk.kill();
        self.seen.kills += 1;
    }

    fn open(&mut self) {
        if self.chance.one_in(6) {
            self.disk.cut_power_after(1 + self.chance.below(15));
        }
        match Machine::open(&self.options, &self.io) {
            Ok(opened) => {
                self.check(&opened);
                self.log = Some(opened);
            }
            Err(Error::Io { .. }) => {
                self.seen.interrupted_opens += 1;
                self.restart();
            }
            Err(error) => panic!("{error}\n{:#?}", self.disk.paths()),
        }
    }

    fn check(&mut self, opened: &Opened) {
        let recovery = &opened.recovery;
        let last = recovery.last_lsn().get();
        assert!(last >= self.acked, "lost: durable up to {}, recovered up to {last}", self.acked);
        assert!(last >= self.written, "lost: written up to {}, recovered up to {last}", self.written);
        assert!(last <= self.appended.len() as u64, "phantoms up to {last}");
        assert!(recovery.oldest_lsn().get() <= self.cut + 1, "recycled too much");
        let split = self.atomic.iter().find(|batch| batch.contains(&last) && *batch.end() != last);
        assert_eq!(split, None, "an atomic batch was split at {last}");
        let mut expected = recovery.oldest_lsn().get();
        let mut replay = recovery.replay(recovery.oldest_lsn()).expect("the oldest is there");
        loop {
            let record = match replay.next_record() {
                Ok(Some(record)) => record,
                Ok(None) => break,
                // The power may go while reading.
                Err(Error::Io { .. }) if self.disk.is_dark() => return,
                Err(error) => panic!("{error}"),
            };
            assert_eq!(record.lsn.get(), expected);
            let (kind, payload) = &self.appended[expected as usize - 1];
            assert_eq!((record.kind, record.payload), (*kind, &payload[..]), "LSN {expected}");
            expected += 1;
        }
        assert_eq!(expected, last + 1);
        self.seen.copied += recovery.copied_records();
        self.seen.unacked_lost += self.appended.len() as u64 - last;
        self.appended.truncate(last as usize);
        self.atomic.retain(|batch| *batch.end() <= last);
        (self.acked, self.written) = (last, last);
    }
}

fn run(seed: u64) -> Seen {
    let mut world = World::new(seed);
    for _ in 0..400 {
        world.step();
    }
    world.disk.short_writes(0);
    world.crash();
    while world.log.is_none() {
        world.open();
    }
    world.seen
}

#[test]
fn acknowledged_is_recovered_and_recovered_was_appended_whatever_the_disk_does() {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    if let Some(seed) = number("WAL_SEED") {
        println!("{:?}", run(seed));
        return;
    }
    let seeds = number("WAL_SEEDS").unwrap_or(500);
    let mut total = Seen::default();
    for seed in 0..seeds {
        let seen = std::panic::catch_unwind(|| run(seed));
        let Ok(seen) = seen else { panic!("replay with WAL_SEED={seed} cargo test -p quorate-wal oracle") };
        total = total.plus(seen);
    }
    println!("{total:?}");
    let every = [total.crashes, total.kills, total.rotations, total.retired, total.poisoned];
    let more = [total.interrupted_opens, total.copied, total.unacked_lost, total.full];
    assert!(every.iter().chain(&more).all(|count| *count > 0), "something never happened: {total:?}");
}

impl Seen {
    fn plus(self, other: Self) -> Self {
        Self {
            crashes: self.crashes + other.crashes,
            kills: self.kills + other.kills,
            rotations: self.rotations + other.rotations,
            retired: self.retired + other.retired,
            poisoned: self.poisoned + other.poisoned,
            interrupted_opens: self.interrupted_opens + other.interrupted_opens,
            copied: self.copied + other.copied,
            unacked_lost: self.unacked_lost + other.unacked_lost,
            full: self.full + other.full,
        }
    }
}
