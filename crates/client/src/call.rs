//! One request through all its attempts.
//!
//! Invariants:
//! - a write is sent again only as `verdict.rs` allows;
//! - once a write has a version, every failure of it is `Indeterminate` with that version;
//! - no attempt begins after the deadline, and a read leaves time for a second coordinator.

use std::time::Duration;

use quorate_types::{NodeId, Version};
use quorate_wire::{ExpiryRequest, Request, RequestBody, Response};
use tokio::time::{Instant, sleep_until};

use crate::client::Inner;
use crate::connection::CallError;
use crate::error::{Attempt, ClientError, Fate, Trail};
use crate::node::Node;
use crate::options::{Options, Receipts, Retries};
use crate::routing::Place;
use crate::verdict::{Again, Effect, Verdict, of_answer, of_lost};

/// The least time that an attempt gets, if there is that much.
const ATTEMPT_MIN: Duration = Duration::from_millis(50);

/// A request on its way.
pub(crate) struct Call<'a> {
    client: &'a Inner,
    options: &'a Options,
    place: Place,
    request: Request,
    until: Instant,
    trail: Trail,
    /// Nodes tried in this round, by index.
    tried: Vec<usize>,
    /// The last indeterminate outcome of a write that has a version.
    stamped: Option<Stamped>,
}

struct Stamped {
    version: Version,
    expires_at_ms: Option<u64>,
    acked: u8,
    required: u8,
}

/// An answer, who gave it, and how many attempts it took.
pub(crate) struct Answered {
    pub(crate) response: Response,
    pub(crate) coordinator: NodeId,
    pub(crate) attempts: u32,
}

/// What one attempt came to.
enum Step {
    Done(Answered),
    Again(Again),
    Failed(ClientError),
}

