//! Disks that lie: bits rot, reads are stale, writes land elsewhere, sectors can't be read, files vanish, or were put there
//! by somebody who did not sync them.
//!
//! No log can deliver what is gone. What must hold instead, for every history and damage: either everything acknowledged
//! is delivered, unaltered; or opening or replaying fails by name; or records are missing at the end, silently, and this is
//! the documented *last-batch hole*, exactly: the frame of the first missing record does not read back, it lies in the newest
//! segment, and no intact frame of that segment (records, watermark, close) says that this record was durable. (A newest
//! segment that vanishes as a whole takes its frames along; that is noticed if the one before it is sealed.)
//!
//! What is intact is judged from outside: by the bytes on a twin disk that lived the same life and was spared.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use quorate_wal::inspect::{self, SegmentState};
use quorate_wal::io::OpenMode;
use quorate_wal::testkit::{SimIo, SplitMix};
use quorate_wal::{Error, Io, Lsn, SegmentHeader, Wal};

use crate::tally::{Tally, number, sweep};
use crate::{DIR, options, shared};

const HAPPENINGS: &[&str] = &[
    "a bit rotted",
    "a read was stale",
    "a write went astray",
    "a sector could not be read",
    "a segment vanished",
    "the files were copied here, and not synced",
    "everything was delivered",
    "Corrupt",
    "Missing",
    "Io",
    "Recycled",
    "a hole at the end",
    "nothing vouched for a newest segment that vanished",
];

type Bytes = BTreeMap<PathBuf, Vec<u8>>;

/// A log at rest: nothing is un-synced, nobody has it open.
struct Rest {
    disk: SimIo,
    /// Payloads of LSN 1, 2, …; all were acknowledged.
    appended: Vec<Vec<u8>>,
    oldest: u64,
}

/// Lives; the `misdirected`-th write goes elsewhere (0: none).
fn live(seed: u64, misdirected: u64) -> Rest {
    let disk = SimIo::new(seed);
    if misdirected > 0 {
        disk.misdirect_write_after(misdirected);
    }
    let mut chance = SplitMix::new(seed ^ 0x0007_0713);
    let mut appended: Vec<Vec<u8>> = Vec::new();
    let mut oldest = 1;
    for _ in 0..=chance.below(3) {
        let (wal, recovery) =
            Wal::open(&options(), shared(&disk)).expect("the page cache shows what is right");
        assert_eq!(recovery.last_lsn().get(), appended.len() as u64);
        for _ in 0..10 + chance.below(60) {
            let parts: Vec<Vec<u8>> =
                (0..=chance.below(2) * chance.below(4)).map(|_| record(&mut chance)).collect();
            let slices: Vec<[&[u8]; 1]> = parts.iter().map(|part| [&part[..]]).collect();
            wal.append_batch(slices.iter().map(|parts| (1, &parts[..]))).unwrap().wait().unwrap();
            appended.extend(parts);
            match chance.below(40) {
                0..3 => wal.note_idle(),
                3 => wal.checkpoint(Lsn::new(chance.below(appended.len() as u64))),
                _ => {}
            }
        }
        match chance.below(3) {
            0 => wal.note_idle(),
            1 => wal.close().unwrap(),
            _ => {}
        }
        oldest = wal.oldest_lsn().get();
        drop(wal);
        disk.kill();
    }
    for path in disk.paths() {
        disk.open(&path, OpenMode::Read).and_then(|file| file.sync_data()).unwrap();
    }
    disk.cut_power();
    disk.end_faults();
    Rest { disk, appended, oldest }
}

fn record(chance: &mut SplitMix) -> Vec<u8> {
    vec![chance.bits() as u8; chance.below(120) as usize]
}

/// A frame of the newest segment, as it was written.
struct Frame {
    from: usize,
    to: usize,
    first: u64,
    last: u64,
    durable: u64,
}

/// What the spared twin knows.
struct Truth {
    bytes: Bytes,
    headers: BTreeMap<PathBuf, SegmentHeader>,
    newest: PathBuf,
    frames: Vec<Frame>,
    /// There is a segment before the newest, and it ends in a seal.
    sealed: bool,
}

fn contents(disk: &SimIo) -> Bytes {
    disk.paths().into_iter().map(|path| (path.clone(), disk.contents(&path).unwrap_or_default())).collect()
}

