//! The threads of HTTP clients and of operators, and their end.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use quorate_http::{Door, Stop};
use quorate_transport::TransportError;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tracing::{error, warn};

use super::node::HttpNode;
use super::orders::Orders;
use crate::alarm::Alarm;
use crate::common::Common;
use crate::disk::checkpoints::CheckpointAsks;
use crate::error::StartError;
use crate::start::spawn;

/// How long the last answers may take to be sent.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(1);

/// Where to listen, and as what.
pub(crate) struct HttpListening {
    pub(crate) addr: String,
    pub(crate) about: quorate_http::About,
    pub(crate) limits: quorate_http::Limits,
}

/// A door that listens and does not serve yet: who comes waits.
pub(crate) struct BoundHttp {
    listener: TcpListener,
    local_addr: SocketAddr,
    about: quorate_http::About,
    limits: quorate_http::Limits,
}

/// See the module.
pub(crate) struct HttpThread {
    pub(crate) local_addr: SocketAddr,
    stop: watch::Sender<Stop>,
    ended: mpsc::Receiver<()>,
    thread: JoinHandle<()>,
}

impl HttpListening {
    /// Listens.
    pub(crate) fn bind(self) -> Result<BoundHttp, StartError> {
        let HttpListening { addr, about, limits } = self;
        let listener = bind(&addr)?;
        let local_addr = listener.local_addr().map_err(|_| StartError::AddressUnknown { addr })?;
        if !local_addr.ip().is_loopback() {
            warn!(%local_addr, "HTTP from other machines needs no password: keep the node on a trusted network");
        }
        Ok(BoundHttp { listener, local_addr, about, limits })
    }
}

impl BoundHttp {
    /// Serves clients from now on.
    pub(crate) fn serve(self, common: &Arc<Common>) -> Result<HttpThread, StartError> {
        let node = Arc::new(HttpNode(Arc::clone(common)));
        self.open("http", common, |about, limits| Door::new(node, about, limits))
    }

    /// Serves operators from now on.
    pub(crate) fn serve_admin(
        self,
        common: &Arc<Common>,
        checkpoints: CheckpointAsks,
    ) -> Result<HttpThread, StartError> {
        let node = Arc::new(HttpNode(Arc::clone(common)));
        let orders = Arc::new(Orders { common: Arc::clone(common), checkpoints });
        self.open("admin", common, |about, limits| Door::for_admin(node, orders, about, limits))
    }

    fn open(
        self,
        what: &str,
        common: &Arc<Common>,
        door: impl FnOnce(quorate_http::About, quorate_http::Limits) -> Door,
    ) -> Result<HttpThread, StartError> {
        let BoundHttp { listener, local_addr, about, limits } = self;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
        let (stop, stopped) = watch::channel(Stop::No);
        let (end, ended) = mpsc::channel();
        let name = format!("{}-{what}", common.about.name);
        let (common, door) = (Arc::clone(common), Arc::new(door(about, limits)));
        let thread = spawn(name, move || {
            let _alarm = Alarm::new("the HTTP thread", &common);
            serve(&runtime, listener, door, stopped);
            // Nobody waits for it when the node is killed.
            let _ = end.send(());
        })?;
        Ok(HttpThread { local_addr, stop, ended, thread })
    }
}

fn bind(addr: &str) -> Result<TcpListener, StartError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::AddressTaken { addr: addr.to_owned() },
        _ => StartError::Listen {
            addr: addr.to_owned(),
            source: TransportError::CannotListen { addr: addr.to_owned(), source },
        },
    };
    let listener = TcpListener::bind(addr).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

fn serve(runtime: &Runtime, listener: TcpListener, door: Arc<Door>, stop: watch::Receiver<Stop>) {
    runtime.block_on(async {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => door.serve(listener, stop).await,
            Err(failure) => error!(%failure, "the HTTP door could not be opened"),
        }
    });
}

impl HttpThread {
    /// Takes nothing new; what is under way is answered.
    pub(crate) fn drain(&self) {
        self.stop.send_replace(Stop::Drain);
    }

    /// Waits until the last answers are sent, [`CLOSING_TIMEOUT`] at most, then ends.
    pub(crate) fn close(self) {
        self.drain();
        // A client that does not take its last answer in time goes without.
        let _ = self.ended.recv_timeout(CLOSING_TIMEOUT);
        self.end();
    }

    /// Ends at once.
    pub(crate) fn end(self) {
        self.stop.send_replace(Stop::Now);
        if self.thread.join().is_err() {
            error!("the HTTP thread panicked");
        }
    }
}
