//! The door: what all connections share, and taking them until the node ends.
//!
//! Invariants:
//! - at most `connections_max` connections, each a task that the door owns and awaits;
//! - at most `requests_max` requests and `bodies_bytes_max` bytes of bodies under way; what does not fit is answered
//!   at once;
//! - when told to drain, no connection is taken any more, requests under way are answered, idle connections close.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use quorate_types::{Receipt, SpanId};
use quorate_wire::{Request, RequestBody, Response, ResponseBody};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, oneshot, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::admin::Admin;
use crate::feed::Feed;
use crate::limits::Limits;
use crate::node::{About, Count, NoMetrics, Node, Under};
use crate::outcome;
use crate::problem::Problem;
use crate::reached::{LOOK_EVERY, Reached};
use crate::{connection, routes, trace};

/// The pause after an accept failed, for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What one client too many is told.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
retry-after: 1\r\nconnection: close\r\ncontent-length: 167\r\n\r\n\
{\"type\":\"urn:quorate:problem:overloaded\",\"title\":\"overloaded\",\"status\":503,\"outcome\":\"failed\",\
\"limit\":\"http.connections_max\",\"detail\":\"too many connections are open\"}\n";

/// How the door goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It is open.
    No,
    /// Takes nothing new, answers what is under way.
    Drain,
    /// Ends at once.
    Now,
}

/// See the module.
pub struct Door {
    node: Arc<dyn Node>,
    /// Whom operators' orders go to; `None`: this is the door for clients.
    admin: Option<Arc<dyn Admin>>,
    about: About,
    limits: Limits,
    connections: Arc<Semaphore>,
    requests: Semaphore,
    bodies: Arc<Semaphore>,
    subscribers: Arc<Semaphore>,
}

/// How a request is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking {
    /// 0: as the node has it.
    pub(crate) deadline_ms: u32,
    pub(crate) want_receipt: bool,
}

impl Default for Asking {
    fn default() -> Asking {
        Asking { deadline_ms: 0, want_receipt: true }
    }
}

/// An answer without its number.
pub(crate) struct Answered {
    pub(crate) body: ResponseBody,
    pub(crate) receipt: Option<Box<Receipt>>,
}

/// A request under way.
pub(crate) struct Asked<'a> {
    answer: oneshot::Receiver<Response>,
    /// What it means if no answer comes.
    lost: fn() -> Problem,
    _place: SemaphorePermit<'a>,
}

impl Asked<'_> {
    /// Waits for the answer.
    pub(crate) async fn answer(self) -> Result<Answered, Problem> {
        let Response { body, receipt, .. } = self.answer.await.map_err(|_| (self.lost)())?;
        Ok(Answered { body, receipt })
    }
}

impl Door {
    /// A door to `node`.
    pub fn new(node: Arc<dyn Node>, about: About, limits: Limits) -> Door {
        Door {
            node,
            admin: None,
            about,
            connections: Arc::new(Semaphore::new(limits.connections_max)),
            requests: Semaphore::new(limits.requests_max),
            bodies: Arc::new(Semaphore::new(limits.bodies_bytes_max)),
            subscribers: Arc::new(Semaphore::new(limits.subscribers_max)),
            limits,
        }
    }

    /// A door for operators.
    pub fn for_admin(node: Arc<dyn Node>, admin: Arc<dyn Admin>, about: About, limits: Limits) -> Door {
        Door { admin: Some(admin), ..Door::new(node, about, limits) }
    }

    pub(crate) fn is_for_admin(&self) -> bool {
        self.admin.is_some()
    }

    pub(crate) fn admin(&self) -> Result<&dyn Admin, Problem> {
        let elsewhere = "operators have a door of their own: admin_addr";
        let none = || Problem::rejected(StatusCode::NOT_FOUND, "no-such-route", elsewhere);
        self.admin.as_deref().ok_or_else(none)
    }

