//! How what users hold shows itself, in `dbg!` and in the message of a failed `unwrap_err`.
//!
//! Invariants: never by payloads, which may be secret and large; never under a lock, so that a program can show a log
//! wherever it hangs.

use std::fmt;

use crate::inspect::Frames;
use crate::io::FileWriter;
use crate::repair::Salvage;
use crate::shell::{Append, Retention, Stager, Tail, Underway, Wal, Watermark};
use crate::testkit::{CrashStates, SimIo};
use crate::{Batch, Machine, Opened, Recovery, Replay, ReplayAhead};

/// `Type { name: value of that method, .. }`
macro_rules! shows {
    ($($type:ident $(<$lifetime:lifetime>)? { $($method:ident),* })*) => {$(
        impl fmt::Debug for $type $(<$lifetime>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($type))
                    $(.field(stringify!($method), &self.$method()))*
                    .finish_non_exhaustive()
            }
        }
    )*};
}

shows! {
    Append { lsn }
    Batch { last_lsn, records, bytes, syncs, rotates }
    CrashStates {}
    FileWriter { position }
    Frames { header, offset }
    Machine { log_id, marks }
    Recovery { log_id, oldest_lsn, last_lsn, tail, copied_records }
    Replay {}
    ReplayAhead {}
    Retention { lsn }
    Salvage {}
    SimIo {}
    Stager<'_> {}
    Tail { next_lsn }
    Underway { last_lsn }
    Wal { durable_lsn, committed_lsn }
    Watermark { lsn }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("machine", &self.machine)
            .field("recovery", &self.recovery)
            .finish_non_exhaustive()
    }
}
