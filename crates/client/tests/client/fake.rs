//! Nodes that greet like real ones, count what they get and answer as they are told.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use quorate_client::{Client, ClientConfig, ClientError};
use quorate_ring::{Member, Ring};
use quorate_transport::memory::{Fabric, FabricOptions, LinkFaults, Network};
use quorate_transport::{Connection, Listener, Transport, handshake};
use quorate_types::{
    Generation, KeyspaceId, Level, NodeId, ReadOutcome, Record, SessionId, Timestamp, Version, WriteOutcome,
};
use quorate_wire::{
    FrameWriter, Message, Request, RequestBody, Response, ResponseBody, RingKeyspace, RingNode, RingView,
    Welcome, decode,
};
use tokio::task::JoinSet;

/// What a node does about a request.
pub enum Act {
    Answer(ResponseBody),
    /// Nothing, for ever.
    Silence,
    /// Closes the connection.
    HangUp,
}

type Script = dyn Fn(&Request) -> Act + Send + Sync;

/// A cluster of nodes that are told what to say.
pub struct Fakes {
    pub nodes: Vec<Fake>,
    fabric: Fabric,
    _tasks: JoinSet<()>,
}

#[derive(Clone)]
pub struct Fake {
    pub name: String,
    pub addr: String,
    pub seen: Arc<Mutex<Seen>>,
    script: Arc<Mutex<Arc<Script>>>,
}

#[derive(Default)]
pub struct Seen {
    /// All requests but those for the ring.
    pub requests: Vec<Request>,
    /// How many of those came in each frame.
    pub frames: Vec<usize>,
}

impl Fake {
    pub fn number(&self) -> NodeId {
        NodeId::of_name(&self.name)
    }

    pub fn says(&self, script: impl Fn(&Request) -> Act + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
    }

    pub fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().requests.clone()
    }
}

pub fn stamp(at: u64) -> Version {
    Version::new(Timestamp(at), NodeId(1))
}

pub fn written() -> ResponseBody {
    ResponseBody::Write(WriteOutcome::Written {
        version: stamp(7),
        expires_at_ms: None,
        acked: 2,
        required: 2,
    })
}

pub fn found(value: &str) -> ResponseBody {
    let record = Record::put(stamp(7), Bytes::copy_from_slice(value.as_bytes()), None);
    ResponseBody::Read(ReadOutcome::Found { record })
}

fn all_well(request: &Request) -> Act {
    Act::Answer(match &request.body {
        RequestBody::Get { .. } => found("v"),
        _ => written(),
    })
}

impl Fakes {
    /// `count` nodes n1…, n = 3 or fewer, that find and write whatever is asked.
    pub async fn new(count: usize) -> Fakes {
        Fakes::with_down(count, "none of them").await
    }

    /// The same, but the cluster believes the node called `down` to be so.
    pub async fn with_down(count: usize, down: &str) -> Fakes {
        let fabric = Fabric::new(Network::new(1, LinkFaults::default()), FabricOptions::default());
        let mut tasks = JoinSet::new();
        let mut nodes = Vec::new();
        let mut listeners = Vec::new();
        for k in 1..=count {
            let name = format!("n{k}");
            let place = fabric.node(NodeId::of_name(&name));
            let listener = place.listen(&format!("{name}:7381")).await.unwrap();
            let script: Arc<Script> = Arc::new(all_well);
            let script = Arc::new(Mutex::new(script));
            nodes.push(Fake { name, addr: listener.local_addr(), seen: Arc::default(), script });
            listeners.push(listener);
        }
        let mut view = view_of(&nodes);
        for node in view.nodes.iter_mut().filter(|node| node.name == down) {
            node.alive = false;
        }
        for (fake, listener) in nodes.iter().cloned().zip(listeners) {
            tasks.spawn(serve(fake, listener, view.clone()));
        }
        Fakes { nodes, fabric, _tasks: tasks }
    }

    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new(self.nodes.iter().map(|node| node.addr.clone()));
        config.seed = Some(7);
        config
    }

    pub async fn client(&self) -> Client {
        self.connect(self.config()).await.unwrap()
    }

    pub async fn connect(&self, config: ClientConfig) -> Result<Client, ClientError> {
        Client::connect_over(Arc::new(self.fabric.node(NodeId::of_name("client"))), config).await
    }

    /// The node that is the first replica of `key`.
    pub fn primary(&self, key: &str) -> &Fake {
        self.replica(key, 0)
    }

    /// The replica of `key` at this place, nearest first.
    pub fn replica(&self, key: &str, place: usize) -> &Fake {
        let ring = ring_of(&self.nodes);
        let replicas = ring.replicas(ring.token(key.as_bytes()).partition(), self.nodes.len().min(3));
        self.nodes.iter().find(|node| node.number() == replicas[place]).unwrap()
    }

    pub fn total_requests(&self) -> usize {
        self.nodes.iter().map(|node| node.requests().len()).sum()
    }
}

