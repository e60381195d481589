use super::*;
use bytes::Bytes;
use proptest::prelude::*;
use quorate_types::{Expiry, Generation, KeyspaceId, Timestamp, Version};
use quorate_wire::{PROTOCOL_MAX, Purpose};

const LINK: LinkId = LinkId(1);
const EPOCH: LinkEpoch = LinkEpoch { generation: Generation(7), connection: 3 };

fn link() -> Outbound<u32> {
    let peer = LinkPeer { node: NodeId(2), generation: Generation(1), shard: 0, shards: 1 };
    Outbound::new(peer, EPOCH, PROTOCOL_MAX)
}

fn write(bytes: usize) -> ReplicaWrite {
    let version = Version::new(Timestamp(1), NodeId(1));
    ReplicaWrite {
        keyspace: KeyspaceId(1),
        key: Bytes::from_static(b"k"),
        version,
        value: Some(Bytes::from(vec![0; bytes])),
        expiry: Expiry { version, at_ms: None },
        purpose: Purpose::Write,
        time_left_ms: 1_000,
    }
}

/// Sends one batch of the writes `waiters`; its number.
fn send(link: &mut Outbound<u32>, waiters: &[u32]) -> Vec<u64> {
    for &waiter in waiters {
        link.push(Mono(0), write(10), waiter, None);
    }
    let mut sends = Vec::new();
    link.flush(Mono(0), LINK, 99, &mut sends);
    sends
        .into_iter()
        .map(|(_, message)| match message {
            PeerMessage::Writes(batch) => {
                assert_eq!((batch.epoch, batch.ring_hash), (EPOCH, 99));
                batch.batch
            }
            other => panic!("{other:?}"),
        })
        .collect()
}

fn acks(ranges: &[(u64, u64)]) -> Acks {
    let ranges = ranges.iter().map(|&(first, last)| BatchRange { first, last }).collect();
    Acks { epoch: EPOCH, ranges, partial: Vec::new(), credit_bytes: 0 }
}

fn settle(link: &mut Outbound<u32>, acks: Acks) -> Vec<Settled<u32>> {
    let mut settled = Vec::new();
    link.on_acks(acks, &mut settled);
    settled
}

#[test]
fn a_turn_makes_one_batch_and_numbers_have_no_gaps() {
    let mut link = link();
    assert_eq!(send(&mut link, &[1, 2, 3]), [1]);
    assert_eq!(send(&mut link, &[]), []);
    assert_eq!(send(&mut link, &[4]), [2]);
    assert_eq!(link.in_flight(), 4);
}

