//! What the door needs of the node behind it.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use quorate_types::{NodeId, SpanId, Trace};
use quorate_wire::{Request, Response};
use tokio::sync::oneshot;

use crate::feed::Feed;

/// Who answers.
///
/// Two ship: the server's, which hands requests to shards, and the map of this crate's tests.
pub trait Node: Send + Sync + 'static {
    /// Takes `request`, whose number is the node's to choose. An answer that never comes (the sender is dropped) means
    /// that the node ended meanwhile: a write may survive.
    /// `trace` is what replicas are told, if the request belongs to one.
    fn ask(&self, request: Request, trace: Option<Trace>) -> oneshot::Receiver<Response>;

    /// A span of its own that it has never given out: two of one trace must differ, whichever nodes they are of.
    fn new_span(&self) -> SpanId;

    /// Why the node should get no new requests; nothing: it should.
    fn unready(&self) -> Vec<String>;

    /// The wall clock, milliseconds since the Unix epoch.
    fn wall_ms(&self) -> u64;

    /// The node's metrics as OpenMetrics text; `under` is what only the door knows.
    fn metrics(&self, under: Under) -> MetricsText;
    /// What happens to the node.
    fn feed(&self) -> Arc<Feed>;

    /// How often each limit was reached since the start, by its name in the configuration.
    fn limits_reached(&self) -> Vec<(&'static str, u64)>;

    /// Something worth counting happened.
    fn count(&self, what: Count);

    /// Returns when the node may go on: a paused one stands here.
    fn step(&self);
}

/// What the door has under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Under {
    /// Connections that are open.
    pub connections: u64,
    /// Requests that hold one of `requests_max` places.
    pub requests: u64,
    /// Bytes of `bodies_bytes_max` that bodies hold.
    pub bodies_bytes: u64,
}

/// Metrics in the making.
pub type MetricsText = Pin<Box<dyn Future<Output = Result<String, NoMetrics>> + Send>>;

/// Why there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoMetrics {
    /// This limit is reached.
    Overloaded(&'static str),
    /// The node ended meanwhile.
    Ended,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// A connection was taken.
    Connection,
    /// A connection was refused: `http.connections_max`.
    ConnectionsMax,
    /// A request was taken.
    Request,
    /// A request was refused: `http.requests_max`.
    RequestsMax,
    /// A body was too long: `http.body_bytes_max`.
    BodyBytesMax,
    /// A body found no room: `http.bodies_bytes_max`.
    BodiesBytesMax,
    /// A body did not come in time: `http.body_timeout`.
    BodyTimeout,
    /// A client did not take its answer in time: `http.write_timeout`.
    WriteTimeout,
    /// A stream of events was refused: `http.subscribers_max`.
    SubscribersMax,
    /// A stream of events ended because its client was too far behind: `http.events_kept_max`.
    SubscriberCutOff,
    /// A connection ended because no whole head came: garbage, too long, or `http.head_timeout`.
    HeadBroken,
    /// An answer with a status from 400 to 499, 404 for a key without a value left out.
    ClientError,
    /// An answer with a status from 500.
    ServerError,
}

/// What the door says about the node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The node's id in the configuration.
    pub node: String,
    /// The cluster's name.
    pub cluster: String,
    /// The software's version.
    pub version: String,
    /// The incarnation of the process.
    pub generation: u64,
    /// The ids of all nodes in the configuration, by number.
    pub names: BTreeMap<NodeId, String>,
    /// The names of the keyspaces.
    pub keyspaces: Vec<String>,
    /// The keyspace of requests that name none.
    pub keyspace: String,
}

impl About {
    /// The id of `node`, or its number.
    pub(crate) fn name(&self, node: NodeId) -> String {
        self.names.get(&node).cloned().unwrap_or_else(|| node.to_string())
    }
}
