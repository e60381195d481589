//! `wal salvage` and `wal truncate` on a damaged log.

use std::fs;
use std::path::Path;

use quorate_wal::{Chores, Error, Lsn, Options, StdIo, Wal};
use serde_json::Value;

use crate::kvctl;

fn options(dir: &Path) -> Options {
    Options::new(dir.join("wal")).segment_bytes(4096).chores(Chores::Inline)
}

/// Ten records; the fifth is damaged.
fn damaged() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = Wal::open(&options(dir.path()), StdIo::shared()).unwrap();
    for number in 0..10_u8 {
        wal.append(99, &[&[number; 27]]).unwrap().wait().unwrap();
    }
    drop(wal);
    let segment = dir.path().join("wal/0000000001.seg");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[128 + 4 * 64 + 40] ^= 1;
    fs::write(&segment, bytes).unwrap();
    dir
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(dir.join("wal")).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort_unstable();
    files
}

fn last_lsn(dir: &Path) -> Result<u64, Error> {
    Wal::open(&options(dir), StdIo::shared()).map(|(_, recovery)| recovery.last_lsn().get())
}

#[test]
fn salvage_prints_what_is_intact_and_names_the_gap_and_can_write_a_new_log() {
    let dir = damaged();
    let before = files(dir.path());
    let ran = kvctl(dir.path(), &["wal", "salvage", ".", "-o", "ndjson"], "");
    assert_eq!(ran.code, 12, "{}", ran.err);
    let lsns: Vec<_> =
        ran.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["lsn"].clone()).collect();
    assert_eq!(lsns, [1, 2, 3, 4, 6, 7, 8, 9, 10]);
    assert!(ran.err.starts_with("gap: the log is corrupt: "), "{}", ran.err);
    assert!(ran.err.contains("LSN 5 must follow, the frame there begins at LSN 6"), "{}", ran.err);

    let ran = kvctl(dir.path(), &["wal", "salvage", ".", "--into", "saved"], "");
    assert_eq!((ran.code, ran.out.as_str()), (12, "9 records written to saved, numbered anew; gaps: 1\n"));
    assert_eq!(files(dir.path()), before);
    let ran = kvctl(dir.path(), &["wal", "verify", "saved"], "");
    assert!(ran.code == 0 && ran.out.starts_with("ok  9 records"), "{}{}", ran.out, ran.err);
    let ran = kvctl(dir.path(), &["wal", "salvage", ".", "--into", "saved"], "");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("saved is not empty"), "{}", ran.err);
}

#[test]
fn truncate_changes_nothing_until_the_lsn_was_typed_and_then_keeps_the_evidence() {
    let dir = damaged();
    let before = files(dir.path());
    let at = ["wal", "truncate", ".", "--at", "4"];
    for (more, said) in [
        (&[][..], "standard input is no terminal: add --yes-i-typed LSN"),
        (&["--yes-i-typed", "5"], "that is not the LSN"),
    ] {
        let ran = kvctl(dir.path(), &[&at, more].concat(), "4\n");
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        assert!(ran.err.contains(said), "{}", ran.err);
        assert!(ran.err.contains("will end after LSN 4. Every later record is lost"), "{}", ran.err);
        assert_eq!(files(dir.path()), before);
    }
    let ran = kvctl(dir.path(), &["wal", "truncate", ".", "--at", "7", "--yes-i-typed", "7"], "");
    assert_eq!(ran.code, 12, "{}", ran.err);
    assert!(ran.err.contains("the records up to LSN 7 were to be kept"), "{}", ran.err);
    assert_eq!(files(dir.path()), before);

    let ran = kvctl(dir.path(), &[&at[..], &["--yes-i-typed", "4"]].concat(), "");
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "ok  the log ends after LSN 4; put aside: 0\n"),
        "{}",
        ran.err
    );
    assert!(files(dir.path()).contains(&before[0]), "the damaged segment is as it was");
    assert_eq!(last_lsn(dir.path()).unwrap(), Lsn::new(4).get());
}

#[test]
fn a_log_in_use_is_not_truncated() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = Wal::open(&options(dir.path()), StdIo::shared()).unwrap();
    wal.append(1, &[b"x"]).unwrap().wait().unwrap();
    let ran = kvctl(dir.path(), &["wal", "truncate", ".", "--at", "0", "--yes-i-typed", "0"], "");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("is in use by another process"), "{}", ran.err);
}
