//! What is left to do with a damaged log: read what is intact, or end it where somebody says.

use std::path::Path;

use quorate_wal::inspect::verify;
use quorate_wal::repair::{self, Salvaged, salvage, truncate};
use quorate_wal::testkit::SimIo;
use quorate_wal::{CorruptionProof, Error, Lsn, RecoveryMode, Wal};

use crate::{DIR, append, open, options, records, segment, shared};

const ALL: u64 = 150;

/// Records 1 to [`ALL`] over several segments; the payload begins with the LSN.
fn log() -> (SimIo, u64) {
    let disk = SimIo::new(1);
    let (wal, _) = open(&disk).unwrap();
    for number in 1..=ALL {
        append(&wal, &number.to_le_bytes().repeat(8));
    }
    let segments = wal.stats().segments;
    drop(wal);
    disk.kill();
    assert!(segments > 3);
    (disk, segments)
}

/// LSNs delivered, and the gaps as (after, error).
fn salvaged(disk: &SimIo) -> (Vec<u64>, Vec<(u64, Error)>) {
    let mut found = salvage(shared(disk), Path::new(DIR)).unwrap();
    let (mut lsns, mut gaps) = (Vec::new(), Vec::new());
    while let Some(item) = found.next_item() {
        match item {
            Salvaged::Record(record) => {
                assert_eq!(record.payload, record.lsn.get().to_le_bytes().repeat(8));
                lsns.push(record.lsn.get());
            }
            Salvaged::Gap(error) => gaps.push((lsns.last().copied().unwrap_or(0), error)),
            other => panic!("nobody judges {other:?} yet"),
        }
    }
    (lsns, gaps)
}

fn all_but(lost: impl Fn(u64) -> bool) -> Vec<u64> {
    (1..=ALL).filter(|lsn| !lost(*lsn)).collect()
}

#[test]
fn a_sound_log_is_salvaged_whole_and_without_a_gap_after_restarts_too() {
    let (disk, _) = log();
    let (lsns, gaps) = salvaged(&disk);
    assert_eq!((lsns, gaps.len()), (all_but(|_| false), 0));
    for _ in 0..3 {
        drop(open(&disk).unwrap());
        disk.cut_power();
        let (lsns, gaps) = salvaged(&disk);
        assert_eq!((lsns, gaps.len()), (all_but(|_| false), 0));
    }
}

#[test]
fn records_before_between_and_behind_damage_are_salvaged_and_each_gap_is_named_once() {
    let (disk, _) = log();
    // Frames of 32 + 5 + 64 bytes, padded to 104.
    disk.flip_bit(segment(1), 128 + 104 + 50, 0);
    disk.flip_bit(segment(1), 128 + 10 * 104 + 3, 7);
    disk.flip_bit(segment(1), 128 + 11 * 104 + 3, 7);
    disk.flip_bit(segment(2), 128 + 20, 7);
    let (lsns, gaps) = salvaged(&disk);
    let lost = all_but(|lsn| lsns.contains(&lsn));
    assert_eq!((lost.len(), &lost[..3]), (4, &[2, 11, 12][..]));
    let named: Vec<_> = gaps.iter().map(|(after, _)| *after).collect();
    assert_eq!(named, [1, 10, lost[3] - 1]);
    let Error::Corrupt(first) = &gaps[0].1 else { panic!("{gaps:?}") };
    assert_eq!((first.offset, first.after_lsn), (232, Lsn::new(1)));
    let proof = CorruptionProof::Discontinuity { expected: Lsn::new(2), found: Lsn::new(3) };
    assert_eq!(first.proof, proof);
}

#[test]
fn a_segment_that_is_gone_and_one_without_header_cost_no_more_than_they_must() {
    let (disk, segments) = log();
    disk.flip_bit(segment(2), 9, 0);
    let (lsns, gaps) = salvaged(&disk);
    assert_eq!(lsns, all_but(|_| false), "its frames say themselves where they belong");
    assert_eq!(gaps.len(), 1);
    disk.vanish(segment(2));
    let (lsns, gaps) = salvaged(&disk);
    assert!(matches!(gaps[0].1, Error::Missing { segment: 2, .. }), "{gaps:?}");
    assert!(lsns.len() > 105 && lsns.len() < 115, "one of {segments} segments is lost: {}", lsns.len());
    disk.fail_reads(segment(1));
    assert!(matches!(salvage(shared(&disk), Path::new(DIR)), Err(Error::Io { .. })));
}

