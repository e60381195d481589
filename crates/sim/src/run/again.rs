//! A restart changes nothing: at the end each replica starts twice more, and holds what it held.

use super::Run;
use crate::history::{Moment, What};

impl Run<'_> {
    /// Stops and starts all replicas that run, of which nothing is in flight. Not those with a rotten disk, which may
    /// rightly refuse.
    pub(super) fn restart_all(&mut self) {
        for k in 1..=self.plan.cluster.nodes {
            if !self.cluster.is_up(k) || self.cluster.refuses_writes(k) || self.rotten.contains_key(&k) {
                continue;
            }
            self.recorder.see_state(&self.cluster, k, Moment::BeforeStop);
            for _ in 0..2 {
                self.cluster.kill(k);
                self.recorder.node(self.cluster.now().mono, k, What::Stop);
                if let Err(error) = self.cluster.try_restart(k) {
                    self.complain(None, format!("n{k} does not start again in peace: {error}"));
                    break;
                }
                self.recorder.node(self.cluster.now().mono, k, What::Start);
                self.recorder.see_state(&self.cluster, k, Moment::AfterStart);
            }
        }
    }
}
