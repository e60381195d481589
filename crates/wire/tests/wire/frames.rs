//! Frames: limits before allocation, any chunking, damage told apart.

use bytes::{BufMut, Bytes, BytesMut};
use quorate_types::limits::{FRAME_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use quorate_types::{KeyspaceId, PageStart, PartitionId, Record, Refusal};
use quorate_wire::{
    FrameReader, FrameWriter, HANDSHAKE_BYTES_MAX, HandshakeRefusal, HelloReply, Kind, LinkEpoch, MAGIC,
    Message, PeerMessage, ReplicaWrite, Request, RequestBody, Response, ResponseBody, WireError, WriteBatch,
    decode, frame_of, handshake_frame,
};

use crate::samples;

/// A frame around `messages`, with a sound length and checksum.
pub fn framed(messages: &[u8]) -> Bytes {
    let covered = [&[1], messages].concat();
    let mut frame = BytesMut::new();
    frame.put_u32_le(covered.len() as u32);
    frame.put_u32_le(crc32fast::hash(&covered));
    frame.put_slice(&covered);
    frame.freeze()
}

/// A message header of `kind` and version 1 before `body`.
pub fn message(kind: Kind, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind as u8, 1];
    bytes.put_u32_le(body.len() as u32);
    bytes.extend_from_slice(body);
    bytes
}

pub fn error_of(frame: Bytes) -> WireError {
    let mut messages = decode(frame);
    let error = messages.find_map(Result::err).expect("a damaged frame");
    assert_eq!(messages.next(), None, "nothing comes after an error");
    error
}

fn get(key: impl Into<Bytes>) -> Request {
    let body = RequestBody::Get { keyspace: KeyspaceId(1), key: key.into(), level: None };
    Request { number: 1, time_left_ms: 2000, want_receipt: false, body }
}

