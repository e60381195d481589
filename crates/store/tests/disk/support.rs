//! A node's directory and the writes that a shard would make in it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use quorate_store::disk::{self, CheckpointRun, Identity, OpenOptions, Opened, PartDone};
use quorate_store::{DiskError, Store, log};
use quorate_types::{
    ClusterId, KeyspaceId, NodeId, PageStart, PartitionId, Record, Timestamp, Token, Version,
};
use quorate_wal::{Chores, Io, Lsn, Options, StdIo};
use tempfile::TempDir;

pub const SEED: u64 = 42;
pub const KEYSPACE: KeyspaceId = KeyspaceId(7);
/// A keyspace that no configuration names any more.
pub const REMOVED: KeyspaceId = KeyspaceId(u32::MAX);
pub const WALL_MS: u64 = 5_000;

pub type Contents = BTreeMap<(KeyspaceId, Vec<u8>), Record>;

pub struct Disk {
    pub io: Arc<dyn Io>,
    pub dir: PathBuf,
    _temp: Option<TempDir>,
}

pub fn identity() -> Identity {
    Identity {
        cluster: ClusterId::of_name("ring"),
        cluster_name: "ring".into(),
        node: NodeId::of_name("n1"),
        node_name: "n1".into(),
    }
}

pub fn version(t: u64) -> Version {
    Version::new(Timestamp(t), NodeId(1))
}

pub fn put(t: u64, value: &str) -> Record {
    Record::put(version(t), value.to_owned(), None)
}

impl Disk {
    pub fn real() -> Disk {
        let temp = tempfile::tempdir().unwrap();
        Disk { io: StdIo::shared(), dir: temp.path().join("data/n1"), _temp: Some(temp) }
    }

    pub fn on(io: Arc<dyn Io>) -> Disk {
        Disk { io, dir: PathBuf::from("/data/n1"), _temp: None }
    }

    pub fn options(&self, shards: usize) -> OpenOptions {
        let wal = Options::new(disk::wal_dir(&self.dir)).segment_bytes(16 << 10).chores(Chores::Inline);
        OpenOptions { identity: identity(), shards, hash_seed: SEED, wal }
    }

    pub fn try_open(&self, shards: usize) -> Result<Opened, DiskError> {
        disk::open(Arc::clone(&self.io), &self.dir, self.options(shards), WALL_MS)
    }

    pub fn open(&self, shards: usize) -> Opened {
        self.try_open(shards).unwrap()
    }

    pub fn refused(&self) -> DiskError {
        match self.try_open(1) {
            Ok(_) => panic!("it was opened"),
            Err(error) => error,
        }
    }

    /// The one file in `dir/sub` whose name ends with `suffix`.
    pub fn file(&self, sub: &str, suffix: &str) -> PathBuf {
        let dir = self.dir.join(sub);
        let names = self.io.list(&dir).unwrap();
        let mut found = names.iter().filter(|name| name.ends_with(suffix));
        let path = dir.join(found.next().unwrap());
        assert_eq!(found.next(), None);
        path
    }

    pub fn damage(&self, path: &std::path::Path, offset: usize) {
        let mut bytes = self.io.read(path, 1 << 30).unwrap();
        bytes[offset] ^= 0x10;
        self.io.replace(path, &bytes).unwrap();
    }
}

/// Stages a mutation as a shard does; it is applied once it is durable.
pub fn stage(node: &Opened, keyspace: KeyspaceId, key: &[u8], record: &Record) -> Result<Lsn, DiskError> {
    let mut payload = Vec::new();
    log::encode_mutation(&mut payload, keyspace, key, record);
    Ok(node.wal.stage(log::KIND_MUTATION, &[&payload])?)
}

pub fn apply(stores: &mut [Store], keyspace: KeyspaceId, key: &[u8], record: &Record) {
    let token = Token::of(key, SEED);
    let shard = token.partition().shard(stores.len());
    let _ = stores[shard].apply(keyspace, token, key, record);
}

/// Logs, syncs, applies.
pub fn write(node: &mut Opened, keyspace: KeyspaceId, key: &[u8], record: &Record) {
    let lsn = stage(node, keyspace, key, record).unwrap();
    node.wal.sync_to(lsn).unwrap();
    apply(&mut node.stores, keyspace, key, record);
}

/// One whole walk of every shard, as of now.
pub fn parts(node: &Opened, run: &CheckpointRun, slice_bytes: usize) -> Result<Vec<PartDone>, DiskError> {
    (0..node.stores.len()).map(|shard| part(run, shard, node, slice_bytes)).collect()
}

/// One whole walk of one shard, as of now.
pub fn part(
    run: &CheckpointRun,
    shard: usize,
    node: &Opened,
    slice_bytes: usize,
) -> Result<PartDone, DiskError> {
    let mut writer = run.part(shard, node.wal.durable_lsn())?;
    let store = &node.stores[shard];
    let (mut walk, mut slice) = (store.begin_walk(), Vec::new());
    let mut more = true;
    while more {
        slice.clear();
        more = walk.next_slice(store, &mut slice, slice_bytes);
        writer.write(&slice)?;
    }
    writer.finish()
}

pub fn checkpoint(node: &mut Opened, ceiling: Timestamp) -> Result<(), DiskError> {
    let run = node.checkpoints.begin(node.stores.len())?;
    let parts = parts(node, &run, 500)?;
    node.checkpoints.publish(run, parts, &node.wal, ceiling)?;
    Ok(())
}

/// Everything the stores hold; digests are checked on the way.
pub fn contents(stores: &[Store]) -> Contents {
    let mut contents = Contents::new();
    let keyspaces: std::collections::BTreeSet<_> =
        stores.iter().flat_map(|store| store.stats().map(|(keyspace, _)| keyspace)).collect();
    for keyspace in keyspaces {
        for partition in PartitionId::all() {
            let store = &stores[partition.shard(stores.len())];
            assert_eq!(store.digest(keyspace, partition), store.recomputed_digest(keyspace, partition));
            let page =
                store.page(keyspace, partition, PageStart::First, usize::MAX, usize::MAX).ready().unwrap();
            for (key, record) in page.entries {
                contents.insert((keyspace, key.to_vec()), record);
            }
        }
    }
    contents
}
