//! What comes in: requests of clients, and the answers of replicas.

use bytes::Bytes;
use quorate_types::{
    Expiry, KeyspaceId, Level, Mono, NodeId, PageStart, PartitionId, Record, SessionId, Token, Version,
};
use quorate_wire::{PageResult, ReadResult};

use crate::slab::Slot;
use crate::tag::Tag;

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// A slot and a guard against its reuse: once the request has ended, its handle finds nothing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The number to carry through a message and back.
            pub fn raw(self) -> u64 {
                self.0
            }

            /// The handle that `raw` came from; any other number is a handle that finds nothing.
            pub fn from_raw(raw: u64) -> $name {
                $name(raw)
            }

            pub(crate) fn slot(self) -> Slot {
                Slot(self.0)
            }
        }

        impl From<Slot> for $name {
            fn from(slot: Slot) -> $name {
                $name(slot.0)
            }
        }
    };
}

handle!(
    /// Names a write, or a read that repairs, in what the coordinator is told about it.
    WriteHandle
);
handle!(
    /// Names a read or an explain in what the coordinator is told about it.
    ReadHandle
);
handle!(
    /// Names a LINEARIZABLE write that waits for its stamp.
    StampHandle
);
handle!(
    /// Names the reading of a page in what the coordinator is told about it.
    PageHandle
);

/// Where the answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The driver's number of the connection.
    pub connection: u64,
    /// The session of the client.
    pub session: SessionId,
    /// The request's number in it; the response carries it.
    pub number: u64,
    /// When it came, and a byte of the driver's own: comes back with the answer as it was given.
    pub tag: Tag,
}

/// Who is alive and how fast, as the node believes. The coordinator itself always counts as alive.
pub trait Liveness {
    /// Whether `node` is worth sending to.
    fn is_alive(&self, node: NodeId) -> bool;

    /// The time within which `node` answers 99 of 100 reads; `None`: go by what the coordinator measured itself.
    fn read_p99(&self, node: NodeId) -> Option<std::time::Duration>;
}

/// Whether a write carries a stamp that was sent before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attempt {
    /// Nobody has seen this version.
    #[default]
    First,
    /// The client brought the version with it: an earlier attempt may have been applied, so that this one is never
    /// answered `Rejected`, whoever refuses it.
    Retry,
}

/// What of a record a write stamps. What it does not, it carries as it was read, under the stamp that it had: so it
/// loses nothing against a write of the other part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// Value and expiry.
    #[default]
    Both,
    /// The value; the expiry stays as it was set.
    Value {
        /// The expiry that was read.
        expiry: Expiry,
    },
    /// The expiry; the value stays as it was set.
    Expiry {
        /// The version of the value that was read, which is the write's `value`.
        of: Version,
    },
}

/// A put, a delete or a change of the expiry, checked and stamped.
#[derive(Clone, Debug)]
pub struct ClientWrite {
    /// Where the answer goes.
    pub origin: Origin,
    /// The keyspace.
    pub keyspace: KeyspaceId,
    /// The key, of a legal length.
    pub key: Bytes,
    /// The key's token.
    pub token: Token,
    /// The value, of a legal length; `None` deletes.
    pub value: Option<Bytes>,
    /// The stamp; a retry carries that of the first attempt.
    pub version: Version,
    /// What it stamps.
    pub part: Part,
    /// Whether it is one.
    pub attempt: Attempt,
    /// When the value expires, wall milliseconds. Without effect if only the value is stamped.
    pub expires_at_ms: Option<u64>,
    /// How many replicas must have it on disk; `None` = the keyspace's default.
    pub level: Option<Level>,
    /// When to stop waiting.
    pub deadline: Mono,
    /// Whether the answer shall say who did what.
    pub want_receipt: bool,
}

