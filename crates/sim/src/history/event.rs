//! The lines of a history.

use quorate_types::{Key, Level, NodeId};
use serde::{Deserialize, Serialize};

use super::{Held, Outcome, Promise, Value, blob, text};

/// The first line: what was recorded, and against what it is judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The version of the format.
    pub version: u32,
    /// Who recorded it.
    pub made_by: String,
    /// The seed of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The faults that were planned, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The command that runs the same again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
    /// What the keys held before the first operation.
    #[serde(default)]
    pub initial: Initial,
    /// The promise of each keyspace; operations that name none are in the first.
    pub keyspaces: Vec<Promise>,
    /// The names of the nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeName>,
}

/// What the keys held before the first operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initial {
    /// Nothing.
    #[default]
    Empty,
    /// Anything: a version that nobody wrote within the history is no phantom.
    Unknown,
}

/// A node's number and its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeName {
    /// The number.
    #[serde(with = "text")]
    pub node: NodeId,
    /// The name.
    pub name: String,
}

/// One line after the first. All times are nanoseconds since the recording began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A client asks.
    Invoke(Invoke),
    /// A client is answered.
    Complete(Complete),
    /// The network doubled a request or its answer: one more answer may come.
    Duplicate(Duplicate),
    /// Something happened to a node.
    Node(NodeEvent),
    /// What a replica holds of a key.
    Copy(CopySeen),
    /// The digest of a bucket.
    Bucket(BucketSeen),
    /// All that a node holds, at a stop or start.
    State(StateSeen),
    /// The hints of one life of a node.
    Hints(HintLedger),
    /// How full a queue was.
    Queue(QueueDepth),
    /// What the network did.
    Network(NetworkCounts),
    /// What one life of a node did with requests.
    Requests(RequestCounts),
    /// How often something happened that must happen in some run.
    Sometimes(Fired),
    /// From here on all copies are equal.
    Settled {
        /// When.
        at_ns: u64,
    },
    /// Every request that was sent has been answered, unless its coordinator has crashed since.
    Drained {
        /// When.
        at_ns: u64,
    },
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invoke {
    /// Before it was sent.
    pub at_ns: u64,
    /// The operation's number: larger than all before.
    pub id: u64,
    /// Who asks: one operation at a time, or several.
    pub client: u64,
    /// Its session, if it is in one: operations of a session follow each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    /// The keyspace; none: the header's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyspace: Option<String>,
    /// The level.
    #[serde(with = "text")]
    pub level: Level,
    /// The node that was asked to coordinate.
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    pub coordinator: Option<NodeId>,
    /// The operation of which this is another attempt, with its version: both are one write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<u64>,
    /// What is asked.
    pub ask: Ask,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// The value of a key.
    Get {
        /// The key.
        #[serde(with = "blob::key")]
        key: Key,
    },
    /// A new value.
    Put {
        /// The key.
        #[serde(with = "blob::key")]
        key: Key,
        /// The value; no other put of the key has the same, or what is said of it is weaker.
        value: Value,
        /// Whether the value expires.
        #[serde(default, skip_serializing_if = "text::is_default")]
        expires: bool,
    },
    /// A deletion.
    Delete {
        /// The key.
        #[serde(with = "blob::key")]
        key: Key,
    },
    /// A part of the keyspace.
    Scan {},
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Complete {
    /// After it was heard.
    pub at_ns: u64,
    /// The operation.
    pub id: u64,
    /// The node that coordinated, if it was not the one asked.
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    pub coordinator: Option<NodeId>,
    /// What became of it.
    pub outcome: Outcome,
}

/// See [`Event::Duplicate`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duplicate {
    /// When.
    pub at_ns: u64,
    /// The operation.
    pub id: u64,
}

/// Something happened to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeEvent {
    /// When.
    pub at_ns: u64,
    /// To which.
    #[serde(with = "text")]
    pub node: NodeId,
    /// What.
    pub what: What,
}

/// What can happen to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Its process died; its disk has all that was written.
    Crash,
    /// Its power went: what was not synced may be gone.
    PowerCut,
    /// It was stopped in good order.
    Stop,
    /// It started.
    Start,
    /// It stands still.
    Pause,
    /// It goes on.
    Resume,
    /// Its disk failed a write or sync: it must take no more writes.
    DiskFailed,
    /// It lost its disk.
    Wipe,
    /// An older state of its disk came back.
    OldDisk,
    /// Its wall clock was moved.
    ClockMoved,
}

impl What {
    /// The name, as in the file.
    pub fn name(self) -> &'static str {
        match self {
            What::Crash => "crash",
            What::PowerCut => "power_cut",
            What::Stop => "stop",
            What::Start => "start",
            What::Pause => "pause",
            What::Resume => "resume",
            What::DiskFailed => "disk_failed",
            What::Wipe => "wipe",
            What::OldDisk => "old_disk",
            What::ClockMoved => "clock_moved",
        }
    }

    /// Whether requests to the node may stay unanswered because of it.
    pub fn silences(self) -> bool {
        matches!(self, What::Crash | What::PowerCut | What::Stop | What::Wipe | What::OldDisk)
    }
}

