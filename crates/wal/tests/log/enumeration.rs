//! No luck: short histories, and at every operation of the disk *every* state that a power cut could leave of the last six
//! un-synced ones. Each is opened, checked, written to and opened again; the recovery of some is itself cut short at every
//! operation, and what that leaves is checked in the same way.
//!
//! `WAL_NESTED=1 cargo test -p quorate-wal enumeration -- --nocapture` cuts every recovery short, not one in 32.
//!
//! What must hold is the oracle's: acknowledged ⊆ recovered ⊆ appended, in order, atomic batches whole.

use std::cell::Cell;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use quorate_wal::repair::truncate;
use quorate_wal::testkit::{CRASH_OPERATIONS_MAX, SimIo};
use quorate_wal::{Chores, Durability, Error, Io, Lsn, Machine, Opened, Options, RecoveryMode, Take};

use crate::DIR;
use crate::tally::{Looked, number};

/// The recovery of one state in so many is cut short, too, if `WAL_NESTED` does not say otherwise.
const NESTED_ONE_IN: u64 = 32;

/// What each history is about, and its steps:
/// - `open`; `close`; `kill` (the process dies); `fail` (the next sync fails, and the process dies of it);
/// - `append n`: so many records, a frame each, in one batch, durable; `weak`: one that nobody asked to be durable;
///   `atomic`: a batch of three;
/// - `chore`: the next that is due, a preparation or a retirement; `checkpoint`: all that is durable; `mark`: an idle
///   watermark;
/// - `end n`: the log is ended by hand after this record.
const HISTORIES: &[(&str, &str)] = &[
    (
        "appends, batches, watermarks, a close",
        "open, append 1, append 6, mark, append 1, weak, atomic, weak, weak, append 1, mark, append 2, close, open, append 1",
    ),
    (
        "a rotation into a new segment, recovery of what nobody vouched for",
        "open, append 3, chore, append 5, append 3, weak, kill, open, append 1, weak, kill, open, kill, open, close, open",
    ),
    (
        "two retirements, recycling, a rotation into the recycled segment",
        "open, append 4, chore, append 5, append 3, chore, append 6, append 2, checkpoint, chore, chore, append 1, chore, \
         weak, append 5, append 2, weak, kill, open, append 1",
    ),
    (
        "failed syncs, and what the page cache goes on showing",
        "open, append 2, fail, append 2, open, append 1, fail, append 1, open, weak, kill, open, append 6, fail, append 3, \
         open",
    ),
    (
        "ends by hand: in an older segment, and before the first record",
        "open, append 4, chore, append 5, append 3, kill, end 5, open, append 2, kill, end 0, open, append 1",
    ),
];

/// Payload bytes of every record: frames are as long as those that a tear left dead.
const PAYLOAD: usize = 380;

struct Life {
    disk: SimIo,
    io: Arc<dyn Io>,
    log: Option<Opened>,
    appended: Vec<Vec<u8>>,
    atomic: Vec<RangeInclusive<u64>>,
    acked: u64,
    cut: u64,
    ending_at: Option<u64>,
    records_made: u8,
    /// The operation at which the power goes; 0: it does not.
    dark_at: u64,
}

fn options() -> Options {
    Options::new(DIR)
        .segment_bytes(4096)
        .staged_bytes_max(1 << 20)
        .spare_segments_max(1)
        .chores(Chores::Inline)
}

impl Life {
    fn until(dark_at: u64) -> Self {
        let disk = SimIo::new(1);
        Self {
            dark_at,
            io: Arc::new(disk.clone()),
            disk,
            log: None,
            appended: Vec::new(),
            atomic: Vec::new(),
            acked: 0,
            cut: 0,
            ending_at: None,
            records_made: 0,
        }
    }

    /// Lives until the power goes.
    fn live(&mut self, history: &str) {
        for step in history.split(", ") {
            let (what, number) = step.split_once(' ').unwrap_or((step, "1"));
            self.step(what, number.parse().expect("a number"));
            if self.disk.is_dark() {
                return;
            }
        }
    }

