//! Faults of the network: cuts that may overlap, clogs, weather.

use std::time::Duration;

use quorate_transport::memory::{Delay, LinkFaults, NetworkStatistics};

use super::{Cluster, node_id};

impl Cluster {
    /// What became of the frames.
    pub fn network_statistics(&self) -> NetworkStatistics {
        self.network.statistics()
    }

    /// What all links do to frames from now on.
    pub fn set_weather(&mut self, faults: LinkFaults) {
        self.network.set_all_faults(faults);
    }

    /// What the link from one node to another does to frames from now on, until the weather changes.
    pub fn set_link(&mut self, from: usize, to: usize, faults: LinkFaults) {
        self.network.set_faults(node_id(from), node_id(to), faults);
    }

    /// Frames take 1 to 50 ms.
    pub fn slow_network(&mut self) {
        let (least, most) = (Duration::from_millis(1), Duration::from_millis(50));
        self.set_weather(LinkFaults { delay: Delay::Uniform { least, most }, ..LinkFaults::default() });
    }

    /// Cuts what `from` sends to `to`; once more, if it is cut.
    pub fn cut(&mut self, from: usize, to: usize) {
        *self.cut.entry((from, to)).or_default() += 1;
        self.network.cut(node_id(from), node_id(to));
    }

    /// Takes back one cut of what `from` sends to `to`.
    pub fn heal(&mut self, from: usize, to: usize) {
        let Some(times) = self.cut.get_mut(&(from, to)) else { return };
        *times -= 1;
        if *times == 0 {
            self.cut.remove(&(from, to));
            self.network.heal(node_id(from), node_id(to));
        }
    }

    /// Whether what `from` sends to `to` is cut.
    pub(super) fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cut.contains_key(&(from, to))
    }

    /// Whether what `from` sends to `to` waits.
    pub(super) fn is_clogged(&self, from: usize, to: usize) -> bool {
        self.clogged.contains(&(from, to))
    }

    /// Takes back all cuts and clogs.
    pub fn heal_all(&mut self) {
        self.cut.clear();
        self.network.heal_all();
        for (from, to) in self.ways() {
            self.unclog(from, to);
        }
    }

    /// What `from` sends to `to` waits, until [`Cluster::unclog`].
    pub fn clog(&mut self, from: usize, to: usize) {
        self.clogged.insert((from, to));
        self.network.clog(node_id(from), node_id(to));
    }

    /// What waited between them arrives, and behind it the ends of links whose sender has died meanwhile.
    pub fn unclog(&mut self, from: usize, to: usize) {
        self.clogged.remove(&(from, to));
        self.network.unclog(self.kernel.now(), node_id(from), node_id(to));
        self.end_half_open(from, to);
    }

    /// Cuts both directions between every node of `left` and every node of `right`.
    pub fn partition(&mut self, left: &[usize], right: &[usize]) {
        for (a, b) in pairs(left, right) {
            self.cut(a, b);
            self.cut(b, a);
        }
    }

    /// Undoes [`Cluster::partition`].
    pub fn unite(&mut self, left: &[usize], right: &[usize]) {
        for (a, b) in pairs(left, right) {
            self.heal(a, b);
            self.heal(b, a);
        }
    }

    fn ways(&self) -> Vec<(usize, usize)> {
        let nodes: Vec<usize> = (1..=self.spec.nodes).collect();
        pairs(&nodes, &nodes).filter(|(a, b)| a != b).collect()
    }
}

fn pairs<'a>(left: &'a [usize], right: &'a [usize]) -> impl Iterator<Item = (usize, usize)> + 'a {
    left.iter().flat_map(|a| right.iter().map(move |b| (*a, *b)))
}
