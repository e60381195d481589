//! What operators may tell the node, carried out.

use std::sync::Arc;

use quorate_http::{Admin, Checkpointed, Draining};
use quorate_node::Drain;
use tokio::sync::oneshot;

use crate::common::Common;
use crate::disk::checkpoints::CheckpointAsks;
use crate::logs;

/// See the module.
pub(super) struct Orders {
    pub(super) common: Arc<Common>,
    pub(super) checkpoints: CheckpointAsks,
}

impl Admin for Orders {
    fn checkpoint(&self) -> oneshot::Receiver<Result<Checkpointed, String>> {
        self.checkpoints.ask()
    }

    fn drain(&self) {
        self.common.drain(Drain::Clients);
    }

    fn draining(&self) -> Draining {
        match (self.common.is_draining(), self.common.is_drained()) {
            (false, _) => Draining::No,
            (true, false) => Draining::UnderWay,
            (true, true) => Draining::Done,
        }
    }

    fn log_filter(&self) -> Option<String> {
        logs::filter()
    }

    fn set_log_filter(&self, filter: &str) -> Result<(), String> {
        logs::set_filter(filter).map(drop).map_err(|error| error.to_string())
    }
}