#[test]
fn a_turn_with_too_much_for_one_frame_makes_several_batches() {
    let mut link = link();
    (0..5).for_each(|i| link.push(Mono(0), write(900 << 10), i, None));
    let mut sends = Vec::new();
    link.flush(Mono(0), LINK, 0, &mut sends);
    let sizes: Vec<_> = sends
        .iter()
        .map(|(_, message)| match message {
            PeerMessage::Writes(batch) => (batch.batch, batch.writes.len()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sizes, [(1, 2), (2, 2), (3, 1)]);
}

#[test]
fn a_range_settles_each_batch_once_however_wide_and_often_it_comes() {
    let mut link = link();
    send(&mut link, &[1]);
    send(&mut link, &[2, 3]);
    send(&mut link, &[4]);
    assert_eq!(settle(&mut link, acks(&[(2, 2)])), [(2, Verdict::Acked), (3, Verdict::Acked)]);
    assert_eq!(settle(&mut link, acks(&[(2, 2)])), []);
    assert_eq!(settle(&mut link, acks(&[(0, u64::MAX)])), [(1, Verdict::Acked), (4, Verdict::Acked)]);
    assert_eq!((link.bytes, link.batches, link.in_flight()), (0, 0, 0));
    assert_eq!(send(&mut link, &[5]), [4]);
}

#[test]
fn an_acknowledgement_of_another_epoch_or_of_a_batch_never_sent_changes_nothing() {
    let mut link = link();
    send(&mut link, &[1]);
    let other = LinkEpoch { connection: EPOCH.connection - 1, ..EPOCH };
    assert_eq!(settle(&mut link, Acks { epoch: other, ..acks(&[(1, 1)]) }), []);
    assert_eq!(settle(&mut link, acks(&[(2, 9), (u64::MAX, u64::MAX), (5, 2)])), []);
    assert_eq!(link.in_flight(), 1);
}

#[test]
fn a_partial_batch_names_the_refused_ones_and_acknowledges_the_others() {
    let mut link = link();
    send(&mut link, &[1, 2, 3]);
    let refused = vec![(1, Refusal::NotReplica), (77, Refusal::ShuttingDown)];
    let partial = vec![PartialBatch { batch: 1, refused }];
    let told = settle(&mut link, Acks { partial, ..acks(&[]) });
    let expected = [(1, Verdict::Acked), (2, Verdict::Refused(Refusal::NotReplica)), (3, Verdict::Acked)];
    assert_eq!(told, expected);
}

#[test]
fn what_nobody_answers_is_lost_after_its_deadline_and_holds_nobody_back() {
    let mut link = link();
    send(&mut link, &[1]);
    send(&mut link, &[2]);
    settle(&mut link, acks(&[(2, 2)]));
    let mut lost = Vec::new();
    link.expire(Mono(0) + Duration::from_millis(1_499), &mut lost);
    assert_eq!(lost, []);
    link.expire(Mono(0) + Duration::from_millis(1_500), &mut lost);
    assert_eq!(lost, [(1, Verdict::Lost)]);
    assert_eq!(settle(&mut link, acks(&[(1, 1)])), [], "too late");
}

#[test]
fn a_lost_link_loses_what_was_sent_and_what_was_about_to_be() {
    let mut link = link();
    send(&mut link, &[1]);
    link.push(Mono(0), write(1), 2, None);
    let read = ReadSent { deadline: Mono(9), of: Asked::Key(ReadHandle::from_raw(5)) };
    let ids = [link.on_read_sent(read), link.on_read_sent(read)];
    assert_eq!(link.on_read_answered(ids[0]), Some(read.of));
    assert_eq!(link.on_read_answered(ids[0]), None, "a doubled answer");
    let mut lost = Vec::new();
    let reads = link.lose(Mono(0), &mut lost);
    assert_eq!(lost, [(1, Verdict::Lost), (2, Verdict::Lost)]);
    assert_eq!(reads, BTreeMap::from([(ids[1], read)]));
}

#[test]
fn a_read_that_was_never_answered_is_forgotten_after_its_deadline() {
    let mut link = link();
    let id = link.on_read_sent(ReadSent { deadline: Mono(9), of: Asked::Key(ReadHandle::from_raw(5)) });
    link.expire(Mono(8), &mut Vec::new());
    assert_eq!(link.in_flight(), 1);
    link.expire(Mono(9), &mut Vec::new());
    assert_eq!((link.in_flight(), link.on_read_answered(id)), (0, None));
}

#[test]
fn what_is_outstanding_is_bounded_in_bytes_and_batches() {
    let limits = ShardLimits {
        link_outstanding_bytes_max: 300,
        link_outstanding_batches_max: 3,
        ..ShardLimits::default()
    };
    let mut link = link();
    assert!(link.has_room(10_000, &limits), "one write always fits");
    send(&mut link, &[1]);
    assert!(link.has_room(225, &limits));
    assert!(!link.has_room(226, &limits));
    send(&mut link, &[2]);
    assert!(link.has_room(1, &limits));
    send(&mut link, &[3]);
    assert!(!link.has_room(1, &limits));
    settle(&mut link, acks(&[(2, 2)]));
    assert!(link.has_room(1, &limits));
}

proptest! {
    #[test]
    fn every_write_is_settled_exactly_once(
        steps in proptest::collection::vec((0u8..3, 0u64..12, 0u64..12), 1..60),
    ) {
        let mut link = link();
        let (mut pushed, mut settled) = (0, Vec::new());
        for (kind, a, b) in steps {
            match kind {
                0 => {
                    (0..a).for_each(|i| link.push(Mono(0), write(1), pushed + i as u32, None));
                    pushed += a as u32;
                    link.flush(Mono(0), LINK, 0, &mut Vec::new());
                }
                1 => link.on_acks(acks(&[(a, b)]), &mut settled),
                _ => {
                    let partial = vec![PartialBatch { batch: a, refused: vec![(b as u32, Refusal::NotReplica)] }];
                    link.on_acks(Acks { partial, ..acks(&[]) }, &mut settled);
                }
            }
        }
        link.lose(Mono(0), &mut settled);
        let mut waiters: Vec<u32> = settled.into_iter().map(|(waiter, _)| waiter).collect();
        waiters.sort_unstable();
        prop_assert_eq!(waiters, (0..pushed).collect::<Vec<_>>());
    }
}
