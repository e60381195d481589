//! Who may come in: the judgement of both sides over the other's greeting.

use quorate_types::{ClusterId, Generation, NodeId, SessionId};

use super::{HandshakeRefusal, Hello, PROTOCOL_MAX, PROTOCOL_MIN, Role, Welcome};

/// The answering node, as far as a greeting is judged by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Itself.
    pub node: NodeId,
    /// The incarnation of its process.
    pub generation: Generation,
    /// Its shards.
    pub shards: u16,
    /// Its cluster.
    pub cluster: ClusterId,
    /// The cluster's name.
    pub cluster_name: String,
    /// The ring it computes.
    pub ring_hash: u64,
    /// The nodes that its config knows, itself included.
    pub nodes: Vec<NodeId>,
}

impl Host {
    /// The answer to `hello`, with `session` if it may come in.
    ///
    /// # Errors
    /// The first of: no common protocol, another cluster, another node called, a caller that is not in the config,
    /// another ring, a shard that does not exist.
    pub fn judge(&self, hello: &Hello, session: SessionId) -> Result<Welcome, HandshakeRefusal> {
        let protocol = common_protocol(hello)?;
        self.check_cluster(hello)?;
        self.check_called(hello)?;
        if let Role::Peer { node, ring_hash, to_shard, .. } = hello.role {
            self.check_peer(node, ring_hash, to_shard)?;
        }
        let Host { node, generation, shards, ring_hash, .. } = *self;
        Ok(Welcome { protocol, node, generation, shards, ring_hash, session })
    }

    fn check_cluster(&self, hello: &Hello) -> Result<(), HandshakeRefusal> {
        match hello.cluster {
            Some(theirs) if theirs != self.cluster => Err(HandshakeRefusal::ClusterMismatch {
                ours: self.cluster,
                ours_name: self.cluster_name.clone(),
                theirs,
                theirs_name: hello.cluster_name.clone(),
            }),
            _ => Ok(()),
        }
    }

    fn check_called(&self, hello: &Hello) -> Result<(), HandshakeRefusal> {
        match hello.dialled {
            Some(dialled) if dialled != self.node => {
                Err(HandshakeRefusal::WrongNode { dialled, answers: self.node })
            }
            _ => Ok(()),
        }
    }

    fn check_peer(&self, peer: NodeId, ring_hash: u64, to_shard: u16) -> Result<(), HandshakeRefusal> {
        if peer == self.node || !self.nodes.contains(&peer) {
            return Err(HandshakeRefusal::NodeUnknown { ours: self.node, theirs: peer });
        }
        if ring_hash != self.ring_hash {
            return Err(HandshakeRefusal::RingMismatch { ours: self.ring_hash, theirs: ring_hash });
        }
        if to_shard >= self.shards {
            return Err(HandshakeRefusal::NoSuchShard { shard: to_shard, shards: self.shards });
        }
        Ok(())
    }
}

impl Hello {
    /// The welcome, if it comes from whom was called, in a protocol that was offered.
    pub fn accept(&self, welcome: Welcome) -> Result<Welcome, HandshakeRefusal> {
        if let Some(dialled) = self.dialled.filter(|dialled| *dialled != welcome.node) {
            return Err(HandshakeRefusal::WrongNode { dialled, answers: welcome.node });
        }
        if !(self.protocol_min..=self.protocol_max).contains(&welcome.protocol) {
            return Err(HandshakeRefusal::ProtocolMismatch {
                ours_min: welcome.protocol,
                ours_max: welcome.protocol,
                theirs_min: self.protocol_min,
                theirs_max: self.protocol_max,
            });
        }
        Ok(welcome)
    }
}

