//! `wal` on a log that is written to meanwhile, and at a terminal.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use quorate_wal::{Options, StdIo, Wal};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;

use crate::kvctl;

/// So many are there before anybody looks; then they come as fast as the disk takes them, up to a bound.
const RECORDS_MIN: u64 = 2_000;
const RECORDS_MAX: u64 = 60_000;

/// Appends to the log in `dir` while `look` runs; small segments, so that it goes over to new ones all the time.
fn while_written(dir: &Path, look: impl FnOnce()) {
    let options = Options::new(dir.join("wal")).segment_bytes(64 << 10);
    let (wal, _) = Wal::open(&options, StdIo::shared()).unwrap();
    let append = move || wal.append(7, &[b"of another program"]).unwrap().wait().unwrap().get();
    while append() < RECORDS_MIN {}
    let over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&over);
    let writer = thread::spawn(move || {
        let mut last = 0;
        while !seen.load(Ordering::Relaxed) && last < RECORDS_MAX {
            last = append();
        }
        last
    });
    look();
    over.store(true, Ordering::Relaxed);
    assert!(writer.join().unwrap() > RECORDS_MIN);
}

#[test]
fn a_healthy_log_is_sound_to_every_verb_while_it_is_written_to() {
    let dir = tempfile::tempdir().unwrap();
    while_written(dir.path(), || {
        for round in 0..3 {
            for verb in ["salvage", "dump"] {
                let ran = kvctl(dir.path(), &["wal", verb, ".", "-o", "ndjson"], "");
                assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{verb}, round {round}");
                let lsn = |line: &str| serde_json::from_str::<Value>(line).unwrap()["lsn"].as_u64();
                assert!(ran.out.lines().zip(1..).all(|(line, place)| lsn(line) == Some(place)), "{verb}");
                assert!(ran.out.lines().count() as u64 >= RECORDS_MIN, "{verb}");
            }
            let ran = kvctl(dir.path(), &["wal", "verify", "."], "");
            assert_eq!((ran.code, ran.err.as_str()), (0, ""), "round {round}");
            let ran = kvctl(dir.path(), &["wal", "ls", "."], "");
            assert!(ran.code == 0 && ran.out.contains("begun"), "{}", ran.err);
        }
        let ran = kvctl(dir.path(), &["wal", "salvage", ".", "--into", "saved"], "");
        assert!(ran.code == 0 && ran.out.ends_with("gaps: 0\n"), "{}{}", ran.out, ran.err);
        let ran = kvctl(dir.path(), &["wal", "truncate", ".", "--at", "1", "--yes-i-typed", "1"], "");
        assert!(ran.code == 2 && ran.err.contains("is in use by another process"), "{}", ran.err);
    });
}

#[test]
fn records_of_another_program_are_dumped_as_bytes_unless_a_nodes_are_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = Wal::open(&Options::new(dir.path().join("wal")), StdIo::shared()).unwrap();
    wal.append(1, &[b"a line\n"]).unwrap().wait().unwrap();
    drop(wal);
    let dumped = kvctl(dir.path(), &["wal", "dump", "wal"], "");
    assert_eq!((dumped.code, dumped.out.as_str()), (0, "         1  kind 1  7 bytes  \"a line\\n\"\n"));
    let dumped = kvctl(dir.path(), &["wal", "dump", "wal", "-o", "json"], "");
    assert_eq!(serde_json::from_str::<Value>(&dumped.out).unwrap()["payload"]["utf8"], "a line\n");
    let dumped = kvctl(dir.path(), &["wal", "dump", "wal", "--as", "node"], "");
    assert!(dumped.out.contains("no record of a node"), "{}", dumped.out);
    // What lies beside a node's manifest is a node's.
    fs::write(dir.path().join("MANIFEST"), b"").unwrap();
    let dumped = kvctl(dir.path(), &["wal", "dump", "."], "");
    assert!(dumped.out.contains("no record of a node"), "{}", dumped.out);
}

#[test]
fn a_dump_of_a_damaged_log_leaves_out_what_was_cut_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new(dir.path().join("wal")).segment_bytes(4096);
    let (wal, _) = Wal::open(&options, StdIo::shared()).unwrap();
    for old in ["old 1", "old 2"] {
        wal.append(1, &[old.as_bytes()]).unwrap().wait().unwrap();
    }
    drop(wal);
    let cut = kvctl(dir.path(), &["wal", "truncate", ".", "--at", "0", "--yes-i-typed", "0"], "");
    assert_eq!(cut.code, 0, "{}", cut.err);
    let (wal, _) = Wal::open(&options, StdIo::shared()).unwrap();
    for new in ["new 1", "new 2", "new 3"] {
        wal.append(1, &[new.as_bytes()]).unwrap().wait().unwrap();
    }
    wal.close().unwrap();
    drop(wal);
    let newest = dir.path().join("wal/0000000002.seg");
    let mut bytes = fs::read(&newest).unwrap();
    let place = bytes.windows(5).position(|window| window == b"new 2").unwrap();
    bytes[place] ^= 1;
    fs::write(&newest, bytes).unwrap();
    let dumped = kvctl(dir.path(), &["wal", "dump", "."], "");
    assert_eq!((dumped.code, dumped.out.as_str()), (12, "         1  kind 1  5 bytes  \"new 1\"\n"));
}

/// Runs `kvctl wal truncate . --at 1` at a terminal of its own, on which `line` is typed; its exit code and what it said.
fn truncate_at_a_terminal(dir: &Path, line: &str) -> (i32, String) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let terminal = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let terminal = File::options().read(true).write(true).open(terminal).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_kvctl"))
        .current_dir(dir)
        .args(["wal", "truncate", ".", "--at", "1"])
        .env_remove("KV_OUTPUT")
        .stdin(Stdio::from(terminal))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    File::from(master.try_clone().unwrap()).write_all(line.as_bytes()).unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code().unwrap(), said)
}

#[test]
fn at_a_terminal_truncate_asks_for_the_lsn_and_takes_no_other_answer() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new(dir.path().join("wal")).segment_bytes(4096);
    let (wal, _) = Wal::open(&options, StdIo::shared()).unwrap();
    (0..3).for_each(|_| _ = wal.append(1, &[b"x"]).unwrap().wait().unwrap());
    drop(wal);
    for wrong in ["2\n", "yes\n", "\n"] {
        let (code, said) = truncate_at_a_terminal(dir.path(), wrong);
        assert!(code == 2 && said.contains("Type the LSN to go on: "), "{said}");
        assert!(said.contains("not confirmed: that is not the LSN"), "{said}");
        let verified = kvctl(dir.path(), &["wal", "verify", "."], "");
        assert!(verified.out.starts_with("ok  3 records"), "{}", verified.out);
    }
    let (code, said) = truncate_at_a_terminal(dir.path(), "1\n");
    assert_eq!(code, 0, "{said}");
    let verified = kvctl(dir.path(), &["wal", "verify", "."], "");
    assert!(verified.out.starts_with("ok  1 records"), "{}", verified.out);
}
