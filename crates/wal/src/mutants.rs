//! Planted bugs: what proves that the proofs find bugs.
//!
//! Each is compiled in by the feature `mutants` and does nothing until [`with`] names it, for one thread and one call. Without the
//! feature `planted` is `false` for good, and the compiler removes what it guards.

/// Whether this bug is in force here.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn planted(_: Mutant) -> bool {
    false
}

/// `body`, to be called in another thread with the bug in force there that is in force here.
#[cfg(not(feature = "mutants"))]
pub(crate) fn carried_along<F>(body: F) -> F {
    body
}

#[cfg(feature = "mutants")]
pub use switched::with;
#[cfg(feature = "mutants")]
pub(crate) use switched::{carried_along, planted};

#[cfg(feature = "mutants")]
pub(crate) mod in_place;

macro_rules! mutants {
    ($($name:ident: $what:literal,)*) => {
        /// A bug that was planted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(not(feature = "mutants"), expect(dead_code, reason = "some sites need the feature"))]
        pub enum Mutant {
            $(#[doc = $what] $name,)*
        }

        #[cfg(feature = "mutants")]
        impl Mutant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// What it does wrong, in a line.
            pub fn description(self) -> &'static str {
                match self {
                    $(Self::$name => $what,)*
                }
            }
        }
    };
}

mutants! {
    AckBeforeSync: "a record is acknowledged once written; its sync is left to the next rotation",
    WeakestMember: "a batch is as safe as its weakest member asked for, and acknowledged as its strictest did",
    RetryAfterSyncError: "a sync that failed is tried again, and believed",
    SealNotSynced: "the old segment's seal is not synced before the new header is written",
    HeaderNotSynced: "the new segment's header is not synced before frames are written behind it",
    NoParentDirSync: "the log's directory is made, and its name never synced",
    NoDirSyncAfterPrepare: "a prepared segment's name is not synced",
    NoDirSyncAfterRetire: "a retired segment's name is not synced",
    TwoRetirementsInOneDirSync: "the directory is synced after every second retirement only",
    RecycledNotBlanked: "the first 4 KiB of a recycled segment are not zeroed",
    BatchInSeveralFrames: "an atomic batch is written as one frame per record",
    MarkTooHigh: "frames say that all before them is durable, whether it is or not",
    MarkNeverWritten: "frames never say that anything is durable",
    NoChecksum: "a frame's checksum is not compared",
    ChecksumNotBoundToOffset: "a frame's checksum is the same wherever it lies",
    ChecksumNotBoundToEpoch: "a frame's checksum is the same in every life of its file",
    ReadErrorIsEnd: "what cannot be read is taken for the end of the log",
    MissingSegmentIsEnd: "a sealed segment without its successor is taken for the end of the log",
    SilentStopInSealedSegment: "replay goes on with the next segment at the first bad frame of a sealed one",
    CorruptionIsTornRotation: "a damaged header is taken for a torn rotation, whatever lies behind it",
    TornRotationIsCorruption: "a torn rotation into a recycled file is taken for corruption",
    Unsettled: "recovery reads before it has synced what it reads",
    NoCopyAtRecovery: "recovery believes intact frames that nobody vouched for, and copies none",
    RecoveredSegmentNotSynced: "the segment that recovery begins gets its name before it is synced",
    NoDirSyncAfterRecovery: "the name of the segment that recovery begins is not synced",
    GoesOnInTheTornSegment: "after a torn tail the log goes on in the same segment: places and LSNs of dead frames are used again",
    CheckpointIgnoresPins: "a checkpoint gives back segments that somebody retains",
    TailPassesDurable: "a tail delivers what is written but not yet durable",
}

#[cfg(feature = "mutants")]
mod switched {
    use std::cell::Cell;

    use super::Mutant;

    thread_local! {
        static PLANTED: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Whether this bug is in force in this thread.
    pub(crate) fn planted(mutant: Mutant) -> bool {
        PLANTED.get() == Some(mutant)
    }

    /// `body`, to be called in another thread with the bug in force there that is in force here.
    pub(crate) fn carried_along<R>(body: impl FnOnce() -> R) -> impl FnOnce() -> R {
        let mutant = PLANTED.get();
        move || with(mutant, body)
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
