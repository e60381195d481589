//! Which ways through the network are cut: the shapes that networks break in, as data.
//!
//! Source: the nemeses of Jepsen (one-way, partial, bridge, ring of majorities, minority) and TigerBeetle's VOPR.

use serde::{Deserialize, Serialize};

/// A shape of cuts among nodes that are numbered from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Cut {
    /// What one sends to another is lost; the other direction stays.
    OneWay {
        /// The sender.
        from: usize,
        /// The receiver.
        to: usize,
    },
    /// Two nodes don't reach each other; everybody else reaches both.
    Partial {
        /// One.
        a: usize,
        /// The other.
        b: usize,
    },
    /// One side from the rest.
    Sides {
        /// The nodes of the one side.
        side: Vec<usize>,
    },
    /// What one side sends to the rest is lost; the rest is heard.
    Mute {
        /// The nodes that are not heard.
        side: Vec<usize>,
    },
    /// Two halves that only one node reaches both of.
    Bridge {
        /// That node.
        over: usize,
    },
    /// Everybody reaches a majority, and no two the same one: each only its neighbours on a ring.
    Ring,
}

impl Cut {
    /// The directed ways that are cut among `nodes` nodes.
    pub fn ways(&self, nodes: usize) -> Vec<(usize, usize)> {
        let all = (1..=nodes).flat_map(|a| (1..=nodes).map(move |b| (a, b))).filter(|(a, b)| a != b);
        all.filter(|(a, b)| self.cuts(nodes, *a, *b)).collect()
    }

    /// The nodes that it names.
    pub(crate) fn nodes(&self) -> Vec<usize> {
        match self {
            Cut::OneWay { from: a, to: b } | Cut::Partial { a, b } => vec![*a, *b],
            Cut::Sides { side } | Cut::Mute { side } => side.clone(),
            Cut::Bridge { over } => vec![*over],
            Cut::Ring => Vec::new(),
        }
    }

    fn cuts(&self, nodes: usize, a: usize, b: usize) -> bool {
        match self {
            Cut::OneWay { from, to } => (a, b) == (*from, *to),
            Cut::Partial { a: one, b: other } => (a, b) == (*one, *other) || (b, a) == (*one, *other),
            Cut::Sides { side } => side.contains(&a) != side.contains(&b),
            Cut::Mute { side } => side.contains(&a) && !side.contains(&b),
            Cut::Bridge { over } => {
                let half = |k: usize| (k + nodes - over) % nodes <= nodes / 2;
                a != *over && b != *over && half(a) != half(b)
            }
            Cut::Ring => {
                let apart = (a + nodes - b) % nodes;
                // Neighbours on both sides until the majority is full.
                apart.min(nodes - apart) > (nodes / 2).div_ceil(2)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_cut_what_they_say() {
        assert_eq!(Cut::OneWay { from: 1, to: 3 }.ways(3), [(1, 3)]);
        assert_eq!(Cut::Partial { a: 1, b: 3 }.ways(3), [(1, 3), (3, 1)]);
        assert_eq!(Cut::Sides { side: vec![2] }.ways(3), [(1, 2), (2, 1), (2, 3), (3, 2)]);
        assert_eq!(Cut::Mute { side: vec![2] }.ways(3), [(2, 1), (2, 3)]);
        assert_eq!(Cut::Bridge { over: 1 }.ways(3), [(2, 3), (3, 2)]);
    }

    #[test]
    fn over_a_bridge_all_reach_it_and_the_halves_are_apart() {
        let ways = Cut::Bridge { over: 3 }.ways(5);
        assert!(ways.iter().all(|(a, b)| *a != 3 && *b != 3));
        assert_eq!(ways.len(), 8, "two by two, both ways: {ways:?}");
    }

    #[test]
    fn on_a_ring_each_reaches_a_majority_and_no_two_the_same() {
        let ways = Cut::Ring.ways(5);
        let reached = |a: usize| (1..=5).filter(|b| !ways.contains(&(a, *b))).collect::<Vec<_>>();
        let all: Vec<_> = (1..=5).map(reached).collect();
        assert!(all.iter().all(|seen| seen.len() == 3), "{all:?}");
        assert!((1..5).all(|a| all[a] != all[a - 1]));
    }
}
