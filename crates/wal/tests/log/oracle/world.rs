//! A log's life: what it is asked to do, and what is known of it from outside.

use std::ops::RangeInclusive;
use std::sync::Arc;

use quorate_wal::testkit::{SimIo, SplitMix};
use quorate_wal::{Batch, Chores, Durability, Error, Io, Lsn, Machine, Opened, Options, Take};

use crate::DIR;
use crate::tally::Tally;

pub struct World {
    pub disk: SimIo,
    pub io: Arc<dyn Io>,
    pub options: Options,
    pub chance: SplitMix,
    /// One fault in so many.
    calm: u64,
    pub log: Option<Opened>,
    pub known: Known,
    pub seen: Tally,
}

/// What the log was given, and what it said.
#[derive(Default)]
pub struct Known {
    /// (kind, payload) of LSN 1, 2, …
    pub appended: Vec<(u8, Vec<u8>)>,
    /// Batches that must not be split.
    pub atomic: Vec<RangeInclusive<u64>>,
    /// It said that this is durable.
    pub acked: u64,
    /// It said that this was handed to the operating system in this life.
    pub written: u64,
    /// The last checkpoint.
    pub cut: u64,
    /// (number, LSN) of the pins of this life.
    pub pins: Vec<(u64, u64)>,
    /// Somebody is ending the log here.
    pub ending_at: Option<u64>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut chance = SplitMix::new(seed ^ 0x0bac_1e00);
        let disk = SimIo::new(seed);
        disk.short_writes([0, 0, 4, 20][chance.below(4) as usize]);
        let options = Options::new(DIR)
            .segment_bytes(4096 << chance.below(2))
            .staged_bytes_max(4096 << chance.below(4))
            .spare_segments_max(chance.below(3) as usize)
            .chores(Chores::Inline);
        let io: Arc<dyn Io> = Arc::new(disk.clone());
        let calm = 1 + chance.below(10);
        let (known, seen) = (Known::default(), Tally::default());
        Self { disk, io, options, chance, calm, log: None, known, seen }
    }

    /// One step of a log's life.
    pub fn step(&mut self) {
        if self.log.is_none() {
            return self.open();
        }
        match self.chance.below(100) {
            0..43 => self.stage_some(),
            43..48 => self.stage_atomic(),
            48..75 => self.flush(),
            75..86 => self.chore(),
            86..89 => self.checkpoint(),
            89..91 => self.pin(),
            91..93 => self.watermark(),
            fault if self.chance.one_in(self.calm) => self.fault(fault),
            _ => {}
        }
        self.note_marks();
    }

    /// The faults end; what the log has then is the truth.
    pub fn end(mut self) -> Tally {
        self.disk.short_writes(0);
        self.disk.set_capacity(None);
        self.crash();
        while self.log.is_none() {
            self.open();
        }
        self.seen
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

    fn stage_some(&mut self) {
        for _ in 0..=self.chance.below(12) {
            if self.log.is_some() {
                self.stage();
            }
        }
    }

    pub fn machine(&mut self) -> &mut Machine {
        &mut self.log.as_mut().expect("open").machine
    }

    fn stage(&mut self) {
        let (kind, payload) = self.record();
        let durability = if self.chance.one_in(4) { Durability::Written } else { Durability::Durable };
        let (head, tail) = payload.split_at(payload.len() / 3);
        match self.machine().stage(kind, &[head, tail], durability) {
            Ok(lsn) => {
                self.known.appended.push((kind, payload));
                assert_eq!(lsn.get(), self.known.appended.len() as u64, "LSNs are dense");
            }
            Err(error) => self.refused(&error),
        }
    }

    fn stage_atomic(&mut self) {
        let records: Vec<_> = (0..=self.chance.below(6)).map(|_| self.record()).collect();
        let parts: Vec<_> = records.iter().map(|(kind, payload)| (*kind, [&payload[..]])).collect();
        let batch = parts.iter().map(|(kind, parts)| (*kind, &parts[..]));
        match self.machine().stage_batch(batch, Durability::Durable) {
            Ok(last) => {
                let first = self.known.appended.len() as u64 + 1;
                self.known.appended.extend(records);
                assert_eq!(last.get(), self.known.appended.len() as u64);
                self.known.atomic.push(first..=last.get());
                self.seen.note("an atomic batch");
            }
            Err(error) => self.refused(&error),
        }
    }

    fn refused(&mut self, error: &Error) {
        match error {
            Error::Full { .. } => self.seen.note("a record was refused: staged bytes"),
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
            Take::NeedsSegment => self.make_segment(),
        }
    }

    fn make_segment(&mut self) {
        let chore = self.machine().take_chore_now().expect("a segment can be made");
        self.carry_out_chore(&chore);
        if self.log.is_some() {
            self.machine().give_up_for_want_of_a_segment();
            self.restart_if_stopped();
        }
    }

    pub fn carry_out(&mut self, mut batch: Batch) {
        let rotates = batch.rotates();
        let written = batch.write();
        if written.is_ok() && self.chance.one_in(40) {
            return self.stop_between_write_and_sync();
        }
        let result = written.map_err(|e| ("write", e)).and_then(|()| batch.sync().map_err(|e| ("sync", e)));
        self.note_cut(if rotates {
            "the power went inside a rotation"
        } else {
            "the power went inside a batch"
        });
        let failed = result.as_ref().err().map(|(action, _)| *action);
        self.machine().completed(batch, result);
        let Some(action) = failed else {
            self.seen.note(if rotates { "a rotation" } else { "a batch was carried out" });
            return;
        };
        self.seen.note(if action == "sync" {
            "poisoned by a failed sync"
        } else {
            "poisoned by a failed write"
        });
        let refusal = self.machine().stage(0, &[], Durability::Durable);
        assert!(matches!(refusal, Err(Error::Poisoned { .. })), "poisoned for good: {refusal:?}");
        let operations = self.disk.operations();
        assert!(matches!(self.machine().take_batch(), Take::Nothing), "nothing is written any more");
        assert!(self.machine().take_chore().is_none() && self.machine().take_watermark().is_none());
        assert_eq!(self.disk.operations(), operations);
        self.restart();
    }

    fn stop_between_write_and_sync(&mut self) {
        if self.chance.one_in(2) && !self.disk.is_dark() {
            self.seen.note("the process died between write and sync");
            self.kill();
        } else {
            self.seen.note("the power went between write and sync");
            self.crash();
        }
    }

    fn chore(&mut self) {
        let Some(chore) = self.machine().take_chore() else { return };
        if self.chance.one_in(8 * self.calm()) {
            self.disk.cut_power_after(1 + self.chance.below(4));
        }
        self.carry_out_chore(&chore);
    }

    fn carry_out_chore(&mut self, chore: &quorate_wal::Chore) {
        let what = format!("{chore:?}");
        let done = chore.carry_out(&*self.io, DIR.as_ref());
        let (went, did) = if what.contains("Retire") {
            ("the power went inside a retirement", "a retirement")
        } else if what.contains("from: Some") {
            ("the power went inside the recycling of a segment", "a segment was recycled")
        } else {
            ("the power went inside the preparation of a segment", "a segment was prepared")
        };
        self.note_cut(went);
        if format!("{done:?}").contains("Failed") {
            self.seen.note("the disk was full");
        } else if !self.disk.is_dark() {
            self.seen.note(did);
        }
        self.machine().chore_completed(chore, done);
        self.restart_if_stopped();
    }

    fn restart_if_stopped(&mut self) {
        if self.machine().stopped().is_some() {
            self.seen.note("poisoned by a failed chore");
            self.restart();
        }
    }

    fn checkpoint(&mut self) {
        let oldest = self.machine().oldest_lsn().get();
        let span = self.known.acked.saturating_sub(oldest) + 1;
        let cut = (oldest + self.chance.below(span)).min(self.known.acked);
        self.known.cut = self.known.cut.max(cut);
        let cut = Lsn::new(self.known.cut);
        self.machine().checkpoint(cut);
        if self.known.pinned() <= self.known.cut {
            self.seen.note("a pin held segments back");
        }
    }

    fn pin(&mut self) {
        let oldest = self.machine().oldest_lsn().get();
        if self.known.pins.is_empty() {
            let lsn = oldest + self.chance.below(self.known.acked.saturating_sub(oldest) + 1);
            let pin = self.machine().pin("oracle", Lsn::new(lsn)).expect("it is there");
            self.known.pins.push((pin, lsn));
        } else if let Some((pin, _)) = self.known.pins.pop() {
            self.machine().unpin(pin);
        }
    }

    fn watermark(&mut self) {
        if let Some(batch) = self.machine().take_watermark() {
            self.carry_out(batch);
        }
    }

    pub fn close(&mut self) {
        if let Some(batch) = self.machine().take_close() {
            self.carry_out(batch);
            if self.log.is_some() {
                self.restart();
            }
        }
    }

    pub fn calm(&self) -> u64 {
        self.calm
    }
}
