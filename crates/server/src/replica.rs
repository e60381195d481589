//! A replica from outside: start it, ask where it listens, end it in one of three ways.
//!
//! ```text
//! start ─► serving ─┬─ shut_down: drain, checkpoint, close the log   nothing is left to replay
//!             ▲ │   ├─ kill: threads stop at their next step          as after SIGKILL
//!             │ ▼   └─ (the log fails): serves reads, refuses writes  `failed` says so
//!            paused
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use quorate_node::Drain;
use quorate_types::{Generation, NodeId};
use quorate_wal::{Io, StdIo, Wal};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::common::Common;
use crate::config::Config;
use crate::connections::http::thread::{HttpListening, HttpThread};
use crate::disk::checkpoints::CheckpointThread;
use crate::error::StartError;
use crate::give_back::GiveBack;
use crate::shard::thread::Listens;
use crate::start::{self, Parts};

/// What a start may set over the configuration.
#[derive(Clone, Debug, Default)]
pub struct StartOptions {
    /// Where the data lives, instead of the node's `data_dir`.
    pub data_dir: Option<PathBuf>,
    /// Where to listen, instead of the node's `addr`; the other nodes dial `addr` all the same.
    pub listen: Option<String>,
    /// Where to listen for Redis clients, instead of the node's `resp_addr`.
    pub resp_listen: Option<String>,
    /// Where to listen for HTTP clients, instead of the node's `http_addr`.
    pub http_listen: Option<String>,
    /// Where to listen for operators, instead of the node's `admin_addr`.
    pub admin_listen: Option<String>,
    /// How memory that bursts have left free is given back to the system, by each thread that serves connections.
    pub give_back: Option<GiveBack>,
}

/// How a graceful end went. What was acknowledged is on disk in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutDown {
    /// Whether everything under way was answered within `drain_timeout`.
    pub drained: bool,
    /// Whether everything is in a checkpoint, so that the next start replays nothing.
    pub checkpointed: bool,
}

/// One running node: its threads, its sockets, its data directory.
///
/// Dropped without [`Replica::shut_down`], it is killed.
pub struct Replica {
    common: Arc<Common>,
    listens: Listens,
    drain_timeout: Duration,
    threads: Option<Threads>,
}

struct Threads {
    http: Option<HttpThread>,
    admin: Option<HttpThread>,
    shards: Vec<JoinHandle<()>>,
    hints: JoinHandle<()>,
    checkpoints: CheckpointThread,
    wal: Wal,
}

impl Replica {
    /// Starts node `node` of `config`: recovers its data, listens, dials its peers. Returns when it serves.
    ///
    /// Blocks for as long as recovery takes; must not be called from within an async runtime.
    pub fn start(config: &Config, node: &str, options: &StartOptions) -> Result<Replica, StartError> {
        Replica::start_on(config, node, options, &StdIo::shared())
    }

    /// [`Replica::start`] on another disk.
    pub(crate) fn start_on(
        config: &Config,
        node: &str,
        options: &StartOptions,
        io: &Arc<dyn Io>,
    ) -> Result<Replica, StartError> {
        let Parts { common, listens, http, admin, shards, hints, checkpoints, wal } =
            start::start(config, node, options, io)?;
        let mut threads = Threads { http: None, admin: None, shards, hints, checkpoints, wal };
        let opened = threads.open_doors(&common, http, admin);
        let replica =
            Replica { common, listens, drain_timeout: config.server.drain_timeout, threads: Some(threads) };
        // If a door did not open, the rest is killed with what is dropped here.
        opened.map(|()| replica)
    }

