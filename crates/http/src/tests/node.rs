//! A node that is a map, and says what it is told to say.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use quorate_types::{
    KeyspaceId, NodeId, NodeTiming, ReadOutcome, ReadRepair, Receipt, Record, SpanId, Timestamp, Trace,
    Version, WriteOutcome,
};
use quorate_wire::{ExpiryRequest, PageOutcome, Request, RequestBody, Response, ResponseBody};
use tokio::sync::oneshot;

use crate::feed::Feed;
use crate::node::{About, Count, MetricsText, NoMetrics, Node, Under};

/// The fake's wall clock when nothing has been written.
pub(crate) const WALL_MS: u64 = 1_795_160_463_000;
pub(crate) const N1: NodeId = NodeId(0x1f2e_3d4c);

pub(crate) struct Fake {
    pub(crate) records: Mutex<BTreeMap<(KeyspaceId, Bytes), Record>>,
    /// Said instead of what the map says, first come first served; `None`: the answer never comes.
    pub(crate) instead: Mutex<VecDeque<Option<ResponseBody>>>,
    pub(crate) asked: Mutex<Vec<Request>>,
    /// What it was told of the traces of these.
    pub(crate) traces: Mutex<Vec<Option<Trace>>>,
    /// How many it has given out.
    spans: Mutex<u64>,
    pub(crate) counts: Mutex<Vec<Count>>,
    pub(crate) unready: Mutex<Vec<String>>,
    /// Why it has no metrics, the next time.
    pub(crate) unmeasured: Mutex<Option<NoMetrics>>,
    /// Requests that wait for an answer for ever.
    pub(crate) held: Mutex<Option<Vec<Held>>>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) reached: Mutex<Vec<(&'static str, u64)>>,
}

/// Events that the fake keeps.
pub(crate) const EVENTS_KEPT: usize = 4;

impl Default for Fake {
    fn default() -> Fake {
        Fake {
            records: Mutex::default(),
            instead: Mutex::default(),
            asked: Mutex::default(),
            traces: Mutex::default(),
            spans: Mutex::default(),
            counts: Mutex::default(),
            unready: Mutex::default(),
            unmeasured: Mutex::default(),
            held: Mutex::default(),
            feed: Arc::new(Feed::new(about().generation, EVENTS_KEPT)),
            reached: Mutex::default(),
        }
    }
}

/// A request, and whoever waits for its answer.
pub(crate) type Held = (Request, oneshot::Sender<Response>);

pub(crate) fn about() -> About {
    About {
        node: "n1".to_owned(),
        cluster: "demo".to_owned(),
        version: "0.1.0".to_owned(),
        generation: 3,
        names: BTreeMap::from([(N1, "n1".to_owned())]),
        keyspaces: vec!["default".to_owned(), "other".to_owned()],
        keyspace: "default".to_owned(),
    }
}

impl Fake {
    pub(crate) fn says(&self, body: ResponseBody) {
        self.instead.lock().unwrap().push_back(Some(body));
    }

    pub(crate) fn ends(&self) {
        self.instead.lock().unwrap().push_back(None);
    }

    /// The last request.
    pub(crate) fn last(&self) -> Request {
        self.asked.lock().unwrap().last().unwrap().clone()
    }

    pub(crate) fn counted(&self, what: Count) -> usize {
        self.counts.lock().unwrap().iter().filter(|known| **known == what).count()
    }

    fn answer(&self, request: &Request) -> ResponseBody {
        match request.body.clone() {
            RequestBody::Get { keyspace, key, .. } => {
                let outcome = match self.records.lock().unwrap().get(&(keyspace, key)) {
                    Some(record) if record.value.is_some() => ReadOutcome::Found { record: record.clone() },
                    Some(record) => ReadOutcome::Deleted { version: record.version },
                    None => ReadOutcome::NotFound { expired: None },
                };
                ResponseBody::Read(outcome)
            }
            RequestBody::Put { keyspace, key, value, expiry, .. } => {
                let at = match expiry {
                    ExpiryRequest::TtlMs(ms) => Some(WALL_MS + ms),
                    ExpiryRequest::AtMs(at) => Some(at),
                    _ => None,
                };
                self.write((keyspace, key), |version| Record::put(version, value, at), at)
            }
            RequestBody::Delete { keyspace, key, .. } => self.write((keyspace, key), Record::tombstone, None),
            RequestBody::Page { .. } => {
                ResponseBody::Page(PageOutcome::Page { entries: Vec::new(), next: None })
            }
            other => panic!("not asked here: {other:?}"),
        }
    }

    fn write(
        &self,
        place: (KeyspaceId, Bytes),
        record: impl FnOnce(Version) -> Record,
        expires_at_ms: Option<u64>,
    ) -> ResponseBody {
        let mut records = self.records.lock().unwrap();
        let newest = records.values().map(|record| record.version.timestamp.0).max();
        let first = Timestamp::from_parts(WALL_MS, 0).0;
        let version = Version::new(Timestamp(newest.map_or(first, |newest| newest + 1)), N1);
        records.insert(place, record(version));
        ResponseBody::Write(WriteOutcome::Written { version, expires_at_ms, acked: 2, required: 2 })
    }
}

fn receipt() -> Receipt {
    Receipt {
        coordinator: N1,
        replicas: vec![N1, NodeId(2), NodeId(3)],
        queried: Vec::new(),
        answered: vec![NodeTiming { node: N1, elapsed_us: 400, version: None }],
        hinted: vec![NodeId(3)],
        refused: Vec::new(),
        repair: ReadRepair::None,
    }
}

impl Node for Fake {
    fn metrics(&self, under: Under) -> MetricsText {
        let full = self.unmeasured.lock().unwrap().take();
        Box::pin(async move {
            let Under { connections, requests, bodies_bytes } = under;
            let text = format!("under {connections} {requests} {bodies_bytes}\n# EOF\n");
            full.map_or(Ok(text), Err)
        })
    }

    fn new_span(&self) -> SpanId {
        let mut spans = self.spans.lock().unwrap();
        *spans += 1;
        SpanId::new(spans.to_be_bytes()).unwrap()
    }

    fn ask(&self, request: Request, trace: Option<Trace>) -> oneshot::Receiver<Response> {
        let (answer, answered) = oneshot::channel();
        self.traces.lock().unwrap().push(trace);
        self.asked.lock().unwrap().push(request.clone());
        if let Some(held) = self.held.lock().unwrap().as_mut() {
            held.push((request, answer));
            return answered;
        }
        let instead = self.instead.lock().unwrap().pop_front();
        let body = match instead {
            Some(None) => return answered,
            Some(Some(body)) => body,
            None => self.answer(&request),
        };
        let receipt = request.want_receipt.then(|| Box::new(receipt()));
        let _ = answer.send(Response { number: request.number, body, receipt });
        answered
    }

    fn unready(&self) -> Vec<String> {
        self.unready.lock().unwrap().clone()
    }

    fn feed(&self) -> Arc<Feed> {
        Arc::clone(&self.feed)
    }

    fn limits_reached(&self) -> Vec<(&'static str, u64)> {
        self.reached.lock().unwrap().clone()
    }

    fn wall_ms(&self) -> u64 {
        WALL_MS
    }

    fn count(&self, what: Count) {
        self.counts.lock().unwrap().push(what);
    }

    fn step(&self) {}
}
