//! `GET /api/v1/events`: what happens to the node while it happens, as server-sent events.
//!
//! ```text
//! hello (or gap) ─► events, in order ─┬─ the client leaves
//!            ▲  │                     ├─ drain-begun: the node ends, and the stream with it
//!            │  └─ : heartbeat        └─ cut-off: more than events_kept_max behind
//!            └──── reconnects with Last-Event-ID
//! ```
//!
//! Invariants:
//! - at most `subscribers_max` streams;
//! - an event is sent once, in order, or the client is told that some are missing: never silently fewer.
//!
//! Source: HTML Living Standard §9.2 (server-sent events).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, MissedTickBehavior, interval_at};
use tracing::info;

use crate::door::Door;
use crate::feed::{Behind, Feed, Resumed, message};
use crate::node::Count;
use crate::params::{self, Params};
use crate::problem::Problem;

/// The version of the events' form.
const SCHEMA: u32 = 1;
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const HEARTBEAT: &[u8] = b": heartbeat\n\n";

/// One stream.
struct Subscriber {
    door: Arc<Door>,
    feed: Arc<Feed>,
    /// What is sent before anything else.
    first: Option<Bytes>,
    /// It has everything up to here.
    after: u64,
    changes: watch::Receiver<u64>,
    heartbeat: Interval,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

/// See the module.
pub(crate) async fn events(State(door): State<Arc<Door>>, request: Request) -> Result<Response, Problem> {
    Params::parse(request.uri().query(), params::EVENTS)?;
    let subscriber = Subscriber::new(&door, request.headers().get(LAST_EVENT_ID))?;
    let stream = futures_util::stream::unfold(subscriber, |mut subscriber| async {
        let text = subscriber.next().await?;
        Some((Ok::<_, std::convert::Infallible>(text), subscriber))
    });
    let mut response = Response::new(Body::from_stream(stream));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

impl Subscriber {
    fn new(door: &Arc<Door>, last_id: Option<&HeaderValue>) -> Result<Subscriber, Problem> {
        let feed = door.feed();
        if feed.is_closed() {
            let detail = "the node is shutting down: nothing happens here any more";
            return Err(Problem::failed(StatusCode::SERVICE_UNAVAILABLE, "shutting-down", detail));
        }
        let place = door.subscriber_place()?;
        let (newest, changes) = feed.watch();
        let (first, after) = beginning(door, &feed, last_id, newest)?;
        let every = door.limits().heartbeat_every;
        let mut heartbeat = interval_at(tokio::time::Instant::now() + every, every);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let door = Arc::clone(door);
        Ok(Subscriber { door, feed, first, after, changes, heartbeat, ended: false, _place: place })
    }

    /// What is to be sent next; `None`: the stream has ended.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        while !self.ended {
            self.changes.mark_unchanged();
            match self.feed.behind(self.after) {
                Behind::Events { text, through, more } => {
                    (self.after, self.ended) = (through, !more);
                    return Some(text);
                }
                Behind::Gone => return Some(self.cut_off()),
                Behind::Nothing => {}
            }
            tokio::select! {
                // Fails only when the feed is gone, and this holds it.
                _ = self.changes.changed() => {}
                _ = self.heartbeat.tick() => return Some(Bytes::from_static(HEARTBEAT)),
            }
        }
        None
    }

    fn cut_off(&mut self) -> Bytes {
        self.ended = true;
        self.door.count(Count::SubscriberCutOff);
        info!("a subscriber of /api/v1/events is cut off: http.events_kept_max events behind");
        let detail = "this client is more events behind than are kept: reconnect, and read the views afresh";
        message("cut-off", "", &json!({ "limit": "http.events_kept_max", "detail": detail }))
    }
}

/// What a stream begins with, and behind which event it goes on.
fn beginning(
    door: &Door,
    feed: &Feed,
    last_id: Option<&HeaderValue>,
    newest: u64,
) -> Result<(Option<Bytes>, u64), Problem> {
    let about = door.about();
    let Some(last_id) = last_id else {
        let body = json!({
            "schema": SCHEMA,
            "node": about.node,
            "generation": about.generation,
            "at_ms": door.wall_ms(),
        });
        return Ok((Some(message("hello", &feed.id(newest), &body)), newest));
    };
    let text = last_id.to_str().unwrap_or_default();
    match feed.resumed(text) {
        Some(Resumed::Seamless { after }) => Ok((None, after)),
        Some(Resumed::Gap { after, why }) => {
            let body = json!({ "schema": SCHEMA, "node": about.node, "last": text, "why": why });
            Ok((Some(message("gap", &feed.id(after), &body)), after))
        }
        None => {
            let detail = "Last-Event-ID is no id of an event here: send the last one that came, or none";
            Err(Problem::bad("bad-last-event-id", detail))
        }
    }
}
