//! The node's own spans in the traces of others.
//!
//! Invariant: none is given out twice by one incarnation of a node. That those of two nodes, or of two incarnations,
//! differ is as likely as it is of random ones: they are hashes of node, generation and a count. So no source of chance is needed.

use std::sync::atomic::{AtomicU64, Ordering};

use quorate_types::SpanId;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::common::About;

/// See the module.
#[derive(Debug)]
pub(crate) struct Spans {
    seed: u64,
    count: AtomicU64,
}

impl Spans {
    /// The spans of this incarnation of a node.
    pub(crate) fn of(about: &About) -> Spans {
        let seed = xxh3_64_with_seed(&about.generation.0.to_le_bytes(), u64::from(about.node.0));
        Spans { seed, count: AtomicU64::new(0) }
    }

    /// A new one.
    pub(crate) fn mint(&self) -> SpanId {
        loop {
            let count = self.count.fetch_add(1, Ordering::Relaxed);
            let hash = xxh3_64_with_seed(&count.to_le_bytes(), self.seed);
            if let Some(span) = SpanId::new(hash.to_be_bytes()) {
                return span;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use quorate_types::{ClusterId, Generation, NodeId};

    use super::*;

    fn spans(node: u32, generation: u64) -> Spans {
        Spans::of(&About {
            node: NodeId(node),
            name: "n1".to_owned(),
            cluster: ClusterId(1),
            cluster_name: "demo".to_owned(),
            generation: Generation(generation),
        })
    }

    #[test]
    fn no_span_is_given_out_twice_by_a_node_its_peers_or_its_next_incarnation() {
        let mut seen = BTreeSet::new();
        for (node, generation) in [(1, 1), (2, 1), (1, 2)] {
            let spans = spans(node, generation);
            assert!((0..10_000).all(|_| seen.insert(spans.mint())));
        }
    }
}
