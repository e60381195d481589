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
    /// How often the shards reached their limits, by counter. Locked only when one is reached.
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

    /// The limit that the shards count as `counter` was reached `times` more.
    pub(crate) fn limit_reached(&self, counter: &'static str, times: u64) {
        *self.reached.lock().unwrap_or_else(PoisonError::into_inner).entry(counter).or_default() += times;
    }

    /// How often each limit was reached since the start: what `counters` know, and what was told here.
    pub(crate) fn limits_reached(&self, counters: &Counters) -> Vec<(&'static str, u64)> {
        let counted = counters.list();
        let told = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        let times = |counter| {
            let counted = counted.iter().find(|(name, _)| *name == counter);
            counted.map(|(_, times)| *times).or_else(|| told.get(counter).copied())
        };
        LIMITS.iter().filter_map(|&(limit, counter)| Some((limit, times(counter)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_called_by_its_name_whoever_counts_it() {
        let (news, counters) = (News::new(1, 1), Counters::default());
        counters.connections_max_hit.increment();
        news.limit_reached("limit_clock_parked", 2);
        news.limit_reached("limit_clock_parked", 1);
        let reached: Vec<_> =
            news.limits_reached(&counters).into_iter().filter(|(_, times)| *times > 0).collect();
        assert_eq!(reached, [("connections_max", 1), ("clock_parked_max", 3)]);
    }
}
