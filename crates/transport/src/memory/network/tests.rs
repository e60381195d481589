use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::memory::{Chance, Delay};

const A: NodeId = NodeId(1);
const B: NodeId = NodeId(2);
const C: NodeId = NodeId(3);

fn place(node: NodeId) -> Place {
    Place { node, port: 0 }
}

fn number(n: u32) -> Bytes {
    Bytes::copy_from_slice(&n.to_le_bytes())
}

fn ms(n: u64) -> Mono {
    Mono(n * 1_000_000)
}

/// Sends the numbers below `count` from A to B, one a millisecond.
fn send_numbers(network: &mut Network, count: u32) {
    (0..count).for_each(|n| network.send(ms(u64::from(n)), place(A), place(B), number(n)));
}

/// What arrives until nothing is on its way, with its time.
fn drain(network: &mut Network) -> Vec<(Mono, u32)> {
    let mut arrived = Vec::new();
    while let Some(at) = network.next_at() {
        while let Some(delivery) = network.poll(at) {
            arrived.push((at, u32::from_le_bytes(delivery.frame[..].try_into().unwrap())));
        }
    }
    arrived
}

fn numbers(arrived: &[(Mono, u32)]) -> Vec<u32> {
    arrived.iter().map(|(_, n)| *n).collect()
}

fn faulty() -> LinkFaults {
    LinkFaults {
        delay: Delay::Tailed { least: Duration::from_millis(1), mean: Duration::from_millis(5) },
        loss: Chance::percent(10),
        duplication: Chance::percent(10),
        reordering: Chance::percent(10),
        reorder_by: Duration::from_millis(30),
    }
}

#[test]
fn a_sound_network_delivers_everything_once_in_order_after_the_delay() {
    let mut network = Network::new(1, LinkFaults::default());
    send_numbers(&mut network, 3);
    let expected = [(Mono(100_000), 0), (Mono(1_100_000), 1), (Mono(2_100_000), 2)];
    assert_eq!(drain(&mut network), expected);
    let counted = network.statistics();
    assert_eq!((counted.sent, counted.sent_bytes, counted.delivered), (3, 12, 3));
}

#[test]
fn nothing_arrives_before_its_time() {
    let mut network = Network::new(1, LinkFaults::default());
    network.send(ms(0), place(A), place(B), number(7));
    assert_eq!(network.poll(Mono(99_999)), None);
    let delivery = Delivery { from: place(A), to: place(B), frame: number(7) };
    assert_eq!(network.poll(Mono(100_000)), Some(delivery));
}

#[test]
fn frames_with_random_delays_stay_in_order_unless_reordering_is_asked_for() {
    let delay = Delay::Uniform { least: Duration::ZERO, most: Duration::from_millis(50) };
    let mut network = Network::new(1, LinkFaults { delay, ..LinkFaults::default() });
    send_numbers(&mut network, 200);
    assert_eq!(numbers(&drain(&mut network)), (0..200).collect::<Vec<_>>());

    let reordering = Chance::percent(20);
    let mut network = Network::new(1, LinkFaults { reordering, ..LinkFaults::default() });
    send_numbers(&mut network, 200);
    let mut arrived = numbers(&drain(&mut network));
    assert!(!arrived.is_sorted());
    arrived.sort_unstable();
    assert_eq!(arrived, (0..200).collect::<Vec<_>>());
    assert!((10..60).contains(&network.statistics().reordered), "{:?}", network.statistics());
}

#[test]
fn two_connections_between_the_same_nodes_do_not_wait_for_each_other() {
    let delay = Delay::Uniform { least: Duration::ZERO, most: Duration::from_secs(1) };
    let mut network = Network::new(1, LinkFaults { delay, ..LinkFaults::default() });
    for n in 0..20 {
        let port = u64::from(n);
        network.send(ms(0), Place { node: A, port }, Place { node: B, port }, number(n));
    }
    assert!(!numbers(&drain(&mut network)).is_sorted());
    assert_eq!(network.statistics().reordered, 0, "order is a matter of one way");
}

#[test]
fn loss_and_duplication_happen_about_as_often_as_they_should() {
    let mut network = Network::new(7, faulty());
    send_numbers(&mut network, 10_000);
    drain(&mut network);
    let counted = network.statistics();
    assert!((900..1100).contains(&counted.dropped), "{counted:?}");
    assert!((800..1000).contains(&counted.duplicated), "{counted:?}");
}

#[test]
fn a_cut_is_one_way_takes_what_is_on_its_way_and_heals() {
    let mut network = Network::new(1, LinkFaults::default());
    network.send(ms(0), place(A), place(B), number(1));
    network.cut(A, B);
    network.send(ms(0), place(A), place(B), number(2));
    network.send(ms(0), place(B), place(A), number(3));
    assert_eq!(numbers(&drain(&mut network)), [3]);
    assert_eq!((network.is_cut(A, B), network.is_cut(B, A)), (true, false));
    network.heal(A, B);
    network.send(ms(1), place(A), place(B), number(4));
    assert_eq!(numbers(&drain(&mut network)), [4]);
    assert_eq!(network.link_statistics(A, B).dropped, 2);
}

