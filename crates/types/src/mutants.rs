//! Planted bugs of the cluster: what proves that the simulator finds bugs.
//!
//! Each is compiled in by the feature `mutants` and does nothing until `with` names it, for one thread and one call.
//! Without the feature [`planted`] is `false` for good, and the compiler removes what it guards. They stand here, at the
//! bottom, because they are planted in several crates and switched on in one place; the log's own are the log's
//! (`quorate_wal::mutants`).
//!
//! `cargo run --release -p quorate-sim --features mutants -- mutants` shows each found.

/// Whether this bug is in force here.
#[cfg(not(feature = "mutants"))]
#[inline]
pub const fn planted(_: Mutant) -> bool {
    false
}

#[cfg(feature = "mutants")]
pub use switched::{planted, with};

macro_rules! mutants {
    ($($name:ident: $what:literal,)*) => {
        /// A bug that was planted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutant {
            $(#[doc = $what] $name,)*
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Mutant] = &[$(Mutant::$name),*];

            /// What it does wrong, in a line.
            pub fn description(self) -> &'static str {
                match self {
                    $(Mutant::$name => $what,)*
                }
            }
        }
    };
}

mutants! {
    AckBeforeDurable: "a replica acknowledges a peer's write once it is appended, before the log is durable",
    MemoryBeforeLog: "a replica applies a write once it is appended, before the log is durable",
    FailedLogAcks: "what waited for a log that failed is acknowledged",
    RefusedIsAcked: "a write that a replica refused is acknowledged",
    DuplicateAckCounts: "an acknowledgement that comes twice counts as two replicas",
    ForeignAckCounts: "a coordinator that is no replica keeps a copy, and counts itself",
    WriteOneShort: "a write is answered one acknowledgement too early",
    LostIsRefused: "a replica whose link was lost is taken to have refused the write",
    DuplicateRestamped: "a request that comes twice is stamped and executed twice",
    RetryRestamped: "a retry that brings its version gets a new one",
    ReadOneShort: "a read is answered one replica too early",
    RepairNotAwaited: "a blocking repair is sent, and not awaited",
    RepairWritesOlder: "a read repair writes the first copy that was read instead of the newest",
    RepairRestamps: "a read repair is stamped anew",
    ReplicaJudgesExpiry: "a replica drops what is expired by its own clock when it is asked",
    OverwrittenUncompared: "a record (a hint, a repair) replaces what is there, whatever their versions",
    NoHintForRefused: "a replica that refused a write gets no hint",
    NoHintForLost: "a replica whose link was lost gets no hint",
    NoHintForSilent: "a replica that did not answer in time gets no hint",
    NoHintForDown: "a replica that was down when a write began gets no hint",
    NoHintForDelete: "deletes leave no hints",
    HintDeletedBeforeAck: "hints are deleted once they are sent",
    FailedHintIsDelivered: "a hint that its target did not take counts as delivered",
    HintsNotSynced: "hints count as durable before they are synced",
    HintsForgottenAtStart: "hints found at a start are not delivered before a new one comes",
    ClockGoesBack: "a restarted clock does not begin at the stored ceiling",
    CeilingNotAwaited: "stamps are issued below a ceiling that is not durable yet",
    TombstonesNotReplayed: "recovery leaves tombstones of the log out",
    TombstonesNotInCheckpoint: "recovery leaves tombstones of the checkpoint out",
    PartNotSynced: "a checkpoint is published before its parts are synced",
    PartNameNotSynced: "a checkpoint is published before its parts' names are synced",
    DigestSkipsTombstones: "the digest that a bucket keeps leaves tombstones out",
    LogCutTooEarly: "a checkpoint cuts the log up to what was durable when it ended, not applied when it began",
    WalkSkipsRecords: "a checkpoint's walk leaves out the record at which a slice begins",
    PendingLeaks: "a write whose deadline has passed is answered and never forgotten",
    StampWithoutAsking: "LINEARIZABLE: a write is stamped without asking for the newest version",
    LinearizableReadAsIs: "LINEARIZABLE: a read is answered before a majority holds what it says",
    LinearizableAskOne: "LINEARIZABLE: the first answer is taken for the newest version",
}

#[cfg(feature = "mutants")]
mod switched {
    use std::cell::Cell;

    use super::Mutant;

    thread_local! {
        static PLANTED: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Whether this bug is in force in this thread.
    pub fn planted(mutant: Mutant) -> bool {
        PLANTED.get() == Some(mutant)
    }

    /// Puts back what was in force before, if by a panic.
    struct Restore(Option<Mutant>);

    impl Drop for Restore {
        fn drop(&mut self) {
            PLANTED.set(self.0);
        }
    }

    /// Calls `body` with this bug in force in this thread, and with no other; none for `None`.
    pub fn with<R>(mutant: Option<Mutant>, body: impl FnOnce() -> R) -> R {
        let _restore = Restore(PLANTED.replace(mutant));
        body()
    }
}
