//! The corruption matrix: 1,000 records of 100 bytes, each acknowledged as durable, one damage, and the log is opened anew.
//!
//! In thirteen cases other logs lose records silently or deliver altered ones. Here the result is always a stop that
//! names the place, or a torn tail of what nobody vouched for: of records behind which no intact frame, idle watermark,
//! close or segment says that they were durable.

use quorate_wal::inspect;
use quorate_wal::testkit::{SimIo, SplitMix};
use quorate_wal::{Error, Wal};

use crate::{DIR, append, options, records, segment, shared};

const RECORDS: u64 = 1_000;
/// 32 bytes of frame header, 5 of record header, 100 of payload, padded.
const FRAME: u64 = 144;

/// How the log was left.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Left {
    /// By a crash, right behind the last acknowledgement.
    AtOnce,
    /// By a crash, after it had fallen idle.
    Idle,
    /// In good order.
    Closed,
}

/// The result that a case must have.
enum Verdict {
    /// The damage is named: the frame of record 500, behind 499.
    StopsAt500,
    /// A stop at this byte of the newest segment.
    StopsInNewest(u64),
    /// These many records are left; the others look torn, and nobody vouched for them.
    Torn(u64),
}

struct Log {
    disk: SimIo,
    left: Left,
    /// Where record 500 lies: its segment, its frame.
    middle: (String, u64),
    /// The newest segment, and where its last frame with a record ends.
    newest: (String, u64),
    segment_bytes: u64,
}

fn payload(lsn: u64) -> Vec<u8> {
    lsn.to_le_bytes().repeat(13)[..100].to_vec()
}

impl Log {
    fn new(segment_bytes: u64, left: Left) -> Self {
        let disk = SimIo::new(segment_bytes);
        let (wal, _) = Wal::open(&options().segment_bytes(segment_bytes), shared(&disk)).unwrap();
        for lsn in 1..=RECORDS {
            append(&wal, &payload(lsn));
        }
        match left {
            Left::AtOnce => {}
            Left::Idle => wal.note_idle(),
            Left::Closed => wal.close().unwrap(),
        }
        drop(wal);
        disk.kill();
        let mut log =
            Self { disk, left, middle: Default::default(), newest: Default::default(), segment_bytes };
        log.find_places();
        log
    }

    fn find_places(&mut self) {
        for index in 1.. {
            let Ok(mut frames) = inspect::frames(&self.disk, DIR.as_ref(), index) else { break };
            while let Some(frame) = frames.next_frame().unwrap() {
                if frame.header.count > 0 {
                    assert_eq!(frame.header.frame_bytes(), FRAME);
                    self.newest = (segment(index), frame.offset + FRAME);
                }
                if frame.header.first_lsn.get() == 500 {
                    self.middle = (segment(index), frame.offset);
                }
            }
        }
    }

    fn overwrite(&self, path: &str, from: u64, bytes: &[u8]) {
        let mut contents = self.disk.contents(path).unwrap();
        contents[from as usize..][..bytes.len()].copy_from_slice(bytes);
        self.disk.set_contents(path, contents);
    }

    fn must(&self, result: &Verdict) {
        let opened = Wal::open(&options().segment_bytes(self.segment_bytes), shared(&self.disk));
        let found = opened.and_then(|(_wal, recovery)| records(&recovery));
        let context = format!("{:?}, segments of {}", self.left, self.segment_bytes);
        match (result, found) {
            (Verdict::StopsAt500, Err(Error::Corrupt(at))) => {
                let place = (at.path.to_str().unwrap(), at.offset, at.after_lsn.get());
                assert_eq!(place, (&self.middle.0[..], self.middle.1, 499), "{context}");
            }
            (Verdict::StopsInNewest(offset), Err(Error::Corrupt(at))) => {
                assert_eq!(
                    (at.path.to_str().unwrap(), at.offset),
                    (&self.newest.0[..], *offset),
                    "{context}"
                );
            }
            (Verdict::Torn(kept), Ok(found)) => {
                let expected: Vec<_> = (1..=*kept).map(|lsn| (lsn, 1, payload(lsn))).collect();
                assert!(found == expected, "{context}: {} records", found.len());
            }
            (_, found) => panic!("{context}: {:?}", found.map(|found| found.len())),
        }
    }
}

