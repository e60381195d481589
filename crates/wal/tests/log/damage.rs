//! Every bit of a small log, flipped; every length, cut: a stop that says where, or a torn tail of what no later frame
//! vouched for. Never a silent loss, never an altered record.

use quorate_wal::testkit::{SimIo, SplitMix};
use quorate_wal::{CorruptionProof, Error, Lsn, TailState};

use crate::{DIR, Records, append, open, records, segment};

/// Three frames of one record each: 1 and 2 are vouched for by the frames behind them, 3 by nobody.
fn three_frames() -> SimIo {
    let disk = SimIo::new(1);
    let (wal, _) = open(&disk).unwrap();
    for payload in [&b"first"[..], b"the second record", b"3"] {
        append(&wal, payload);
    }
    drop(wal);
    disk.kill();
    disk
}

fn expected(count: usize) -> Records {
    let all = [&b"first"[..], b"the second record", b"3"];
    all[..count].iter().zip(1..).map(|(payload, lsn)| (lsn, 1, payload.to_vec())).collect()
}

/// Opens and reads back what is there, with the way the log had ended.
fn outcome(disk: &SimIo) -> Result<(Records, TailState), Error> {
    let (_wal, recovery) = open(disk)?;
    Ok((records(&recovery)?, recovery.tail()))
}

/// Where the three frames end: 128, then (32 + 5 + payload, padded).
const FRAMES: [(u64, u64); 3] = [(128, 176), (176, 232), (232, 272)];

#[test]
fn every_flipped_bit_stops_with_its_place_or_tears_only_the_last_frame() {
    let log = three_frames();
    let path = segment(1);
    assert_eq!(log.contents(&path).unwrap()[272..], [0; 4096 - 272], "nothing but zeros behind the frames");
    let (mut stopped, mut torn, mut harmless) = (0, 0, 0);
    for byte in 0..320_u64 {
        for bit in 0..8 {
            let disk = log.fork(byte * 8 + u64::from(bit));
            disk.flip_bit(&path, byte, bit);
            let before = disk.contents(&path);
            let outcome = outcome(&disk);
            assert!(disk.contents(&path) == before, "byte {byte} bit {bit} was wiped");
            match outcome {
                Err(Error::Corrupt(at)) => {
                    let frame = FRAMES.iter().rfind(|(from, _)| *from <= byte).map_or(0, |(from, _)| *from);
                    assert_eq!(
                        (at.path.to_str(), at.offset),
                        (Some(&path[..]), frame),
                        "byte {byte} bit {bit}"
                    );
                    let after = FRAMES.iter().position(|(from, _)| *from == frame).unwrap_or(0);
                    assert_eq!(at.after_lsn, Lsn::new(after as u64), "byte {byte} bit {bit}");
                    assert!(byte < 232, "byte {byte} bit {bit} is in no vouched frame");
                    stopped += 1;
                }
                Err(other) => panic!("byte {byte} bit {bit}: {other}"),
                Ok((found, TailState::Torn { offset: 232 })) if found == expected(2) => {
                    assert!((232..272).contains(&byte), "byte {byte} bit {bit} lost a vouched frame");
                    torn += 1;
                }
                Ok((found, tail)) => {
                    assert_eq!(found, expected(3), "byte {byte} bit {bit}");
                    assert_eq!(tail, TailState::Torn { offset: 272 }, "byte {byte} bit {bit}");
                    assert!(byte >= 272, "byte {byte} bit {bit} went unnoticed");
                    harmless += 1;
                }
            }
        }
    }
    assert_eq!((stopped, torn, harmless), (232 * 8, 40 * 8, 48 * 8));
}

/// A log whose only frame, of two records, begins at byte 128 of segment `index`.
fn one_frame(index: u64) -> SimIo {
    let disk = SimIo::new(6);
    let (wal, _) = open(&disk).unwrap();
    let batch: [(u8, &[&[u8]]); 2] = [(1, &[b"one"]), (1, &[b"two"])];
    for _ in 1..index {
        wal.append(1, &[&[7; 1900]]).unwrap().wait().unwrap();
        wal.append(1, &[&[7; 1900]]).unwrap().wait().unwrap();
    }
    wal.append_batch(batch).unwrap().wait().unwrap();
    assert_eq!(wal.stats().segments, index);
    drop(wal);
    disk.kill();
    disk
}

