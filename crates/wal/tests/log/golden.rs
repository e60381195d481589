//! The format, frozen. These files never change; a new format gets new ones.

use std::time::Duration;

use quorate_wal::inspect::{SegmentState, segments};
use quorate_wal::testkit::SimIo;
use quorate_wal::{Begun, Error, Io, LogId, Lsn, Predecessor, SegmentHeader, StdIo, TailState};

use crate::{DIR, append, open, records, segment};

const HEADER: &[u8] = include_bytes!("../golden/header.bin");
const FRAMES: &[u8] = include_bytes!("../golden/frames.bin");
const CLOSE: &[u8] = include_bytes!("../golden/close.bin");
const SEALED_1: &[u8] = include_bytes!("../golden/sealed-1.bin");
const SEALED_2: &[u8] = include_bytes!("../golden/sealed-2.bin");
const SEAL: &[u8] = include_bytes!("../golden/seal.bin");

/// Writes what the log makes of fixed input, for whoever must look at a difference.
fn compare(name: &str, golden: &[u8], made: &[u8]) {
    if golden != made {
        let path = std::env::temp_dir().join(format!("quorate-wal-{name}.bin"));
        StdIo.replace(&path, made).unwrap();
        panic!("{name} differs from its golden file; what was made is in {}", path.display());
    }
}

/// The header whose bytes are golden.
fn header() -> SegmentHeader {
    SegmentHeader {
        log_id: LogId::new(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff),
        index: 12,
        epoch: 0xfeed_f00d_cafe_babe,
        first_lsn: Lsn::new(1_000_001),
        segment_bytes: 64 << 20,
        previous: Predecessor {
            epoch: 0x0123_4567_89ab_cdef,
            last_lsn: Lsn::new(1_000_000),
            end: 67_108_000,
            chain_crc: 0xdead_beef,
        },
        begun: Begun::Recovery,
        created_unix_ms: 1_795_000_000_000,
    }
}

#[test]
fn the_segment_header_has_its_golden_bytes() {
    compare("header", HEADER, &header().encode());
}

#[test]
fn the_golden_header_reads_back() {
    let disk = SimIo::new(0);
    let mut file = HEADER.to_vec();
    file.resize(4096, 0);
    disk.set_contents(segment(12), file);
    let files = segments(&disk, DIR.as_ref()).unwrap();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].state, SegmentState::Begun(header()));
}

/// The frame that a clean shutdown writes, behind one record.
#[test]
fn the_close_has_its_golden_bytes() {
    let disk = SimIo::new(42);
    let (wal, _) = open(&disk).unwrap();
    append(&wal, b"last");
    wal.close().unwrap();
    let file = disk.contents(segment(1)).unwrap();
    // The record's frame: 32 + 5 + 4 bytes, padded.
    let close = 128 + 48;
    assert_eq!(file[close + 27], 3, "the kind of frame");
    assert_eq!(file[close + 32..], [0; 4096 - 208], "nothing follows");
    compare("close", CLOSE, &file[close..close + 32]);
}

/// Ten records of two segments: a batch, one alone, and so on; the first segment is sealed, the second closed.
fn two_segments() -> (SimIo, Vec<(u64, u8, Vec<u8>)>) {
    let disk = SimIo::new(43);
    let (wal, _) = open(&disk).unwrap();
    let mut all = Vec::new();
    for number in 0..5_u8 {
        let (one, two) = (vec![number; 500], vec![number + 100; 300]);
        let batch: [(u8, &[&[u8]]); 2] = [(number, &[&one]), (9, &[&two])];
        wal.append_batch(batch).unwrap().wait().unwrap();
        all.extend([(all.len() as u64 + 1, number, one), (all.len() as u64 + 2, 9, two)]);
    }
    assert_eq!(wal.stats().segments, 2);
    wal.close().unwrap();
    (disk, all)
}

#[test]
fn a_log_of_a_sealed_and_a_closed_segment_has_its_golden_bytes() {
    let (disk, _) = two_segments();
    compare("sealed-1", SEALED_1, &disk.contents(segment(1)).unwrap());
    compare("sealed-2", SEALED_2, &disk.contents(segment(2)).unwrap());
}

#[test]
fn a_golden_log_of_a_sealed_and_a_closed_segment_reads_back() {
    let (_, expected) = two_segments();
    let disk = SimIo::new(0);
    disk.set_contents(segment(1), SEALED_1.to_vec());
    disk.set_contents(segment(2), SEALED_2.to_vec());
    let (wal, recovery) = open(&disk).unwrap();
    assert_eq!((recovery.tail(), records(&recovery).unwrap()), (TailState::Closed, expected));
    drop(wal);
    disk.kill();
    // The seal counts: without the second segment, the first is no whole log.
    disk.vanish(segment(2));
    disk.vanish(segment(3));
    assert!(matches!(open(&disk).map(drop), Err(Error::Missing { segment: 2, .. })));
}

/// The frames of a log with fixed seeds: two records in a batch, one alone, the idle watermark.
#[test]
fn frames_have_their_golden_bytes() {
    let disk = SimIo::new(42);
    disk.advance(Duration::from_secs(1));
    let (wal, _) = open(&disk).unwrap();
    let batch: [(u8, &[&[u8]]); 2] = [(1, &[b"key", b"value"]), (2, &[])];
    wal.append_batch(batch).unwrap().wait().unwrap();
    append(&wal, &[0xff; 9]);
    wal.note_idle();
    let file = disk.contents(segment(1)).unwrap();
    compare("frames", FRAMES, &file[..288]);
}

/// The end of a full segment: its seal, and zeros.
#[test]
fn the_seal_has_its_golden_bytes() {
    let disk = SimIo::new(42);
    let (wal, _) = open(&disk).unwrap();
    while disk.contents(segment(2)).is_none_or(|file| file[0] == 0) {
        append(&wal, &[7; 300]);
    }
    let file = disk.contents(segment(1)).unwrap();
    let end = file.iter().rposition(|byte| *byte != 0).unwrap().next_multiple_of(8);
    compare("seal", SEAL, &file[end - 48..end]);
}

#[test]
fn a_golden_log_reads_back() {
    let disk = SimIo::new(0);
    let mut file = FRAMES.to_vec();
    file.resize(4096, 0);
    disk.set_contents(segment(1), file);
    let (_wal, recovery) = open(&disk).unwrap();
    let expected = vec![(1, 1, b"keyvalue".to_vec()), (2, 2, Vec::new()), (3, 1, vec![0xff; 9])];
    assert_eq!(records(&recovery).unwrap(), expected);
}
