//! A pin that is held by holding a value.

use std::sync::Arc;

use super::Shared;
use crate::{Error, Lsn};

/// Keeps records from being given back until dropped ([`Wal::retain`](crate::Wal::retain)).
///
/// Dropping it, or moving it on, sets the segments free that nothing else holds; with
/// [`Chores::Inline`](crate::Chores::Inline) in this thread.
#[must_use = "dropping it gives the records back"]
pub struct Retention {
    shared: Arc<Shared>,
    pin: u64,
    lsn: Lsn,
}

impl Retention {
    pub(crate) fn take(shared: &Arc<Shared>, name: &str, lsn: Lsn) -> Result<Self, Error> {
        let pin = shared.state().machine.pin(name, lsn)?;
        Ok(Self { shared: Arc::clone(shared), pin, lsn: lsn.max(Lsn::new(1)) })
    }

    /// The records from here on stay.
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Everything below `lsn` is needed no more. Lower than before: no effect.
    pub fn advance(&mut self, lsn: Lsn) {
        if lsn <= self.lsn {
            return;
        }
        self.lsn = lsn;
        let mut state = self.shared.state();
        state.machine.move_pin(self.pin, lsn);
        self.shared.get_chores_done(state);
    }
}

impl Drop for Retention {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.machine.unpin(self.pin);
        self.shared.get_chores_done(state);
    }
}
