//! Slow requests in the log lines: what they were and asked for, how long they took, what and whom they waited for.
//!
//! Invariants:
//! - what is slow, and what it waited for, the machine says: nothing is judged here a second time;
//! - at most one line per [`LINE_EVERY`] and shard, which says how many were passed over since the one before; the
//!   counter has them all;
//! - a key is written escaped, and not beyond [`KEY_BYTES_SHOWN`].

use std::fmt::Write as _;
use std::time::Duration;

use quorate_coordinator::{Replies, Sought};
use quorate_node::{SlowAnswer, Wait, WaitedFor};
use quorate_types::{KeyspaceId, Mono, NodeId, NodeTiming, PageStart, ReadRepair};
use quorate_wire::ResponseBody;
use tracing::warn;

use crate::connections::ConnectionId;
use crate::metrics::requests::{Door, LEVELS, Labels, Outcome, Verb};
use crate::view::overview::Overview;

/// The least time between two lines.
const LINE_EVERY: Duration = Duration::from_secs(1);
/// Of a longer key only the beginning is shown.
const KEY_BYTES_SHOWN: usize = 64;
/// What waited shorter than this is left out of the list of what a request waited for.
const WAIT_SHOWN_MIN: Duration = Duration::from_micros(50);

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct SlowLog {
    last: Option<Mono>,
    passed_over: u64,
}

impl SlowLog {
    /// Logs a slow request and its answer, unless there was a line just now.
    #[cold]
    pub(crate) fn note(
        &mut self,
        now: Mono,
        (slow, body): (&SlowAnswer, &ResponseBody),
        overview: &Overview,
    ) {
        if self.last.is_some_and(|last| now.since(last) < LINE_EVERY) {
            self.passed_over += 1;
            return;
        }
        self.last = Some(now);
        let SlowAnswer { origin, keyspace, sought, waits } = slow;
        let (labels, place) = (Labels::of(origin.tag), Place::of(sought));
        let receipts = Receipts::of(waits, |node| overview.name_of(node));
        warn!(
            door = Door::WORDS[Door::of(ConnectionId(origin.connection)) as usize],
            verb = Verb::WORDS[labels.verb()],
            level = LEVELS[labels.level()],
            outcome = Outcome::WORDS[Outcome::of(body) as usize],
            elapsed_ms = origin.tag.elapsed_ns(now) / 1_000_000,
            keyspace = keyspace_name(*keyspace, overview),
            key = place.key,
            partition = place.partition,
            start = place.start,
            waited = waits_in_words(waits),
            read_first = receipts.read_first,
            receipt = receipts.last(),
            passed_over = std::mem::take(&mut self.passed_over),
            "a slow request"
        );
    }
}

fn keyspace_name(id: KeyspaceId, overview: &Overview) -> String {
    let known = overview.keyspaces().iter().find(|known| known.id == id);
    known.map_or_else(|| id.to_string(), |known| known.name.clone())
}

/// What was asked for: a key, or a partition and where in it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Place {
    key: Option<String>,
    partition: Option<u16>,
    start: Option<String>,
}

impl Place {
    fn of(sought: &Sought) -> Place {
        match sought {
            Sought::Key(key) => Place { key: Some(shown(key)), ..Place::default() },
            Sought::Page { partition, start } => {
                let start = match start {
                    PageStart::First => "first".to_owned(),
                    PageStart::After(key) => format!("after {}", shown(key)),
                    PageStart::At(token) => format!("at token {:016x}", token.0),
                };
                Place { key: None, partition: Some(partition.0), start: Some(start) }
            }
        }
    }
}

/// What it waited for, one after the other, with how long: what is not worth a word is left out, the last one never.
fn waits_in_words(waits: &[Wait]) -> String {
    let last = waits.len().saturating_sub(1);
    let told = waits.iter().enumerate().filter(|(at, wait)| *at == last || wait.took >= WAIT_SHOWN_MIN);
    let in_words = told.map(|(_, Wait { what, took })| {
        let what = match what {
            WaitedFor::Shard => "shard",
            WaitedFor::ClockCeiling => "clock ceiling",
            WaitedFor::ReadFirst(_) => "read first",
            WaitedFor::Earlier => "earlier",
            WaitedFor::Replicas(_) => "replicas",
        };
        format!("{what} {:.1}ms", took.as_secs_f64() * 1e3)
    });
    in_words.collect::<Vec<_>>().join(", ")
}

/// The receipts among what a request waited for, in words.
#[derive(Debug, Default)]
struct Receipts {
    read_first: Option<String>,
    last: Option<String>,
}

impl Receipts {
    fn of(waits: &[Wait], name: impl Fn(NodeId) -> String) -> Receipts {
        let mut receipts = Receipts::default();
        for wait in waits {
            match &wait.what {
                WaitedFor::ReadFirst(replies) => receipts.read_first = Some(in_words(replies, &name)),
                WaitedFor::Replicas(replies) => receipts.last = Some(in_words(replies, &name)),
                WaitedFor::Shard | WaitedFor::ClockCeiling | WaitedFor::Earlier => {}
            }
        }
        receipts
    }

