//! What is in flight, against its limits; and how many extra reads the hedging may still make.

use quorate_types::Refusal;

use crate::config::{CoordinatorConfig, HedgePolicy};

/// The limit of requests under way, by name.
pub(crate) const REQUESTS_MAX: &str = "requests_max";
/// The limit of the bytes in them, by name.
pub(crate) const REQUEST_BYTES_MAX: &str = "request_bytes_max";

/// Unanswered requests and the bytes that all requests in flight hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Requests that wait for their answer.
    pub unanswered: usize,
    /// Bytes of keys and values held.
    pub bytes: u64,
    /// Answered reads that still compare and repair replicas.
    pub background: usize,
}

impl Load {
    pub(crate) fn bytes_fit(&self, config: &CoordinatorConfig, more: u64) -> bool {
        self.bytes + more <= config.request_bytes_max
    }

    /// Whether one more request with `bytes` may be taken, or which limit forbids it.
    pub(crate) fn admits(&self, config: &CoordinatorConfig, bytes: u64) -> Result<(), Refusal> {
        let full = |limit: &str| Err(Refusal::Overloaded { limit: limit.to_owned() });
        if self.unanswered >= config.requests_max {
            return full(REQUESTS_MAX);
        }
        if !self.bytes_fit(config, bytes) {
            return full(REQUEST_BYTES_MAX);
        }
        Ok(())
    }

    pub(crate) fn enter(&mut self, bytes: u64) {
        self.unanswered += 1;
        self.bytes += bytes;
    }
}

/// Hundredths of an extra read, earned by reads and spent by hedging them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HedgeBudget(u32);

const ONE_EXTRA: u32 = 100;
/// No more than this many extra reads are saved up, so that a slow moment can't double the load.
const SAVED_MAX: u32 = 10 * ONE_EXTRA;

impl HedgeBudget {
    pub(crate) fn earn(&mut self, policy: &HedgePolicy) {
        self.0 = self.0.saturating_add(policy.extra_percent_max).min(SAVED_MAX);
    }

    pub(crate) fn spend(&mut self) -> bool {
        let enough = self.0 >= ONE_EXTRA;
        if enough {
            self.0 -= ONE_EXTRA;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_five_in_a_hundred_reads_are_hedged() {
        let mut budget = HedgeBudget::default();
        let hedged = (0..1_000).filter(|_| {
            budget.earn(&HedgePolicy::default());
            budget.spend()
        });
        assert_eq!(hedged.count(), 50);
    }
}
