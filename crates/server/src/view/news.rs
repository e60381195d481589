//! What the threads of a replica announce: the feed that watchers read, and how often each limit was reached.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use quorate_http::{Feed, NodeEvent};

use crate::clock::wall_ms;
use crate::counters::Counters;
use crate::metrics::LIMITS;

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
        let counted = counters.list();
        let of_driver = |&(limit, counter): &(&'static str, &str)| {
            let (_, times) = counted.iter().find(|(name, _)| name == counter)?;
            Some((limit, *times))
        };
        let mut reached: Vec<(&'static str, u64)> = LIMITS.iter().filter_map(of_driver).collect();
        let told = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        reached.extend(told.iter().map(|(limit, times)| (*limit, *times)));
        reached
    }
}
