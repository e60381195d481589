//! What is durable comes back: from the log, from a checkpoint, from both, with any number of shards.

use quorate_store::log::{self, KIND_CLOCK_CEILING};
use quorate_types::{Generation, Record, Timestamp};

use crate::support::*;

fn key(i: u32) -> Vec<u8> {
    format!("key-{i}").into_bytes()
}

#[test]
fn a_first_start_makes_a_directory_and_the_next_finds_it() {
    let disk = Disk::real();
    let first = disk.open(1);
    assert_eq!(first.generation, Generation(5));
    assert_eq!((first.report.checkpoint, first.report.log_records), (0, 0));
    let log_id = first.checkpoints.manifest().log_id;
    drop(first);
    let second = disk.open(1);
    assert_eq!(second.generation, Generation(6));
    assert_eq!(second.checkpoints.manifest().log_id, log_id);
}

#[test]
fn the_log_alone_brings_everything_back_whatever_the_number_of_shards() {
    let disk = Disk::real();
    let mut node = disk.open(1);
    for i in 0..500 {
        write(&mut node, KEYSPACE, &key(i % 300), &put(u64::from(i) + 1, &format!("value {i}")));
    }
    write(&mut node, KEYSPACE, &key(5), &Record::tombstone(version(900)));
    write(&mut node, REMOVED, &key(5), &put(1, "kept though no config names the keyspace"));
    let expected = contents(&node.stores);
    drop(node);
    for shards in [2, 1, 3, 8] {
        let node = disk.open(shards);
        assert_eq!(node.stores.len(), shards);
        assert_eq!(contents(&node.stores), expected);
        assert_eq!(node.report.log_records, 502);
    }
}

#[test]
fn snapshot_plus_log() {
    for shards in [1, 2] {
        let disk = Disk::real();
        let mut node = disk.open(shards);
        for i in 0..200 {
            write(&mut node, KEYSPACE, &key(i), &put(1, "before"));
        }
        checkpoint(&mut node, Timestamp(0)).unwrap();
        write(&mut node, KEYSPACE, &key(1), &put(2, "after"));
        write(&mut node, KEYSPACE, &key(2), &Record::tombstone(version(2)));
        let expected = contents(&node.stores);
        drop(node);
        let node = disk.open(shards);
        assert_eq!(contents(&node.stores), expected);
        assert_eq!(expected[&(KEYSPACE, key(1))], put(2, "after"));
        assert_eq!(expected[&(KEYSPACE, key(2))], Record::tombstone(version(2)));
        assert_eq!((node.report.checkpoint, node.report.checkpoint_records), (1, 200));
        assert_eq!(node.report.log_records, 2);
    }
}

#[test]
fn the_log_is_cut_and_old_parts_go() {
    let disk = Disk::real();
    let mut node = disk.open(2);
    let value = "v".repeat(1000);
    for round in 1..=5 {
        for i in 0..100 {
            write(&mut node, KEYSPACE, &key(i), &put(round, &value));
        }
        checkpoint(&mut node, Timestamp(0)).unwrap();
        let parts = disk.io.list(&disk.dir.join("checkpoints")).unwrap();
        assert_eq!(parts, [format!("{round:010}-00.part"), format!("{round:010}-01.part")]);
    }
    assert!(node.wal.oldest_lsn() > quorate_wal::Lsn::new(450), "{}", node.wal.oldest_lsn());
    let expected = contents(&node.stores);
    drop(node);
    assert_eq!(contents(&disk.open(1).stores), expected);
}

#[test]
fn writes_between_the_walks_of_two_shards_are_replayed() {
    let disk = Disk::real();
    let mut node = disk.open(2);
    (0..100).for_each(|i| write(&mut node, KEYSPACE, &key(i), &put(1, "old")));
    let run = node.checkpoints.begin(2).unwrap();
    let mut done = vec![part(&run, 0, &node, 100).unwrap()];
    (0..100).for_each(|i| write(&mut node, KEYSPACE, &key(i), &put(2, "new")));
    done.insert(0, part(&run, 1, &node, 100).unwrap());
    node.checkpoints.publish(run, done, &node.wal, Timestamp(0)).unwrap();
    assert_eq!(node.checkpoints.manifest().replay_point.get(), 100);
    let expected = contents(&node.stores);
    drop(node);
    let node = disk.open(2);
    assert_eq!(node.report.log_records, 100);
    assert_eq!(contents(&node.stores), expected);
}

#[test]
fn the_clock_starts_above_every_ceiling_in_manifest_and_log() {
    let disk = Disk::real();
    let mut node = disk.open(1);
    assert_eq!(node.clock_start, Timestamp(0));
    raise(&mut node, Timestamp(1_000));
    drop(node);
    let mut node = disk.open(1);
    assert_eq!(node.clock_start, Timestamp(1_000));
    checkpoint(&mut node, Timestamp(2_000)).unwrap();
    drop(node);
    let mut node = disk.open(1);
    assert_eq!((node.clock_start, node.report.log_records), (Timestamp(2_000), 0));
    raise(&mut node, Timestamp(1_500));
    drop(node);
    assert_eq!(disk.open(1).clock_start, Timestamp(2_000));
}

fn raise(node: &mut quorate_store::disk::Opened, ceiling: Timestamp) {
    let mut payload = Vec::new();
    log::encode_ceiling(&mut payload, ceiling);
    node.wal.append(KIND_CLOCK_CEILING, &[&payload]).unwrap().wait().unwrap();
}

#[test]
fn an_abandoned_checkpoint_changes_nothing_and_its_files_go() {
    let disk = Disk::real();
    let mut node = disk.open(1);
    (0..50).for_each(|i| write(&mut node, KEYSPACE, &key(i), &put(1, "v")));
    let run = node.checkpoints.begin(1).unwrap();
    drop(parts(&node, &run, 100).unwrap());
    let expected = contents(&node.stores);
    drop(node);
    let mut node = disk.open(1);
    assert_eq!(disk.io.list(&disk.dir.join("checkpoints")).unwrap(), Vec::<String>::new());
    assert_eq!(contents(&node.stores), expected);
    checkpoint(&mut node, Timestamp(0)).unwrap();
    drop(node);
    assert_eq!(contents(&disk.open(1).stores), expected);
}
