//! What clients do, and what their answers are.

use quorate_node::TracedRequest;
use quorate_types::Trace;

use super::slow::sought;
use super::*;

impl Cluster {
    pub fn now(&self, node: usize) -> Now {
        let wall_ms = WALL_START_MS + self.now.0 / 1_000_000 + self.nodes[node].wall_ahead_ms;
        Now { mono: self.now, wall_ms }
    }

    pub fn index(&self, id: NodeId) -> usize {
        self.nodes.iter().position(|node| node.id == id).expect("one of the four")
    }

    pub fn replicas(&self, key: &str) -> Vec<usize> {
        let partition = self.ring.token(key.as_bytes()).partition();
        self.ring.replicas(partition, self.plan.policy.n).iter().map(|&id| self.index(id)).collect()
    }

    pub fn place(&self, node: usize, key: &str) -> Place {
        let partition = self.ring.token(key.as_bytes()).partition();
        Place { node, shard: partition.shard(self.plan.shards) }
    }

    /// Sends a request to a node; see [`Cluster::answer`].
    pub fn ask(&mut self, node: usize, key: &str, body: RequestBody) -> Asked {
        self.next_number += 1;
        let asked = Asked { session: node as u64, number: self.next_number };
        self.ask_as(asked, self.place(node, key), body);
        asked
    }

    /// Sends a request under a number that may have been used before.
    pub fn ask_as(&mut self, asked: Asked, to: Place, body: RequestBody) {
        let request =
            Request { number: asked.number, time_left_ms: self.patience_ms, want_receipt: true, body };
        let session = SessionId(asked.session);
        let origin =
            Origin { connection: asked.session, session, number: asked.number, tag: Tag::new(self.now, 7) };
        self.sought.insert(asked.number, sought(&request.body));
        let what = What::Event(Event::Request { origin, request });
        self.push(Duration::ZERO, Happening { to, generation: self.generation(to.node), what });
    }

    /// [`Cluster::ask`], of a client that names a trace.
    pub fn ask_traced(&mut self, node: usize, key: &str, body: RequestBody, trace: Trace) -> Asked {
        self.next_number += 1;
        let (number, to) = (self.next_number, self.place(node, key));
        let request = Request { number, time_left_ms: self.patience_ms, want_receipt: false, body };
        let origin =
            Origin { connection: 1 << 40, session: SessionId::NONE, number, tag: Tag::new(self.now, 7) };
        self.sought.insert(number, sought(&request.body));
        let what = What::Event(Event::TracedRequest(Box::new(TracedRequest { origin, request, trace })));
        self.push(Duration::ZERO, Happening { to, generation: self.generation(to.node), what });
        Asked { session: SessionId::NONE.0, number }
    }

    pub fn put_body(key: &str, value: &str, level: Level, version: Option<Version>) -> RequestBody {
        let (key, value) = (Bytes::copy_from_slice(key.as_bytes()), Bytes::copy_from_slice(value.as_bytes()));
        let (keyspace, level) = (keyspace(), Some(level));
        RequestBody::Put { keyspace, key, value, level, expiry: ExpiryRequest::Never, version }
    }

    pub fn start_put(&mut self, node: usize, key: &str, value: &str, level: Level) -> Asked {
        self.ask(node, key, Cluster::put_body(key, value, level, None))
    }

    pub fn put(&mut self, node: usize, key: &str, value: &str, level: Level) -> WriteOutcome {
        let asked = self.start_put(node, key, value, level);
        self.write_answer(asked)
    }

    pub fn delete(&mut self, node: usize, key: &str, level: Level) -> WriteOutcome {
        let (keyspace, bytes) = (keyspace(), Bytes::copy_from_slice(key.as_bytes()));
        let body = RequestBody::Delete { keyspace, key: bytes, level: Some(level), version: None };
        let asked = self.ask(node, key, body);
        self.write_answer(asked)
    }

    pub fn start_get(&mut self, node: usize, key: &str, level: Level) -> Asked {
        let (keyspace, bytes) = (keyspace(), Bytes::copy_from_slice(key.as_bytes()));
        self.ask(node, key, RequestBody::Get { keyspace, key: bytes, level: Some(level) })
    }

    pub fn get(&mut self, node: usize, key: &str, level: Level) -> ReadOutcome {
        let asked = self.start_get(node, key, level);
        match self.answer(asked).body {
            ResponseBody::Read(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    /// The value that a get finds.
    pub fn value(&mut self, node: usize, key: &str, level: Level) -> String {
        match self.get(node, key, level) {
            ReadOutcome::Found { record } => text(&record),
            other => panic!("{key}: {other:?}"),
        }
    }

    pub fn write_answer(&mut self, asked: Asked) -> WriteOutcome {
        match self.answer(asked).body {
            ResponseBody::Write(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    /// Runs until the request is answered; it must be, once.
    pub fn answer(&mut self, asked: Asked) -> Response {
        let until = self.now + Duration::from_secs(10);
        while !self.answers.contains_key(&asked) {
            assert!(self.now < until, "{asked:?} was never answered");
            self.step();
        }
        let answers = &self.answers[&asked];
        assert_eq!(answers.len(), 1, "{asked:?} was answered more than once");
        answers[0].clone()
    }
}
