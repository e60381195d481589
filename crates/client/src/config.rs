//! What a client is told before it connects.

use std::time::Duration;

use quorate_types::ClusterId;

/// Where the cluster is and how to treat it.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Nodes to begin with, `host:port`; one that answers is enough, it names the others.
    pub endpoints: Vec<String>,
    /// The cluster that must answer; `None`: any.
    pub cluster: Option<(ClusterId, String)>,
    /// Connections per node.
    pub connections_per_node: usize,
    /// Requests that may be under way on one connection; further ones wait.
    pub in_flight_max: usize,
    /// Bytes in large requests (64 KiB and more) under way on one connection; further ones wait.
    pub in_flight_bytes_max: usize,
    /// How long a request may take when it says nothing.
    pub deadline: Duration,
    /// How long to wait for a connection and its handshake.
    pub connect_timeout: Duration,
    /// The first wait before a retry; it doubles, with jitter, up to `backoff_max`.
    pub backoff: Duration,
    /// The longest wait before a retry.
    pub backoff_max: Duration,
    /// Attempts of one request, at most.
    pub attempts_max: u32,
    /// Seed of the jitter; `None`: drawn from the system.
    pub seed: Option<u64>,
}

impl ClientConfig {
    /// The defaults, with these `endpoints`.
    pub fn new(endpoints: impl IntoIterator<Item = impl Into<String>>) -> ClientConfig {
        ClientConfig {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            cluster: None,
            connections_per_node: 1,
            in_flight_max: 1024,
            in_flight_bytes_max: 64 << 20,
            deadline: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(1),
            backoff: Duration::from_millis(10),
            backoff_max: Duration::from_millis(500),
            attempts_max: 8,
            seed: None,
        }
    }
}