#[test]
fn a_partition_separates_the_sides_and_nobody_else() {
    let mut network = Network::new(1, LinkFaults::default());
    network.partition(&[A], &[B, C]);
    network.send(ms(0), place(A), place(B), number(1));
    network.send(ms(0), place(C), place(A), number(2));
    network.send(ms(0), place(B), place(C), number(3));
    assert_eq!(numbers(&drain(&mut network)), [3]);
    network.heal_all();
    network.send(ms(1), place(C), place(A), number(4));
    assert_eq!(numbers(&drain(&mut network)), [4]);
}

#[test]
fn a_clogged_link_loses_nothing_and_releases_in_order() {
    let mut network = Network::new(1, LinkFaults::default());
    network.clog(A, B);
    send_numbers(&mut network, 3);
    assert_eq!((drain(&mut network), network.in_flight()), (Vec::new(), 3));
    network.unclog(ms(50), A, B);
    assert_eq!(drain(&mut network), [(ms(50), 0), (Mono(50_000_001), 1), (Mono(50_000_002), 2)]);
}

#[test]
fn what_is_on_its_way_goes_with_its_node() {
    let mut network = Network::new(1, LinkFaults::default());
    network.send(ms(0), place(A), place(B), number(1));
    network.send(ms(0), place(B), place(A), number(2));
    network.send(ms(0), place(B), place(C), number(3));
    network.forget(A);
    assert_eq!(numbers(&drain(&mut network)), [3]);
    assert_eq!(network.statistics().dropped, 2);
}

#[test]
fn the_same_seed_gives_the_same_deliveries_and_another_one_others() {
    let run = |seed| {
        let mut network = Network::new(seed, faulty());
        send_numbers(&mut network, 500);
        drain(&mut network)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn taking_one_fault_away_does_not_reshuffle_the_others() {
    let run = |faults| {
        let mut network = Network::new(1, faults);
        send_numbers(&mut network, 500);
        drain(&mut network)
    };
    let delay = Delay::Uniform { least: Duration::ZERO, most: Duration::from_micros(900) };
    let base = LinkFaults { delay, loss: Chance::percent(20), ..LinkFaults::default() };
    let lossy = run(base);
    let sound = run(LinkFaults { loss: Chance::NEVER, ..base });
    assert!(lossy.len() < sound.len());
    assert!(lossy.iter().all(|arrival| sound.contains(arrival)), "what arrives, arrives at the same time");
}

#[test]
fn frames_that_arrive_at_once_on_different_links_come_in_an_order_of_chance() {
    let first = |seed| {
        let mut network = Network::new(seed, LinkFaults::default());
        network.send(ms(0), place(A), place(C), number(1));
        network.send(ms(0), place(B), place(C), number(2));
        drain(&mut network)[0].1
    };
    let firsts: Vec<u32> = (0..20).map(first).collect();
    assert!(firsts.contains(&1) && firsts.contains(&2), "{firsts:?}");
}

#[derive(Clone, Debug)]
enum Step {
    Send(u8, u8),
    Cut(u8, u8),
    Heal(u8, u8),
    Clog(u8, u8),
    Unclog(u8, u8),
    Forget(u8),
    Advance(u8),
}

fn steps() -> impl Strategy<Value = Step> {
    let pair = || (0u8..3, 0u8..3);
    prop_oneof![
        6 => pair().prop_map(|(a, b)| Step::Send(a, b)),
        1 => pair().prop_map(|(a, b)| Step::Cut(a, b)),
        1 => pair().prop_map(|(a, b)| Step::Heal(a, b)),
        1 => pair().prop_map(|(a, b)| Step::Clog(a, b)),
        1 => pair().prop_map(|(a, b)| Step::Unclog(a, b)),
        1 => (0u8..3).prop_map(Step::Forget),
        3 => any::<u8>().prop_map(Step::Advance),
    ]
}

proptest! {
    #[test]
    fn every_frame_is_accounted_for(seed in any::<u64>(), steps in vec(steps(), 0..200)) {
        let mut network = Network::new(seed, faulty());
        let (mut now, mut delivered) = (Mono(0), 0);
        let node = |n: u8| NodeId(u32::from(n) + 1);
        for step in steps {
            match step {
                Step::Send(a, b) => network.send(now, place(node(a)), place(node(b)), number(0)),
                Step::Cut(a, b) => network.cut(node(a), node(b)),
                Step::Heal(a, b) => network.heal(node(a), node(b)),
                Step::Clog(a, b) => network.clog(node(a), node(b)),
                Step::Unclog(a, b) => network.unclog(now, node(a), node(b)),
                Step::Forget(a) => network.forget(node(a)),
                Step::Advance(by) => now = now + Duration::from_millis(u64::from(by) / 8),
            }
            while network.poll(now).is_some() {
                delivered += 1;
            }
            let s = network.statistics();
            prop_assert_eq!(s.delivered, delivered);
            prop_assert_eq!(s.sent + s.duplicated, s.delivered + s.dropped + network.in_flight());
        }
    }
}
