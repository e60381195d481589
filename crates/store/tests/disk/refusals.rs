//! Directories that must not be opened: each is refused by name, and nothing in them changes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use quorate_store::disk::{self, Identity, Manifest};
use quorate_store::{Damage, DiskError};
use quorate_types::{ClusterId, NodeId, Timestamp};
use quorate_wal::Lsn;

use crate::support::*;

/// A directory with a checkpoint and some log behind it.
fn filled() -> Disk {
    let disk = Disk::real();
    let mut node = disk.open(1);
    (0..20u8).for_each(|i| write(&mut node, KEYSPACE, &[i], &put(1, "v")));
    checkpoint(&mut node, Timestamp(0)).unwrap();
    (20..30u8).for_each(|i| write(&mut node, KEYSPACE, &[i], &put(1, "v")));
    node.wal.close().unwrap();
    disk
}

/// All files with their bytes, the logs' own housekeeping left out.
fn files(disk: &Disk) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for sub in ["", "checkpoints", "wal"] {
        let dir = disk.dir.join(sub);
        for name in disk.io.list(&dir).unwrap() {
            if let Ok(bytes) = disk.io.read(&dir.join(&name), 1 << 30) {
                files.insert(dir.join(name), bytes);
            }
        }
    }
    files
}

/// Refuses to open, twice in the same words, and nothing that was there changed.
fn refused_unchanged(disk: &Disk) -> DiskError {
    let before = files(disk);
    let error = disk.refused();
    assert_eq!(disk.refused().to_string(), error.to_string());
    let after = files(disk);
    for (path, bytes) in before {
        assert_eq!(after.get(&path), Some(&bytes), "{} changed", path.display());
    }
    error
}

#[test]
fn another_nodes_directory() {
    let disk = filled();
    let mut options = disk.options(1);
    options.identity = Identity { node: NodeId::of_name("n2"), node_name: "n2".into(), ..identity() };
    let Err(error) = disk::open(disk.io.clone(), &disk.dir, options, WALL_MS) else { panic!("opened") };
    let expected = "belongs to node n1 of cluster ring, this is node n2 of cluster ring: start that node, or give \
                    this one a directory of its own; nothing was changed";
    assert!(error.to_string().ends_with(expected), "{error}");
}

#[test]
fn another_clusters_directory() {
    let disk = filled();
    let mut options = disk.options(1);
    options.identity =
        Identity { cluster: ClusterId::of_name("other"), cluster_name: "other".into(), ..identity() };
    let Err(error) = disk::open(disk.io.clone(), &disk.dir, options, WALL_MS) else { panic!("opened") };
    assert!(matches!(error, DiskError::OtherIdentity { .. }), "{error}");
}

#[test]
fn a_directory_in_use() {
    let disk = Disk::real();
    let node = disk.open(1);
    assert!(matches!(disk.refused(), DiskError::Locked { .. }));
    drop(node);
    disk.open(1);
}

#[test]
fn a_manifest_that_is_gone_is_no_first_start() {
    let disk = filled();
    disk.io.remove(&Manifest::path(&disk.dir)).unwrap();
    let DiskError::Lost { path, proof } = refused_unchanged(&disk) else { panic!() };
    assert_eq!(path, Manifest::path(&disk.dir));
    assert_eq!(proof, disk.file("checkpoints", ".part"));
    disk.io.remove(&proof).unwrap();
    let DiskError::Lost { proof, .. } = refused_unchanged(&disk) else { panic!() };
    assert_eq!(proof, disk::wal_dir(&disk.dir));
}

#[test]
fn an_identity_that_is_gone_is_no_first_start() {
    let disk = filled();
    disk.io.remove(&Identity::path(&disk.dir)).unwrap();
    let DiskError::Lost { path, proof } = refused_unchanged(&disk) else { panic!() };
    assert_eq!((path, proof), (Identity::path(&disk.dir), Manifest::path(&disk.dir)));
}

#[test]
fn a_log_that_is_gone() {
    let disk = filled();
    let wal = disk::wal_dir(&disk.dir);
    for name in disk.io.list(&wal).unwrap() {
        disk.io.remove(&wal.join(name)).unwrap();
    }
    let DiskError::Lost { path, .. } = refused_unchanged(&disk) else { panic!() };
    assert_eq!(path, wal);
}

