//! What a coordinator must know besides the ring: the keyspaces' strategies and its own limits.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_types::mutants::{Mutant, planted};
use quorate_types::{KeyspaceId, Level, Mono, NodeId};

use crate::tag::Tag;

/// What a read does about replicas that are behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadRepairPolicy {
    /// Before answering, the newest record is written to the stale replicas among those that answered, until as
    /// many hold it as the level needs. Makes quorum reads of a key monotonic across clients.
    #[default]
    Blocking,
    /// After answering, all `n` replicas are compared and those that are behind are written to, at any level.
    Background,
    /// Nothing.
    Off,
}

/// How one keyspace is replicated, read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyspacePolicy {
    /// Replicas of a key.
    pub n: usize,
    /// The level of reads that name none.
    pub read_level: Level,
    /// The level of writes that name none.
    pub write_level: Level,
    /// What reads do about replicas that are behind; those at LINEARIZABLE repair before they answer, whatever it says.
    pub read_repair: ReadRepairPolicy,
    /// Whether a replica that did not acknowledge a write gets a hint.
    pub hinted_handoff: bool,
}

impl KeyspacePolicy {
    /// The level of pages that name none. A page is no register: where reads are LINEARIZABLE, pages are at QUORUM.
    pub fn page_level(&self) -> Level {
        if self.read_level == Level::Linearizable { Level::Quorum } else { self.read_level }
    }

    /// What a read at `level` does about replicas that are behind: at LINEARIZABLE it always repairs before it answers.
    pub fn read_repair_at(&self, level: Level) -> ReadRepairPolicy {
        match level {
            Level::Linearizable if planted(Mutant::LinearizableReadAsIs) => ReadRepairPolicy::Off,
            Level::Linearizable => ReadRepairPolicy::Blocking,
            _ => self.read_repair,
        }
    }
}

impl Default for KeyspacePolicy {
    fn default() -> KeyspacePolicy {
        KeyspacePolicy {
            n: 3,
            read_level: Level::Quorum,
            write_level: Level::Quorum,
            read_repair: ReadRepairPolicy::default(),
            hinted_handoff: true,
        }
    }
}

/// When a read asks one replica more than it needs because one of those asked is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HedgePolicy {
    /// Extra requests, at most this many per hundred reads; 0 = never.
    pub extra_percent_max: u32,
    /// No earlier than this, however fast the replicas usually are.
    pub delay_min: Duration,
    /// When nothing is known yet about the speed of the replicas asked.
    pub delay_unmeasured: Duration,
}

impl Default for HedgePolicy {
    fn default() -> HedgePolicy {
        HedgePolicy {
            extra_percent_max: 5,
            delay_min: Duration::from_millis(1),
            delay_unmeasured: Duration::from_millis(50),
        }
    }
}

/// A coordinator's settings. The limits are for one coordinator: a replica of several shards has one per shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorConfig {
    /// The node that it runs on.
    pub node: NodeId,
    /// The keyspaces that exist.
    pub keyspaces: BTreeMap<KeyspaceId, KeyspacePolicy>,
    /// Values above this many bytes are compared by hash before they are fetched from a second replica.
    pub digest_above_bytes: u32,
    /// Hedging of slow reads.
    pub hedge: HedgePolicy,
    /// Most requests that wait for their answer; above it: `Overloaded`.
    pub requests_max: usize,
    /// Most bytes of keys and values in flight, those of answered writes that still wait for a replica included.
    pub request_bytes_max: u64,
    /// Most answered writes that still wait for a replica; above it the oldest stop waiting when the next request
    /// begins (hints are taken).
    pub stragglers_max: usize,
    /// Most reads that compare and repair replicas after their answer; above it a read is not compared.
    pub background_max: usize,
    /// How long each step of a read that follows its answer may take: comparing, then repairing.
    pub background_timeout: Duration,
    /// Most bytes of keys and values that one replica is asked for in one page, and that one page answers.
    pub page_bytes_max: u32,
    /// Most entries of a page, whatever was asked for.
    pub page_entries_max: u32,
    /// How long an `explain` waits for silent replicas.
    pub explain_timeout: Duration,
    /// Requests that are answered this long after they came are slow, and reported by
    /// [`Effect::Slow`](crate::Effect::Slow); `None`: none are.
    pub slow_after: Option<Duration>,
}

impl CoordinatorConfig {
    /// The defaults for `node`, without keyspaces.
    pub fn new(node: NodeId) -> CoordinatorConfig {
        CoordinatorConfig {
            node,
            keyspaces: BTreeMap::new(),
            digest_above_bytes: 4096,
            hedge: HedgePolicy::default(),
            requests_max: 16_384,
            request_bytes_max: 256 << 20,
            stragglers_max: 262_144,
            background_max: 16_384,
            background_timeout: Duration::from_secs(2),
            page_bytes_max: 1 << 20,
            page_entries_max: 10_000,
            explain_timeout: Duration::from_millis(500),
            slow_after: None,
        }
    }

    /// Whether a request with this `tag` is slow if it is answered `now`: the one rule, for everyone who asks.
    pub fn is_slow(&self, now: Mono, tag: Tag) -> bool {
        self.slow_after.is_some_and(|after| tag.elapsed(now) >= after)
    }
}