impl Truth {
    fn of(disk: &SimIo) -> Self {
        let mut headers = BTreeMap::new();
        for file in inspect::segments(disk, Path::new(DIR)).unwrap() {
            if let SegmentState::Begun(header) = file.state {
                headers.insert(file.path, header);
            }
        }
        let (newest, header) =
            headers.last_key_value().map(|(path, header)| (path.clone(), *header)).unwrap();
        let mut frames = Vec::new();
        let mut all = inspect::frames(disk, Path::new(DIR), header.index).unwrap();
        while let Some(frame) = all.next_frame().unwrap() {
            let (from, head) = (frame.offset as usize, frame.header);
            frames.push(Frame {
                from,
                to: from + head.frame_bytes() as usize,
                first: head.first_lsn.get(),
                last: head.last_lsn().get(),
                durable: head.durable_lsn.get(),
            });
        }
        let sealed = header.begun == quorate_wal::Begun::Rotation && headers.len() > 1;
        Self { bytes: contents(disk), headers, newest, frames, sealed }
    }

    fn is_intact(&self, seen: &Bytes, frame: &Frame) -> bool {
        let place = frame.from..frame.to;
        let was = &self.bytes[&self.newest];
        seen.get(&self.newest).and_then(|now| now.get(place.clone())).is_some_and(|now| *now == was[place])
    }

    /// Whether a log that looks like `seen` may end, without a word, before record `lsn`.
    fn is_hole(&self, seen: &Bytes, lsn: u64) -> bool {
        let home = self.frames.iter().find(|frame| (frame.first..=frame.last).contains(&lsn));
        let vouched = self.frames.iter().any(|frame| frame.durable >= lsn && self.is_intact(seen, frame));
        home.is_some_and(|home| !self.is_intact(seen, home)) && !vouched
    }

    /// Whether anything of a segment, begun or prepared, is not as it was.
    fn is_touched(&self, seen: &Bytes) -> bool {
        let segments = self.bytes.iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "seg"));
        segments.into_iter().any(|(path, was)| seen.get(path) != Some(was))
    }
}

/// A damaged disk, and what the log is shown of it.
struct Damage {
    disk: SimIo,
    seen: Bytes,
    /// Files that can't be read; files that are gone.
    unreadable: bool,
    vanished: Option<PathBuf>,
    /// It is over once the faults end.
    passes: bool,
}

fn damage(seed: u64, rest: &Rest, truth: &Truth, seen: &mut Tally) -> Damage {
    let mut chance = SplitMix::new(seed ^ 0xda4a_6e00);
    let disk = rest.disk.fork(seed);
    let paths: Vec<&PathBuf> = truth.headers.keys().collect();
    // The newest segment is the interesting one.
    let path =
        if chance.one_in(2) { &truth.newest } else { paths[chance.below(paths.len() as u64) as usize] };
    let mut damage = Damage { seen: Bytes::new(), disk, unreadable: false, vanished: None, passes: false };
    match chance.below(7) {
        0 | 1 => {
            seen.note("a bit rotted");
            match truth.frames.last() {
                // The last words of the log, or anything anywhere.
                Some(last) if chance.one_in(3) => {
                    let at = last.from as u64 + chance.below((last.to - last.from) as u64);
                    damage.disk.flip_bit(&truth.newest, at, chance.below(8) as u8);
                }
                _ if chance.one_in(4) => {
                    damage.disk.flip_bit(&truth.newest, chance.below(128), chance.below(8) as u8);
                }
                _ => drop(damage.disk.rot(1 + chance.below(3))),
            }
        }
        2 => {
            seen.note("a read was stale");
            let sector = chance.below(8) * 512;
            let range = if chance.one_in(3) { 0..4096 } else { sector..sector + 512 };
            let mut past = truth.bytes.clone();
            let twin = rest.disk.fork(seed);
            twin.stale_reads(path, range.clone(), u64::MAX);
            past.insert(path.clone(), twin.read(path, 1 << 20).unwrap());
            damage.disk.stale_reads(
                path,
                range,
                if chance.one_in(2) { u64::MAX } else { 1 + chance.below(4) },
            );
            damage.seen = past;
            damage.passes = true;
        }
        3 => {
            seen.note("a write went astray");
            damage.disk = live(seed, 1 + chance.below(rest.appended.len() as u64 + 10)).disk;
        }
        4 => {
            seen.note("a sector could not be read");
            damage.disk.fail_reads_at(path, chance.below(8) * 512);
            damage.unreadable = true;
            damage.passes = true;
        }
        5 => {
            seen.note("the files were copied here, and not synced");
            damage.disk = unsynced_copy(seed, &truth.bytes);
            damage.passes = true;
        }
        _ => {
            seen.note("a segment vanished");
            damage.disk.vanish(path);
            damage.vanished = Some(path.clone());
        }
    }
    if damage.seen.is_empty() {
        damage.seen = contents(&damage.disk);
    }
    damage
}