    fn step(&mut self, what: &str, number: u64) {
        match what {
            "open" => self.open(),
            "append" => self.append(number, Durability::Durable),
            "weak" => self.append(1, Durability::Written),
            "atomic" => self.append_atomic(),
            "chore" => self.chore(),
            "checkpoint" => {
                self.cut = self.acked;
                let cut = Lsn::new(self.cut);
                self.machine().checkpoint(cut);
            }
            "mark" => {
                let batch = self.machine().take_watermark().expect("the log is idle");
                self.carry_out(batch);
            }
            "close" => {
                let batch = self.machine().take_close().expect("nothing is left to do");
                self.carry_out(batch);
                self.log = None;
            }
            "kill" => self.kill(),
            "fail" => self.disk.fail_sync_after(1),
            "end" => self.end_after(number),
            other => panic!("no step: {other}"),
        }
    }

    fn kill(&mut self) {
        self.log = None;
        self.disk.kill();
        self.arm();
    }

    /// The power goes at operation `dark_at`, in whichever life.
    fn arm(&self) {
        if self.dark_at > 0 {
            self.disk.cut_power_after(self.dark_at - self.disk.operations());
        }
    }

    fn end_after(&mut self, last: u64) {
        self.ending_at = Some(last);
        if truncate(&self.disk, Path::new(DIR), Lsn::new(last)).is_ok() {
            self.ended();
        }
    }

    fn ended(&mut self) {
        if let Some(last) = self.ending_at.take() {
            self.forget_behind(last);
            self.cut = self.cut.min(last);
        }
    }

    fn forget_behind(&mut self, last: u64) {
        self.appended.truncate(last as usize);
        self.atomic.retain(|batch| *batch.end() <= last);
        self.acked = last;
    }

