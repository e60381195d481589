//! How often the replicas came by each named point.

use quorate_types::points::Point;

use super::Run;

impl Run<'_> {
    /// Counts every point under its name: passed, or taken if it is a rare branch.
    pub(super) fn count_points(&mut self) {
        for point in Point::all() {
            let passed: u64 = (1..=self.plan.cluster.nodes).map(|k| self.cluster.passed(k, point)).sum();
            *self.tally.entry(point.name()).or_default() += passed;
        }
    }
}
