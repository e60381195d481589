//! Slow requests: reported once, before their answer, with whom they waited for.

use std::time::Duration;

use quorate_coordinator::{ClientRead, ClientWrite, CoordinatorConfig, KeyspacePolicy};
use quorate_types::Level;

use crate::desk::{Desk, Seat, put};

fn slow_after_100_ms(config: &mut CoordinatorConfig) {
    config.slow_after = Some(Duration::from_millis(100));
}

fn desk() -> Desk {
    Desk::with(KeyspacePolicy::default(), Seat::Outside, slow_after_100_ms)
}

#[test]
fn a_write_that_took_long_is_reported_with_a_receipt_that_it_did_not_ask_for() {
    let mut desk = desk();
    let write = ClientWrite { want_receipt: false, ..desk.client_write(5, Level::Quorum) };
    desk.start_write(write);
    desk.wait_ms(1);
    desk.ack(2);
    desk.wait_ms(99);
    let done = desk.ack(0);
    assert_eq!(done.len(), 2, "{done:?}");
    assert_eq!(done[0], "slow key: answered r2 1000us, r0 100000us; hinted ");
    assert_eq!(done[1], "written 2 of 2 as 5");
    assert_eq!(desk.receipt, None);
}

#[test]
fn a_read_that_took_long_is_reported_too_and_a_quick_one_is_not() {
    for (waited_ms, told) in [(0, vec![]), (150, vec!["slow key: answered r0 150000us; hinted ".to_owned()])]
    {
        let mut desk = desk();
        let read = ClientRead { want_receipt: false, ..desk.client_read(Level::One) };
        desk.start_read(read);
        desk.wait_ms(waited_ms);
        let done = desk.holds(0, &put(5, "v"));
        assert_eq!(done[..done.len() - 1], told, "{waited_ms} ms");
        assert_eq!(desk.receipt, None);
    }
}

#[test]
fn nothing_is_reported_unless_it_is_asked_for() {
    let mut desk = Desk::new(KeyspacePolicy::default());
    desk.put(Level::One);
    desk.wait_ms(1_900);
    assert_eq!(desk.ack(0), ["written 1 of 1 as 5"]);
}