#[test]
fn salvage_of_any_single_flipped_bit_delivers_all_records_but_those_of_one_frame() {
    let (disk, _) = log();
    for at in (0..4096).step_by(7) {
        let bent = disk.fork(at);
        bent.flip_bit(segment(2), at, (at % 8) as u8);
        let (lsns, _) = salvaged(&bent);
        assert!(lsns.len() as u64 >= ALL - 1, "byte {at}: {}", lsns.len());
        assert!(lsns.is_sorted());
    }
}

/// How the last record of a log came to be vouched for.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Watermark,
    Close,
    Seal,
}

/// A log whose last record is vouched for by a frame without records; where that record lies, and its LSN.
fn ended(ending: Ending) -> (SimIo, String, u64, u64) {
    let disk = SimIo::new(6);
    let (wal, _) = open(&disk).unwrap();
    let mut last = 0_u64;
    let mut record = |count: u64| {
        for _ in 0..count {
            last += 1;
            append(&wal, &last.to_le_bytes().repeat(8));
        }
    };
    match ending {
        Ending::Watermark => {
            record(2);
            wal.note_idle();
        }
        Ending::Close => {
            record(2);
            wal.close().unwrap();
        }
        // 37 frames of 104 bytes, and the seal; the first record of the next segment is taken back below.
        Ending::Seal => record(38),
    }
    drop(wal);
    disk.kill();
    if let Ending::Seal = ending {
        disk.set_contents(segment(2), vec![0; 4096]);
        return (disk, segment(1), 128 + 36 * 104, 37);
    }
    (disk, segment(1), 128 + 104, 2)
}

#[test]
fn a_rotten_last_record_is_a_gap_where_a_watermark_a_close_or_a_seal_vouches_for_it() {
    for ending in [Ending::Watermark, Ending::Close, Ending::Seal] {
        let (disk, path, offset, last) = ended(ending);
        assert_eq!(salvaged(&disk).1.len(), 0, "{ending:?}");
        disk.flip_bit(&path, offset + 50, 0);
        assert!(matches!(verify(&disk, Path::new(DIR)), Err(Error::Corrupt(_))), "{ending:?}");
        let (lsns, gaps) = salvaged(&disk);
        assert_eq!(lsns, (1..last).collect::<Vec<_>>(), "{ending:?}");
        let [(_, Error::Corrupt(gap))] = &gaps[..] else { panic!("{ending:?}: {gaps:?}") };
        assert_eq!((gap.offset, gap.after_lsn.get()), (offset, last - 1), "{ending:?}");
        let proof = CorruptionProof::Discontinuity { expected: Lsn::new(last), found: Lsn::new(last + 1) };
        assert_eq!(gap.proof, proof, "{ending:?}");
    }
}

/// Salvage and verify never disagree about whether a log has damage.
fn assert_agree(disk: &SimIo, what: &str) {
    let (lsns, gaps) = salvaged(disk);
    match verify(disk, Path::new(DIR)) {
        Ok(verdict) => {
            assert!(gaps.is_empty(), "{what}: sound, but {gaps:?}");
            let records = verdict.map_or(0, |verdict| verdict.segments.iter().map(|s| s.records).sum());
            assert_eq!(lsns.len() as u64, records, "{what}");
        }
        Err(fault) => assert!(!gaps.is_empty(), "{what}: no gap, but {fault}"),
    }
}