    pub(crate) fn about(&self) -> &About {
        &self.about
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn count(&self, what: Count) {
        self.node.count(what);
    }

    /// The node's metrics as OpenMetrics text.
    pub(crate) async fn metrics(&self) -> Result<String, NoMetrics> {
        let Limits { connections_max, requests_max, bodies_bytes_max, .. } = self.limits;
        let under = Under {
            connections: (connections_max - self.connections.available_permits()) as u64,
            requests: (requests_max - self.requests.available_permits()) as u64,
            bodies_bytes: (bodies_bytes_max - self.bodies.available_permits()) as u64,
        };
        self.node.metrics(under).await
    }

    pub(crate) fn unready(&self) -> Vec<String> {
        self.node.unready()
    }

    pub(crate) fn feed(&self) -> Arc<Feed> {
        self.node.feed()
    }

    /// A span of this node, which nobody has had.
    pub(crate) fn new_span(&self) -> SpanId {
        self.node.new_span()
    }

    pub(crate) fn wall_ms(&self) -> u64 {
        self.node.wall_ms()
    }

    /// Stands while the node is paused.
    pub(crate) fn step(&self) {
        self.node.step();
    }

    /// Asks the node, and waits for the answer.
    pub(crate) async fn ask(&self, body: RequestBody, asking: Asking) -> Result<Answered, Problem> {
        self.begin(body, asking)?.answer().await
    }

    /// Asks the node.
    pub(crate) fn begin(&self, body: RequestBody, asking: Asking) -> Result<Asked<'_>, Problem> {
        let place = self.requests.try_acquire().map_err(|_| {
            self.count(Count::RequestsMax);
            overloaded("http.requests_max")
        })?;
        let writes = matches!(body, RequestBody::Put { .. } | RequestBody::Delete { .. });
        let lost = if writes { outcome::write_lost } else { outcome::read_lost };
        let Asking { deadline_ms, want_receipt } = asking;
        let request = Request { number: 0, time_left_ms: deadline_ms, want_receipt, body };
        Ok(Asked { answer: self.node.ask(request, trace::passed_on()), lost, _place: place })
    }

    /// Room for a body of `bytes`.
    pub(crate) fn room_for(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        Arc::clone(&self.bodies).try_acquire_many_owned(permits).map_err(|_| {
            self.count(Count::BodiesBytesMax);
            overloaded("http.bodies_bytes_max")
        })
    }

    /// A place for one more stream of events.
    pub(crate) fn subscriber_place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.subscribers).try_acquire_owned().map_err(|_| {
            self.count(Count::SubscribersMax);
            overloaded("http.subscribers_max")
        })
    }

    /// Serves `listener` until `stop` says otherwise; returns when the last connection is gone, whether by itself or,
    /// [`Stop::Now`], cut off. Panics in a connection end that connection.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, mut stop: watch::Receiver<Stop>) {
        let router = routes::router(&self);
        let mut open = JoinSet::new();
        let (mut looking, mut reached) = (tokio::time::interval(LOOK_EVERY), Reached::default());
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                Some(ended) = open.join_next() => note(ended),
                _ = looking.tick(), if !self.is_for_admin() => reached.look(&*self.node),
                taken = listener.accept() => match taken {
                    Ok((stream, _)) => self.take(stream, &router, &stop, &mut open),
                    Err(failure) => {
                        warn!(%failure, "an HTTP connection was not accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(listener);
        loop {
            tokio::select! {
                biased;
                () = ended(&mut stop) => break,
                ended = open.join_next() => match ended {
                    Some(ended) => note(ended),
                    None => break,
                },
            }
        }
        open.shutdown().await;
    }

    fn take(
        self: &Arc<Self>,
        stream: TcpStream,
        router: &Router,
        stop: &watch::Receiver<Stop>,
        open: &mut JoinSet<()>,
    ) {
        self.step();
        let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else {
            self.count(Count::ConnectionsMax);
            info!("refused: http.connections_max clients are connected");
            // It may be gone already; there is nobody else to tell.
            let _ = stream.try_write(TOO_MANY);
            return;
        };
        self.count(Count::Connection);
        // Without it answers are later, not wrong.
        let _ = stream.set_nodelay(true);
        let (door, router, stop) = (Arc::clone(self), router.clone(), stop.clone());
        open.spawn(async move {
            connection::serve(stream, &door, router, stop).await;
            drop(permit);
        });
    }
}

pub(crate) fn overloaded(limit: &str) -> Problem {
    let detail = format!("overloaded: {limit} is exhausted; nothing was done");
    Problem::failed(StatusCode::TOO_MANY_REQUESTS, "overloaded", detail).with("limit", limit).retry_soon()
}

/// When the door shall take nothing new.
pub(crate) async fn stopped(stop: &mut watch::Receiver<Stop>) {
    // Whoever could say so is gone: the same.
    let _ = stop.wait_for(|stop| *stop != Stop::No).await;
}

/// When the door shall end at once.
async fn ended(stop: &mut watch::Receiver<Stop>) {
    let _ = stop.wait_for(|stop| *stop == Stop::Now).await;
}

fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(failure) = ended {
        error!(%failure, "a connection of an HTTP client panicked; its client got no answer");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_client_too_many_is_told_is_as_long_as_it_says() {
        let text = std::str::from_utf8(TOO_MANY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        assert_eq!(length, body.len().to_string());
        let document: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(document["outcome"], "failed");
    }
}
