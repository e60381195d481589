//! The dialler, over the memory network on the paused clock.

use std::sync::Arc;
use std::time::Duration;

use quorate_transport::memory::{Fabric, FabricOptions, LinkFaults, Network};
use quorate_transport::{Dialer, RedialOptions, Transport, TransportError};
use quorate_types::NodeId;
use tokio::time::Instant;

use crate::common::soon;

fn options() -> RedialOptions {
    RedialOptions {
        first: Duration::from_millis(100),
        max: Duration::from_secs(10),
        stable_after: Duration::from_mins(1),
    }
}

fn dialer(fabric: &Fabric) -> Dialer {
    Dialer::new(Arc::new(fabric.node(NodeId(1))), "n2:1".to_owned(), options(), 1)
}

fn fabric() -> Fabric {
    Fabric::new(Network::new(1, LinkFaults::default()), FabricOptions::default())
}

/// Dials until the wait is seconds long.
async fn fail_often(dialer: &mut Dialer) {
    for _ in 0..10 {
        let failed = dialer.next().await.err();
        assert!(matches!(failed, Some(TransportError::Refused { .. })));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_reported_at_once_and_the_waits_grow() {
    let mut dialer = dialer(&fabric());
    let mut last = Instant::now();
    let mut waits = Vec::new();
    for _ in 0..8 {
        assert!(dialer.next().await.is_err());
        waits.push(last.elapsed());
        last = Instant::now();
    }
    assert_eq!(waits[0], Duration::ZERO, "the first dial waits for nothing");
    assert!(waits[1] >= Duration::from_millis(50) && waits[1] <= Duration::from_millis(101));
    assert!(waits[7] >= Duration::from_millis(3200) && waits[7] <= Duration::from_millis(6401));
}

#[tokio::test(start_paused = true)]
async fn a_nudge_ends_a_long_wait() {
    let fabric = fabric();
    let mut dialer = dialer(&fabric);
    fail_often(&mut dialer).await;
    let _listener = fabric.node(NodeId(2)).listen("n2:1").await.unwrap();
    let nudger = dialer.nudger();
    let started = Instant::now();
    let nudge = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        nudger.nudge();
    };
    let (dialled, ()) = soon(async { tokio::join!(dialer.next(), nudge) }).await;
    assert!(dialled.is_ok());
    assert_eq!(started.elapsed(), Duration::from_millis(200));
}

#[tokio::test(start_paused = true)]
async fn after_a_connection_that_held_the_wait_is_short_again() {
    let fabric = fabric();
    let mut dialer = dialer(&fabric);
    fail_often(&mut dialer).await;
    let _listener = fabric.node(NodeId(2)).listen("n2:1").await.unwrap();
    let connection = dialer.next().await.unwrap();
    dialer.succeeded();
    tokio::time::sleep(Duration::from_mins(1)).await;
    drop(connection);
    let lost = Instant::now();
    assert!(dialer.next().await.is_ok());
    assert!(lost.elapsed() <= Duration::from_millis(101), "{:?}", lost.elapsed());
}