#[test]
fn a_damaged_only_frame_of_the_newest_segment_is_called_torn_and_its_bytes_are_kept() {
    for index in [1, 2] {
        let log = one_frame(index);
        let kept = 2 * (index - 1);
        let sound = log.contents(segment(index)).unwrap();
        let frame = 128..128 + 32 + 16;
        assert!(sound[frame.clone()].iter().any(|byte| *byte != 0));
        let mut damaged: Vec<Vec<u8>> = Vec::new();
        for bit in frame.start * 8..frame.end * 8 {
            let mut bytes = sound.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            damaged.push(bytes);
        }
        for zeroed in [128..132, 128..160, 128..170, 156..160] {
            let mut bytes = sound.clone();
            bytes[zeroed].fill(0);
            damaged.push(bytes);
        }
        for bytes in damaged {
            let disk = log.fork(1);
            disk.set_contents(segment(index), bytes.clone());
            let (found, tail) = outcome(&disk).unwrap();
            assert!(disk.contents(segment(index)).as_ref() == Some(&bytes), "changed by opening");
            assert_eq!((found.len() as u64, tail), (kept, TailState::Torn { offset: 128 }));
            let files = disk.paths().len();
            for _ in 0..3 {
                outcome(&disk).unwrap();
            }
            assert_eq!(disk.paths().len(), files, "a log that is opened again and again does not grow");
            assert!(disk.contents(segment(index)) == Some(bytes), "changed by opening again");
        }
    }
}

#[test]
fn a_header_that_is_gone_from_a_segment_in_which_a_frame_was_begun_is_no_torn_rotation() {
    let log = one_frame(2);
    for is_blank in [true, false] {
        let disk = log.fork(1);
        let mut bytes = disk.contents(segment(2)).unwrap();
        if is_blank {
            bytes[..128].fill(0);
        } else {
            bytes[100] ^= 1;
        }
        // The frame is damaged as well: it cannot tell.
        bytes[130] ^= 4;
        disk.set_contents(segment(2), bytes);
        let Err(Error::Corrupt(at)) = outcome(&disk) else { panic!("went unnoticed") };
        assert_eq!((at.offset, at.after_lsn, &at.proof), (0, Lsn::new(2), &CorruptionProof::Header));
    }
}

#[test]
fn bytes_made_to_exhaust_the_search_for_a_witness_are_no_torn_tail() {
    let disk = three_frames();
    let mut bytes = disk.contents(segment(1)).unwrap();
    let cookie: [u8; 4] = bytes[128 + 28..128 + 32].try_into().unwrap();
    for at in (280..4000).step_by(32) {
        bytes[at + 4..at + 8].copy_from_slice(&(4096 - 32 - at as u32).to_le_bytes());
        bytes[at + 8..at + 16].copy_from_slice(&9_u64.to_le_bytes());
        bytes[at + 16..at + 24].copy_from_slice(&8_u64.to_le_bytes());
        bytes[at + 24..at + 28].copy_from_slice(&1_u32.to_le_bytes());
        bytes[at + 28..at + 32].copy_from_slice(&cookie);
    }
    disk.set_contents(segment(1), bytes);
    let Err(Error::Corrupt(at)) = outcome(&disk) else { panic!("went unnoticed") };
    assert_eq!((at.offset, at.after_lsn), (272, Lsn::new(3)));
    let CorruptionProof::Undecided { checked_bytes } = at.proof else { panic!("{at}") };
    assert!((7 * 4096..=8 * 4096).contains(&checked_bytes), "{checked_bytes}");
}

#[test]
fn a_file_cut_at_any_length_stops() {
    let log = three_frames();
    let whole = log.contents(segment(1)).unwrap();
    for bytes in 0..whole.len() {
        let disk = log.fork(bytes as u64);
        disk.set_contents(segment(1), whole[..bytes].to_vec());
        let Err(Error::Corrupt(at)) = outcome(&disk) else { panic!("{bytes} went unnoticed") };
        let (offset, proof) = match bytes {
            ..128 => (0, CorruptionProof::Header),
            _ => (bytes as u64, CorruptionProof::Short { bytes: 4096 }),
        };
        assert_eq!((at.offset, &at.proof), (offset, &proof));
    }
}

#[test]
fn a_zeroed_page_in_the_middle_stops() {
    let disk = SimIo::new(2);
    let (wal, _) = open(&disk).unwrap();
    for number in 0..30_u8 {
        append(&wal, &[number; 60]);
    }
    drop(wal);
    disk.kill();
    let mut bytes = disk.contents(segment(1)).unwrap();
    bytes[1024..1536].fill(0);
    disk.set_contents(segment(1), bytes);
    let Err(Error::Corrupt(at)) = outcome(&disk) else { panic!("went unnoticed") };
    assert_eq!(at.offset, 128 + 8 * 104, "the frame that the hole begins in");
    assert_eq!(at.after_lsn, Lsn::new(8));
}