    /// Where it listens, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.listens.addr
    }

    /// Where it listens for Redis clients, with the ports that were taken.
    pub fn resp_addrs(&self) -> &[SocketAddr] {
        &self.listens.resp
    }

    /// Where it listens for HTTP clients, with the port that was taken.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.threads.as_ref()?.http.as_ref().map(|http| http.local_addr)
    }

    /// Where it listens for operators, with the port that was taken.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.threads.as_ref()?.admin.as_ref().map(|admin| admin.local_addr)
    }

    /// Its id in the configuration.
    pub fn name(&self) -> &str {
        &self.common.about.name
    }

    /// Its number.
    pub fn node(&self) -> NodeId {
        self.common.about.node
    }

    /// This incarnation.
    pub fn generation(&self) -> Generation {
        self.common.about.generation
    }

    /// Its shards.
    pub fn shards(&self) -> usize {
        self.common.inboxes.len()
    }

    /// Becomes `Some(why)` when the replica can't go on as it is: its log failed, or a thread panicked. It takes no
    /// writes from then on; what was acknowledged is on disk.
    pub fn failed(&self) -> watch::Receiver<Option<String>> {
        self.common.failure()
    }

    /// Its threads stand where they are; sockets stay open and take what the system takes. As SIGSTOP does.
    pub fn pause(&self) {
        self.common.switch.pause();
        self.common.wake_all();
    }

    /// Its threads go on.
    pub fn resume(&self) {
        self.common.switch.resume();
    }

    /// Ends in good order: takes no new requests, answers those under way (`drain_timeout` at most), writes a
    /// checkpoint, closes the log.
    pub fn shut_down(mut self) -> ShutDown {
        self.resume();
        if let Some(http) = self.threads.as_ref().and_then(|threads| threads.http.as_ref()) {
            http.drain();
        }
        self.common.drain(Drain::Everybody);
        let drained = self.common.wait_drained(self.drain_timeout);
        if !drained {
            warn!(
                node = self.name(),
                "requests were under way after drain_timeout: their clients get no answer"
            );
        }
        let Some(mut threads) = self.threads.take() else { return ShutDown { drained, checkpointed: false } };
        threads.take_doors().for_each(HttpThread::close);
        let checkpointed = threads.checkpoints.write().is_ok();
        self.common.stop();
        threads.join().close(self.name());
        info!(node = self.name(), drained, checkpointed, "ended");
        ShutDown { drained, checkpointed }
    }

    /// Ends at once: threads stop at their next step, nothing is flushed or answered, sockets are reset, the
    /// directory's lock is free. As SIGKILL does.
    pub fn kill(mut self) {
        self.kill_now();
    }

    fn kill_now(&mut self) {
        self.common.kill();
        if let Some(mut threads) = self.threads.take() {
            threads.take_doors().for_each(HttpThread::end);
            // Dropping the log flushes nothing and gives its lock back.
            drop(threads.join());
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill_now();
    }
}

/// The log, when nobody appends any more.
struct Log(Wal);

impl Threads {
    fn open_doors(
        &mut self,
        common: &Arc<Common>,
        http: Option<HttpListening>,
        admin: Option<HttpListening>,
    ) -> Result<(), StartError> {
        self.http = http.map(|door| door.serve(common)).transpose()?;
        self.admin = admin.map(|door| door.serve_admin(common, self.checkpoints.asks())).transpose()?;
        Ok(())
    }

    fn take_doors(&mut self) -> impl Iterator<Item = HttpThread> {
        [self.http.take(), self.admin.take()].into_iter().flatten()
    }

    fn join(self) -> Log {
        let shards = self.shards.into_iter().map(|shard| ("a shard", shard.join()));
        let mut ended: Vec<_> = shards.collect();
        // The shards held the hint thread's queue: it has ended or is about to.
        ended.push(("the hint thread", self.hints.join()));
        for (what, result) in ended {
            if result.is_err() {
                error!("{what} panicked; what was acknowledged is on disk");
            }
        }
        self.checkpoints.join();
        Log(self.wal)
    }
}

impl Log {
    fn close(self, node: &str) {
        if let Err(failure) = self.0.close() {
            error!(node, %failure, "the log did not close in good order; the next start recovers from it");
        }
    }
}
