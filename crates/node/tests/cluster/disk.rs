//! What survives a kill: the log up to its last sync, and the hints.

use std::collections::{BTreeMap, VecDeque};

use quorate_node::{HintBacklog, LogBuffer};
use quorate_store::log::{self, LogEntry};
use quorate_store::{Access, Hint, HintNumber, Store, StoreConfig};
use quorate_types::{NodeId, Timestamp, Token};

/// One node's disk.
#[derive(Default)]
pub struct Disk {
    durable: Vec<(u8, Vec<u8>)>,
    /// Appended by each shard and not synced yet, with its sequence number.
    staged: BTreeMap<usize, VecDeque<(u64, u8, Vec<u8>)>>,
    pub hints: BTreeMap<NodeId, HintLog>,
    /// The node's incarnation.
    pub generation: u64,
}

/// The hints for one target.
#[derive(Default)]
pub struct HintLog {
    hints: Vec<(HintNumber, Hint)>,
    delivered: u64,
    next: u64,
}

impl Disk {
    /// The driver appended what the shard wanted.
    pub fn append(&mut self, shard: usize, log: &LogBuffer) -> Option<u64> {
        let staged = self.staged.entry(shard).or_default();
        staged.extend(log.records().map(|r| (r.sequence, r.kind, r.bytes.to_vec())));
        log.last_sequence()
    }

    /// A sync has ended: everything of the shard up to `through` is durable.
    pub fn sync(&mut self, shard: usize, through: u64) {
        let staged = self.staged.entry(shard).or_default();
        while staged.front().is_some_and(|&(sequence, ..)| sequence <= through) {
            let (_, kind, bytes) = staged.pop_front().expect("there is a front");
            self.durable.push((kind, bytes));
        }
    }

    /// The process is gone, and with it what was not synced.
    pub fn crash(&mut self) {
        self.staged.clear();
    }

    /// What a start finds: a store per shard, and the clock ceiling.
    pub fn recover(&self, hash_seed: u64, shards: usize) -> (Vec<Store>, Timestamp) {
        let mut stores: Vec<Store> =
            (0..shards).map(|shard| Store::new(StoreConfig { hash_seed, shard, shards })).collect();
        let mut ceiling = Timestamp(0);
        for (kind, bytes) in &self.durable {
            match log::decode(*kind, bytes).expect("we wrote it") {
                LogEntry::ClockCeiling(stored) => ceiling = ceiling.max(stored),
                LogEntry::Mutation { keyspace, key, record } => {
                    let token = Token::of(key, hash_seed);
                    let store = &mut stores[token.partition().shard(shards)];
                    assert!(matches!(store.apply_view(keyspace, token, key, record), Access::Ready(_)));
                }
            }
        }
        (stores, ceiling)
    }
}

impl HintLog {
    pub fn append(&mut self, hint: Hint) {
        self.next += 1;
        self.hints.push((HintNumber(self.next), hint));
    }

    pub fn page(&self, after: HintNumber, bytes_max: u32) -> Vec<(HintNumber, Hint)> {
        let mut bytes = 0;
        let from = after.0.max(self.delivered);
        let open = self.hints.iter().filter(|(number, _)| number.0 > from);
        let page = open.take_while(|(_, hint)| {
            let fits = bytes == 0 || bytes + hint.encoded_len() <= bytes_max as usize;
            bytes += hint.encoded_len();
            fits
        });
        page.cloned().collect()
    }

    pub fn deliver(&mut self, through: HintNumber) {
        self.delivered = self.delivered.max(through.0);
    }

    pub fn backlog(&self) -> HintBacklog {
        let open = || self.hints.iter().filter(|(number, _)| number.0 > self.delivered).map(|(_, hint)| hint);
        HintBacklog {
            durable: open().count() as u64,
            bytes: open().map(|hint| hint.encoded_len() as u64).sum(),
            oldest_wall_ms: open().map(|hint| hint.created_wall_ms).min(),
        }
    }
}
