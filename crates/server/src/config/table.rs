//! The one table of defaults: every key, its type, default, range and documentation.
//!
//! `cluster.toml`, the reference and `kvctl config show` are rendered from it.

use std::path::PathBuf;
use std::time::Duration;

use quorate_types::limits::{REPLICAS_MAX, SHARDS_MAX, VALUE_BYTES_DEFAULT, VALUE_BYTES_MAX};
use quorate_types::{KeyspaceId, Level, NodeId};

use super::listeners::RespListeners;
use super::section::section;
use super::setting::{ByteSize, word_setting};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

const fn kib(n: u64) -> ByteSize {
    ByteSize(n << 10)
}

const fn mib(n: u64) -> ByteSize {
    ByteSize(n << 20)
}

word_setting! {
    /// When a write counts as being on disk.
    pub enum SyncPolicy {
        /// After an fdatasync: what was acknowledged survives power loss.
        Always = "always",
        /// An fdatasync every `sync_interval`: power loss takes up to that much.
        Interval = "interval",
        /// When the operating system pleases: survives the death of the process only.
        Os = "os",
    }
    "\"always\", \"interval\" or \"os\""
}

word_setting! {
    /// What a read does about replicas that are behind.
    pub enum ReadRepairPolicy {
        /// Writes the winner to the stale ones among those asked, before answering.
        Blocking = "blocking",
        /// Asks all replicas and repairs after answering.
        Background = "background",
        /// Nothing.
        Off = "off",
    }
    "\"blocking\", \"background\" or \"off\""
}

word_setting! {
    /// How concurrent writes of a key are resolved.
    pub enum ConflictRule {
        /// The last writer wins, by version.
        Lww = "lww",
    }
    "\"lww\""
}

word_setting! {
    /// How log lines are written.
    pub enum LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
    "\"text\" or \"json\""
}

section! {
    /// What all nodes must agree on.
    pub struct ClusterConfig = "cluster" {
        /// Name of the cluster. Its hash is the cluster's id and the seed of the token hash: it can't change later.
        name: String = "demo".to_owned();
    }
}

section! {
    /// One replica. The list is the membership: every node needs the same one.
    pub struct NodeConfig = "node" {
        /// The node's name; its number is a hash of it. It can't change while the node has data.
        id: String = String::new();
        /// Where it listens for nodes and clients, host:port.
        addr: String = String::new();
        /// Where it listens for Redis clients; several with commas between them; empty: nowhere.
        resp_addr: RespListeners = RespListeners::default();
        /// Where it listens for HTTP clients, host:port; empty: nowhere.
        http_addr: String = String::new();
        /// Where it listens for operators (HTTP without a password: loopback only), host:port; empty: nowhere.
        admin_addr: String = String::new();
        /// Its share of the data relative to the others'; any unit.
        capacity: f64 = 1.0, 0.001 => 1_000_000.0;
        /// Its failure zone; replicas of a key go to different zones while there are enough.
        zone: String = String::new();
        /// Where its data lives, relative to this file.
        data_dir: PathBuf = PathBuf::new();
    }
}

section! {
    /// A set of keys with replication and strategies of its own; requests that name none use `default`.
    pub struct KeyspaceConfig = "keyspace" {
        /// Its name; its number is a hash of it.
        name: String = "default".to_owned();
        /// Replicas of each key; at most the number of nodes.
        n: usize = 3, 1 => REPLICAS_MAX;
        /// Replicas that must answer a read that names no level; a scan at LINEARIZABLE is read at QUORUM.
        read: Level = Level::Quorum;
        /// Replicas that must have a write on disk when it names no level.
        write: Level = Level::Quorum;
        /// How concurrent writes of a key are resolved.
        conflict: ConflictRule = ConflictRule::Lww;
        /// What a read does about replicas that are behind; one at LINEARIZABLE always repairs before it answers.
        read_repair: ReadRepairPolicy = ReadRepairPolicy::Blocking;
        /// Whether a coordinator keeps what a replica missed and delivers it when the replica is back.
        hinted_handoff: bool = true;
    }
}

section! {
    /// The process.
    pub struct ServerConfig = "server" {
        /// Threads that own data, 0 = one for each core, at most 8. May change at a restart.
        shards: usize = 0, 0 => SHARDS_MAX;
        /// Longest wait for requests under way when the process is asked to stop.
        drain_timeout: Duration = secs(10), millis(0) => secs(600);
    }
}

