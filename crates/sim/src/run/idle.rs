//! In peace nothing is in flight: whatever still waits for something then waits for ever, and eats memory.

use std::time::Duration;

use super::Run;

/// Longest virtual time that it may take until everything in flight has ended, one way or another.
const IDLE: Duration = Duration::from_secs(30);

impl Run<'_> {
    /// Waits until no replica has anything in flight.
    pub(super) fn check_idle(&mut self) {
        let begun = self.cluster.now().mono;
        loop {
            let busy: Vec<(usize, String)> =
                (1..=self.plan.cluster.nodes).filter_map(|k| Some((k, self.cluster.in_flight(k)?))).collect();
            if busy.is_empty() {
                return self.count("idle in peace");
            }
            if self.cluster.now().mono >= begun + IDLE {
                return self
                    .complain(None, format!("still in flight after {IDLE:?} without requests: {busy:?}"));
            }
            self.run_for(Duration::from_millis(200));
        }
    }
}
