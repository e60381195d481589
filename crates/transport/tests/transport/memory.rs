//! What only the memory network does: faults on connections, on the paused clock.

use std::time::Duration;

use quorate_transport::memory::{Chance, Delay, Fabric, FabricOptions, LinkFaults, Network};
use quorate_transport::{SendError, Transport, TransportError, handshake};
use quorate_types::NodeId;
use tokio::time::Instant;

use crate::common::{end_of, greeted, hello, numbers, ping, receive, soon};

const N1: NodeId = NodeId(1);
const N2: NodeId = NodeId(2);

fn fabric(faults: LinkFaults) -> Fabric {
    Fabric::new(Network::new(1, faults), FabricOptions::default())
}

#[tokio::test(start_paused = true)]
async fn a_frame_takes_the_links_delay_and_no_wall_clock_time() {
    let delay = Delay::Fixed(Duration::from_hours(1));
    let fabric = fabric(LinkFaults::default());
    let listener = fabric.node(N2).listen("n2:1").await.unwrap();
    let (near, mut far) = greeted(&fabric.node(N1), &*listener).await;
    fabric.with_network(|network, _| {
        network.set_all_faults(LinkFaults { delay, ..LinkFaults::default() });
    });
    let sent = Instant::now();
    near.sink.try_send(ping(1)).unwrap();
    let mut frames = Vec::new();
    far.source.recv(&mut frames).await.unwrap();
    assert_eq!((numbers(&frames), sent.elapsed()), (vec![1], Duration::from_hours(1)));
}