impl<'a> Call<'a> {
    pub(crate) fn new(client: &'a Inner, place: Place, body: RequestBody, options: &'a Options) -> Call<'a> {
        let until = Instant::now() + options.deadline.unwrap_or(client.config().deadline);
        let want_receipt = options.receipt == Receipts::Wanted;
        let request = Request { number: 0, time_left_ms: 0, want_receipt, body };
        Call {
            client,
            options,
            place,
            request,
            until,
            trail: Trail::default(),
            tried: Vec::new(),
            stamped: None,
        }
    }

    /// The answer, or why there is none.
    pub(crate) async fn run(mut self) -> Result<Answered, ClientError> {
        loop {
            let again = match self.attempt().await {
                Step::Done(answered) => return Ok(answered),
                Step::Failed(error) => return Err(error),
                Step::Again(again) => again,
            };
            if self.is_over(again) {
                return Err(self.failure());
            }
            self.prepare(again).await;
        }
    }

    async fn attempt(&mut self) -> Step {
        let routing = self.client.routing();
        let Some(node) = self.pick(&routing) else {
            let node = self.options.coordinator.unwrap_or(NodeId(0));
            return Step::Failed(ClientError::UnknownCoordinator { node });
        };
        let connection = match self.client.connection(&node, self.until).await {
            Ok(connection) => connection,
            Err(fate) => return self.failed_at(&node, Again::Elsewhere, fate),
        };
        let attempt_until = self.attempt_until(routing.nodes().len());
        let left = attempt_until.saturating_duration_since(Instant::now());
        self.request.time_left_ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1);
        match connection.call(&mut self.request, attempt_until).await {
            Ok(response) => self.judge(&node, connection.node, response),
            Err(CallError::Unencodable(error)) => Step::Failed(ClientError::Unencodable(error)),
            Err(CallError::Lost(lost)) => {
                node.note_gone();
                match of_lost(lost, self.effect()) {
                    Verdict::Again(again, fate) => self.failed_at(&node, again, fate),
                    Verdict::End(fate) => self.ended_at(&node, fate),
                    Verdict::Answer => unreachable!("a lost request has no answer"),
                }
            }
        }
    }

    fn judge(&mut self, node: &Node, coordinator: NodeId, mut response: Response) -> Step {
        match of_answer(&response.body) {
            Verdict::Answer => {
                let attempts = self.trail.attempts.len() as u32 + 1;
                Step::Done(Answered { response, coordinator, attempts })
            }
            Verdict::Again(again, fate) => {
                self.trail.receipt = response.receipt.take();
                self.failed_at(node, again, fate)
            }
            Verdict::End(fate) => {
                self.trail.receipt = response.receipt.take();
                self.ended_at(node, fate)
            }
        }
    }

    fn failed_at(&mut self, node: &Node, again: Again, fate: Fate) -> Step {
        if let (Again::SameVersion { version, expires_at_ms }, Fate::Partial { answered, required }) =
            (again, &fate)
        {
            let (acked, required) = (*answered, *required);
            self.stamped = Some(Stamped { version, expires_at_ms, acked, required });
        }
        self.note(node, fate);
        self.tried.push(node.index);
        Step::Again(again)
    }

    fn ended_at(&mut self, node: &Node, fate: Fate) -> Step {
        self.note(node, fate);
        Step::Failed(self.failure())
    }

    fn note(&mut self, node: &Node, fate: Fate) {
        self.trail.attempts.push(Attempt { addr: node.addr().to_owned(), node: node.number(), fate });
    }

    fn is_over(&self, again: Again) -> bool {
        let attempts = &self.trail.attempts;
        let second =
            attempts.iter().filter(|attempt| matches!(attempt.fate, Fate::Unavailable { .. })).count() > 1;
        self.options.retry == Retries::Never
            || attempts.len() as u32 >= self.client.config().attempts_max
            || (again == Again::SecondOpinion && (second || self.options.coordinator.is_some()))
            || Instant::now() >= self.until
    }

    /// Makes the request ready to be sent again, after the pause that `again` asks for.
    async fn prepare(&mut self, again: Again) {
        if let Again::SameVersion { version, expires_at_ms } = again {
            self.request.body.restamp(version, expires_at_ms);
        }
        let everywhere =
            self.tried.len() >= self.client.routing().nodes().len() || self.options.coordinator.is_some();
        if everywhere {
            self.tried.clear();
        }
        if everywhere || matches!(again, Again::AfterPause | Again::SameVersion { .. }) {
            let pause = self.client.pause(self.trail.attempts.len() as u32);
            sleep_until((Instant::now() + pause).min(self.until)).await;
        }
    }

    fn pick(&self, routing: &crate::routing::Routing) -> Option<std::sync::Arc<Node>> {
        if let Some(number) = self.options.coordinator {
            return routing.node(number).cloned();
        }
        let now = Instant::now();
        let turn = self.client.turn();
        let untried = |node: &Node| !self.tried.contains(&node.index);
        let good = |node: &Node| untried(node) && !node.is_avoided(now);
        let picked = routing.pick(self.place, turn, good).or_else(|| routing.pick(self.place, turn, untried));
        picked.or_else(|| routing.pick(self.place, turn, |_| true)).cloned()
    }

    /// A read that may go elsewhere leaves half of the time for that.
    fn attempt_until(&self, nodes: usize) -> Instant {
        let alone = nodes < 2 || self.options.coordinator.is_some() || self.options.retry == Retries::Never;
        if alone || self.effect() == Effect::Once {
            return self.until;
        }
        let now = Instant::now();
        let half = self.until.saturating_duration_since(now) / 2;
        self.until.min(now + half.max(ATTEMPT_MIN))
    }

    fn effect(&self) -> Effect {
        match &self.request.body {
            RequestBody::Put { version: None, .. } | RequestBody::Delete { version: None, .. } => {
                Effect::Once
            }
            _ => Effect::Repeatable,
        }
    }

    fn is_write(&self) -> bool {
        matches!(self.request.body, RequestBody::Put { .. } | RequestBody::Delete { .. })
    }

    /// The most that the attempts say together.
    fn failure(&mut self) -> ClientError {
        let trail = Box::new(std::mem::take(&mut self.trail));
        if let Some(Stamped { version, expires_at_ms, acked, required }) = self.stamped.take() {
            return ClientError::Indeterminate {
                acked,
                required,
                version: Some(version),
                expires_at_ms,
                trail,
            };
        }
        let sent = |attempt: &&Attempt| {
            !matches!(attempt.fate, Fate::NotReached(_) | Fate::DialTimedOut | Fate::Unsent)
        };
        let told = |attempt: &&Attempt| sent(attempt) && !matches!(attempt.fate, Fate::Lost | Fate::Silent);
        let last = trail.attempts.iter().rev();
        let fate =
            last.clone().find(told).or_else(|| last.clone().find(sent)).map(|attempt| attempt.fate.clone());
        self.error_of(fate, trail)
    }

    fn error_of(&self, fate: Option<Fate>, trail: Box<Trail>) -> ClientError {
        let unheard = trail.attempts.iter().any(|attempt| matches!(attempt.fate, Fate::Lost | Fate::Silent));
        match fate {
            Some(_) if unheard && self.is_write() => match self.given_version() {
                Some((version, expires_at_ms)) => ClientError::Indeterminate {
                    acked: 0,
                    required: 0,
                    version: Some(version),
                    expires_at_ms,
                    trail,
                },
                None => ClientError::Unheard { trail },
            },
            Some(Fate::Unavailable { required, alive }) => {
                ClientError::Unavailable { required, alive, trail }
            }
            Some(Fate::Partial { answered: acked, required }) if self.is_write() => {
                ClientError::Indeterminate { acked, required, version: None, expires_at_ms: None, trail }
            }
            Some(Fate::Partial { answered, required }) => {
                ClientError::ReadTimedOut { answered, required, trail }
            }
            Some(Fate::Refused(reason)) if is_passing(&reason) => ClientError::Overloaded { reason, trail },
            Some(Fate::Refused(reason)) => ClientError::Rejected { reason, trail },
            Some(Fate::Lost | Fate::Silent) => ClientError::NoAnswer { trail },
            Some(Fate::NotReached(_) | Fate::DialTimedOut | Fate::Unsent) | None => {
                ClientError::NotConnected { trail }
            }
        }
    }

    /// The version that the caller gave.
    fn given_version(&self) -> Option<(Version, Option<u64>)> {
        match self.request.body {
            RequestBody::Put { version, expiry, .. } => {
                let at_ms = if let ExpiryRequest::AtMs(at_ms) = expiry { Some(at_ms) } else { None };
                version.map(|version| (version, at_ms))
            }
            RequestBody::Delete { version, .. } => version.map(|version| (version, None)),
            _ => None,
        }
    }
}

/// Whether another time or another node may do what was refused.
fn is_passing(refusal: &quorate_types::Refusal) -> bool {
    use quorate_types::Refusal;
    matches!(refusal, Refusal::Overloaded { .. } | Refusal::ShuttingDown | Refusal::LogFailed)
}

/// Stamps a write that is sent again.
trait Restamp {
    fn restamp(&mut self, stamp: Version, expires_at_ms: Option<u64>);
}

impl Restamp for RequestBody {
    fn restamp(&mut self, stamp: Version, expires_at_ms: Option<u64>) {
        match self {
            RequestBody::Put { version, expiry, .. } => {
                *version = Some(stamp);
                *expiry = expires_at_ms.map_or(ExpiryRequest::Never, ExpiryRequest::AtMs);
            }
            RequestBody::Delete { version, .. } => *version = Some(stamp),
            _ => {}
        }
    }
}
