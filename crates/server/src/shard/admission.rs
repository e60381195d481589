//! What happens to every request of a client before a shard sees it: its deadline is bounded, a large value is noted.

use std::time::Duration;

use quorate_types::Mono;
use quorate_wire::{Request, RequestBody};
use tracing::warn;

use crate::config::Config;
use crate::counters::Counters;

/// The least time between two log lines about large values; the counter has them all.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    deadline_ms: u32,
    value_bytes_warn: usize,
    warned: Option<Mono>,
}

impl Admission {
    pub(crate) fn new(config: &Config) -> Admission {
        let deadline = config.limits.request_deadline.as_millis();
        Admission {
            deadline_ms: u32::try_from(deadline).unwrap_or(u32::MAX),
            value_bytes_warn: config.limits.value_bytes_warn.0 as usize,
            warned: None,
        }
    }

    /// Bounds `request` by `request_deadline`, which is also what it gets if it names no time.
    pub(crate) fn admit(&mut self, now: Mono, request: &mut Request, counters: &Counters) {
        request.time_left_ms = match request.time_left_ms {
            0 => self.deadline_ms,
            asked => asked.min(self.deadline_ms),
        };
        if let RequestBody::Put { key, value, .. } = &request.body
            && value.len() >= self.value_bytes_warn
        {
            counters.values_large.increment();
            self.note_large(now, key, value.len());
        }
    }

    #[cold]
    fn note_large(&mut self, now: Mono, key: &[u8], value_bytes: usize) {
        if self.warned.is_none_or(|last| now.since(last) >= WARN_EVERY) {
            self.warned = Some(now);
            let key = key.escape_ascii().to_string();
            warn!(key, value_bytes, "a large value; from value_bytes_warn on, latency of others suffers");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_gets_at_most_the_deadline_of_the_configuration_and_that_if_it_names_none() {
        let text =
            "[cluster]\nname = \"a\"\n[[node]]\nid = \"n1\"\naddr = \"127.0.0.1:1\"\n[[keyspace]]\nn = 1\n";
        let config = Config::parse(text, std::path::Path::new("."));
        let mut admission = Admission::new(&config.unwrap());
        let mut left = |time_left_ms| {
            let mut request =
                Request { number: 1, time_left_ms, want_receipt: false, body: RequestBody::Ring };
            admission.admit(Mono(0), &mut request, &Counters::default());
            request.time_left_ms
        };
        assert_eq!([left(0), left(7), left(u32::MAX)], [2_000, 7, 2_000]);
    }
}
