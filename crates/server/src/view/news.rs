//! What the threads of a replica announce: the feed that watchers read, and how often each limit was reached.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use quorate_http::{Feed, NodeEvent};

use crate::clock::wall_ms;
use crate::counters::Counters;

/// See the module.
#[derive(Debug)]
pub(crate) struct News {
    feed: Arc<Feed>,
    /// Limits that no counter of the driver stands for, by name. Locked only when one is reached.
    reached: Mutex<BTreeMap<&'static str, u64>>,
}

impl News {
    /// Nothing yet, in life `generation`; the last `kept_max` events are kept.
    pub(crate) fn new(generation: u64, kept_max: usize) -> News {
        News { feed: Arc::new(Feed::new(generation, kept_max)), reached: Mutex::default() }
    }

    pub(crate) fn feed(&self) -> Arc<Feed> {
        Arc::clone(&self.feed)
    }

    /// `event` happened just now.
    pub(crate) fn announce(&self, event: &NodeEvent) {
        self.feed.announce(wall_ms(), event);
    }

    /// `limit` was reached `times` more.
    pub(crate) fn limit_reached(&self, limit: &'static str, times: u64) {
        *self.reached.lock().unwrap_or_else(PoisonError::into_inner).entry(limit).or_default() += times;
    }

    /// How often each limit was reached since the start: what `counters` know, and what was told here.
    pub(crate) fn limits_reached(&self, counters: &Counters) -> Vec<(&'static str, u64)> {
        let counted = [
            ("connections_max", &counters.connections_max_hit),
            ("link_queue_bytes_max", &counters.link_queue_bytes_max_hit),
            ("resp.connections_max", &counters.resp_connections_max_hit),
            ("resp.output_bytes_max", &counters.resp_output_bytes_max_hit),
            ("http.connections_max", &counters.http_connections_max_hit),
            ("http.requests_max", &counters.http_requests_max_hit),
            ("http.body_bytes_max", &counters.http_body_bytes_max_hit),
            ("http.bodies_bytes_max", &counters.http_bodies_bytes_max_hit),
            ("http.body_timeout", &counters.http_body_timeout_hit),
            ("http.write_timeout", &counters.http_write_timeout_hit),
            ("http.subscribers_max", &counters.http_subscribers_max_hit),
            ("http.events_kept_max", &counters.http_subscribers_cut_off),
        ];
        let mut reached: Vec<(&'static str, u64)> =
            counted.into_iter().map(|(limit, counter)| (limit, counter.value())).collect();
        let told = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        reached.extend(told.iter().map(|(limit, times)| (*limit, *times)));
        reached
    }
}