fn ring_of(nodes: &[Fake]) -> Ring {
    let members: Vec<_> = nodes.iter().map(|node| Member::new(node.number(), 1.0, None)).collect();
    Ring::build(5, &members, &[(KeyspaceId::of_name("default"), nodes.len().min(3))]).unwrap()
}

fn view_of(nodes: &[Fake]) -> RingView {
    let ring = ring_of(nodes);
    let shown = |node: &Fake| {
        let vnodes = ring.vnodes().filter(|(_, holder)| *holder == node.number()).map(|(at, _)| at).collect();
        RingNode {
            node: node.number(),
            name: node.name.clone(),
            addr: node.addr.clone(),
            capacity: 1.0.into(),
            zone: None,
            alive: true,
            vnodes,
            owned_partitions: 0,
        }
    };
    RingView {
        cluster: quorate_types::ClusterId::of_name("fake"),
        cluster_name: "fake".into(),
        ring_hash: ring.hash(),
        hash_seed: 5,
        nodes: nodes.iter().map(shown).collect(),
        keyspaces: vec![RingKeyspace {
            id: KeyspaceId::of_name("default"),
            name: "default".into(),
            n: nodes.len().min(3) as u8,
            read: Level::Quorum,
            write: Level::Quorum,
        }],
    }
}

async fn serve(fake: Fake, listener: Box<dyn Listener>, view: RingView) {
    let mut conversations = JoinSet::new();
    while let Ok(connection) = listener.accept().await {
        conversations.spawn(converse(fake.clone(), connection, view.clone()));
    }
}

async fn converse(fake: Fake, mut connection: Connection, view: RingView) {
    let within = std::time::Duration::from_secs(5);
    let Ok(hello) = handshake::receive_hello(&mut connection, within).await else { return };
    if let Some(theirs) = hello.cluster.filter(|theirs| *theirs != view.cluster) {
        let refusal = quorate_wire::HandshakeRefusal::ClusterMismatch {
            ours: view.cluster,
            ours_name: view.cluster_name.clone(),
            theirs,
            theirs_name: hello.cluster_name.clone(),
        };
        let _ = handshake::refuse(&connection, refusal);
        connection.sink.flushed().await;
        return;
    }
    let welcome = Welcome {
        protocol: 1,
        node: fake.number(),
        generation: Generation(1),
        shards: 1,
        ring_hash: view.ring_hash,
        session: SessionId(1),
    };
    if handshake::welcome(&connection, welcome).is_err() {
        return;
    }
    let mut frames = Vec::new();
    while connection.source.recv(&mut frames).await.is_ok() {
        for frame in frames.drain(..) {
            if !answer_frame(&fake, &connection, &view, frame) {
                connection.sink.close();
                return;
            }
        }
    }
}

/// Answers what a frame asks; `false`: hang up.
fn answer_frame(fake: &Fake, connection: &Connection, view: &RingView, frame: Bytes) -> bool {
    let mut writer = FrameWriter::default();
    let mut count = 0;
    for message in decode(frame) {
        let Message::Request(request) = message.unwrap() else { panic!("a client sends requests") };
        let act = if request.body == RequestBody::Ring {
            Act::Answer(ResponseBody::Ring(Box::new(view.clone())))
        } else {
            count += 1;
            fake.seen.lock().unwrap().requests.push(request.clone());
            let script = Arc::clone(&fake.script.lock().unwrap());
            script(&request)
        };
        match act {
            Act::Answer(body) => {
                writer.push(&Response { number: request.number, body, receipt: None }).unwrap();
            }
            Act::Silence => {}
            Act::HangUp => return false,
        }
    }
    if count > 0 {
        fake.seen.lock().unwrap().frames.push(count);
    }
    connection.sink.try_send(writer.finish()).is_ok()
}
