//! How long a node is gone: opens a directory with a log of a million writes, takes a checkpoint, opens it again.
//! `cargo run --release -p quorate-store --example recovery [RECORDS]`
#![allow(clippy::disallowed_methods)] // an example measures with the clock

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use quorate_store::disk::{self, Identity, OpenOptions, Opened};
use quorate_store::log;
use quorate_types::{ClusterId, KeyspaceId, NodeId, Record, Timestamp, Version};
use quorate_wal::{Options, StdIo};

const SLICE_BYTES: usize = 64 << 10;

fn main() -> Result<(), Box<dyn Error>> {
    let records: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |n| n.parse())?;
    let temp = tempfile::tempdir()?;
    let node = open(temp.path(), "empty")?;
    fill(&node, records)?;
    node.wal.close()?;
    drop(node);
    let mut node = open(temp.path(), "log only")?;
    checkpoint(&mut node)?;
    node.wal.close()?;
    drop(node);
    open(temp.path(), "checkpoint only")?;
    Ok(())
}

fn open(dir: &Path, what: &str) -> Result<Opened, Box<dyn Error>> {
    let identity = Identity {
        cluster: ClusterId(1),
        cluster_name: "ring".into(),
        node: NodeId(1),
        node_name: "n1".into(),
    };
    let options = OpenOptions { identity, shards: 2, hash_seed: 7, wal: Options::new(disk::wal_dir(dir)) };
    let start = Instant::now();
    let node = disk::open(StdIo::shared(), dir, options, 1_000)?;
    println!("open, {what}: {:?}, {:?}", start.elapsed(), node.report);
    Ok(node)
}

fn fill(node: &Opened, records: u64) -> Result<(), Box<dyn Error>> {
    let mut payload = Vec::new();
    for i in 0..records {
        payload.clear();
        let record = Record::put(Version::new(Timestamp(1), NodeId(1)), &[7; 100][..], None);
        log::encode_mutation(&mut payload, KeyspaceId(1), &i.to_be_bytes().repeat(2), &record);
        let lsn = node.wal.stage(log::KIND_MUTATION, &[&payload])?;
        if i % 1000 == 999 {
            node.wal.sync_to(lsn)?;
        }
    }
    Ok(())
}

fn checkpoint(node: &mut Opened) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let run = node.checkpoints.begin(node.stores.len())?;
    let (mut parts, mut longest, mut slice) = (Vec::new(), std::time::Duration::ZERO, Vec::new());
    for (shard, store) in node.stores.iter().enumerate() {
        let mut writer = run.part(shard, node.wal.durable_lsn())?;
        let (mut walk, mut more) = (store.begin_walk(), true);
        while more {
            slice.clear();
            let begun = Instant::now();
            more = walk.next_slice(store, &mut slice, SLICE_BYTES);
            longest = longest.max(begun.elapsed());
            writer.write(&slice)?;
        }
        parts.push(writer.finish()?);
    }
    node.checkpoints.publish(run, parts, &node.wal, Timestamp(0))?;
    println!("checkpoint: {:?}, longest slice of {SLICE_BYTES} bytes {longest:?}", start.elapsed());
    Ok(())
}
