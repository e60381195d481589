//! Messages and requests add up.
//!
//! Of a network: sent + duplicated = delivered + dropped + under way. Of a node's life: requests taken = answered +
//! under way. What disappears without being counted is a bug of the node or of the simulator, and either hides others.
//!
//! Source: invariant 17.

use super::judge::{Invariant, Judge, Verdict};
use crate::history::{History, NetworkCounts, RequestCounts};

pub(super) fn judge(history: &History) -> Verdict {
    let mut judge = Judge::new(Invariant::Accounting);
    for NetworkCounts { sent, duplicated, delivered, dropped, under_way, .. } in &history.seen().networks {
        judge.looked(1);
        if sent + duplicated != delivered + dropped + under_way {
            judge.violated(None, &[], || {
                format!("the network: {sent} sent and {duplicated} duplicated, but {delivered} delivered, {dropped} dropped, {under_way} under way")
            });
        }
    }
    for RequestCounts { node, taken, answered, under_way, .. } in &history.seen().requests {
        judge.looked(1);
        if *taken != answered + under_way {
            judge.violated(None, &[], || {
                let node = history.node_name(*node);
                format!("{node}: {taken} requests taken, but {answered} answered and {under_way} under way")
            });
        }
    }
    judge.verdict()
}