fn put(value_bytes: usize) -> Request {
    let value = vec![b'v'; value_bytes].into();
    let (level, expiry, version) = (None, quorate_wire::ExpiryRequest::Never, None);
    let body = RequestBody::Put { keyspace: KeyspaceId(1), key: "k".into(), value, level, expiry, version };
    Request { number: 1, time_left_ms: 2000, want_receipt: false, body }
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_anything_is_allocated_for_it() {
    let mut reader = FrameReader::new(1024);
    reader.buffer().put_u32_le(1017);
    let capacity = reader.buffer().capacity();
    let refused = WireError::FrameTooLarge { bytes: 1025, bytes_max: 1024 };
    assert_eq!(reader.next_frame(), Err(refused.clone()));
    assert_eq!(reader.next_frame(), Err(refused));
    assert_eq!((reader.missing_bytes(), reader.buffer().capacity()), (0, capacity));
}

#[test]
fn a_frame_too_short_for_its_header_is_refused() {
    let mut reader = FrameReader::new(1024);
    reader.buffer().put_u32_le(0);
    assert_eq!(reader.next_frame(), Err(WireError::Truncated { missing: 1 }));
}

#[test]
fn a_reader_says_how_much_it_waits_for() {
    let mut reader = FrameReader::new(1024);
    assert_eq!(reader.missing_bytes(), 0);
    reader.buffer().put_u32_le(100);
    assert_eq!((reader.next_frame(), reader.missing_bytes()), (Ok(None), 104));
}

#[test]
fn a_stranger_is_told_apart_at_its_first_byte_with_what_it_said() {
    let mut reader = FrameReader::from_handshake(1024);
    reader.buffer().put_slice(b"G");
    assert_eq!(
        reader.next_frame().unwrap_err().to_string(),
        "the other side does not speak quorate; its first bytes are \"G\""
    );
    let mut reader = FrameReader::from_handshake(1024);
    reader.buffer().put_slice(b"QUORUM\r\n more");
    assert_eq!(
        reader.next_frame().unwrap_err().to_string(),
        "the other side does not speak quorate; its first bytes are \"QUORUM\\r\\n\""
    );
}

#[test]
fn a_handshake_frame_is_small_and_the_next_ones_need_not_be() {
    let reply = HelloReply::Refused(HandshakeRefusal::ShuttingDown);
    let large = frame_of(&get(vec![b'k'; 5000])).unwrap();
    let mut reader = FrameReader::from_handshake(FRAME_BYTES_MAX);
    reader.buffer().extend_from_slice(&handshake_frame(&reply).unwrap());
    reader.buffer().extend_from_slice(&large);
    assert_eq!(reader.next_frame(), Ok(Some(frame_of(&reply).unwrap())));
    assert_eq!(reader.next_frame(), Ok(Some(large.clone())));

    let mut reader = FrameReader::from_handshake(FRAME_BYTES_MAX);
    reader.buffer().extend_from_slice(&MAGIC);
    reader.buffer().extend_from_slice(&large);
    let refused =
        WireError::FrameTooLarge { bytes: large.len() as u64, bytes_max: HANDSHAKE_BYTES_MAX as u64 };
    assert_eq!(reader.next_frame(), Err(refused));
}

#[test]
fn a_full_frame_stays_as_it_was_and_the_message_fits_in_the_next_one() {
    let mut writer = FrameWriter::new(100);
    writer.push(&get(vec![b'a'; 40])).unwrap();
    let bytes = writer.bytes_len();
    assert_eq!(writer.push(&get(vec![b'b'; 40])), Err(WireError::FrameFull { bytes: bytes as u64 }));
    let first = writer.finish();
    assert_eq!(first, frame_of(&get(vec![b'a'; 40])).unwrap());
    writer.push(&get(vec![b'b'; 40])).unwrap();
    assert_eq!(writer.finish(), frame_of(&get(vec![b'b'; 40])).unwrap());
}

#[test]
fn a_message_larger_than_a_frame_is_refused_and_leaves_nothing_behind() {
    let mut writer = FrameWriter::new(100);
    let refused = writer.push(&get(vec![b'a'; 100])).unwrap_err();
    assert_eq!(refused.to_string(), "a Request message is larger than a frame, 100 bytes; nothing was sent");
    assert_eq!((writer.is_empty(), writer.finish()), (true, Bytes::new()));
}

#[test]
fn damage_is_told_apart() {
    let frame = frame_of(&get("k")).unwrap();
    let flipped = |at: usize| {
        let mut bytes = frame.to_vec();
        bytes[at] ^= 1;
        error_of(bytes.into())
    };
    assert!(matches!(flipped(0), WireError::FrameLength { announced: 17, bytes: 16 }), "{:?}", flipped(0));
    for at in 4..frame.len() {
        assert!(matches!(flipped(at), WireError::Checksum { .. }), "byte {at}");
    }
    for len in 0..frame.len() {
        let cut = error_of(frame.slice(..len));
        assert!(matches!(cut, WireError::Truncated { .. } | WireError::FrameLength { .. }), "{len}: {cut:?}");
    }
}

#[test]
fn unknown_types_and_versions_are_named() {
    assert_eq!(error_of(framed(&[200, 1, 0, 0, 0, 0])), WireError::UnknownType { found: 200 });
    let newer = WireError::UnknownVersion { kind: Kind::Ping, found: 2, known: 1 };
    assert_eq!(error_of(framed(&[16, 2, 0, 0, 0, 0])), newer);
    assert_eq!(newer.to_string(), "Ping message of version 2; this build reads version 1");
}

#[test]
fn a_body_must_be_neither_short_nor_long() {
    let ping = [1, 2];
    assert_eq!(
        error_of(framed(&message(Kind::Ping, &ping[..1]))),
        WireError::Body { kind: Kind::Ping, source: postcard::Error::DeserializeUnexpectedEnd }
    );
    let long = WireError::TrailingBytes { kind: Kind::Ping, bytes: 1 };
    assert_eq!(error_of(framed(&message(Kind::Ping, &[1, 2, 3]))), long);
    let mut beyond = message(Kind::Ping, &ping);
    beyond[2] = 3;
    assert_eq!(error_of(framed(&beyond)), WireError::Truncated { missing: 1 });
    assert_eq!(error_of(framed(&[16, 1, 0])), WireError::Truncated { missing: 3 });
}

#[test]
fn keys_and_values_beyond_the_formats_limits_are_refused() {
    let bytes_max = KEY_BYTES_MAX as u64;
    for key_bytes in [0, KEY_BYTES_MAX + 1] {
        let refused = WireError::KeyLength { kind: Kind::Request, bytes: key_bytes as u64, bytes_max };
        assert_eq!(error_of(frame_of(&get(vec![b'k'; key_bytes])).unwrap()), refused);
    }
    let largest = get(vec![b'k'; KEY_BYTES_MAX]);
    assert_eq!(decode(frame_of(&largest).unwrap()).next(), Some(Ok(Message::Request(largest))));
    let refused = WireError::ValueLength {
        kind: Kind::Request,
        bytes: VALUE_BYTES_MAX as u64 + 1,
        bytes_max: VALUE_BYTES_MAX as u64,
    };
    assert_eq!(error_of(frame_of(&put(VALUE_BYTES_MAX + 1)).unwrap()), refused);
}

#[test]
fn batches_count_from_one() {
    let epoch = LinkEpoch { generation: quorate_types::Generation(1), connection: 1 };
    let batch = WriteBatch { epoch, batch: 0, ring_hash: 1, writes: Vec::new() };
    let refused = WireError::BatchNumber { kind: Kind::Writes, first: 0, last: 0 };
    assert_eq!(error_of(frame_of(&PeerMessage::Writes(batch)).unwrap()), refused);
}

#[test]
fn a_partition_beyond_the_ring_is_refused() {
    let page = |partition| {
        let partition = PartitionId(partition);
        let body = RequestBody::Page {
            keyspace: KeyspaceId(1),
            partition,
            start: PageStart::First,
            limit: 1,
            level: None,
        };
        frame_of(&Request { number: 1, time_left_ms: 2000, want_receipt: false, body }).unwrap()
    };
    assert!(decode(page(4095)).all(|message| message.is_ok()));
    let refused = WireError::NoSuchPartition { kind: Kind::Request, partition: 4096, partitions: 4096 };
    assert_eq!(error_of(page(4096)), refused);
}

#[test]
fn what_a_batch_and_a_request_carry_lies_in_the_frame_itself() {
    let within = |frame: &Bytes, part: &Bytes| frame.as_ptr_range().contains(&part.as_ptr());
    let record = Record::put(samples::version(1), "value", None);
    let writes = vec![ReplicaWrite::from_record(KeyspaceId(1), "key".into(), record)];
    let epoch = LinkEpoch { generation: quorate_types::Generation(1), connection: 1 };
    let frame = frame_of(&PeerMessage::Writes(WriteBatch { epoch, batch: 1, ring_hash: 1, writes })).unwrap();
    let Some(Ok(Message::Peer(PeerMessage::Writes(batch)))) = decode(frame.clone()).next() else { panic!() };
    let write = &batch.writes[0];
    assert!(within(&frame, &write.key) && within(&frame, write.value.as_ref().unwrap()));

    let frame = frame_of(&put(5)).unwrap();
    let Some(Ok(Message::Request(request))) = decode(frame.clone()).next() else { panic!() };
    let RequestBody::Put { key, value, .. } = request.body else { panic!() };
    assert!(within(&frame, &key) && within(&frame, &value));
}

#[test]
fn a_message_at_the_wrong_place_is_named() {
    let response = Response { number: 1, body: ResponseBody::Refused(Refusal::ShuttingDown), receipt: None };
    let refused = PeerMessage::try_from(Message::Response(response)).unwrap_err();
    assert_eq!(refused.to_string(), "a Response message where a message between nodes was expected");
    assert_eq!(Request::try_from(Message::Request(get("k"))), Ok(get("k")));
}