#[test]
fn a_part_that_is_gone() {
    let disk = filled();
    let part = disk.file("checkpoints", ".part");
    disk.io.remove(&part).unwrap();
    let DiskError::Lost { path, proof } = refused_unchanged(&disk) else { panic!() };
    assert_eq!((path, proof), (part, Manifest::path(&disk.dir)));
}

#[test]
fn a_corrupt_part_is_named_with_the_block() {
    let disk = filled();
    let part = disk.file("checkpoints", ".part");
    disk.damage(&part, 50);
    let error = refused_unchanged(&disk);
    let expected = format!(
        "{} is corrupt at byte 28: its bytes do not match their checksum. Nothing was overwritten",
        part.display()
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[test]
fn a_part_of_another_time_is_not_taken() {
    let disk = filled();
    let part = disk.file("checkpoints", ".part");
    let old = disk.io.read(&part, 1 << 20).unwrap();
    let mut node = disk.open(1);
    checkpoint(&mut node, Timestamp(0)).unwrap();
    drop(node);
    disk.io.replace(&disk.file("checkpoints", ".part"), &old).unwrap();
    let error = refused_unchanged(&disk);
    assert!(matches!(error, DiskError::Corrupt { damage: Damage::NotTheOne, .. }), "{error}");
}

#[test]
fn a_corrupt_manifest_and_a_corrupt_identity() {
    for file in ["MANIFEST", "identity"] {
        let disk = filled();
        let path = disk.dir.join(file);
        disk.damage(&path, 20);
        let DiskError::Corrupt { path: named, damage, .. } = refused_unchanged(&disk) else { panic!() };
        assert_eq!((named, damage), (path.clone(), Damage::Checksum));
        let bytes = disk.io.read(&path, 1 << 20).unwrap();
        disk.io.replace(&path, &bytes[..bytes.len() - 3]).unwrap();
        let error = refused_unchanged(&disk);
        assert!(matches!(error, DiskError::Corrupt { damage: Damage::Short { missing: 3 }, .. }), "{error}");
    }
}

#[test]
fn a_corrupt_log() {
    let disk = filled();
    let wal = disk::wal_dir(&disk.dir);
    let first = wal.join(disk.io.list(&wal).unwrap().into_iter().find(|n| n.ends_with(".seg")).unwrap());
    disk.damage(&first, 300);
    let error = refused_unchanged(&disk);
    assert!(matches!(error, DiskError::Wal(quorate_wal::Error::Corrupt(_))), "{error}");
}

#[test]
fn a_log_with_another_id() {
    let (disk, other) = (filled(), filled());
    swap_log(&disk, &other);
    let error = disk.refused();
    assert!(matches!(error, DiskError::OtherLog { .. }), "{error}");
}

/// Replaces the log of `disk` by that of `other`.
fn swap_log(disk: &Disk, other: &Disk) {
    let (mine, theirs) = (disk::wal_dir(&disk.dir), disk::wal_dir(&other.dir));
    for name in disk.io.list(&mine).unwrap() {
        disk.io.remove(&mine.join(name)).unwrap();
    }
    for name in disk.io.list(&theirs).unwrap() {
        disk.io.replace(&mine.join(&name), &disk.io.read(&theirs.join(&name), 1 << 30).unwrap()).unwrap();
    }
}

#[test]
fn a_log_that_ends_below_the_replay_point() {
    let disk = Disk::real();
    let mut node = disk.open(1);
    let old = Disk::real();
    write(&mut node, KEYSPACE, b"k", &put(1, "v"));
    node.wal.close().unwrap();
    drop(node);
    disk.io.ensure_dir(&disk::wal_dir(&old.dir)).unwrap();
    swap_log(&old, &disk);
    let mut node = disk.open(1);
    (0..30u8).for_each(|i| write(&mut node, KEYSPACE, &[i], &put(1, "v")));
    checkpoint(&mut node, Timestamp(0)).unwrap();
    node.wal.close().unwrap();
    drop(node);
    let whole = Disk::real();
    disk.io.ensure_dir(&disk::wal_dir(&whole.dir)).unwrap();
    swap_log(&whole, &disk);
    swap_log(&disk, &old);
    let DiskError::LogBehind { last, replay_point, .. } = refused_unchanged(&disk) else { panic!() };
    assert_eq!((last, replay_point), (Lsn::new(1), Lsn::new(31)));
    swap_log(&disk, &whole);
    assert_eq!(disk.open(1).wal.last_lsn(), Lsn::new(31), "the right log goes on where it was");
}
