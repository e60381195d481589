//! Frozen bytes: a build that fails here can't talk to, or be talked to by, one of the last version.

use std::fmt::Write;

use bytes::Bytes;
use quorate_wire::{
    FrameWriter, Hello, Kind, Message, PeerMessage, Role, WireError, decode, frame_of, handshake_frame,
};

use crate::samples;

const GOLDEN: &str = include_str!("golden.txt");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

fn unhex(text: &str) -> Bytes {
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("two hex digits"))
        .collect()
}

/// The golden frames: (name, hex).
fn golden() -> Vec<(&'static str, &'static str)> {
    GOLDEN.lines().filter_map(|line| line.split_once(' ')).collect()
}

#[test]
fn every_message_encodes_to_its_frozen_frame() {
    let mut encoded = String::new();
    for (name, message) in samples::all() {
        writeln!(encoded, "{name} {}", hex(&frame_of(&message).unwrap())).unwrap();
    }
    assert_eq!(encoded, GOLDEN, "a byte moved; if that is meant, the message's version must rise\n{encoded}");
}

#[test]
fn every_frozen_frame_decodes_to_its_message() {
    let expected = samples::all();
    assert_eq!(expected.len(), golden().len());
    for ((name, frame), (_, message)) in golden().into_iter().zip(expected) {
        let decoded: Result<Vec<Message>, WireError> = decode(unhex(frame)).collect();
        assert_eq!(decoded, Ok(vec![message]), "{name}");
    }
}

#[test]
fn every_kind_is_frozen() {
    let frozen: Vec<Kind> = samples::all().iter().map(|(_, message)| message.kind()).collect();
    for kind in (0..=u8::MAX).filter_map(Kind::of_byte) {
        assert!(frozen.contains(&kind), "{kind}");
    }
}

#[test]
fn a_frame_of_two_pings_is_these_bytes() {
    let mut writer = FrameWriter::default();
    for number in [1, 2] {
        writer.push(&PeerMessage::Ping { number, wall_ms: 3 }).unwrap();
    }
    assert_eq!(writer.bytes_len(), 25);
    let expected = concat!(
        "11000000", // 17 bytes after the checksum
        "72e48f1a", // the checksum
        "01",       // frame version
        "10010200", "0000", "0103", // ping, version 1, 2 bytes: number, wall clock
        "10010200", "0000", "0203",
    );
    assert_eq!(hex(&writer.finish()), expected);
    assert!(writer.is_empty());
}

#[test]
fn a_connection_begins_with_the_magic_and_a_small_frame() {
    let hello = Hello {
        protocol_min: 1,
        protocol_max: 1,
        cluster: None,
        cluster_name: String::new(),
        dialled: None,
        role: Role::Client {},
    };
    let bytes = handshake_frame(&hello).unwrap();
    assert_eq!(&bytes[..8], b"QUORATE\n");
    assert_eq!(bytes.slice(8..), frame_of(&hello).unwrap());
}

#[test]
fn no_message_holds_bytes_that_are_read_one_by_one() {
    let sources = [
        include_str!("../../src/explain.rs"),
        include_str!("../../src/handshake.rs"),
        include_str!("../../src/peer.rs"),
        include_str!("../../src/reading.rs"),
        include_str!("../../src/replication.rs"),
        include_str!("../../src/request.rs"),
        include_str!("../../src/response.rs"),
        include_str!("../../src/ring_view.rs"),
        include_str!("../../src/status.rs"),
        include_str!("../../src/traced.rs"),
    ];
    for source in sources {
        assert!(!source.contains("Vec<u8>"), "use Bytes: a Vec<u8> is decoded element by element\n{source}");
    }
}