#[test]
fn salvage_names_a_gap_in_exactly_those_logs_that_verify_calls_damaged() {
    for ending in [Ending::Watermark, Ending::Close, Ending::Seal] {
        let (log, ..) = ended(ending);
        for index in [1, 2].into_iter().filter(|index| log.contents(segment(*index)).is_some()) {
            for at in 0..4096_u64 {
                let disk = log.fork(at);
                disk.flip_bit(segment(index), at, (at % 8) as u8);
                assert_agree(&disk, &format!("{ending:?}, segment {index}, byte {at}"));
            }
            for sector in 0..8 {
                let disk = log.fork(sector);
                let mut bytes = disk.contents(segment(index)).unwrap();
                bytes[sector as usize * 512..][..512].fill(0);
                disk.set_contents(segment(index), bytes);
                assert_agree(&disk, &format!("{ending:?}, segment {index}, sector {sector} zeroed"));
            }
        }
    }
    let (disk, ..) = ended(Ending::Seal);
    disk.vanish(segment(2));
    assert_agree(&disk, "the successor that the seal names is gone");
}

/// Salvages while `meanwhile` is done after each of the first items; the LSNs, and the gaps.
fn salvaged_live(disk: &SimIo, mut meanwhile: impl FnMut(usize)) -> (Vec<u64>, Vec<Error>) {
    let mut found = salvage(shared(disk), Path::new(DIR)).unwrap();
    let (mut lsns, mut gaps, mut items) = (Vec::new(), Vec::new(), 0);
    meanwhile(items);
    while let Some(item) = found.next_item() {
        match item {
            Salvaged::Record(record) => lsns.push(record.lsn.get()),
            Salvaged::Gap(gap) => gaps.push(gap),
            other => panic!("nobody judges {other:?} yet"),
        }
        items += 1;
        meanwhile(items);
    }
    (lsns, gaps)
}

#[test]
fn a_log_in_use_that_goes_over_to_its_next_segments_is_salvaged_without_a_gap() {
    for burst in [1, 7, 40, 200] {
        for at in [0, 1, 20, 36, 37, 38, 45] {
            let disk = SimIo::new(7);
            let (wal, _) = open(&disk).unwrap();
            (0..45).for_each(|_| _ = append(&wal, &[1; 64]));
            let (lsns, gaps) = salvaged_live(&disk, |items| {
                if items == at {
                    (0..burst).for_each(|_| _ = append(&wal, &[2; 64]));
                }
            });
            assert!(gaps.is_empty(), "{burst} after {at}: {gaps:?}");
            assert!(lsns.len() >= 45, "{burst} after {at}: {}", lsns.len());
            assert!(lsns.iter().zip(1..).all(|(lsn, place)| *lsn == place), "{burst} after {at}");
        }
    }
}

#[test]
fn what_a_log_in_use_gives_back_before_it_was_read_is_called_recycled_and_not_damage() {
    let mut recycled = 0;
    for at in 0..100 {
        let disk = SimIo::new(8);
        let (wal, _) = open(&disk).unwrap();
        (0..100).for_each(|_| _ = append(&wal, &[1; 64]));
        let (lsns, gaps) = salvaged_live(&disk, |items| {
            if items == at {
                wal.checkpoint(Lsn::new(90));
                (0..150).for_each(|_| _ = append(&wal, &[2; 64]));
            }
        });
        for gap in &gaps {
            let Error::Recycled { from, oldest } = gap else { panic!("after {at}: {gap}") };
            assert!(!lsns.contains(&from.get()) && lsns.contains(&oldest.get()), "after {at}: {gap}");
        }
        assert!(gaps.len() <= 1 && lsns.is_sorted(), "after {at}: {gaps:?}");
        assert!((75..=100).all(|lsn| lsns.contains(&lsn)), "after {at}");
        recycled += gaps.len();
    }
    assert!(recycled > 0);
}

