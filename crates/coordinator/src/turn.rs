//! What all machines share, and one call into one of them.

use std::sync::Arc;
use std::time::Duration;

use quorate_ring::Ring;
use quorate_types::{Mono, NodeId, Now, Receipt, Refusal};
use quorate_wire::{Response, ResponseBody};

use crate::config::CoordinatorConfig;
use crate::counters::Counters;
use crate::deadlines::Deadlines;
use crate::effect::Effect;
use crate::latency::Latencies;
use crate::limits::{HedgeBudget, Load, REQUEST_BYTES_MAX, REQUESTS_MAX};
use crate::plan::{Declined, Unplanned};
use crate::replicas::Replicas;
use crate::request::{Liveness, Origin};
use crate::slab::Slot;

/// What the machines of one coordinator share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: CoordinatorConfig,
    pub(crate) ring: Arc<Ring>,
    pub(crate) deadlines: Deadlines,
    pub(crate) counters: Counters,
    pub(crate) load: Load,
    pub(crate) hedges: HedgeBudget,
    pub(crate) latencies: Latencies,
}

impl Shared {
    pub(crate) fn is_alive(&self, live: &dyn Liveness, node: NodeId) -> bool {
        node == self.config.node || live.is_alive(node)
    }

    pub(crate) fn p99(&self, live: &dyn Liveness, node: NodeId) -> Option<Duration> {
        live.read_p99(node).or_else(|| self.latencies.p99(node))
    }
}

/// One event being handled: the time, what is shared, and where effects go.
pub(crate) struct Turn<'a> {
    pub(crate) now: Now,
    pub(crate) shared: &'a mut Shared,
    pub(crate) out: &'a mut Vec<Effect>,
}

impl Turn<'_> {
    pub(crate) fn counters(&mut self) -> &mut Counters {
        &mut self.shared.counters
    }

    /// Lets `slot` come up again when `at` has passed.
    pub(crate) fn wake(&mut self, at: Mono, slot: Slot) {
        self.shared.deadlines.file(self.now.mono, at, slot);
    }

    pub(crate) fn answer(&mut self, origin: Origin, body: ResponseBody, receipt: Option<Box<Receipt>>) {
        let response = Response { number: origin.number, body, receipt };
        self.out.push(Effect::Answer { origin, response });
    }

    /// Answers a request that was never begun; `told` puts it into the words of its kind.
    pub(crate) fn decline(&mut self, origin: Origin, why: Unplanned, told: fn(Declined) -> ResponseBody) {
        let declined = match why {
            Unplanned::Refused(reason) => return self.refuse(origin, reason),
            Unplanned::Declined(declined) => declined,
        };
        match &declined {
            Declined::Rejected(_) => self.counters().requests_rejected += 1,
            Declined::Unavailable { .. } => self.counters().unavailable += 1,
        }
        self.answer(origin, told(declined), None);
    }

    /// Answers a request that can't be taken now.
    pub(crate) fn refuse(&mut self, origin: Origin, reason: Refusal) {
        let counters = self.counters();
        counters.refused_at_once += 1;
        if let Refusal::Overloaded { limit } = &reason {
            match limit.as_str() {
                REQUESTS_MAX => counters.limit_requests += 1,
                REQUEST_BYTES_MAX => counters.limit_request_bytes += 1,
                _ => {}
            }
        }
        self.answer(origin, ResponseBody::Refused(reason), None);
    }

    /// Microseconds since `start`, for a receipt.
    pub(crate) fn elapsed_us(&self, start: Mono) -> u32 {
        u32::try_from(self.now.mono.since(start).as_micros()).unwrap_or(u32::MAX)
    }

    /// Milliseconds until `deadline`, rounded up: what the other side may still spend on it.
    pub(crate) fn time_left_ms(&self, deadline: Mono) -> u32 {
        let left = deadline.since(self.now.mono).as_nanos().div_ceil(1_000_000);
        u32::try_from(left).unwrap_or(u32::MAX)
    }

    /// An empty receipt, if one is wanted.
    pub(crate) fn receipt(&self, replicas: &Replicas, wanted: Wanted) -> Option<Box<Receipt>> {
        (wanted == Wanted::Receipt).then(|| Box::new(self.empty_receipt(replicas)))
    }

    pub(crate) fn empty_receipt(&self, replicas: &Replicas) -> Receipt {
        Receipt {
            coordinator: self.shared.config.node,
            replicas: replicas.as_slice().to_vec(),
            queried: Vec::new(),
            answered: Vec::new(),
            hinted: Vec::new(),
            refused: Vec::new(),
            repair: quorate_types::ReadRepair::None,
        }
    }
}

/// Whether an answer carries a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Receipt,
    AnswerOnly,
}

impl From<bool> for Wanted {
    fn from(want_receipt: bool) -> Wanted {
        if want_receipt { Wanted::Receipt } else { Wanted::AnswerOnly }
    }
}
