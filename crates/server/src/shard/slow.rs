//! Slow requests in the log lines: what they were, how long they took, whom they waited for.
//!
//! Invariants:
//! - at most one line per [`LINE_EVERY`] and shard, which says how many were passed over since the one before; the
//!   counter has them all;
//! - a key is written escaped, and not beyond [`KEY_BYTES_SHOWN`].

use std::fmt::Write as _;
use std::time::Duration;

use quorate_coordinator::{Origin, SlowRequest};
use quorate_types::{Mono, NodeId, ReadRepair, Receipt};
use quorate_wire::ResponseBody;
use tracing::warn;

use crate::connections::ConnectionId;
use crate::metrics::requests::{Door, LEVELS, Outcome, Tag, Verb};
use crate::view::overview::Overview;

/// The least time between two lines.
const LINE_EVERY: Duration = Duration::from_secs(1);
/// Of a longer key only the beginning is shown.
const KEY_BYTES_SHOWN: usize = 64;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct SlowLog {
    /// `slow_request`; `None`: no request is slow.
    after: Option<Duration>,
    last: Option<Mono>,
    passed_over: u64,
}

impl SlowLog {
    pub(crate) fn new(after: Option<Duration>) -> SlowLog {
        SlowLog { after, last: None, passed_over: 0 }
    }

    /// Whether the request of `origin`, answered now, was slow.
    pub(crate) fn is_slow(&self, now: Mono, origin: &Origin) -> bool {
        let elapsed = Duration::from_nanos(Tag(origin.tag).elapsed_ns(now));
        self.after.is_some_and(|after| elapsed >= after)
    }

    /// Logs the slow request of `origin`, unless there was a line just now; `told` is what the coordinator knows of it.
    #[cold]
    pub(crate) fn note(
        &mut self,
        now: Mono,
        (origin, body): (&Origin, &ResponseBody),
        told: Option<&SlowRequest>,
        overview: &Overview,
    ) {
        if self.last.is_some_and(|last| now.since(last) < LINE_EVERY) {
            self.passed_over += 1;
            return;
        }
        self.last = Some(now);
        let tag = Tag(origin.tag);
        warn!(
            door = Door::WORDS[Door::of(ConnectionId(origin.connection)) as usize],
            verb = Verb::WORDS[tag.verb()],
            level = LEVELS[tag.level()],
            outcome = Outcome::WORDS[Outcome::of(body) as usize],
            elapsed_ms = tag.elapsed_ns(now) / 1_000_000,
            key = told.map(|told| shown(&told.key)),
            receipt = told.map(|told| in_words(&told.receipt, overview)),
            passed_over = std::mem::take(&mut self.passed_over),
            "a slow request"
        );
    }
}

fn shown(key: &[u8]) -> String {
    let (beginning, rest) = key.split_at(key.len().min(KEY_BYTES_SHOWN));
    let more = if rest.is_empty() { "" } else { "…" };
    format!("{}{more}", beginning.escape_ascii())
}

/// A receipt, in one line: replicas by name, times in milliseconds.
fn in_words(receipt: &Receipt, overview: &Overview) -> String {
    let name = |node: NodeId| overview.name(node).map_or_else(|| node.to_string(), str::to_owned);
    let names = |nodes: &[NodeId]| nodes.iter().map(|node| name(*node)).collect::<Vec<_>>().join(",");
    let mut text = format!("replicas {}", names(&receipt.replicas));
    for (what, timings) in [("queried", &receipt.queried), ("answered", &receipt.answered)] {
        let timing = |timing: &quorate_types::NodeTiming| {
            format!("{}:{:.1}ms", name(timing.node), f64::from(timing.elapsed_us) / 1e3)
        };
        if !timings.is_empty() {
            let _ = write!(text, "; {what} {}", timings.iter().map(timing).collect::<Vec<_>>().join(","));
        }
    }
    if !receipt.hinted.is_empty() {
        let _ = write!(text, "; hinted {}", names(&receipt.hinted));
    }
    for (node, why) in &receipt.refused {
        let _ = write!(text, "; refused {}: {why}", name(*node));
    }
    if let ReadRepair::Blocking(nodes) = &receipt.repair {
        let _ = write!(text, "; repaired {}", names(nodes));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_escaped_and_a_long_one_in_part() {
        assert_eq!(shown(b"user:7\n\x1b[31m\xff"), r"user:7\n\x1b[31m\xff");
        assert_eq!(shown(&[b'k'; 64]), "k".repeat(64));
        assert_eq!(shown(&[b'k'; 65]), "k".repeat(64) + "…");
    }
}
