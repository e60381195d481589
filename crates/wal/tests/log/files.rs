//! The file system seam: what both implementations do, and what the simulated disk does to programs that forget a sync.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::path::Path;

use quorate_wal::io::{FileWriter, OpenMode};
use quorate_wal::testkit::SimIo;
use quorate_wal::{Io, StdIo};

/// What a program may rely on, tried on one implementation.
fn behaves(io: &dyn Io, dir: &Path) {
    io.ensure_dir(dir).unwrap();
    io.create_dir(dir).unwrap();
    let path = dir.join("a");
    assert_eq!(io.open(&path, OpenMode::Read).map(drop).unwrap_err().kind(), ErrorKind::NotFound);
    let file = io.open(&path, OpenMode::Create).unwrap();
    file.write_all_at(b"behind", 4).unwrap();
    file.write_all_at(b"fore", 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(io.read(&path, 10).unwrap(), b"forebehind");
    assert_eq!(io.read(&path, 9).unwrap_err().kind(), ErrorKind::FileTooLarge);
    let mut tail = [0; 8];
    assert_eq!(file.read_at_most(&mut tail, 6).unwrap(), 4, "the file ends there");
    assert_eq!(file.read_exact_at(&mut tail, 6).unwrap_err().kind(), ErrorKind::UnexpectedEof);

    io.replace(&path, b"new").unwrap();
    assert_eq!(io.read(&path, 10).unwrap(), b"new");
    let mut writer = FileWriter::create(io, &dir.join("b")).unwrap();
    for _ in 0..3 {
        writer.write_all(&vec![1; 100_000]).unwrap();
        writer.write_all(&vec![2; 300_000]).unwrap();
    }
    assert_eq!(writer.position(), 1_200_000);
    assert_eq!(writer.finish().unwrap(), 1_200_000);
    let whole = io.read(&dir.join("b"), 2_000_000).unwrap();
    assert_eq!(whole, [vec![1; 100_000], vec![2; 300_000]].concat().repeat(3));
    io.rename(&dir.join("b"), &path).unwrap();
    assert_eq!(io.list(dir).unwrap(), ["a"]);

    let guard = io.lock(&path).unwrap();
    assert_eq!(io.lock(&path).map(drop).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(guard);
    drop(io.lock(&path).unwrap());
    io.remove(&path).unwrap();
    io.sync_dir(dir).unwrap();
    assert!(io.list(dir).unwrap().is_empty());
    let (mut one, mut two) = ([0; 16], [0; 16]);
    io.fill_random(&mut one).unwrap();
    io.fill_random(&mut two).unwrap();
    assert_ne!(one, two);
}

#[test]
fn the_real_and_the_simulated_file_system_behave_alike() {
    let dir = tempfile::tempdir().unwrap();
    behaves(&StdIo, &dir.path().join("deeper/still"));
    behaves(&SimIo::new(1), Path::new("/deeper/still"));
}

#[test]
fn short_and_interrupted_writes_are_finished_by_write_all() {
    let disk = SimIo::new(1);
    disk.short_writes(2);
    behaves(&disk, Path::new("/d"));
}

#[test]
fn what_was_not_synced_is_kept_or_lost_or_torn_and_what_was_synced_stays() {
    let mut fates = BTreeSet::new();
    for seed in 0..200 {
        let disk = SimIo::new(seed);
        disk.ensure_dir(Path::new("/d")).unwrap();
        let file = disk.open(Path::new("/d/f"), OpenMode::Create).unwrap();
        file.write_all_at(&[1; 1024], 0).unwrap();
        file.sync_data().unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        file.write_all_at(&[2; 1024], 512).unwrap();
        disk.cut_power();
        assert!(file.len().is_err(), "a handle of the life before");
        let left = disk.contents("/d/f").unwrap();
        assert_eq!(left[..512], [1; 512], "synced and not overwritten");
        fates.insert(match left.len() {
            1024 if left[512..] == [1; 512] => "lost",
            1536 if left[512..] == [2; 1024] => "kept",
            _ => "torn",
        });
    }
    assert_eq!(fates.into_iter().collect::<Vec<_>>(), ["kept", "lost", "torn"]);
}

#[test]
fn a_directory_whose_name_was_not_synced_is_lost_or_kept_with_all_that_is_in_it() {
    let mut fates = BTreeSet::new();
    for seed in 0..50 {
        let disk = SimIo::new(seed);
        let outer = Path::new("/outer");
        disk.create_dir(outer).unwrap();
        assert_eq!(disk.create_dir(Path::new("/nowhere/d")).unwrap_err().kind(), ErrorKind::NotFound);
        disk.create_dir(Path::new("/outer/d")).unwrap();
        disk.replace(Path::new("/outer/d/f"), b"synced, and so is its name").unwrap();
        disk.sync_dir(outer).unwrap();
        disk.cut_power();
        let left = disk.contents("/outer/d/f").is_some();
        assert_eq!(disk.list(outer).is_ok(), left, "all or nothing");
        assert_eq!(disk.list(Path::new("/")).unwrap().len(), usize::from(left));
        fates.insert(left);
    }
    assert_eq!(fates.len(), 2);
}

#[test]
fn a_directory_that_was_ensured_is_there_wherever_the_power_goes_after_that() {
    let deep = Path::new("/a/b/c");
    for seed in 0..50 {
        for made_before in 0..4 {
            let disk = SimIo::new(seed);
            // By a process that died before it synced anything.
            let ancestors: Vec<_> = deep.ancestors().collect();
            ancestors.iter().rev().skip(1).take(made_before).for_each(|dir| disk.create_dir(dir).unwrap());
            if made_before > 1 {
                // It had gone on as `ensure_dir` does: only the last directory is in doubt.
                ancestors.iter().rev().take(made_before - 1).for_each(|dir| disk.sync_dir(dir).unwrap());
            }
            disk.ensure_dir(deep).unwrap();
            disk.replace(&deep.join("f"), b"x").unwrap();
            disk.cut_power();
            assert_eq!(disk.contents("/a/b/c/f").unwrap(), b"x", "seed {seed}, {made_before} made before");
        }
    }
}

#[test]
fn what_was_acknowledged_is_there_though_another_made_the_directory_and_did_not_sync_its_name() {
    for seed in 0..50 {
        for made_before in [false, true] {
            let disk = SimIo::new(seed);
            if made_before {
                disk.create_dir(Path::new(crate::DIR)).unwrap();
            }
            let (wal, _) = crate::open(&disk).unwrap();
            crate::append(&wal, b"acknowledged");
            drop(wal);
            disk.cut_power();
            let (_wal, recovery) = crate::open(&disk).unwrap();
            assert_eq!(recovery.last_lsn(), quorate_wal::Lsn::new(1), "seed {seed}, {made_before}");
        }
    }
}

#[test]
fn a_failed_sync_throws_the_pages_away_and_goes_on_showing_them() {
    let disk = SimIo::new(1);
    disk.set_contents("/d/f", b"old".to_vec());
    let file = disk.open(Path::new("/d/f"), OpenMode::ReadWrite).unwrap();
    file.write_all_at(b"new", 0).unwrap();
    disk.fail_sync_after(1);
    assert!(file.sync_data().is_err());
    assert!(file.sync_data().is_ok(), "the second sync has nothing to do, and says so");
    assert_eq!(disk.contents("/d/f").unwrap(), b"new");
    disk.cut_power();
    assert_eq!(disk.contents("/d/f").unwrap(), b"old");
}

#[test]
fn names_that_were_not_synced_vanish_or_persist_each_by_itself() {
    let mut fates = BTreeSet::new();
    for seed in 0..100 {
        let disk = SimIo::new(seed);
        disk.set_contents("/d/a", b"a".to_vec());
        disk.set_contents("/d/b", b"b".to_vec());
        disk.rename(Path::new("/d/a"), Path::new("/d/a2")).unwrap();
        disk.remove(Path::new("/d/b")).unwrap();
        disk.cut_power();
        fates.insert((disk.contents("/d/a2").is_some(), disk.contents("/d/b").is_none()));
        assert!(disk.contents("/d/a").is_some() ^ disk.contents("/d/a2").is_some(), "a rename is atomic");
    }
    assert_eq!(fates.len(), 4, "{fates:?}");
}

#[test]
fn a_replaced_file_is_the_old_one_or_the_new_one_wherever_the_power_goes() {
    for change in 1..8 {
        for seed in 0..30 {
            let disk = SimIo::new(seed);
            disk.ensure_dir(Path::new("/d")).unwrap();
            disk.replace(Path::new("/d/f"), b"old contents").unwrap();
            disk.cut_power_after(change);
            let done = disk.replace(Path::new("/d/f"), b"the new contents").is_ok();
            disk.cut_power();
            let left = disk.contents("/d/f").unwrap();
            assert!(
                left == b"the new contents" || !done && left == b"old contents",
                "change {change} seed {seed}"
            );
        }
    }
}

#[test]
fn a_forked_disk_goes_its_own_way_and_the_same_seed_the_same_way() {
    let disk = SimIo::new(1);
    disk.set_contents("/d/f", vec![0; 4096]);
    let file = disk.open(Path::new("/d/f"), OpenMode::ReadWrite).unwrap();
    file.write_all_at(&[7; 4096], 0).unwrap();
    let fates: Vec<_> = [5, 5, 6, 7, 8, 9]
        .map(|seed| {
            let fork = disk.fork(seed);
            fork.cut_power();
            fork.contents("/d/f").unwrap()
        })
        .into();
    assert_eq!(fates[0], fates[1]);
    assert!(fates[1..].windows(2).any(|pair| pair[0] != pair[1]));
    assert_eq!(disk.contents("/d/f").unwrap(), [7; 4096], "the original is untouched");
}
