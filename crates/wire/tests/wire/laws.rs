//! Laws: round trips, and that a stream may be cut anywhere.

use bytes::{BufMut, Bytes};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use quorate_types::{Expiry, Generation, KeyspaceId, NodeId, Record, Timestamp, Version};
use quorate_wire::{
    FrameReader, FrameWriter, LinkEpoch, Message, PeerMessage, Purpose, ReadResult, ReplicaWrite, WireError,
    WriteBatch, decode, frame_of,
};

use crate::frames::{framed, message};
use crate::samples;

fn versions() -> impl Strategy<Value = Version> {
    (any::<u64>(), any::<u32>()).prop_map(|(t, n)| Version::new(Timestamp(t), NodeId(n)))
}

fn records() -> impl Strategy<Value = Record> {
    let value = option::of(vec(any::<u8>(), 0..200).prop_map(Bytes::from));
    let expiry = (option::of(versions()), option::of(any::<u64>()));
    (versions(), value, expiry).prop_map(|(version, value, (other, at_ms))| {
        let expiry = Expiry { version: other.unwrap_or(version), at_ms };
        Record { version, value, expiry }
    })
}

fn writes() -> impl Strategy<Value = ReplicaWrite> {
    let purpose = prop_oneof![Just(Purpose::Write), Just(Purpose::Hint), Just(Purpose::Repair)];
    (any::<u32>(), vec(any::<u8>(), 1..50), records(), purpose, any::<u32>()).prop_map(
        |(keyspace, key, record, purpose, time_left_ms)| ReplicaWrite {
            purpose,
            time_left_ms,
            ..ReplicaWrite::from_record(KeyspaceId(keyspace), key.into(), record)
        },
    )
}

fn peer_messages() -> impl Strategy<Value = PeerMessage> {
    let batch = (any::<(u64, u64, u64)>(), 1..=u64::MAX, vec(writes(), 0..20)).prop_map(
        |((generation, connection, ring_hash), batch, writes)| {
            let epoch = LinkEpoch { generation: Generation(generation), connection };
            PeerMessage::Writes(WriteBatch { epoch, batch, ring_hash, writes })
        },
    );
    let reply = (any::<u64>(), option::of(records()))
        .prop_map(|(id, record)| PeerMessage::ReadReply { id, result: ReadResult::Record(record) });
    let ping = any::<(u64, u64)>().prop_map(|(number, wall_ms)| PeerMessage::Ping { number, wall_ms });
    prop_oneof![batch, reply, ping]
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(messages in vec(peer_messages(), 0..8)) {
        let mut writer = FrameWriter::default();
        for message in &messages {
            writer.push(message).unwrap();
        }
        let frame = writer.finish();
        prop_assert_eq!(frame.is_empty(), messages.is_empty());
        prop_assume!(!frame.is_empty());
        let decoded: Result<Vec<PeerMessage>, WireError> =
            decode(frame).map(|message| message.and_then(PeerMessage::try_from)).collect();
        prop_assert_eq!(decoded, Ok(messages));
    }

    #[test]
    fn a_stream_may_be_cut_anywhere(
        picks in vec(0usize..1000, 1..10),
        cuts in vec(1usize..200, 1..50),
    ) {
        let samples = samples::all();
        let frames: Vec<Bytes> =
            picks.iter().map(|i| frame_of(&samples[i % samples.len()].1).unwrap()).collect();
        let stream = frames.concat();
        let (mut reader, mut read, mut at) = (FrameReader::new(1 << 16), Vec::new(), 0);
        for cut in cuts.iter().cycle() {
            let end = (at + cut).min(stream.len());
            reader.buffer().put_slice(&stream[at..end]);
            at = end;
            while let Some(frame) = reader.next_frame().unwrap() {
                read.push(frame);
            }
            if at == stream.len() {
                break;
            }
        }
        prop_assert_eq!(read, frames);
        prop_assert_eq!(reader.pending_bytes(), 0);
    }

    #[test]
    fn any_bytes_are_a_frame_or_a_clear_error(bytes in vec(any::<u8>(), 0..300)) {
        let mut reader = FrameReader::new(1024);
        reader.buffer().put_slice(&bytes);
        while let Ok(Some(frame)) = reader.next_frame() {
            decode(frame).for_each(drop);
        }
        decode(bytes.into()).for_each(drop);
    }

    #[test]
    fn what_any_body_decodes_to_encodes_again(kind in 0usize..13, body in vec(any::<u8>(), 0..100)) {
        let kind = [1u8, 2, 16, 17, 18, 19, 20, 21, 22, 23, 24, 32, 33][kind];
        let kind = quorate_wire::Kind::of_byte(kind).unwrap();
        for decoded in decode(framed(&message(kind, &body))).flatten() {
            let again: Vec<Result<Message, WireError>> = decode(frame_of(&decoded).unwrap()).collect();
            prop_assert_eq!(again, vec![Ok(decoded)]);
        }
    }
}