/// What a replica holds of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopySeen {
    /// When.
    pub at_ns: u64,
    /// The replica.
    #[serde(with = "text")]
    pub node: NodeId,
    /// The keyspace; none: the header's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyspace: Option<String>,
    /// The key.
    #[serde(with = "blob::key")]
    pub key: Key,
    /// The record; none: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Held>,
    /// In the course of the run, or at its end.
    #[serde(default, rename = "when")]
    pub moment: When,
}

/// When a copy was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// In the course of the run.
    #[default]
    Underway,
    /// At its end: the replica's last word.
    Final,
}

/// The digest of a bucket, at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketSeen {
    /// When.
    pub at_ns: u64,
    /// The replica.
    #[serde(with = "text")]
    pub node: NodeId,
    /// The keyspace; none: the header's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyspace: Option<String>,
    /// The partition.
    pub partition: u16,
    /// As the store keeps it, 32 hexadecimal digits.
    pub kept: String,
    /// The same computed from the records.
    pub recomputed: String,
}

/// All that a node holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateSeen {
    /// When.
    pub at_ns: u64,
    /// The node.
    #[serde(with = "text")]
    pub node: NodeId,
    /// Which.
    pub moment: Moment,
    /// Records.
    pub records: u64,
    /// A hash of all of them, whatever their order, in hexadecimal digits.
    pub hash: String,
}

/// When a state was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// After the last write, before a stop in good order.
    BeforeStop,
    /// After recovery, before the first write.
    AfterStart,
}

/// The hints of one life of a node: found + taken = delivered + expired + dropped + left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HintLedger {
    /// When its life ended, or the run.
    pub at_ns: u64,
    /// The node that keeps them.
    #[serde(with = "text")]
    pub node: NodeId,
    /// Which of its lives, counted up: what one had durable the next one finds. None: each follows the one before it in
    /// the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life: Option<u64>,
    /// On disk when this life began.
    pub found: u64,
    /// Kept since.
    pub taken: u64,
    /// Acknowledged by their targets, or by the owners of today.
    pub delivered: u64,
    /// Dropped as too old.
    pub expired: u64,
    /// Dropped because the target will never take them.
    pub dropped: u64,
    /// Still there.
    pub left: u64,
    /// Of those, on disk: the next life finds at least as many.
    pub durable: u64,
}

/// How full a queue was, at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueDepth {
    /// When it was looked at.
    pub at_ns: u64,
    /// The node, if it is a node's.
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// Its name.
    pub name: String,
    /// The most that was ever in it.
    pub depth_max: u64,
    /// The most that may be.
    pub bound: u64,
}

/// What the network did: sent + duplicated = delivered + dropped + under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkCounts {
    /// Up to when.
    pub at_ns: u64,
    /// Messages given to it.
    pub sent: u64,
    /// Messages that it made of others.
    pub duplicated: u64,
    /// Messages that arrived.
    pub delivered: u64,
    /// Messages that never will.
    pub dropped: u64,
    /// Messages that still may.
    pub under_way: u64,
    /// Of those that arrived, the ones that overtook another.
    pub reordered: u64,
}

/// What one life of a node did with requests: taken = answered + under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestCounts {
    /// Up to when.
    pub at_ns: u64,
    /// The node.
    #[serde(with = "text")]
    pub node: NodeId,
    /// Requests that came in.
    pub taken: u64,
    /// Requests that were answered, refusals too.
    pub answered: u64,
    /// Requests that are not answered yet.
    pub under_way: u64,
}

/// How often something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fired {
    /// Up to when.
    pub at_ns: u64,
    /// What.
    pub name: String,
    /// How often.
    pub times: u64,
}

impl Event {
    /// When it was.
    pub fn at_ns(&self) -> u64 {
        match self {
            Event::Invoke(Invoke { at_ns, .. })
            | Event::Complete(Complete { at_ns, .. })
            | Event::Duplicate(Duplicate { at_ns, .. })
            | Event::Node(NodeEvent { at_ns, .. })
            | Event::Copy(CopySeen { at_ns, .. })
            | Event::Bucket(BucketSeen { at_ns, .. })
            | Event::State(StateSeen { at_ns, .. })
            | Event::Hints(HintLedger { at_ns, .. })
            | Event::Queue(QueueDepth { at_ns, .. })
            | Event::Network(NetworkCounts { at_ns, .. })
            | Event::Requests(RequestCounts { at_ns, .. })
            | Event::Sometimes(Fired { at_ns, .. })
            | Event::Settled { at_ns }
            | Event::Drained { at_ns } => *at_ns,
        }
    }
}
