//! The client: what it can be asked for.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use quorate_transport::{Tcp, Transport};
use quorate_types::{
    Key, KeyspaceId, NodeId, PartitionId, ReadOutcome, Receipt, Record, Version, WriteOutcome,
};
use quorate_wire::{
    Explanation, Hello, NodeStatus, PROTOCOL_MAX, PROTOCOL_MIN, PageOutcome, Request, RequestBody, Response,
    ResponseBody, RingView, Role,
};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::call::{Answered, Call};
use crate::connection::Connection;
use crate::error::{Attempt, ClientError, Fate, Trail};
use crate::node::{Dialler, Node};
use crate::options::Options;
use crate::routing::{Place, Routing};
use crate::{ClientConfig, Scan, ScanOptions};

/// The keyspace of requests that name none.
const DEFAULT_KEYSPACE: &str = "default";
/// How long after an endpoint the next one is tried as well, while connecting.
const HEAD_START: Duration = Duration::from_millis(150);

/// A cluster's client. Cheap to clone; all clones share the connections.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

/// An answer, and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply<T> {
    /// The answer.
    pub value: T,
    /// Who did what, if it was asked for.
    pub receipt: Option<Box<Receipt>>,
    /// The node that coordinated the request.
    pub coordinator: NodeId,
    /// How many attempts it took, from 1.
    pub attempts: u32,
}

/// What a get found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// A record with a value.
    Found(Record),
    /// A deletion.
    Deleted {
        /// Its version.
        version: Version,
    },
    /// No replica that answered has the key, or it has expired.
    NotFound {
        /// The version of the expired record, if that is why.
        expired: Option<Version>,
    },
}

/// A write that as many replicas as asked for have on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its version.
    pub version: Version,
    /// When the value expires, wall milliseconds.
    pub expires_at_ms: Option<u64>,
    /// Replicas that had acknowledged when the answer was sent.
    pub acked: u8,
    /// Replicas that the level needed.
    pub required: u8,
}

/// Live records of one partition, and where the next ones are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the order of (token, key).
    pub entries: Vec<(Bytes, Record)>,
    /// Ask for what comes after this key; `None`: the partition ends here.
    pub next: Option<Bytes>,
}

/// Which part of which partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// The partition.
    pub partition: PartitionId,
    /// Only what comes after this key.
    pub after: Option<Bytes>,
    /// Most entries.
    pub limit: u32,
}

impl Client {
    /// A client of the cluster behind `config.endpoints`, over TCP.
    ///
    /// Returns when one of them answered; it names the other nodes. Must be called within a tokio runtime, which
    /// also runs the connections.
    pub async fn connect(config: ClientConfig) -> Result<Client, ClientError> {
        Client::connect_over(Arc::new(Tcp::default()), config).await
    }

    /// The same over any transport.
    pub async fn connect_over(
        transport: Arc<dyn Transport>,
        config: ClientConfig,
    ) -> Result<Client, ClientError> {
        let inner = Arc::new(Inner::new(transport, config));
        let first = Inner::reach_any(&inner).await?;
        // A node too busy to describe the ring is no reason to fail: any node takes any request.
        first.is_first_use();
        let _ = inner.learn_ring(&first).await;
        Ok(Client { inner })
    }

    /// The newest value of `key` among the replicas that the level asks.
    pub async fn get(&self, key: impl Into<Bytes>, options: &Options) -> Result<Reply<Read>, ClientError> {
        let (keyspace, key) = (keyspace(options), Key::new(key)?.into_bytes());
        let place = self.inner.routing().place_of(keyspace, &key);
        let body = RequestBody::Get { keyspace, key, level: options.level };
        let answered = Call::new(&self.inner, place, body, options).run().await?;
        self.reply(answered, |body| match body {
            ResponseBody::Read(ReadOutcome::Found { record }) => Some(Read::Found(record)),
            ResponseBody::Read(ReadOutcome::Deleted { version }) => Some(Read::Deleted { version }),
            ResponseBody::Read(ReadOutcome::NotFound { expired }) => Some(Read::NotFound { expired }),
            _ => None,
        })
    }

    /// Sets the value of `key`, and its expiry.
    pub async fn put(
        &self,
        key: impl Into<Bytes>,
        value: impl Into<Bytes>,
        options: &Options,
    ) -> Result<Reply<Written>, ClientError> {
        let (keyspace, key, value) = (keyspace(options), Key::new(key)?.into_bytes(), value.into());
        let place = self.inner.routing().place_of(keyspace, &key);
        let Options { level, expiry, version, .. } = *options;
        let body = RequestBody::Put { keyspace, key, value, level, expiry, version };
        self.write(place, body, options).await
    }