/// A backup that was put back, or a directory that was moved to another disk; then the log is opened.
fn unsynced_copy(seed: u64, files: &Bytes) -> SimIo {
    let disk = SimIo::new(seed);
    disk.ensure_dir(Path::new(DIR)).unwrap();
    for (path, bytes) in files {
        let file = disk.open(path, OpenMode::Create).unwrap();
        file.write_all_at(bytes, 0).unwrap();
    }
    disk
}

/// Payloads from `oldest` on.
fn delivered(disk: &SimIo, oldest: u64) -> Result<(Wal, Vec<Vec<u8>>), Error> {
    let (wal, recovery) = Wal::open(&options(), shared(disk))?;
    let mut all = Vec::new();
    recovery.replay(Lsn::new(oldest))?.for_each::<Error>(|record| {
        assert_eq!(record.lsn.get(), oldest + all.len() as u64);
        all.push(record.payload.to_vec());
        Ok(())
    })?;
    Ok((wal, all))
}

/// One history; panics where a record is lost or altered in silence.
pub fn run(seed: u64) -> Tally {
    let mut tally = Tally::default();
    let rest = live(seed, 0);
    let truth = Truth::of(&rest.disk);
    let damage = damage(seed, &rest, &truth, &mut tally);
    let oldest = rest.oldest;
    let appended = &rest.appended[oldest as usize - 1..];
    match delivered(&damage.disk, oldest) {
        Ok((wal, found)) => {
            assert!(appended.starts_with(&found), "delivered what was not appended");
            let first_missing = oldest + found.len() as u64;
            if found.len() == appended.len() {
                tally.note("everything was delivered");
            } else {
                tally.note(excuse(&damage, &truth, first_missing));
            }
            goes_on(&damage, wal, oldest, found);
        }
        Err(error) => {
            assert!(
                damage.unreadable || damage.vanished.is_some() || truth.is_touched(&damage.seen),
                "a false alarm: {error}"
            );
            tally.note(name(&error));
            if damage.passes {
                damage.disk.kill();
                damage.disk.end_faults();
                let (_wal, found) = delivered(&damage.disk, oldest).expect("a refusal changes nothing");
                assert_eq!(found, appended, "a refusal changes nothing");
            }
        }
    }
    tally
}

/// Why records may be missing, without a word, from this one on.
fn excuse(damage: &Damage, truth: &Truth, first_missing: u64) -> &'static str {
    if damage.vanished.as_ref() == Some(&truth.newest) && !truth.sealed {
        return "nothing vouched for a newest segment that vanished";
    }
    let is_hole = damage.vanished.is_none() && truth.is_hole(&damage.seen, first_missing);
    assert!(is_hole, "lost in silence: from LSN {first_missing} on");
    "a hole at the end"
}

/// What was delivered once stays, whatever the disk shows later.
fn goes_on(damage: &Damage, wal: Wal, oldest: u64, mut found: Vec<Vec<u8>>) {
    // Where nothing is left, the log was made anew.
    let oldest = if found.is_empty() { wal.oldest_lsn().get() } else { oldest };
    found.push(b"and on".to_vec());
    if wal.append(1, &[b"and on"]).unwrap().wait().is_err() {
        assert!(damage.passes || damage.unreadable, "nothing fails any more");
        return;
    }
    drop(wal);
    damage.disk.cut_power();
    damage.disk.end_faults();
    match delivered(&damage.disk, oldest) {
        Ok((_wal, again)) => assert_eq!(again, found),
        Err(error) => assert!(!damage.passes, "{error}"),
    }
}

fn name(error: &Error) -> &'static str {
    match error {
        Error::Corrupt(_) => "Corrupt",
        Error::Missing { .. } => "Missing",
        Error::Io { .. } => "Io",
        Error::Recycled { .. } => "Recycled",
        other => panic!("{other}"),
    }
}

#[test]
fn a_disk_that_lies_costs_nothing_silently_but_the_last_batch_hole() {
    let total = sweep(3_000, "rotten", run);
    if number("WAL_SEED").is_none() {
        total.require(HAPPENINGS);
    }
}