impl ClientWrite {
    /// The record that is sent to the replicas.
    pub(crate) fn record(&self) -> Record {
        let ClientWrite { version, expires_at_ms, .. } = *self;
        let Some(value) = self.value.clone() else { return Record::tombstone(version) };
        match self.part {
            Part::Both => Record::put(version, value, expires_at_ms),
            Part::Value { expiry } => Record { version, value: Some(value), expiry },
            Part::Expiry { of } => {
                Record { version: of, value: Some(value), expiry: Expiry { version, at_ms: expires_at_ms } }
            }
        }
    }
}

/// A put, a delete or a change of the expiry, checked, and not stamped: at LINEARIZABLE the stamp comes after the first phase.
#[derive(Clone, Debug)]
pub struct UnstampedWrite {
    /// Where the answer goes.
    pub origin: Origin,
    /// The keyspace.
    pub keyspace: KeyspaceId,
    /// The key, of a legal length.
    pub key: Bytes,
    /// The key's token.
    pub token: Token,
    /// The value, of a legal length; `None` deletes.
    pub value: Option<Bytes>,
    /// What the stamp will be of.
    pub part: Part,
    /// When the value expires, wall milliseconds.
    pub expires_at_ms: Option<u64>,
    /// How many replicas must have it on disk; `None` = the keyspace's default.
    pub level: Option<Level>,
    /// When to stop waiting, for both phases.
    pub deadline: Mono,
    /// Whether the answer shall say who did what.
    pub want_receipt: bool,
}

impl UnstampedWrite {
    /// The write with its stamp.
    pub fn stamped(self, version: Version, attempt: Attempt) -> ClientWrite {
        let UnstampedWrite {
            origin,
            keyspace,
            key,
            token,
            value,
            part,
            expires_at_ms,
            level,
            deadline,
            want_receipt,
        } = self;
        ClientWrite {
            origin,
            keyspace,
            key,
            token,
            value,
            version,
            part,
            attempt,
            expires_at_ms,
            level,
            deadline,
            want_receipt,
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        (self.key.len() + self.value.as_ref().map_or(0, Bytes::len)) as u64
    }
}

/// A get.
#[derive(Clone, Debug)]
pub struct ClientRead {
    /// Where the answer goes.
    pub origin: Origin,
    /// The keyspace.
    pub keyspace: KeyspaceId,
    /// The key, of a legal length.
    pub key: Bytes,
    /// The key's token.
    pub token: Token,
    /// How many replicas must answer; `None` = the keyspace's default.
    pub level: Option<Level>,
    /// When to stop waiting.
    pub deadline: Mono,
    /// Whether the answer shall say who did what.
    pub want_receipt: bool,
}

/// The reading of one page of one partition.
#[derive(Clone, Debug)]
pub struct ClientPage {
    /// Where the answer goes.
    pub origin: Origin,
    /// The keyspace.
    pub keyspace: KeyspaceId,
    /// The partition.
    pub partition: PartitionId,
    /// Where it begins.
    pub start: PageStart,
    /// Most entries wanted; 0 counts as 1.
    pub limit: u32,
    /// How many replicas must answer; `None` = the keyspace's default for reads.
    pub level: Option<Level>,
    /// When to stop waiting.
    pub deadline: Mono,
}

/// The question where a key lives and what each replica holds of it.
#[derive(Clone, Debug)]
pub struct ClientExplain {
    /// Where the answer goes.
    pub origin: Origin,
    /// The keyspace.
    pub keyspace: KeyspaceId,
    /// The key, of a legal length.
    pub key: Bytes,
    /// The key's token.
    pub token: Token,
    /// When to stop waiting; never longer than `explain_timeout`.
    pub deadline: Mono,
}

/// A replica's answer to [`Effect::Read`](crate::Effect::Read).
#[derive(Clone, Debug)]
pub struct ReadReply {
    /// The replica.
    pub from: NodeId,
    /// What it was asked under.
    pub handle: ReadHandle,
    /// What it said.
    pub result: ReadResult,
}

/// A replica's answer to [`Effect::ReadPage`](crate::Effect::ReadPage).
#[derive(Clone, Debug)]
pub struct PageReply {
    /// The replica.
    pub from: NodeId,
    /// What it was asked under.
    pub handle: PageHandle,
    /// What it said.
    pub result: PageResult,
}
