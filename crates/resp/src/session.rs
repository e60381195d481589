//! What a connection has said of itself and how it wants to be served. All of it takes effect on the commands behind
//! the one that says it, whatever of those before is still under way.

use quorate_types::{Level, Mono, Receipt};

use crate::Proto;
use crate::limits::Who;

/// Whether commands are replied to: `CLIENT REPLY`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ReplyMode {
    #[default]
    On,
    Off,
    /// All but the next.
    SkipNext,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Session {
    pub(crate) proto: Proto,
    pub(crate) who: Who,
    pub(crate) name: String,
    pub(crate) lib_name: String,
    pub(crate) lib_version: String,
    /// Replicas that must answer a read, if the connection said so.
    pub(crate) read: Option<Level>,
    /// The same for writes.
    pub(crate) write: Option<Level>,
    pub(crate) receipts: bool,
    pub(crate) reply: ReplyMode,
    /// When a `MULTI` was refused whose transaction has not ended: none of it may be executed.
    pub(crate) refused_multi: Option<Mono>,
    pub(crate) since_ms: u64,
}

/// What the last commands came to, as far as later ones ask for it.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// Replicas that had the last write when it was answered.
    pub(crate) acked: Option<u8>,
    pub(crate) receipt: Option<Box<Receipt>>,
    /// Commands counted by the node when `INFO` last looked, and when that was.
    pub(crate) looked: Option<(u64, u64)>,
}

impl Session {
    /// At the beginning, or after `RESET`.
    pub(crate) fn new(who: Who, since_ms: u64) -> Session {
        Session { who, since_ms, ..Session::default() }
    }
}
