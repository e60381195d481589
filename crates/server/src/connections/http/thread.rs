//! The threads of HTTP clients and of operators, and their end.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use quorate_http::{Door, Stop};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tracing::{error, warn};

use super::node::HttpNode;
use super::orders::Orders;
use crate::alarm::Alarm;
use crate::common::Common;
use crate::connections::bound::Bound;
use crate::disk::checkpoints::CheckpointAsks;
use crate::error::StartError;
use crate::give_back::{GiveBack, tell_pace};
use crate::start::spawn;

/// How long the last answers may take to be sent.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(1);

/// A door that does not serve yet: who comes waits.
pub(crate) struct HttpListening {
    pub(crate) bound: Bound,
    pub(crate) about: quorate_http::About,
    pub(crate) limits: quorate_http::Limits,
}

/// See the module.
pub(crate) struct HttpThread {
    pub(crate) local_addr: SocketAddr,
    stop: watch::Sender<Stop>,
    ended: mpsc::Receiver<()>,
    thread: JoinHandle<()>,
}

impl HttpListening {
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
        let HttpListening { bound: Bound { listener, local_addr }, about, limits } = self;
        if !local_addr.ip().is_loopback() {
            warn!(%local_addr, "HTTP from other machines needs no password: keep the node on a trusted network");
        }
        let runtime = Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
        let (stop, stopped) = watch::channel(Stop::No);
        let (end, ended) = mpsc::channel();
        let name = format!("{}-{what}", common.about.name);
        let (common, door) = (Arc::clone(common), Arc::new(door(about, limits)));
        let thread = spawn(name, move || {
            let _alarm = Alarm::new("the HTTP thread", &common);
            serve(&runtime, listener, door, (stopped, common.give_back));
            // Nobody waits for it when the node is killed.
            let _ = end.send(());
        })?;
        Ok(HttpThread { local_addr, stop, ended, thread })
    }
}

fn serve(
    runtime: &Runtime,
    listener: TcpListener,
    door: Arc<Door>,
    (stop, give_back): (watch::Receiver<Stop>, Option<GiveBack>),
) {
    runtime.block_on(async {
        if let Some(give_back) = give_back {
            tokio::spawn(tell_pace(give_back));
        }
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