    fn open(&mut self) {
        match Machine::open(&options(), &self.io) {
            Ok(opened) => {
                self.check(&opened);
                self.forget_behind(opened.recovery.last_lsn().get());
                self.log = Some(opened);
            }
            Err(Error::Io { .. }) if self.disk.is_dark() => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn machine(&mut self) -> &mut Machine {
        &mut self.log.as_mut().expect("open").machine
    }

    fn record(&mut self) -> Vec<u8> {
        self.records_made += 1;
        vec![self.records_made; PAYLOAD]
    }

    fn append(&mut self, records: u64, durability: Durability) {
        for _ in 0..records {
            let record = self.record();
            let lsn = self.machine().stage(1, &[&record], durability).expect("there is room");
            self.appended.push(record);
            assert_eq!(lsn.get(), self.appended.len() as u64);
        }
        self.flush();
    }

    fn append_atomic(&mut self) {
        let records: Vec<_> = (0..3).map(|_| self.record()).collect();
        let parts: Vec<_> = records.iter().map(|record| [&record[..]]).collect();
        let batch = parts.iter().map(|parts| (1, &parts[..]));
        let last = self.machine().stage_batch(batch, Durability::Durable).expect("there is room").get();
        self.atomic.push(last - 2..=last);
        self.appended.extend(records);
        self.flush();
    }

    fn flush(&mut self) {
        while self.log.is_some() && !self.disk.is_dark() {
            match self.machine().take_batch() {
                Take::Batch(batch) => self.carry_out(batch),
                Take::NeedsSegment => {
                    let chore = self.machine().take_chore_now().expect("a segment can be made");
                    self.carry_out_chore(&chore);
                }
                Take::Nothing | Take::Busy => return,
            }
        }
    }

    fn carry_out(&mut self, mut batch: quorate_wal::Batch) {
        let written = batch.write().map_err(|e| ("write", e));
        let result = written.and_then(|()| batch.sync().map_err(|e| ("sync", e)));
        let failed = result.is_err();
        self.machine().completed(batch, result);
        self.acked = self.machine().marks().durable.get();
        if failed {
            self.log = None;
            if !self.disk.is_dark() {
                self.kill();
            }
        }
    }

    fn chore(&mut self) {
        let chore = self.machine().take_chore().expect("the history says that one is due");
        self.carry_out_chore(&chore);
    }

    fn carry_out_chore(&mut self, chore: &quorate_wal::Chore) {
        let done = chore.carry_out(&*self.io, DIR.as_ref());
        self.machine().chore_completed(chore, done);
    }

    /// This life, on another disk.
    fn on(&self, disk: SimIo) -> Self {
        Self {
            io: Arc::new(disk.clone()),
            disk,
            log: None,
            appended: self.appended.clone(),
            atomic: self.atomic.clone(),
            dark_at: 0,
            ..*self
        }
    }

    fn check(&self, opened: &Opened) {
        let recovery = &opened.recovery;
        let last = recovery.last_lsn().get();
        assert!(last >= self.acked, "lost: durable up to {}, recovered up to {last}", self.acked);
        assert!(last <= self.appended.len() as u64, "phantoms up to {last}");
        assert!(recovery.oldest_lsn().get() <= self.cut + 1, "recycled too much");
        let split = self.atomic.iter().find(|batch| batch.contains(&last) && *batch.end() != last);
        assert_eq!(split, None, "an atomic batch was split at {last}");
        let mut expected = recovery.oldest_lsn().get();
        let replay = recovery.replay(recovery.oldest_lsn()).expect("the oldest is there");
        let read = replay.for_each::<Error>(|record| {
            assert_eq!(record.lsn.get(), expected);
            assert!(
                record.payload == self.appended[expected as usize - 1],
                "LSN {expected} is another record"
            );
            expected += 1;
            Ok(())
        });
        match read {
            Ok(()) => assert_eq!(expected, last + 1),
            Err(error) => assert!(self.disk.is_dark(), "{error}"),
        }
    }

    /// The power is back: the log must open, and go on.
    fn comes_back(mut self) {
        if let Some(last) = self.ending_at {
            // Refused, or all that stays and more; cutting again ends it.
            match Machine::open(&options(), &(Arc::new(self.disk.fork(1)) as Arc<dyn Io>)) {
                Ok(opened) => assert!(opened.recovery.last_lsn().get() >= last),
                Err(error) => assert!(matches!(error, Error::Missing { .. }), "{error}"),
            }
            let ending = options().recovery(RecoveryMode::TruncateAt(Lsn::new(last)));
            drop(Machine::open(&ending, &self.io).expect("cutting again ends it"));
            self.ended();
        }
        for _ in 0..2 {
            self.open();
            self.append(1, Durability::Durable);
            assert_eq!(self.acked, self.appended.len() as u64, "it goes on");
            self.kill();
        }
        self.open();
    }
}

fn count(cell: &Cell<u64>) -> u64 {
    cell.set(cell.get() + 1);
    cell.get()
}

/// All histories; panics where a promise is broken.
#[cfg(feature = "mutants")]
pub fn run(looked: &Looked) {
    for (_, history) in HISTORIES {
        enumerate(history, looked);
    }
}

fn enumerate(history: &str, looked: &Looked) {
    let nested_one_in = number("WAL_NESTED").unwrap_or(NESTED_ONE_IN);
    for operation in 1.. {
        let mut life = Life::until(operation);
        life.arm();
        life.live(history);
        let over = !life.disk.is_dark();
        for state in life.disk.crash_states(CRASH_OPERATIONS_MAX) {
            state.end_faults();
            let nth = count(&looked.states);
            if nth.is_multiple_of(nested_one_in) {
                interrupt_recovery(&life, &state, looked);
            }
            life.on(state).comes_back();
        }
        if over {
            return;
        }
        count(&looked.operations);
    }
}

/// The power goes again, at each operation of the recovery.
fn interrupt_recovery(life: &Life, state: &SimIo, looked: &Looked) {
    for operation in 1.. {
        let mut again = life.on(state.fork(operation));
        again.disk.cut_power_after(operation);
        match life.ending_at {
            Some(last) => again.end_after(last),
            None => again.open(),
        }
        if !again.disk.is_dark() {
            return;
        }
        // What recovery had read is not acknowledged: the caller has not heard of it yet.
        let again = Life { log: None, ..again };
        for state in again.disk.crash_states(CRASH_OPERATIONS_MAX) {
            count(&looked.nested);
            life.on(state).comes_back();
        }
    }
}

#[test]
fn every_state_that_a_power_cut_can_leave_at_any_operation_recovers_what_was_acknowledged() {
    let mut total = (0, 0, 0);
    for (name, history) in HISTORIES {
        let looked = Looked::default();
        enumerate(history, &looked);
        let (operations, states, nested) =
            (looked.operations.get(), looked.states.get(), looked.nested.get());
        println!("{operations:>4} operations {states:>6} states {nested:>7} nested  {name}");
        assert!(operations > 20 && states + nested > 500, "{name}: the history does next to nothing");
        total = (total.0 + operations, total.1 + states, total.2 + nested);
    }
    println!("{:>4} operations {:>6} states {:>7} nested  in all", total.0, total.1, total.2);
    assert!(total.0 > 300 && total.1 > 4_000 && total.2 > 10_000, "{total:?}");
}