    /// Deletes `key`; a tombstone remains until every replica has held it.
    pub async fn delete(
        &self,
        key: impl Into<Bytes>,
        options: &Options,
    ) -> Result<Reply<Written>, ClientError> {
        let (keyspace, key) = (keyspace(options), Key::new(key)?.into_bytes());
        let place = self.inner.routing().place_of(keyspace, &key);
        let body = RequestBody::Delete { keyspace, key, level: options.level, version: options.version };
        self.write(place, body, options).await
    }

    async fn write(
        &self,
        place: Place,
        body: RequestBody,
        options: &Options,
    ) -> Result<Reply<Written>, ClientError> {
        let answered = Call::new(&self.inner, place, body, options).run().await?;
        self.reply(answered, |body| match body {
            ResponseBody::Write(WriteOutcome::Written { version, expires_at_ms, acked, required }) => {
                Some(Written { version, expires_at_ms, acked, required })
            }
            _ => None,
        })
    }

    /// One page of one partition.
    pub async fn page(&self, page: PageRequest, options: &Options) -> Result<Reply<Page>, ClientError> {
        let (keyspace, PageRequest { partition, after, limit }) = (keyspace(options), page);
        let place = Place::Partition(keyspace, partition);
        let body =
            RequestBody::Page { keyspace, partition, start: after.into(), limit, level: options.level };
        let answered = Call::new(&self.inner, place, body, options).run().await?;
        self.reply(answered, |body| match body {
            ResponseBody::Page(PageOutcome::Page { entries, next }) => Some(Page { entries, next }),
            _ => None,
        })
    }

    /// All live records, in the order of (token, key), page by page.
    pub fn scan(&self, scan: ScanOptions, options: &Options) -> Scan {
        Scan::new(self.clone(), scan, options.clone())
    }

    /// Where `key` lives, and what each replica holds of it.
    pub async fn explain(
        &self,
        key: impl Into<Bytes>,
        options: &Options,
    ) -> Result<Reply<Explanation>, ClientError> {
        let (keyspace, key) = (keyspace(options), Key::new(key)?.into_bytes());
        let place = self.inner.routing().place_of(keyspace, &key);
        let body = RequestBody::Explain { keyspace, key };
        let answered = Call::new(&self.inner, place, body, options).run().await?;
        self.reply(answered, |body| if let ResponseBody::Explain(told) = body { Some(*told) } else { None })
    }

    /// How a node is: the one that `options` names, or any.
    pub async fn status(&self, options: &Options) -> Result<Reply<NodeStatus>, ClientError> {
        let answered = Call::new(&self.inner, Place::Anywhere, RequestBody::Status, options).run().await?;
        self.reply(
            answered,
            |body| if let ResponseBody::Status(status) = body { Some(*status) } else { None },
        )
    }

    /// The ring as a node sees it: the one that `options` names, or any.
    pub async fn ring(&self, options: &Options) -> Result<Reply<RingView>, ClientError> {
        let answered = Call::new(&self.inner, Place::Anywhere, RequestBody::Ring, options).run().await?;
        self.reply(answered, |body| if let ResponseBody::Ring(view) = body { Some(*view) } else { None })
    }

    /// The nodes that it knows: number, if known, and address.
    pub fn nodes(&self) -> Vec<(Option<NodeId>, String)> {
        self.inner.routing().nodes().iter().map(|node| (node.number(), node.addr().to_owned())).collect()
    }

    /// Ends all connections; requests under way fail. The clones of this client end with it.
    pub async fn close(&self) {
        self.inner.routing().nodes().iter().for_each(|node| node.close());
        let mut drivers = {
            let mut drivers = self.inner.dialler.drivers.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *drivers)
        };
        while drivers.join_next().await.is_some() {}
    }

    fn reply<T>(
        &self,
        answered: Answered,
        value: impl FnOnce(ResponseBody) -> Option<T>,
    ) -> Result<Reply<T>, ClientError> {
        let Answered { response: Response { body, receipt, .. }, coordinator, attempts } = answered;
        match value(body) {
            Some(value) => Ok(Reply { value, receipt, coordinator, attempts }),
            None => Err(self.nonsense(coordinator)),
        }
    }

    fn nonsense(&self, coordinator: NodeId) -> ClientError {
        let routing = self.inner.routing();
        let addr = routing.node(coordinator).map_or_else(String::new, |node| node.addr().to_owned());
        ClientError::Nonsense { addr }
    }
}

