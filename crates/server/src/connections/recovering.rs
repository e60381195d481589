//! What clients hear while the node recovers: Redis clients `LOADING`, which they wait at, HTTP clients 503; that it lives
//! they hear, too, so that nobody restarts a node that replays a long log.
//!
//! Invariants:
//! - a client has one answer and is closed; nothing of what it sends is kept or done;
//! - when this ends the listeners are the doors' alone: who comes between waits for them.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use quorate_http::recovering;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, oneshot};
use tracing::error;

use crate::connections::bound::Bound;
use crate::error::StartError;
use crate::start::spawn;

/// What a Redis client is told, whatever it asked.
const LOADING: &[u8] =
    b"-LOADING the node recovers its data from its checkpoint and its log: nothing was done; try again\r\n";
/// Clients of a door at once; one more is closed unheard.
const CONNECTIONS_MAX: usize = 256;
/// From a client's first byte to its last.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The pause after an accept failed, for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// See the module. Ends when dropped.
pub(crate) struct Recovering {
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Recovering {
    /// Answers those who come to these doors, as the node `name`.
    pub(crate) fn begin<'a>(
        name: &str,
        resp: impl Iterator<Item = &'a Bound>,
        http: impl Iterator<Item = &'a Bound>,
    ) -> Result<Recovering, StartError> {
        let again = |bound: &Bound| bound.listener.try_clone().map_err(StartError::Thread);
        let resp: Vec<TcpListener> = resp.map(again).collect::<Result<_, _>>()?;
        let http: Vec<TcpListener> = http.map(again).collect::<Result<_, _>>()?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
        let (end, ended) = oneshot::channel();
        let thread = spawn(format!("{name}-recovering"), move || {
            runtime.block_on(async {
                for listener in resp {
                    keep(listener, say_loading);
                }
                for listener in http {
                    keep(listener, recovering);
                }
                // Either way it is over.
                let _ = ended.await;
            });
        })?;
        Ok(Recovering { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Recovering {
    fn drop(&mut self) {
        drop(self.end.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            error!("the thread that answers while the node recovers panicked");
        }
    }
}

fn keep<F, E>(listener: TcpListener, serve: fn(TcpStream) -> F)
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Send + 'static,
{
    match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => drop(tokio::spawn(take_all(listener, serve))),
        Err(failure) => error!(%failure, "nobody is told that the node recovers"),
    }
}

async fn take_all<F, E>(listener: tokio::net::TcpListener, serve: fn(TcpStream) -> F)
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Send + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            tokio::spawn(async move {
                // Who is slower, or gone, goes without.
                let _ = tokio::time::timeout(TIMEOUT, serve(stream)).await;
                drop(place);
            });
        }
    }
}

async fn say_loading(mut stream: TcpStream) -> std::io::Result<()> {
    let mut heard = [0; 1024];
    if stream.read(&mut heard).await? == 0 {
        return Ok(());
    }
    stream.write_all(LOADING).await?;
    stream.shutdown().await?;
    // What is unread at the close would take the answer with it.
    while stream.read(&mut heard).await? > 0 {}
    Ok(())
}