section! {
    /// What bounds the work taken on. A limit that is reached answers at once, by its name here.
    pub struct LimitsConfig = "limits" {
        /// Longest time that a request may take, and what it may take if it says nothing.
        request_deadline: Duration = secs(2), millis(1) => secs(600);
        /// Largest value.
        value_bytes_max: ByteSize = ByteSize(VALUE_BYTES_DEFAULT as u64), ByteSize(1) => ByteSize(VALUE_BYTES_MAX as u64);
        /// Values from this size on are logged as a warning.
        value_bytes_warn: ByteSize = kib(64), ByteSize(1) => ByteSize(VALUE_BYTES_MAX as u64);
        /// Requests that this node coordinates at one time.
        requests_max: usize = 16_384, 1 => 1_048_576;
        /// Bytes in the requests that this node coordinates at one time.
        request_bytes_max: ByteSize = mib(256), mib(1) => ByteSize(64 << 30);
        /// Requests of other coordinators under way here at one time; their own share, so that neither starves the other.
        peer_requests_max: usize = 16_384, 1 => 1_048_576;
        /// Bytes in the queue of one connection.
        link_queue_bytes_max: ByteSize = mib(32), mib(16) => ByteSize(4 << 30);
        /// Client connections.
        connections_max: usize = 4_096, 1 => 1_000_000;
        /// Batches in the queue between two shards of a node.
        shard_queue_max: usize = 1_024, 1 => 1_048_576;
    }
}

section! {
    /// The door for Redis clients. Where it is, each node says: `resp_addr`.
    pub struct RespConfig = "resp" {
        /// The keyspace of its keys.
        keyspace: String = "default".to_owned();
        /// A file whose first line is the password that clients must say (AUTH), relative to this file. Empty: none.
        password_file: PathBuf = PathBuf::new();
        /// Whether cluster clients are told of all nodes (CLUSTER SLOTS and the like), so that they spread over them.
        cluster: bool = false;
        /// Connections of Redis clients.
        connections_max: usize = 10_000, 1 => 1_000_000;
        /// Arguments of one command.
        arguments_max: u32 = 16_384, 16 => 1_000_000;
        /// Bytes of one command with all its arguments.
        command_bytes_max: ByteSize = mib(64), mib(1) => ByteSize(2 << 30);
        /// Commands of one connection that were read and not yet answered; above, nothing more is read from it.
        pipeline_max: usize = 1_024, 1 => 65_536;
        /// Reads of one connection under way at one time: how large their values are shows when they are there.
        reads_max: usize = 64, 1 => 65_536;
        /// Bytes of answers that wait for one client or for their turn; above, no further command of it is begun.
        output_pause_bytes: ByteSize = mib(1), kib(16) => ByteSize(1 << 30);
        /// Bytes of the values in one reply; above, the command is refused.
        output_bytes_max: ByteSize = mib(256), mib(1) => ByteSize(4 << 30);
        /// Time in which a client must take at least something of its replies.
        write_timeout: Duration = secs(60), millis(10) => secs(3600);
        /// Time for a whole command, from its first bytes on.
        command_timeout: Duration = secs(120), millis(10) => secs(3600);
        /// Bytes of commands whose rest has not come, of all clients.
        commands_bytes_max: ByteSize = mib(256), mib(1) => ByteSize(4 << 30);
    }
}

section! {
    /// The door for HTTP clients. Where it is, each node says: `http_addr`.
    pub struct HttpConfig = "http" {
        /// The keyspace of requests that name none.
        keyspace: String = "default".to_owned();
        /// Connections of HTTP clients.
        connections_max: usize = 4_096, 1 => 1_000_000;
        /// Requests of HTTP clients under way at one time.
        requests_max: usize = 4_096, 1 => 1_048_576;
        /// Bytes of a request's line and headers.
        head_bytes_max: ByteSize = kib(64), kib(8) => mib(1);
        /// Bytes of one body.
        body_bytes_max: ByteSize = mib(8), kib(64) => mib(256);
        /// Bytes of all bodies under way at one time.
        bodies_bytes_max: ByteSize = mib(256), mib(1) => ByteSize(4 << 30);
        /// Time for a request's line and headers, and the longest silence between two requests.
        head_timeout: Duration = secs(30), millis(10) => secs(3600);
        /// Time for a whole body.
        body_timeout: Duration = secs(30), millis(10) => secs(3600);
        /// Time in which a client must take at least something of its answer.
        write_timeout: Duration = secs(30), millis(10) => secs(3600);
        /// Clients that watch events at one time.
        subscribers_max: usize = 64, 1 => 65_536;
        /// Events that are kept, for clients that come back, and behind which a slow one is cut off.
        events_kept_max: usize = 1_024, 16 => 65_536;
        /// Time after which a stream of events on which nothing happens says that it is still there.
        heartbeat_every: Duration = secs(10), millis(100) => secs(600);
    }
}

