//! Limits that were reached, announced at most once a second each, with how often: where a limit is reached at all, it is
//! reached thousands of times a second, and a refusal must stay cheap.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::feed::NodeEvent;
use crate::node::Node;

/// The time between two looks.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often each limit had been reached when it was last looked at.
#[derive(Debug, Default)]
pub(crate) struct Reached(BTreeMap<&'static str, u64>);

impl Reached {
    /// Announces what was reached since the last look.
    pub(crate) fn look(&mut self, node: &dyn Node) {
        for (limit, total) in node.limits_reached() {
            let told = self.0.entry(limit).or_default();
            let hits = total.saturating_sub(*told);
            if hits > 0 {
                *told = total;
                node.feed().announce(node.wall_ms(), &NodeEvent::LimitHit { limit, hits, total });
            }
        }
    }
}