fn keyspace(options: &Options) -> KeyspaceId {
    options.keyspace.unwrap_or_else(|| KeyspaceId::of_name(DEFAULT_KEYSPACE))
}

/// What all clones share.
pub(crate) struct Inner {
    pub(crate) dialler: Dialler,
    routing: RwLock<Arc<Routing>>,
    node_count: AtomicUsize,
    turns: AtomicUsize,
    jitter: AtomicU64,
}

impl Inner {
    fn new(transport: Arc<dyn Transport>, config: ClientConfig) -> Inner {
        let cluster = config.cluster.clone();
        let hello = Hello {
            protocol_min: PROTOCOL_MIN,
            protocol_max: PROTOCOL_MAX,
            cluster: cluster.as_ref().map(|(id, _)| *id),
            cluster_name: cluster.map(|(_, name)| name).unwrap_or_default(),
            dialled: None,
            role: Role::Client {},
        };
        let nodes: Vec<_> = config
            .endpoints
            .iter()
            .enumerate()
            .map(|(index, addr)| Arc::new(Node::new(addr.clone(), index, None, config.connections_per_node)))
            .collect();
        let seed = config.seed.unwrap_or_else(system_seed);
        Inner {
            node_count: AtomicUsize::new(nodes.len()),
            routing: RwLock::new(Arc::new(Routing::of_endpoints(nodes))),
            dialler: Dialler { transport, hello, config, drivers: Mutex::new(JoinSet::new()) },
            turns: AtomicUsize::new(seed as usize),
            jitter: AtomicU64::new(seed),
        }
    }

    pub(crate) fn config(&self) -> &ClientConfig {
        &self.dialler.config
    }

    pub(crate) fn routing(&self) -> Arc<Routing> {
        Arc::clone(&self.routing.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A number that differs from call to call, to spread what may go anywhere.
    pub(crate) fn turn(&self) -> usize {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }

    /// The pause before the next attempt, after `attempts`: full jitter over a doubling bound.
    pub(crate) fn pause(&self, attempts: u32) -> Duration {
        let config = self.config();
        let bound = config.backoff.saturating_mul(1 << attempts.min(16)).min(config.backoff_max);
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX).max(1);
        Duration::from_nanos(self.random() % nanos)
    }

    /// splitmix64 (Steele, Lea, Flood 2014).
    fn random(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.jitter.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A connection to `node`; if it computes another ring than the one known, that one is fetched.
    pub(crate) async fn connection(&self, node: &Node, until: Instant) -> Result<Arc<Connection>, Fate> {
        let connection = node.connection(&self.dialler, until).await?;
        if connection.is_first_use() && self.routing().hash() != Some(connection.ring_hash) {
            let _ = self.learn_ring(&connection).await;
        }
        Ok(connection)
    }

    /// A connection to the endpoint that answers first; each gets a head start over the next.
    async fn reach_any(inner: &Arc<Inner>) -> Result<Arc<Connection>, ClientError> {
        let mut dials = JoinSet::new();
        for (place, node) in inner.routing().nodes().iter().cloned().enumerate() {
            let inner = Arc::clone(inner);
            dials.spawn(async move {
                sleep(HEAD_START * place as u32).await;
                let until = Instant::now() + inner.config().connect_timeout;
                let reached = node.connection(&inner.dialler, until).await;
                reached.map_err(|fate| Attempt { addr: node.addr().to_owned(), node: None, fate })
            });
        }
        let mut trail = Trail::default();
        while let Some(dialled) = dials.join_next().await {
            match dialled {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(attempt)) => trail.attempts.push(attempt),
                Err(_) => {}
            }
        }
        Err(ClientError::NotConnected { trail: Box::new(trail) })
    }

    /// Asks for the ring and goes by it from now on.
    async fn learn_ring(&self, connection: &Connection) -> Option<()> {
        let timeout = self.config().connect_timeout;
        let time_left_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        let mut request = Request { number: 0, time_left_ms, want_receipt: false, body: RequestBody::Ring };
        let response = connection.call(&mut request, Instant::now() + timeout).await.ok()?;
        let ResponseBody::Ring(view) = response.body else { return None };
        let make = |shown: &quorate_wire::RingNode| {
            let index = self.node_count.fetch_add(1, Ordering::Relaxed);
            Arc::new(Node::new(
                shown.addr.clone(),
                index,
                Some(shown.node),
                self.config().connections_per_node,
            ))
        };
        let routing = Arc::new(self.routing().of_view(&view, make));
        *self.routing.write().unwrap_or_else(PoisonError::into_inner) = routing;
        Some(())
    }
}

/// A number that differs from process to process.
fn system_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}