/// The newest protocol that both speak.
fn common_protocol(hello: &Hello) -> Result<u16, HandshakeRefusal> {
    let newest = hello.protocol_max.min(PROTOCOL_MAX);
    if newest >= hello.protocol_min.max(PROTOCOL_MIN) {
        return Ok(newest);
    }
    Err(HandshakeRefusal::ProtocolMismatch {
        ours_min: PROTOCOL_MIN,
        ours_max: PROTOCOL_MAX,
        theirs_min: hello.protocol_min,
        theirs_max: hello.protocol_max,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const N1: NodeId = NodeId(1);
    const N2: NodeId = NodeId(2);

    fn host() -> Host {
        Host {
            node: N2,
            generation: Generation(5),
            shards: 2,
            cluster: ClusterId(9),
            cluster_name: "demo".to_owned(),
            ring_hash: 77,
            nodes: vec![N1, N2],
        }
    }

    fn hello(role: Role) -> Hello {
        Hello {
            protocol_min: 1,
            protocol_max: 3,
            cluster: Some(ClusterId(9)),
            cluster_name: "demo".to_owned(),
            dialled: Some(N2),
            role,
        }
    }

    fn peer(node: NodeId, to_shard: u16, ring_hash: u64) -> Hello {
        let generation = Generation(4);
        hello(Role::Peer { node, generation, connection: 1, from_shard: 0, to_shard, shards: 1, ring_hash })
    }

    fn refusal(hello: &Hello) -> String {
        host().judge(hello, SessionId(1)).unwrap_err().to_string()
    }

    #[test]
    fn a_peer_of_the_same_cluster_and_ring_is_welcome_in_the_newest_common_protocol() {
        let welcome = Welcome {
            protocol: 2,
            node: N2,
            generation: Generation(5),
            shards: 2,
            ring_hash: 77,
            session: SessionId(3),
        };
        assert_eq!(host().judge(&peer(N1, 1, 77), SessionId(3)), Ok(welcome));
    }

    #[test]
    fn a_peer_of_the_protocol_before_is_welcome_in_its_own() {
        let older = Hello { protocol_max: 1, ..peer(N1, 1, 77) };
        assert_eq!(host().judge(&older, SessionId(3)).map(|welcome| welcome.protocol), Ok(1));
    }

    #[test]
    fn a_client_needs_no_ring_and_may_take_any_cluster() {
        let client = Hello { cluster: None, dialled: None, ..hello(Role::Client {}) };
        assert_eq!(host().judge(&client, SessionId(3)).map(|welcome| welcome.node), Ok(N2));
    }

    #[test]
    fn every_mismatch_is_refused_with_both_sides_values() {
        assert_eq!(
            refusal(&Hello { protocol_min: 3, ..peer(N1, 0, 77) }),
            "no common protocol: it speaks 1 to 2, the caller 3 to 3; upgrade the older of the two"
        );
        assert_eq!(
            refusal(&Hello {
                cluster: Some(ClusterId(8)),
                cluster_name: "prod".to_owned(),
                ..peer(N1, 0, 77)
            }),
            "the node belongs to cluster \"demo\" (0000000000000009), the caller to \"prod\" (0000000000000008); \
             check addresses and [cluster] name"
        );
        assert_eq!(
            refusal(&Hello { dialled: Some(N1), ..peer(N1, 0, 77) }),
            "node 00000001 was called and node 00000002 answers; check addr of both in the config"
        );
        assert_eq!(
            refusal(&peer(NodeId(3), 0, 77)),
            "the config of node 00000002 has no node 00000003; add it there or stop the caller"
        );
        assert_eq!(
            refusal(&peer(N1, 0, 78)),
            "the node computes ring 000000000000004d, the caller 000000000000004e; \
             give both the same [[node]] and [[keyspace]] entries"
        );
        assert_eq!(
            refusal(&peer(N1, 2, 77)),
            "shard 2 was called and the node has 2; call again with this count"
        );
    }

    #[test]
    fn a_node_that_calls_itself_is_refused() {
        let refused = HandshakeRefusal::NodeUnknown { ours: N2, theirs: N2 };
        assert_eq!(host().judge(&peer(N2, 0, 77), SessionId(1)), Err(refused));
    }

    #[test]
    fn a_welcome_from_somebody_else_is_not_accepted() {
        let hello = peer(N1, 0, 77);
        let welcome = host().judge(&hello, SessionId(1)).unwrap();
        assert_eq!(hello.accept(welcome.clone()), Ok(welcome.clone()));
        let wrong = Welcome { node: NodeId(3), ..welcome.clone() };
        assert_eq!(hello.accept(wrong), Err(HandshakeRefusal::WrongNode { dialled: N2, answers: NodeId(3) }));
        let newer = hello.accept(Welcome { protocol: 4, ..welcome }).unwrap_err();
        assert!(matches!(newer, HandshakeRefusal::ProtocolMismatch { ours_min: 4, .. }));
    }
}
