//! A process that is one replica: runs until a signal or a failure ends it.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};

use crate::error::StartError;
use crate::replica::{Replica, ShutDown};

/// How the process's replica ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A signal asked for it, and it ended in good order.
    AsAsked(ShutDown),
    /// A second signal came meanwhile: it stands where it stood, and the process should exit at once. What was
    /// acknowledged is on disk.
    AtOnce,
    /// It could not go on, for this reason; it was ended as well as it could be.
    Failed(String),
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl Replica {
    /// Blocks until SIGTERM, SIGINT or a failure, then ends the replica in good order; a second signal returns at
    /// once. Calls `ready` when signals are listened for: whoever is told by it may send one.
    ///
    /// # Errors
    /// [`StartError::Thread`] if the process can't listen for signals; the replica was ended.
    pub fn run_until_signalled(self, ready: impl FnOnce(&Replica)) -> Result<Ended, StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(StartError::Thread)?.block_on(self.until_signalled(ready)).map_err(StartError::Thread)
    }

    async fn until_signalled(self, ready: impl FnOnce(&Replica)) -> io::Result<Ended> {
        let mut signals = Signals::new()?;
        ready(&self);
        let mut failed = self.failed();
        let failure = tokio::select! {
            () = signals.next() => None,
            failure = failure(&mut failed) => Some(failure),
        };
        let (done, ended) = oneshot::channel();
        let ending = std::thread::Builder::new().name("ending".to_owned());
        ending.spawn(move || {
            // Whoever awaited the end is gone if a second signal came.
            let _ = done.send(self.shut_down());
        })?;
        tokio::select! {
            ended = ended => Ok(match (failure, ended) {
                (None, Ok(how)) => Ended::AsAsked(how),
                (Some(why), _) => Ended::Failed(why),
                (None, Err(_)) => Ended::Failed("a thread panicked while the replica ended".to_owned()),
            }),
            () = signals.next() => Ok(Ended::AtOnce),
        }
    }
}

async fn failure(failed: &mut watch::Receiver<Option<String>>) -> String {
    match failed.wait_for(Option::is_some).await {
        Ok(why) => why.clone().unwrap_or_default(),
        // Its sender lives as long as the replica.
        Err(_) => std::future::pending().await,
    }
}
