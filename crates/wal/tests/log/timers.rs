//! Timers that ring, and callers that don't want to wait, while somebody else leads.
//!
//! When a thread sleeps cannot be seen from outside, so each test is run a number of times: where the wake-up is lost,
//! most of them hang.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use quorate_wal::{Error, Lsn, SyncPolicy, Wal};

use crate::waiting::Gate;
use crate::{PATIENCE, options};

const TIMES: usize = 20;
/// By the simulated clock, which stands unless it is moved.
const TICK: Duration = Duration::from_millis(1);

fn open(sync: SyncPolicy) -> (Gate, Wal) {
    let gate = Gate::new();
    let options = options().segment_bytes(1 << 20).sync(sync);
    let (wal, _) = Wal::open(&options, Arc::new(gate.clone())).unwrap();
    (gate, wal)
}

/// In a thread of its own; what it returns comes by the channel.
fn call(
    wal: &Wal,
    body: impl FnOnce(&Wal) -> Result<(), Error> + Send + 'static,
) -> Receiver<Result<(), Error>> {
    let (told, result) = mpsc::channel();
    let wal = wal.clone();
    thread::spawn(move || told.send(body(&wal)));
    result
}

fn must_end(result: &Receiver<Result<(), Error>>) {
    result.recv_timeout(PATIENCE).expect("it waits for ever").unwrap();
}

/// A leader that is with the disk, for LSN 1.
fn leader(gate: &Gate, wal: &Wal) -> Receiver<Result<(), Error>> {
    gate.close();
    let leader = call(wal, |wal| wal.stage(1, &[b"leader"]).and_then(|lsn| wal.sync_to(lsn)));
    gate.await_arrivals(1);
    leader
}

/// Somebody who comes while the leader is with the disk: staged when this returns, and waits.
fn member(wal: &Wal) -> Receiver<Result<(), Error>> {
    let (staged, is_staged) = mpsc::channel();
    let member = call(wal, move |wal| {
        let append = wal.append(1, &[b"member"])?;
        staged.send(()).unwrap();
        append.wait().map(drop)
    });
    is_staged.recv().unwrap();
    member
}

fn let_sleep() {
    (0..200).for_each(|_| thread::yield_now());
}

#[test]
fn a_group_whose_time_is_up_while_another_leads_is_led_after_that() {
    for _ in 0..TIMES {
        let (gate, wal) = open(SyncPolicy::Group { max_wait: TICK });
        let leader = leader(&gate, &wal);
        let member = member(&wal);
        gate.await_clock_reads(2);
        gate.advance_and_be_seen(TICK * 2);
        let_sleep();
        gate.open();
        must_end(&leader);
        must_end(&member);
    }
}

#[test]
fn an_interval_that_ends_while_another_leads_is_not_the_last() {
    for _ in 0..TIMES {
        let (gate, wal) = open(SyncPolicy::Interval { every: TICK });
        let leader = leader(&gate, &wal);
        gate.await_clock_reads(2);
        gate.advance_and_be_seen(TICK * 2);
        let_sleep();
        gate.open();
        must_end(&leader);
        // Written and left alone.
        wal.append(1, &[b"later"]).unwrap().wait().unwrap();
        let durable = call(&wal, |wal| wal.subscribe().wait_reached(Lsn::new(2)).map(drop));
        let ended = (0..PATIENCE.as_millis()).find_map(|_| {
            gate.disk.advance(TICK);
            durable.recv_timeout(Duration::from_millis(1)).ok()
        });
        ended.expect("nobody syncs it").unwrap();
    }
}

#[test]
fn who_asks_for_a_sync_does_not_wait_for_the_company_of_a_group() {
    for _ in 0..TIMES {
        let (gate, wal) = open(SyncPolicy::Group { max_wait: Duration::from_hours(1) });
        let leader = leader(&gate, &wal);
        let member = member(&wal);
        let_sleep();
        let hasty = call(&wal, |wal| wal.stage(1, &[b"hasty"]).and_then(|lsn| wal.sync_to(lsn)));
        let_sleep();
        gate.open();
        must_end(&leader);
        must_end(&hasty);
        must_end(&member);
    }
}
