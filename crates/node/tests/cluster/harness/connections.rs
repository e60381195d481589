//! Dials, and how connections end.

use super::*;

impl Cluster {
    /// One connection is reset.
    pub fn cut_link(&mut self, from: Place, to: Place) {
        let connections = &self.network.connections;
        let link = connections.iter().find(|(_, c)| (c.from, c.to) == (from, to)).map(|(&id, _)| id);
        self.drop_connection(link.expect("they are connected"), LinkLoss::Reset);
    }

    pub(super) fn dial_node(&mut self, from: Place, peer: usize, after: Duration) {
        for shard in 0..self.plan.shards {
            let to = Place { node: peer, shard };
            let connected = self.network.connections.values().any(|c| c.from == from && c.to == to);
            if !connected && self.dialling.insert((from, to)) {
                self.push_to(from, after, What::Dial { to });
            }
        }
    }

    /// A dial has come to its end: a link at both ends, or why there is none.
    pub(super) fn dialled(&mut self, from: Place, to: Place) -> Vec<Event> {
        self.dialling.remove(&(from, to));
        let peer = self.nodes[to.node].id;
        let cut = self.network.is_cut(from.node, to.node) || self.network.is_cut(to.node, from.node);
        if cut || self.nodes[to.node].paused || !self.nodes[to.node].up {
            let why =
                if cut || self.nodes[to.node].paused { DialFailure::TimedOut } else { DialFailure::Refused };
            if self.nodes[from.node].dials {
                self.dialling.insert((from, to));
                self.push_to(from, REDIAL, What::Dial { to });
            }
            return vec![Event::DialFailed { peer, why }];
        }
        let connection = self.network.connect(from, to);
        let end = |this: &Cluster, place: Place| LinkPeer {
            node: this.nodes[place.node].id,
            generation: Generation(this.generation(place.node)),
            shard: place.shard as u16,
            shards: this.plan.shards as u16,
        };
        let link = LinkId(connection);
        let inbound = Event::LinkUp { link, peer: end(self, from), direction: Direction::Inbound };
        self.push_to(to, Duration::ZERO, What::Event(inbound));
        let epoch = LinkEpoch { generation: Generation(self.generation(from.node)), connection };
        vec![Event::LinkUp {
            link,
            peer: end(self, to),
            direction: Direction::Outbound { epoch, protocol: self.plan.protocol },
        }]
    }

    pub(super) fn close(&mut self, by: Place, connection: u64) {
        let Some(ends) = self.network.connections.get(&connection).copied() else { return };
        self.drop_connection(connection, LinkLoss::Closed);
        if ends.from == by {
            let node = ends.to.node;
            self.dial_node(by, node, REDIAL);
        }
    }

    pub(super) fn drop_connection(&mut self, connection: u64, why: LinkLoss) {
        let Some(ends) = self.network.connections.remove(&connection) else { return };
        for end in [ends.from, ends.to] {
            if self.nodes[end.node].up {
                let down = Event::LinkDown { link: LinkId(connection), why };
                self.push_to(end, Duration::from_micros(50), What::Event(down));
            }
        }
        if self.nodes[ends.from.node].up && self.nodes[ends.from.node].dials {
            self.dial_node(ends.from, ends.to.node, REDIAL);
        }
    }
}
