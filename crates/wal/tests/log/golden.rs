//! The format, frozen. These files never change; a new format gets new ones.

use std::time::Duration;

use quorate_wal::testkit::SimIo;
use quorate_wal::{Begun, Io, LogId, Lsn, Predecessor, SegmentHeader, StdIo};

use crate::{append, open, records, segment};

const HEADER: &[u8] = include_bytes!("../golden/header.bin");
const FRAMES: &[u8] = include_bytes!("../golden/frames.bin");
const SEAL: &[u8] = include_bytes!("../golden/seal.bin");

/// Writes what the log makes of fixed input, for whoever must look at a difference.
fn compare(name: &str, golden: &[u8], made: &[u8]) {
    if golden != made {
        let path = std::env::temp_dir().join(format!("quorate-wal-{name}.bin"));
        StdIo.replace(&path, made).unwrap();
        panic!("{name} differs from its golden file; what was made is in {}", path.display());
    }
}

#[test]
fn the_segment_header_has_its_golden_bytes() {
    let header = SegmentHeader {
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
    };
    compare("header", HEADER, &header.encode());
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