#[tokio::test(start_paused = true)]
async fn the_handshake_survives_doubling_and_reordering_and_frames_suffer_both() {
    let fabric = fabric(LinkFaults {
        delay: Delay::Uniform { least: Duration::ZERO, most: Duration::from_millis(5) },
        duplication: Chance::percent(50),
        reordering: Chance::percent(50),
        ..LinkFaults::default()
    });
    let listener = fabric.node(N2).listen("n2:1").await.unwrap();
    let (near, mut far) = greeted(&fabric.node(N1), &*listener).await;
    (0..100).for_each(|n| near.sink.try_send(ping(n)).unwrap());
    let doubled = fabric.with_network(|network, _| network.statistics().duplicated as usize);
    let mut received = numbers(&receive(&mut far, 100 + doubled).await);
    assert!(doubled > 20 && !received.is_sorted());
    received.sort_unstable();
    received.dedup();
    assert_eq!(received, (0..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_dial_across_a_cut_in_either_direction_is_silence_until_its_timeout() {
    for (from, to) in [(N1, N2), (N2, N1)] {
        let fabric = fabric(LinkFaults::default());
        let _listener = fabric.node(N2).listen("n2:1").await.unwrap();
        fabric.with_network(|network, _| network.cut(from, to));
        let started = Instant::now();
        let silent = fabric.node(N1).dial("n2:1").await.err().expect("it is cut off");
        assert!(matches!(silent, TransportError::DialTimeout { .. }));
        assert_eq!(started.elapsed(), FabricOptions::default().dial_timeout);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_is_silence_not_an_end_and_what_is_sent_after_it_arrives() {
    let fabric = fabric(LinkFaults::default());
    let listener = fabric.node(N2).listen("n2:1").await.unwrap();
    let (near, mut far) = greeted(&fabric.node(N1), &*listener).await;
    fabric.with_network(|network, _| network.cut(N1, N2));
    near.sink.try_send(ping(1)).unwrap();
    let mut frames = Vec::new();
    let silence = tokio::time::timeout(Duration::from_mins(1), far.source.recv(&mut frames)).await;
    assert!(silence.is_err() && frames.is_empty());
    fabric.with_network(|network, _| network.heal(N1, N2));
    near.sink.try_send(ping(2)).unwrap();
    assert_eq!(numbers(&receive(&mut far, 1).await), [2]);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_lost_in_a_cut_is_found_out_by_sending() {
    let fabric = fabric(LinkFaults::default());
    let listener = fabric.node(N2).listen("n2:1").await.unwrap();
    let (near, mut far) = greeted(&fabric.node(N1), &*listener).await;
    fabric.with_network(|network, _| network.cut(N1, N2));
    drop(near);
    let mut frames = Vec::new();
    let silence = tokio::time::timeout(Duration::from_mins(1), far.source.recv(&mut frames)).await;
    assert!(silence.is_err());
    fabric.with_network(|network, _| network.heal(N1, N2));
    far.sink.try_send(ping(1)).unwrap();
    assert!(end_of(&mut far).await.proves_down());
}

#[tokio::test(start_paused = true)]
async fn a_clogged_link_delivers_when_it_is_unclogged_to_a_reader_that_already_waits() {
    let fabric = fabric(LinkFaults::default());
    let listener = fabric.node(N2).listen("n2:1").await.unwrap();
    let (near, mut far) = greeted(&fabric.node(N1), &*listener).await;
    fabric.with_network(|network, _| network.clog(N1, N2));
    near.sink.try_send(ping(1)).unwrap();
    let unclog = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        fabric.with_network(|network, now| network.unclog(now, N1, N2));
    };
    let (frames, ()) = soon(async { tokio::join!(receive(&mut far, 1), unclog) }).await;
    assert_eq!(numbers(&frames), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_read_fills_its_inbox_and_the_sender_is_refused() {
    let options = FabricOptions { link_queue_bytes_max: 100, ..FabricOptions::default() };
    let fabric = Fabric::new(Network::new(1, LinkFaults::default()), options);
    let listener = fabric.node(N2).listen("n2:1").await.unwrap();
    let (near, mut far) = greeted(&fabric.node(N1), &*listener).await;
    let frame = ping(1);
    for _ in 0..100 / frame.len() {
        near.sink.try_send(frame.clone()).unwrap();
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    // Somebody else waits for a frame and so brings these to their inbox.
    let mut near = near;
    let mut frames = Vec::new();
    let _ = tokio::time::timeout(Duration::from_millis(1), near.source.recv(&mut frames)).await;
    let queued_bytes = near.sink.queued_bytes();
    let full = SendError::Full { queued_bytes, queue_bytes_max: 100 };
    assert_eq!(near.sink.try_send(frame.clone()), Err(full));
    assert_eq!(receive(&mut far, 100 / frame.len()).await.len(), 100 / frame.len());
    assert_eq!(near.sink.try_send(frame), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_lost_hello_is_a_handshake_that_times_out() {
    let fabric = fabric(LinkFaults { loss: Chance::ALWAYS, ..LinkFaults::default() });
    let _listener = fabric.node(N2).listen("n2:1").await.unwrap();
    let mut near = fabric.node(N1).dial("n2:1").await.unwrap();
    let lost = handshake::greet(&mut near, &hello(), Duration::from_secs(1)).await.unwrap_err();
    assert!(matches!(lost, TransportError::HandshakeTimeout { .. }));
}

#[tokio::test(start_paused = true)]
async fn who_dialled_a_listener_that_goes_is_reset() {
    let fabric = fabric(LinkFaults::default());
    let listener = fabric.node(N2).listen("n2:1").await.unwrap();
    let mut near = fabric.node(N1).dial("n2:1").await.unwrap();
    drop(listener);
    assert!(end_of(&mut near).await.proves_down());
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_run() {
    let run = || async {
        let fabric = fabric(LinkFaults {
            delay: Delay::Tailed { least: Duration::from_millis(1), mean: Duration::from_millis(5) },
            reordering: Chance::percent(30),
            ..LinkFaults::default()
        });
        let listener = fabric.node(N2).listen("n2:1").await.unwrap();
        let (near, mut far) = greeted(&fabric.node(N1), &*listener).await;
        (0..100).for_each(|n| near.sink.try_send(ping(n)).unwrap());
        numbers(&receive(&mut far, 100).await)
    };
    let first = run().await;
    assert_eq!(run().await, first);
    assert!(!first.is_sorted());
}
