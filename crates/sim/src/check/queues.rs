//! Queues keep to their bounds.
//!
//! Source: invariant 18.

use super::judge::{Invariant, Judge, Verdict};
use crate::history::History;

pub(super) fn judge(history: &History) -> Verdict {
    let mut judge = Judge::new(Invariant::Queues);
    for queue in &history.seen().queues {
        judge.looked(1);
        if queue.depth_max > queue.bound {
            judge.violated(None, &[], || {
                let whose =
                    queue.node.map_or_else(String::new, |node| format!(" of {}", history.node_name(node)));
                format!("{}{whose} held {}, and may hold {}", queue.name, queue.depth_max, queue.bound)
            });
        }
    }
    judge.verdict()
}