#[test]
fn a_log_can_be_ended_after_any_record_and_goes_on_from_there() {
    let (log, segments) = log();
    for last in (0..=ALL).step_by(15) {
        let disk = log.fork(last);
        let before: Vec<_> = disk.paths().iter().map(|path| disk.contents(path).unwrap()).collect();
        let planned = repair::plan(&disk, Path::new(DIR), Lsn::new(last)).unwrap();
        let cut = truncate(&disk, Path::new(DIR), Lsn::new(last)).unwrap();
        assert_eq!(cut, planned);
        assert_eq!(cut.at.1 == 128, last == 0, "{:?}", cut.at);
        assert!(cut.aside.len() as u64 <= segments);
        let after: Vec<_> = disk.paths().iter().map(|path| disk.contents(path).unwrap()).collect();
        for old in before.iter().filter(|old| old.starts_with(b"QRMWAL")) {
            assert!(after.contains(old), "{last}: a segment's bytes are gone");
        }
        disk.cut_power();
        for _ in 0..2 {
            let (wal, recovery) = open(&disk).unwrap();
            assert_eq!(recovery.last_lsn(), Lsn::new(last));
            assert_eq!(records(&recovery).unwrap().len() as u64, last);
            drop(wal);
            disk.kill();
        }
        let (wal, _) = open(&disk).unwrap();
        (0..40).for_each(|_| _ = append(&wal, &[1; 64]));
        assert_eq!(wal.last_lsn(), Lsn::new(last + 40));
        drop(wal);
        disk.kill();
        assert_eq!(records(&open(&disk).unwrap().1).unwrap().len() as u64, last + 40);
    }
}

#[test]
fn a_log_damaged_in_the_middle_is_ended_before_the_damage_and_the_evidence_is_kept() {
    let (disk, _) = log();
    disk.flip_bit(segment(2), 128 + 104 * 5, 3);
    disk.vanish(segment(3));
    assert!(matches!(open(&disk).map(drop), Err(Error::Missing { segment: 3, .. })));
    let (lsns, gaps) = salvaged(&disk);
    let Error::Corrupt(damage) = &gaps[0].1 else { panic!("{gaps:?}") };
    assert_eq!(lsns.last(), Some(&ALL));
    let refused = truncate(&disk, Path::new(DIR), Lsn::new(ALL)).map(drop);
    assert!(matches!(refused, Err(Error::Missing { segment: 3, .. })), "{refused:?}");

    let last = damage.after_lsn;
    let bytes = disk.contents(segment(2));
    let Err(Error::Corrupt(at)) = truncate(&disk, Path::new(DIR), last.next()).map(drop) else {
        panic!("the damaged record was kept")
    };
    assert_eq!((at.after_lsn, at.proof), (last, CorruptionProof::BeforeCut { keep: last.next() }));
    let cut = truncate(&disk, Path::new(DIR), last).unwrap();
    assert!(cut.aside.iter().all(|(_, to)| disk.contents(to).is_some()));
    assert_eq!(disk.contents(segment(2)), bytes);
    let (_wal, recovery) = open(&disk).unwrap();
    assert_eq!((recovery.last_lsn(), records(&recovery).unwrap().len() as u64), (last, last.get()));
}

#[test]
fn an_atomic_batch_is_not_cut_in_two() {
    let disk = SimIo::new(2);
    let (wal, _) = open(&disk).unwrap();
    append(&wal, b"one");
    let batch: [(u8, &[&[u8]]); 3] = [(1, &[b"two"]), (1, &[b"three"]), (1, &[b"four"])];
    wal.append_batch(batch).unwrap().wait().unwrap();
    let Err(Error::Locked { .. }) = truncate(&disk, Path::new(DIR), Lsn::new(1)) else { panic!("in use") };
    drop(wal);
    for lsn in [2, 3] {
        let Err(Error::CutInside { lsn: at, before, after }) =
            truncate(&disk, Path::new(DIR), Lsn::new(lsn)).map(drop)
        else {
            panic!("cut at {lsn}")
        };
        assert_eq!((at.get(), before.get(), after.get()), (lsn, 1, 4));
    }
    let cut = options().recovery(RecoveryMode::TruncateAt(Lsn::new(1)));
    let (_wal, recovery) = Wal::open(&cut, shared(&disk)).unwrap();
    assert_eq!(recovery.last_lsn(), Lsn::new(1));
}

#[test]
fn power_may_go_at_any_change_of_a_truncation() {
    power_goes_while_cutting_after(Lsn::new(20));
}

#[test]
fn a_log_that_is_ended_before_its_first_record_never_looks_as_if_it_began_later() {
    power_goes_while_cutting_after(Lsn::ZERO);
}

