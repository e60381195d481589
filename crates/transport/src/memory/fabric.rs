//! [`Transport`] over the memory network, on tokio's clock (paused in tests).
//!
//! Nobody pumps the network in the background: whoever waits for a frame delivers what is due, also to others, and
//! sleeps until the next arrival.
//!
//! Invariants:
//! - the opening and the end of a connection are subject to delay, loss and cuts, but neither doubled nor overtaken;
//! - a frame to a connection that is gone resets the sender's half, as a kernel would;
//! - the lock is held for no longer than a call into the machine, and never across a wait.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use quorate_types::{Mono, NodeId};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::pipe::{self, Inbox, Pipe};
use super::{Network, Place};
use crate::{Connection, Listener, Transport, TransportError};

/// Limits of connections in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FabricOptions {
    /// How long a dial across a cut waits.
    pub dial_timeout: Duration,
    /// Most bytes that have arrived and were not read; a sender is refused above it.
    pub link_queue_bytes_max: usize,
}

impl Default for FabricOptions {
    fn default() -> Self {
        FabricOptions { dial_timeout: Duration::from_secs(2), link_queue_bytes_max: 32 << 20 }
    }
}

/// A [`Network`] that connections run over. Cheap to clone; make it inside a runtime.
#[derive(Clone)]
pub struct Fabric(pub(super) Arc<Shared>);

pub(super) struct Shared {
    state: Mutex<State>,
    start: Instant,
    pub(super) options: FabricOptions,
}

/// What the lock guards.
pub(super) struct State {
    pub(super) network: Network,
    pub(super) inboxes: BTreeMap<Place, Inbox>,
    listeners: BTreeMap<String, Waiting>,
    next_port: u64,
}

/// Who has dialled an address and was not yet accepted.
struct Waiting {
    node: NodeId,
    dialled: VecDeque<Pipe>,
    arrived: Arc<Notify>,
}

impl Fabric {
    /// Connections over `network`.
    pub fn new(network: Network, options: FabricOptions) -> Fabric {
        let state = State { network, inboxes: BTreeMap::new(), listeners: BTreeMap::new(), next_port: 1 };
        Fabric(Arc::new(Shared { state: Mutex::new(state), start: Instant::now(), options }))
    }

    /// The network as `node` has it.
    pub fn node(&self, node: NodeId) -> Memory {
        Memory { fabric: self.clone(), node }
    }

    /// Changes or reads the network, at the fabric's time.
    pub fn with_network<T>(&self, change: impl FnOnce(&mut Network, Mono) -> T) -> T {
        let mut state = self.0.lock();
        let changed = change(&mut state.network, self.0.now());
        state.inboxes.values().for_each(|inbox| inbox.changed.notify_waiters());
        changed
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Mono {
        Mono(0) + self.start.elapsed()
    }

    /// The tokio time of `at`.
    pub(super) fn instant(&self, at: Mono) -> Instant {
        self.start + at.since(Mono(0))
    }
}

impl State {
    /// Hands out everything that has arrived by `now`.
    pub(super) fn deliver(&mut self, now: Mono) {
        while let Some(delivery) = self.network.poll(now) {
            match self.inboxes.get_mut(&delivery.to) {
                Some(inbox) => inbox.put(delivery.frame),
                None if pipe::is_reset(&delivery.frame) => {}
                None => self.network.send_in_order(now, delivery.to, delivery.from, pipe::RESET),
            }
        }
    }

    /// Both ends of a new connection.
    fn open(&mut self, dialler: NodeId, listener: NodeId) -> (Pipe, Pipe) {
        let port = self.next_port;
        self.next_port += 2;
        let near = Place { node: dialler, port };
        let far = Place { node: listener, port: port + 1 };
        self.inboxes.insert(near, Inbox::default());
        self.inboxes.insert(far, Inbox::default());
        (Pipe { near, far }, Pipe { near: far, far: near })
    }
}

/// A [`Fabric`] as one node has it.
#[derive(Clone)]
pub struct Memory {
    fabric: Fabric,
    node: NodeId,
}

/// What a dial found.
enum Dialled {
    Connected(Pipe),
    Silence,
    Nobody,
}

impl Memory {
    fn try_dial(&self, addr: &str) -> Dialled {
        let mut state = self.fabric.0.lock();
        let Some(listener) = state.listeners.get(addr).map(|waiting| waiting.node) else {
            return Dialled::Nobody;
        };
        if state.network.is_cut(self.node, listener) || state.network.is_cut(listener, self.node) {
            return Dialled::Silence;
        }
        let (near, far) = state.open(self.node, listener);
        if let Some(waiting) = state.listeners.get_mut(addr) {
            waiting.dialled.push_back(far);
            waiting.arrived.notify_one();
        }
        Dialled::Connected(near)
    }
}

#[async_trait]
impl Transport for Memory {
    async fn dial(&self, addr: &str) -> Result<Connection, TransportError> {
        let addr = addr.to_owned();
        match self.try_dial(&addr) {
            Dialled::Connected(near) => Ok(pipe::connection(&self.fabric.0, near)),
            Dialled::Nobody => {
                let source = std::io::ErrorKind::ConnectionRefused.into();
                Err(TransportError::Refused { addr, source })
            }
            Dialled::Silence => {
                let after = self.fabric.0.options.dial_timeout;
                tokio::time::sleep(after).await;
                Err(TransportError::DialTimeout { addr, after })
            }
        }
    }

    async fn listen(&self, addr: &str) -> Result<Box<dyn Listener>, TransportError> {
        let mut state = self.fabric.0.lock();
        let addr = match addr.strip_suffix(":0") {
            Some(host) => {
                state.next_port += 1;
                format!("{host}:{}", state.next_port)
            }
            None => addr.to_owned(),
        };
        if state.listeners.contains_key(&addr) {
            let source = std::io::ErrorKind::AddrInUse.into();
            return Err(TransportError::AddressInUse { addr, source });
        }
        let arrived = Arc::new(Notify::new());
        let waiting = Waiting { node: self.node, dialled: VecDeque::new(), arrived: Arc::clone(&arrived) };
        state.listeners.insert(addr.clone(), waiting);
        Ok(Box::new(MemoryListener { shared: Arc::clone(&self.fabric.0), addr, arrived }))
    }
}

struct MemoryListener {
    shared: Arc<Shared>,
    addr: String,
    arrived: Arc<Notify>,
}

impl MemoryListener {
    fn take(&self) -> Option<Pipe> {
        self.shared.lock().listeners.get_mut(&self.addr)?.dialled.pop_front()
    }
}

#[async_trait]
impl Listener for MemoryListener {
    fn local_addr(&self) -> String {
        self.addr.clone()
    }

    async fn accept(&self) -> Result<Connection, TransportError> {
        loop {
            if let Some(pipe) = self.take() {
                return Ok(pipe::connection(&self.shared, pipe));
            }
            self.arrived.notified().await;
        }
    }
}

impl Drop for MemoryListener {
    fn drop(&mut self) {
        let now = self.shared.now();
        let mut state = self.shared.lock();
        let waiting = state.listeners.remove(&self.addr);
        for pipe in waiting.into_iter().flat_map(|waiting| waiting.dialled) {
            state.inboxes.remove(&pipe.near);
            state.network.send_in_order(now, pipe.near, pipe.far, pipe::RESET);
        }
    }
}

/// Frames that are no handshake travel as they are.
pub(super) fn opens_connection(frame: &Bytes) -> bool {
    frame.starts_with(&quorate_wire::MAGIC)
}
