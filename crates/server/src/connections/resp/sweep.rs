//! Has a shard look for overdue Redis clients, while there are any that may become so: no timer per client, and none at
//! all while every command came whole and every reply was taken.

use std::sync::Arc;
use std::time::Duration;

use quorate_resp::Limits;
use tokio::task::AbortHandle;

use crate::shard::inbox::Inbox;
use crate::shard::item::Item;

/// How often, of the shorter of both timeouts.
const LOOKS_PER_TIMEOUT: u32 = 4;
const EVERY_MIN: Duration = Duration::from_millis(10);
const EVERY_MAX: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Sweep(Option<AbortHandle>);

impl Sweep {
    /// Puts [`Item::RespSweep`] into `inbox` before long, unless it is on its way already.
    pub(super) fn arm(&mut self, inbox: &Arc<Inbox>, limits: &Limits) {
        self.0.get_or_insert_with(|| {
            let timeout = limits.command_timeout.min(limits.write_timeout);
            let every = (timeout / LOOKS_PER_TIMEOUT).clamp(EVERY_MIN, EVERY_MAX);
            let inbox = Arc::clone(inbox);
            let sweep = tokio::spawn(async move {
                tokio::time::sleep(every).await;
                inbox.push(Item::RespSweep);
            });
            sweep.abort_handle()
        });
    }

    /// It has come.
    pub(super) fn came(&mut self) {
        self.0 = None;
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        self.0.take().inspect(AbortHandle::abort);
    }
}