fn power_goes_while_cutting_after(last: Lsn) {
    let (log, _) = log();
    for fate in 0..12 {
        let mut change = 1;
        loop {
            let disk = log.fork(fate * 100 + change);
            disk.cut_power_after(change);
            let whole = truncate(&disk, Path::new(DIR), last).is_ok();
            disk.cut_power();
            // Refused, or all that was to be kept and more; cutting again ends it as asked.
            match open(&disk.fork(1)) {
                Ok((_wal, recovery)) => {
                    assert_eq!(recovery.oldest_lsn(), Lsn::new(1), "fate {fate} change {change}");
                    assert!(recovery.last_lsn() >= last, "fate {fate} change {change}");
                    assert!(!whole || recovery.last_lsn() == last, "fate {fate} change {change}");
                }
                Err(Error::Missing { .. }) => assert!(!whole),
                Err(error) => panic!("fate {fate} change {change}: {error}"),
            }
            truncate(&disk, Path::new(DIR), last).unwrap();
            let (_wal, recovery) = open(&disk).unwrap();
            assert_eq!(records(&recovery).unwrap().len() as u64, last.get(), "fate {fate} change {change}");
            if whole {
                break;
            }
            change += 1;
        }
        assert!(change > 6, "{change}");
    }
}

#[test]
fn a_log_can_be_ended_on_a_full_disk_with_a_page_of_room_or_a_spare_segment() {
    let (disk, _) = log();
    let used: u64 = disk.paths().iter().map(|path| disk.contents(path).unwrap().len() as u64).sum();
    disk.set_capacity(Some(used + 4096));
    truncate(&disk, Path::new(DIR), Lsn::new(30)).unwrap();
    // Going on takes the room of a segment, as ever.
    disk.set_capacity(Some(used + 8192));
    assert_eq!(open(&disk).unwrap().1.last_lsn(), Lsn::new(30));

    let disk = SimIo::new(3);
    let (wal, _) = open(&disk).unwrap();
    (0..160).for_each(|_| _ = append(&wal, &[1; 64]));
    wal.checkpoint(Lsn::new(90));
    let oldest = wal.oldest_lsn();
    drop(wal);
    disk.kill();
    let spares = disk.paths().iter().filter(|path| path.extension().is_some_and(|e| e == "free")).count();
    assert_eq!(spares, 2, "one for the cut, one to go on");
    disk.set_capacity(Some(0));
    truncate(&disk, Path::new(DIR), Lsn::new(140)).unwrap();
    assert_eq!(open(&disk).unwrap().1.last_lsn(), Lsn::new(140));
    let Err(Error::Recycled { from, oldest: is }) = truncate(&disk, Path::new(DIR), Lsn::new(5)) else {
        panic!("cut what is gone")
    };
    assert_eq!((from, is), (Lsn::new(5), oldest));
}

#[test]
fn records_behind_a_torn_tail_stay_dead_when_their_numbers_were_used_again() {
    let disk = SimIo::new(4);
    let (wal, _) = open(&disk).unwrap();
    append(&wal, &[0; 450]);
    // One batch, three frames: none of them vouches for another.
    for old in [&[1; 450], &[2; 450], &[3; 450]] {
        wal.stage(1, &[old]).unwrap();
    }
    wal.sync_to(Lsn::new(4)).unwrap();
    drop(wal);
    disk.kill();
    disk.flip_bit(segment(1), 128 + 2 * 488 + 100, 0);
    let (wal, recovery) = open(&disk).unwrap();
    assert_eq!(recovery.last_lsn(), Lsn::new(2), "the third looks torn, the fourth lies behind it");
    append(&wal, b"new 3");
    append(&wal, b"new 4");
    drop(wal);
    let mut found = salvage(shared(&disk), Path::new(DIR)).unwrap();
    let mut all = Vec::new();
    while let Some(item) = found.next_item() {
        let Salvaged::Record(record) = item else { panic!("{item:?}") };
        all.push((record.lsn.get(), record.payload.to_vec()));
    }
    assert_eq!(all, [(1, vec![0; 450]), (2, vec![1; 450]), (3, b"new 3".to_vec()), (4, b"new 4".to_vec())]);
}