#[test]
fn twenty_thousand_flips_in_a_log_of_many_segments_lose_nothing_that_was_vouched_for() {
    let log = SimIo::new(3);
    let (wal, _) = open(&log).unwrap();
    for number in 0..600_u64 {
        append(&wal, &vec![number as u8; (number % 70) as usize]);
    }
    wal.note_idle();
    drop(wal);
    log.kill();
    let (segments, mut chance) = (log.paths().len() as u64 - 1, SplitMix::new(9));
    let flips = 20_000;
    let (mut stopped, mut unharmed) = (0, 0);
    for seed in 0..flips {
        let disk = log.fork(seed);
        let path = segment(1 + chance.below(segments));
        disk.flip_bit(&path, chance.below(4096), chance.below(8) as u8);
        match outcome(&disk) {
            Err(Error::Corrupt(at)) => {
                assert_eq!(at.path.to_str(), Some(&path[..]));
                stopped += 1;
            }
            Err(other) => panic!("{other}"),
            Ok((found, _)) => {
                assert_eq!(found.len(), 600, "silent loss");
                assert!(found.iter().all(|(lsn, _, payload)| payload.iter().all(|b| *b == (*lsn - 1) as u8)));
                unharmed += 1;
            }
        }
    }
    assert!(stopped > flips * 8 / 10 && unharmed > 0, "{stopped} stopped, {unharmed} hit nothing");
}

#[test]
fn an_unreadable_sector_is_an_error_and_not_the_end_of_the_log() {
    let disk = three_frames();
    disk.fail_reads(segment(1));
    let Err(Error::Io { path, .. }) = outcome(&disk) else { panic!("went unnoticed") };
    assert_eq!(path.to_str(), Some(&segment(1)[..]));
}

#[test]
fn nothing_is_changed_by_an_open_that_is_refused() {
    let disk = three_frames();
    disk.flip_bit(segment(1), 140, 3);
    let before: Vec<_> = disk.paths().iter().map(|path| disk.contents(path)).collect();
    assert!(matches!(outcome(&disk), Err(Error::Corrupt(_))));
    let after: Vec<_> = disk.paths().iter().map(|path| disk.contents(path)).collect();
    assert_eq!(before, after);
}

#[test]
fn a_corrupt_log_names_file_and_offset_and_says_what_to_do() {
    let disk = three_frames();
    disk.flip_bit(segment(1), 140, 3);
    let Err(error) = outcome(&disk) else { panic!("went unnoticed") };
    assert_eq!(
        error.to_string(),
        "the log is corrupt: /log/0000000001.seg, byte 128, after LSN 0: unreadable, but the intact frame at byte 176 \
         witnesses that LSN 1 was durable. Nothing was overwritten or cut. Restore this file from a backup, or move \
         the directory aside and rebuild this replica from the others; a `verify` of the log shows what is readable"
    );
}

#[test]
fn the_idle_watermark_and_the_close_vouch_for_the_last_frame_too() {
    for close in [false, true] {
        let disk = SimIo::new(4);
        let (wal, _) = open(&disk).unwrap();
        append(&wal, b"only");
        if close {
            wal.close().unwrap();
        } else {
            wal.note_idle();
        }
        drop(wal);
        disk.kill();
        disk.flip_bit(segment(1), 165, 0);
        let Err(Error::Corrupt(at)) = outcome(&disk) else { panic!("went unnoticed, close = {close}") };
        assert_eq!((at.offset, at.after_lsn), (128, Lsn::ZERO));
    }
}

#[test]
fn files_of_the_log_that_are_gone_are_missed() {
    let log = SimIo::new(5);
    let (wal, _) = open(&log).unwrap();
    for number in 0..400_u64 {
        append(&wal, &number.to_le_bytes());
    }
    drop(wal);
    log.kill();
    let segments = log.paths().len() as u64 - 1;
    assert!(segments > 4, "{segments}");
    for index in 2..segments {
        let disk = log.fork(index);
        disk.vanish(segment(index));
        let Err(Error::Missing { dir, segment, .. }) = outcome(&disk) else {
            panic!("{index} is not missed")
        };
        assert_eq!((dir.to_str(), segment), (Some(DIR), index));
    }
    // The oldest alone may have been recycled: the caller's manifest knows from where it must replay.
    log.vanish(segment(1));
    let (_wal, recovery) = open(&log).unwrap();
    let Err(Error::Recycled { from, oldest }) = recovery.replay(Lsn::new(1)).map(drop) else {
        panic!("replayed")
    };
    assert_eq!((from, oldest), (Lsn::new(1), recovery.oldest_lsn()));
}
