//! What ends the replica if one of its threads panics: half a node must not go on.

use std::sync::Arc;

use crate::common::Common;

/// Held by a thread for as long as it runs.
pub(crate) struct Alarm {
    what: &'static str,
    common: Arc<Common>,
}

impl Alarm {
    /// For the thread that is `what`.
    pub(crate) fn new(what: &'static str, common: &Arc<Common>) -> Alarm {
        Alarm { what, common: Arc::clone(common) }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.common
                .fail(&format!("{} panicked: this is a bug; what was acknowledged is on disk", self.what));
            self.common.kill();
        }
    }
}