    fn last(&self) -> &str {
        let none =
            if self.read_first.is_some() { "no replica was asked to write" } else { "no replica was asked" };
        self.last.as_deref().unwrap_or(none)
    }
}

fn shown(key: &[u8]) -> String {
    let (beginning, rest) = key.split_at(key.len().min(KEY_BYTES_SHOWN));
    let more = if rest.is_empty() { "" } else { "…" };
    format!("{}{more}", beginning.escape_ascii())
}

/// A receipt, in one line: replicas by name, times in milliseconds.
fn in_words(Replies { receipt, silent }: &Replies, name: impl Fn(NodeId) -> String) -> String {
    let names = |nodes: &[NodeId]| nodes.iter().map(|node| name(*node)).collect::<Vec<_>>().join(",");
    let mut text = format!("replicas {}", names(&receipt.replicas));
    for (what, timings) in [("queried", &receipt.queried), ("answered", &receipt.answered)] {
        let timing = |timing: &NodeTiming| {
            format!("{}:{:.1}ms", name(timing.node), f64::from(timing.elapsed_us) / 1e3)
        };
        if !timings.is_empty() {
            let _ = write!(text, "; {what} {}", timings.iter().map(timing).collect::<Vec<_>>().join(","));
        }
    }
    for (what, nodes) in [("silent", silent), ("hinted", &receipt.hinted)] {
        if !nodes.is_empty() {
            let _ = write!(text, "; {what} {}", names(nodes));
        }
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
    use quorate_types::{PartitionId, Receipt, Token};

    use super::*;

    fn replies(answered: &[(u32, u32)], silent: &[u32]) -> Replies {
        let timing = |&(node, elapsed_us)| NodeTiming { node: NodeId(node), elapsed_us, version: None };
        let receipt = Receipt {
            coordinator: NodeId(1),
            replicas: vec![NodeId(1), NodeId(2)],
            queried: Vec::new(),
            answered: answered.iter().map(timing).collect(),
            hinted: Vec::new(),
            refused: Vec::new(),
            repair: ReadRepair::None,
        };
        Replies { receipt, silent: silent.iter().map(|&node| NodeId(node)).collect() }
    }

    fn wait(what: WaitedFor, took_us: u64) -> Wait {
        Wait { what, took: Duration::from_micros(took_us) }
    }

    fn said(waits: &[Wait]) -> (String, Option<String>, String) {
        let receipts = Receipts::of(waits, |node| format!("n{}", node.0));
        (waits_in_words(waits), receipts.read_first.clone(), receipts.last().to_owned())
    }

    #[test]
    fn a_key_is_shown_escaped_and_a_long_one_in_part() {
        assert_eq!(shown(b"user:7\n\x1b[31m\xff"), r"user:7\n\x1b[31m\xff");
        assert_eq!(shown(&[b'k'; 64]), "k".repeat(64));
        assert_eq!(shown(&[b'k'; 65]), "k".repeat(64) + "…");
    }

    #[test]
    fn a_page_is_shown_by_its_partition_and_where_in_it_it_begins_keys_escaped() {
        let place = |start| Place::of(&Sought::Page { partition: PartitionId(4_095), start });
        let at = |start: &str| Place { key: None, partition: Some(4_095), start: Some(start.to_owned()) };
        assert_eq!(place(PageStart::First), at("first"));
        assert_eq!(place(PageStart::After("a\nb".into())), at(r"after a\nb"));
        assert_eq!(place(PageStart::At(Token(0xfff0_0000_0000_0007))), at("at token fff0000000000007"));
    }

    #[test]
    fn what_a_request_waited_for_is_said_in_order_with_the_receipts_of_both_its_phases() {
        let waits = [
            wait(WaitedFor::Shard, 612_000),
            wait(WaitedFor::ReadFirst(replies(&[(2, 30_100)], &[1])), 30_100),
            wait(WaitedFor::ClockCeiling, 49),
            wait(WaitedFor::Replicas(replies(&[(1, 7), (2, 40)], &[])), 40),
        ];
        let (waited, read_first, last) = said(&waits);
        assert_eq!(waited, "shard 612.0ms, read first 30.1ms, replicas 0.0ms");
        assert_eq!(read_first.as_deref(), Some("replicas n1,n2; answered n2:30.1ms; silent n1"));
        assert_eq!(last, "replicas n1,n2; answered n1:0.0ms,n2:0.0ms");
    }

    #[test]
    fn where_no_replica_was_asked_there_is_no_receipt_and_what_it_waited_for_is_said_all_the_same() {
        let none = || "no replica was asked".to_owned();
        assert_eq!(said(&[wait(WaitedFor::Shard, 612_000)]), ("shard 612.0ms".to_owned(), None, none()));
        let waits = [wait(WaitedFor::Earlier, 10_000), wait(WaitedFor::ClockCeiling, 600_000)];
        assert_eq!(said(&waits), ("earlier 10.0ms, clock ceiling 600.0ms".to_owned(), None, none()));
        let (_, read_first, last) = said(&[wait(WaitedFor::ReadFirst(replies(&[], &[2])), 600_000)]);
        assert_eq!(read_first.as_deref(), Some("replicas n1,n2; silent n2"));
        assert_eq!(last, "no replica was asked to write");
    }
}
