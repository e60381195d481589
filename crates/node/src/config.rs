//! What a shard is told at its start: who it is, and how much of everything it may take.
//!
//! Every limit here has one name, one default and one message; limits are per shard, so a driver divides those that
//! it promises per node.

use std::time::Duration;

use quorate_coordinator::CoordinatorConfig;
use quorate_types::limits::VALUE_BYTES_DEFAULT;
use quorate_types::{Generation, NodeId};

/// The settings of one shard.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// The replica that the shard is part of.
    pub node: NodeId,
    /// The incarnation of its process.
    pub generation: Generation,
    /// The shard's number, below `shards`.
    pub shard: usize,
    /// Shards of the replica.
    pub shards: usize,
    /// Keyspaces, levels, and how requests are coordinated.
    pub coordinator: CoordinatorConfig,
    /// How stamps are made.
    pub clock: ClockConfig,
    /// How much is taken on.
    pub limits: ShardLimits,
    /// When a peer counts as alive.
    pub liveness: LivenessConfig,
    /// How hints are delivered.
    pub handoff: HandoffConfig,
}

impl ShardConfig {
    /// The settings of shard `shard` of `shards` with every default.
    pub fn new(coordinator: CoordinatorConfig, generation: Generation, shard: usize, shards: usize) -> Self {
        ShardConfig {
            node: coordinator.node,
            generation,
            shard,
            shards,
            coordinator,
            clock: ClockConfig::default(),
            limits: ShardLimits::default(),
            liveness: LivenessConfig::default(),
            handoff: HandoffConfig::default(),
        }
    }
}

/// How stamps are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockConfig {
    /// `clock_skew_max`: a fresh write stamped further ahead of our wall clock is refused.
    pub skew_max: Duration,
    /// `clock_skew_warn`: one further ahead than this is counted.
    pub skew_warn: Duration,
    /// `clock_ahead`: how much time of stamps is reserved in the log ahead of use.
    pub ahead: Duration,
    /// After this long without a stamp no more is reserved, so that an idle node does not sync: the next write
    /// then waits for one sync more.
    pub idle_after: Duration,
}

impl Default for ClockConfig {
    fn default() -> Self {
        ClockConfig {
            skew_max: Duration::from_secs(5),
            skew_warn: Duration::from_millis(500),
            ahead: Duration::from_secs(1),
            idle_after: Duration::from_secs(10),
        }
    }
}

/// How much is taken on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardLimits {
    /// `value_bytes_max`: a larger value is refused.
    pub value_bytes_max: u32,
    /// `peer_requests_max`: writes for other coordinators that wait for the log.
    pub peer_requests_max: usize,
    /// `peer_bytes_max`: their keys and values.
    pub peer_bytes_max: usize,
    /// `link_outstanding_bytes_max`: keys and values sent on one link and not yet acknowledged; beyond it the peer
    /// counts as overloaded.
    pub link_outstanding_bytes_max: usize,
    /// `link_outstanding_batches_max`: batches sent on one link and not yet acknowledged; likewise. More than 2,048
    /// count as 2,048: a receiver remembers twice as many.
    pub link_outstanding_batches_max: usize,
    /// `hints_pending_max`: hints that wait for the disk; then new writes are refused.
    pub hints_pending_max: u64,
    /// `clock_parked_max`: writes that wait for the clock's ceiling; then new ones are refused.
    pub clock_parked_max: usize,
    /// `session_numbers`: how far back a session's writes are remembered, in request numbers.
    pub session_numbers: usize,
    /// `session_slots_max`: numbers remembered over all sessions (about 80 bytes each); then the session that was
    /// quiet longest is forgotten.
    pub session_slots_max: usize,
    /// `session_grace`: how long a session outlives its connection.
    pub session_grace: Duration,
}

impl Default for ShardLimits {
    fn default() -> Self {
        ShardLimits {
            value_bytes_max: VALUE_BYTES_DEFAULT as u32,
            peer_requests_max: 65_536,
            peer_bytes_max: 256 << 20,
            link_outstanding_bytes_max: 64 << 20,
            link_outstanding_batches_max: 2_048,
            hints_pending_max: 16_384,
            clock_parked_max: 4_096,
            session_numbers: 1_024,
            session_slots_max: 1 << 18,
            session_grace: Duration::from_mins(1),
        }
    }
}

/// When a peer counts as alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LivenessConfig {
    /// `ping_every`: the time between two pings on a link.
    pub ping_every: Duration,
    /// `silent_after`: a peer of which nothing was heard for this long on any link to it is down.
    pub silent_after: Duration,
    /// `close_after`: a link that was silent for this long is closed, so that it is dialled afresh.
    pub close_after: Duration,
}

impl Default for LivenessConfig {
    fn default() -> Self {
        LivenessConfig {
            ping_every: Duration::from_millis(250),
            silent_after: Duration::from_secs(2),
            close_after: Duration::from_secs(10),
        }
    }
}

/// How hints are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandoffConfig {
    /// `hint_window`: hints are taken for a target until its oldest is this old, and delivered until they are.
    pub window: Duration,
    /// `hint_page_bytes_max`: most bytes of hints on their way to one target.
    pub page_bytes_max: u32,
    /// `hint_page_bytes_min`: what timeouts can't push it below.
    pub page_bytes_min: u32,
    /// `hint_rate_bytes`: bytes of hints per second that a target may get from all nodes together.
    pub rate_bytes: u64,
    /// `hint_wait`: how long an acknowledgement is waited for.
    pub wait: Duration,
    /// The first pause after a page that was not acknowledged; doubled each time.
    pub backoff_min: Duration,
    /// The longest such pause.
    pub backoff_max: Duration,
    /// How much later than the node before it on the ring each node begins, so that they don't begin at once.
    pub stagger: Duration,
}

impl Default for HandoffConfig {
    fn default() -> Self {
        HandoffConfig {
            window: Duration::from_hours(3),
            page_bytes_max: 1 << 20,
            page_bytes_min: 16 << 10,
            rate_bytes: 32 << 20,
            wait: Duration::from_secs(5),
            backoff_min: Duration::from_millis(250),
            backoff_max: Duration::from_secs(10),
            stagger: Duration::from_millis(20),
        }
    }
}