section! {
    /// The door for operators. Where it is, each node says: `admin_addr`.
    pub struct AdminConfig = "admin" {
        /// Connections of operators.
        connections_max: usize = 16, 1 => 1_024;
        /// Whether an `admin_addr` may be one that other machines reach. Whoever reaches it can end the node's service.
        allow_remote: bool = false;
    }
}

section! {
    /// Reads.
    pub struct ReadsConfig = "reads" {
        /// Values above this size come in full from one replica only, from the others as a digest.
        digest_above: ByteSize = kib(4), ByteSize(0) => ByteSize(VALUE_BYTES_MAX as u64);
        /// Extra requests to replicas in place of slow ones, per hundred reads; 0 = none.
        hedge_percent_max: u32 = 5, 0 => 100;
    }
}

section! {
    /// When a node counts as down.
    pub struct LivenessConfig = "liveness" {
        /// Time between two pings on a link.
        ping_every: Duration = millis(250), millis(10) => secs(60);
        /// Silence after which a peer is down; a refused or reset connection says so at once.
        silent_after: Duration = secs(2), millis(50) => secs(600);
    }
}

section! {
    /// Clocks of the nodes; versions are made of them.
    pub struct ClockConfig = "clock" {
        /// Difference to a peer's clock that is logged as a warning.
        clock_skew_warn: Duration = millis(500), millis(1) => secs(3600);
        /// A write whose stamp is further ahead than this is refused.
        clock_skew_max: Duration = secs(5), millis(1) => secs(3600);
        /// How far ahead of its use the clock's ceiling is made durable.
        clock_ahead: Duration = secs(1), millis(10) => secs(60);
    }
}

section! {
    /// The log that every write is in before it is acknowledged.
    pub struct WalConfig = "wal" {
        /// When a write counts as being on disk.
        sync: SyncPolicy = SyncPolicy::Always;
        /// Time between two syncs under sync = "interval".
        sync_interval: Duration = millis(10), millis(1) => secs(60);
        /// Size of a log file; a record has at most half of it.
        segment_bytes: ByteSize = mib(64), mib(1) => ByteSize(1 << 30);
        /// Size of the log that forces a checkpoint.
        wal_bytes_max: ByteSize = ByteSize(1 << 30), mib(4) => ByteSize(1 << 40);
        /// Recent sync time below which a shard that has nothing else to do syncs few records in its own thread; else a flusher thread does.
        inline_sync_below: Duration = Duration::from_micros(300), Duration::ZERO => secs(1);
    }
}

section! {
    /// The image of memory on disk, after which the log is cut.
    pub struct CheckpointConfig = "checkpoint" {
        /// Time between two checkpoints.
        checkpoint_interval: Duration = secs(60), millis(100) => secs(86_400);
        /// Bytes that the walk of a checkpoint encodes before it lets requests through.
        checkpoint_slice_bytes: ByteSize = kib(256), kib(4) => mib(64);
    }
}

section! {
    /// What a coordinator keeps for replicas that missed a write.
    pub struct HintsConfig = "hints" {
        /// Writes that a replica missed are kept for it until it has been down this long.
        hint_window: Duration = secs(3 * 3600), secs(0) => secs(30 * 86_400);
        /// Disk that the hints for one node may take; above, they are dropped and counted.
        hints_bytes_per_target_max: ByteSize = mib(256), mib(1) => ByteSize(1 << 40);
        /// Hints that may wait for the disk; at the bound new writes are refused before anything is sent.
        hints_pending_max: usize = 16_384, 1 => 1_048_576;
        /// Size of a file of hints.
        hint_segment_bytes: ByteSize = mib(4), kib(64) => mib(256);
        /// Bytes of hints on their way to one node, unless the node grants fewer.
        hint_credit_bytes: ByteSize = mib(1), kib(64) => mib(16);
    }
}

section! {
    /// Log lines, on standard error.
    pub struct LogConfig = "log" {
        /// What is logged: a level, or filters such as "info,quorate_node=debug".
        filter: String = "info".to_owned();
        /// How it is written.
        format: LogFormat = LogFormat::Text;
        /// Requests that take this long are logged with whom they waited for, at most one a second and shard; "0s": none.
        slow_request: Duration = millis(500), millis(0) => secs(600);
    }
}

impl NodeConfig {
    /// The node's number.
    pub fn number(&self) -> NodeId {
        NodeId::of_name(&self.id)
    }
}

impl KeyspaceConfig {
    /// The keyspace's number.
    pub fn number(&self) -> KeyspaceId {
        KeyspaceId::of_name(&self.name)
    }
}
