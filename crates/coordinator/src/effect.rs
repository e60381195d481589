//! What goes out: the only way in which a coordinator acts.

use bytes::Bytes;
use quorate_types::{KeyspaceId, Mono, NodeId, PageStart, PartitionId, Record, Token, Version};
use quorate_wire::{FullIf, ReplicaWrite, Response};

use crate::{Origin, PageHandle, ReadHandle, SlowRequest, StampHandle, WriteHandle};

/// A write that a replica missed, to be kept until it can be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HintedWrite {
    /// The keyspace.
    pub keyspace: KeyspaceId,
    /// The key.
    pub key: Bytes,
    /// The whole record of the write.
    pub record: Record,
}

/// Something that the node must do. `to` may be the node itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a write, and tell `on_write_acked`, `on_write_refused` or `on_write_lost` what became of it.
    Write {
        /// The replica.
        to: NodeId,
        /// What to name it by.
        handle: WriteHandle,
        /// The write.
        write: ReplicaWrite,
    },
    /// Ask for a record, and tell `on_read_reply` the answer.
    Read {
        /// The replica.
        to: NodeId,
        /// What to name it by.
        handle: ReadHandle,
        /// The keyspace.
        keyspace: KeyspaceId,
        /// The key.
        key: Bytes,
        /// Its token.
        token: Token,
        /// When to return the value itself.
        full: FullIf,
        /// Nobody waits any more after this.
        deadline: Mono,
    },
    /// Ask for a page, and tell `on_page_reply` the answer.
    ReadPage {
        /// The replica.
        to: NodeId,
        /// What to name it by.
        handle: PageHandle,
        /// The page.
        ask: PageAsk,
    },
    /// Issue a version larger than `above`, and tell `on_stamp` which, or why there is none: the clock may not follow.
    Stamp {
        /// What to name it by.
        handle: StampHandle,
        /// The newest version that a majority of the replicas told of; none of them has the key if it is `None`.
        above: Option<Version>,
    },
    /// Answer a client. Exactly one per request that was started.
    Answer {
        /// Which client.
        origin: Origin,
        /// What.
        response: Response,
    },
    /// A request that was asked of replicas is slow: its answer comes next.
    Slow(Box<SlowRequest>),
    /// Keep a hint for a replica that did not acknowledge. At most one per write and replica.
    Hint {
        /// The replica.
        target: NodeId,
        /// The write.
        hint: HintedWrite,
    },
}

/// Which page a replica is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageAsk {
    /// The keyspace.
    pub keyspace: KeyspaceId,
    /// The partition.
    pub partition: PartitionId,
    /// Where it begins.
    pub start: PageStart,
    /// Most entries, tombstones and expired ones included.
    pub limit: u32,
    /// Most bytes of keys and values; the first entry is returned whatever its size.
    pub bytes_max: u32,
    /// Nobody waits any more after this.
    pub deadline: Mono,
}
