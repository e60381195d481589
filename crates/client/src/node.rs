//! One node and the connections to it, dialled when they are first needed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use quorate_transport::{Transport, TransportError, handshake::greet};
use quorate_types::NodeId;
use quorate_wire::Hello;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::ClientConfig;
use crate::connection::Connection;
use crate::error::Fate;

/// A node that could not be reached is asked last for this long; it doubles with every failure.
const AVOID_MIN: Duration = Duration::from_millis(100);
const AVOID_MAX: Duration = Duration::from_secs(5);

/// What dialling takes.
pub(crate) struct Dialler {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) hello: Hello,
    pub(crate) config: ClientConfig,
    /// The drivers of all connections.
    pub(crate) drivers: Mutex<JoinSet<()>>,
}

/// See the module's head.
pub(crate) struct Node {
    addr: String,
    /// Told apart from other nodes by this, whatever is known of them.
    pub(crate) index: usize,
    number: OnceLock<NodeId>,
    slots: Vec<Slot>,
    turn: AtomicUsize,
    avoided: Mutex<Avoided>,
}

struct Slot {
    open: RwLock<Option<Arc<Connection>>>,
    /// The right to dial; everybody else waits for what comes of it.
    dial: Semaphore,
}

#[derive(Default)]
struct Avoided {
    until: Option<Instant>,
    failures: u32,
}

impl Node {
    pub(crate) fn new(addr: String, index: usize, number: Option<NodeId>, connections: usize) -> Node {
        let slot = |_| Slot { open: RwLock::new(None), dial: Semaphore::new(1) };
        Node {
            addr,
            index,
            number: number.map_or_else(OnceLock::new, OnceLock::from),
            slots: (0..connections.max(1)).map(slot).collect(),
            turn: AtomicUsize::new(0),
            avoided: Mutex::default(),
        }
    }

    pub(crate) fn addr(&self) -> &str {
        &self.addr
    }

    /// Its number, if it is known.
    pub(crate) fn number(&self) -> Option<NodeId> {
        self.number.get().copied()
    }

    /// The cluster says that this is its number.
    pub(crate) fn is_number(&self, number: NodeId) {
        let _ = self.number.set(number);
    }

    /// Whether it could not be reached just now.
    pub(crate) fn is_avoided(&self, now: Instant) -> bool {
        self.avoided().until.is_some_and(|until| until > now)
    }

    /// A connection, dialled if there is none; by `until`, or in `connect_timeout` if that is sooner.
    pub(crate) async fn connection(
        &self,
        dialler: &Dialler,
        until: Instant,
    ) -> Result<Arc<Connection>, Fate> {
        let slot = match self.slots.len() {
            1 => &self.slots[0],
            count => &self.slots[self.turn.fetch_add(1, Ordering::Relaxed) % count],
        };
        if let Some(connection) = slot.open() {
            return Ok(connection);
        }
        let until = until.min(Instant::now() + dialler.config.connect_timeout);
        let dialled = match timeout_at(until, self.dialled(slot, dialler)).await {
            Ok(dialled) => dialled.map_err(|error| Fate::NotReached(Arc::new(error))),
            Err(_) => Err(Fate::DialTimedOut),
        };
        match &dialled {
            Ok(_) => self.note_reached(),
            Err(_) => self.note_gone(),
        }
        dialled
    }

    async fn dialled(&self, slot: &Slot, dialler: &Dialler) -> Result<Arc<Connection>, TransportError> {
        let _turn = slot.dial.acquire().await;
        if let Some(connection) = slot.open() {
            return Ok(connection);
        }
        let hello = Hello { dialled: self.number(), ..dialler.hello.clone() };
        let mut wire = dialler.transport.dial(&self.addr).await?;
        let welcome = greet(&mut wire, &hello, dialler.config.connect_timeout).await?;
        let _ = self.number.set(welcome.node);
        let (connection, driver) = Connection::new(wire, (welcome.node, welcome.ring_hash), &dialler.config);
        dialler.drive(driver);
        let connection = Arc::new(connection);
        *slot.open.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&connection));
        Ok(connection)
    }

    fn avoided(&self) -> std::sync::MutexGuard<'_, Avoided> {
        self.avoided.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It was reached.
    fn note_reached(&self) {
        *self.avoided() = Avoided::default();
    }

    /// It could not be reached, or did not answer.
    pub(crate) fn note_gone(&self) {
        let mut avoided = self.avoided();
        let pause = AVOID_MIN.saturating_mul(1 << avoided.failures.min(10)).min(AVOID_MAX);
        *avoided =
            Avoided { until: Some(Instant::now() + pause), failures: avoided.failures.saturating_add(1) };
    }

    /// The cluster believes it down: it is asked last for a while. It may be wrong or outdated.
    pub(crate) fn note_reported_down(&self) {
        let mut avoided = self.avoided();
        avoided.until = avoided.until.max(Some(Instant::now() + AVOID_MAX));
    }

    /// Ends its connections.
    pub(crate) fn close(&self) {
        for slot in &self.slots {
            slot.open.write().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}

impl Slot {
    fn open(&self) -> Option<Arc<Connection>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().filter(|connection| connection.is_open()).cloned()
    }
}

impl Dialler {
    fn drive(&self, driver: impl Future<Output = ()> + Send + 'static) {
        let mut drivers = self.drivers.lock().unwrap_or_else(PoisonError::into_inner);
        while drivers.try_join_next().is_some() {}
        drivers.spawn(driver);
    }
}
