//! The node, as its HTTP door sees it.

use std::sync::Arc;

use quorate_http::{Count, Feed, MetricsText, NoMetrics, Node, Under};
use quorate_types::{SpanId, Trace};
use quorate_wire::{Request, Response};
use tokio::sync::oneshot;
use tracing::Span;

use crate::clock::wall_ms;
use crate::common::Common;
use crate::connections::http::asks::Waiting;
use crate::counters::Counters;
use crate::metrics::{Scene, exposition};
use crate::shard::item::{Ask, Item};
use crate::shard::turns::{STATUS_REQUESTS_MAX, home};
use crate::view::readiness;

/// See the module.
pub(super) struct HttpNode(pub(super) Arc<Common>);

impl Node for HttpNode {
    fn ask(&self, request: Request, trace: Option<Trace>) -> oneshot::Receiver<Response> {
        let (answer, answered) = oneshot::channel();
        let shard = home(&request.body, &self.0);
        let waiting = Waiting { answer, span: Span::current() };
        self.0.inboxes[shard].push(Item::Ask(Box::new(Ask { request, trace }), waiting));
        answered
    }

    fn new_span(&self) -> SpanId {
        self.0.spans.mint()
    }

    fn metrics(&self, under: Under) -> MetricsText {
        let common = Arc::clone(&self.0);
        let parts = common.scrape();
        Box::pin(async move {
            let parts = parts.ok_or(NoMetrics::Overloaded(STATUS_REQUESTS_MAX))?;
            let parts = parts.await.map_err(|_| NoMetrics::Ended)?;
            Ok(exposition(Scene::new(&common, parts, under)))
        })
    }

    fn unready(&self) -> Vec<String> {
        readiness::reasons(&self.0)
    }

    fn feed(&self) -> Arc<Feed> {
        self.0.news.feed()
    }

    fn limits_reached(&self) -> Vec<(&'static str, u64)> {
        self.0.news.limits_reached(&self.0.counters)
    }

    fn wall_ms(&self) -> u64 {
        wall_ms()
    }

    fn count(&self, what: Count) {
        let counters: &Counters = &self.0.counters;
        let counter = match what {
            Count::Connection => &counters.http_connections_accepted,
            Count::ConnectionsMax => &counters.http_connections_max_hit,
            Count::Request => &counters.http_requests,
            Count::RequestsMax => &counters.http_requests_max_hit,
            Count::BodyBytesMax => &counters.http_body_bytes_max_hit,
            Count::BodiesBytesMax => &counters.http_bodies_bytes_max_hit,
            Count::BodyTimeout => &counters.http_body_timeout_hit,
            Count::WriteTimeout => &counters.http_write_timeout_hit,
            Count::SubscribersMax => &counters.http_subscribers_max_hit,
            Count::SubscriberCutOff => &counters.http_subscribers_cut_off,
            Count::HeadBroken => &counters.http_heads_broken,
            Count::ClientError => &counters.http_client_errors,
            Count::ServerError => &counters.http_server_errors,
        };
        counter.increment();
    }

    fn step(&self) {
        // Whether to stop is for the thread to hear by its own way.
        let _ = self.0.switch.step();
    }
}