fn each_log(case: impl Fn(&Log)) {
    for segment_bytes in [1 << 20, 16 << 10] {
        for left in [Left::AtOnce, Left::Idle, Left::Closed] {
            case(&Log::new(segment_bytes, left));
        }
    }
}

/// One bit, so many bytes before the payload of record 500 (0: in it).
fn bit_before_500(bytes: u64) {
    each_log(|log| {
        log.disk.flip_bit(&log.middle.0, log.middle.1 + 37 - bytes, (bytes % 8) as u8);
        log.must(&Verdict::StopsAt500);
    });
}

/// Damage in the last record's frame: a stop if anything behind it vouches for it, else it looks torn.
fn in_the_last_record(damage: impl Fn(&Log, u64)) {
    each_log(|log| {
        let frame = log.newest.1 - FRAME;
        damage(log, frame);
        log.must(&match log.left {
            Left::AtOnce => Verdict::Torn(RECORDS - 1),
            Left::Idle | Left::Closed => Verdict::StopsInNewest(frame),
        });
    });
}

macro_rules! cases {
    ($($name:ident => $case:expr,)*) => {
        /// All cases, by name.
        pub const CASES: &[(&str, fn())] = &[$((stringify!($name), $name),)*];
        $(#[test] fn $name() { $case })*
    };
}

cases! {
    one_bit_in_the_payload_of_record_500 => bit_before_500(0),
    one_bit_1_byte_before_the_payload_of_record_500 => bit_before_500(1),
    one_bit_4_bytes_before_the_payload_of_record_500 => bit_before_500(4),
    one_bit_8_bytes_before_the_payload_of_record_500 => bit_before_500(8),
    one_bit_12_bytes_before_the_payload_of_record_500 => bit_before_500(12),
    one_bit_16_bytes_before_the_payload_of_record_500 => bit_before_500(16),
    one_bit_20_bytes_before_the_payload_of_record_500 => bit_before_500(20),
    one_bit_32_bytes_before_the_payload_of_record_500 => bit_before_500(32),
    four_kib_of_zeros_from_record_500_on => each_log(|log| {
        log.overwrite(&log.middle.0, log.middle.1, &[0; 4096]);
        log.must(&Verdict::StopsAt500);
    }),
    a_file_cut_inside_the_last_record => each_log(|log| {
        // No crash cuts a segment: it has its size, durable, before it has its name.
        let mut contents = log.disk.contents(&log.newest.0).unwrap();
        let bytes = log.newest.1 - 50;
        contents.truncate(bytes as usize);
        log.disk.set_contents(&log.newest.0, contents);
        log.must(&Verdict::StopsInNewest(bytes));
    }),
    garbage_in_the_last_record => in_the_last_record(|log, frame| {
        let mut noise = SplitMix::new(1);
        let garbage: Vec<u8> = (0..FRAME - 40).map(|_| noise.bits() as u8).collect();
        log.overwrite(&log.newest.0, frame + 40, &garbage);
    }),
    one_bit_in_the_payload_of_the_last_record => in_the_last_record(|log, frame| {
        log.disk.flip_bit(&log.newest.0, frame + 37 + 50, 3);
    }),
    four_kib_of_zeros_at_the_very_end => each_log(|log| {
        // The hole that is documented: what vouched for these records is gone with them. A watermark or a close behind
        // the zeros, or in an intact frame, still does.
        let from = log.newest.1 - 4096;
        log.overwrite(&log.newest.0, from, &[0; 4096]);
        let whole = 4096_u64.div_ceil(FRAME);
        let stop = log.newest.1 - whole * FRAME;
        log.must(&match log.left {
            Left::AtOnce => Verdict::Torn(RECORDS - whole),
            Left::Idle | Left::Closed => Verdict::StopsInNewest(stop),
        });
        // With the watermark or the close itself, nothing is left that vouches.
        log.overwrite(&log.newest.0, log.newest.1, &[0; 32]);
        log.must(&Verdict::Torn(RECORDS - whole));
    }),
}

#[test]
fn the_matrix_has_thirteen_cases() {
    assert_eq!(CASES.len(), 13);
    each_log(|log| log.must(&Verdict::Torn(RECORDS)));
}
