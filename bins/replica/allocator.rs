//! Whose memory `replica` takes, and when it is given back.
//!
//! mimalloc: requests are freed in bursts, on other threads than they came on, which the system's allocator does worst. What it
//! keeps of a burst it looks at again every ten thousand slow allocations of a thread, so never, where nothing happens any
//! more: benches/RESULTS.md says what stays and what it costs to ask for it.

use quorate_server::GiveBack;

/// How the threads of the server give back; `None`: the system's allocator does as it likes.
#[cfg(not(feature = "mimalloc"))]
pub(crate) const GIVE_BACK: Option<GiveBack> = None;
#[cfg(feature = "mimalloc")]
pub(crate) const GIVE_BACK: Option<GiveBack> = Some(mimalloc::give_back);

#[cfg(feature = "mimalloc")]
mod mimalloc {
    use quorate_server::Pace;

    #[global_allocator]
    static ALLOCATOR: ::mimalloc::MiMalloc = ::mimalloc::MiMalloc;

    /// A busy thread lets go what has been free for a second, a quiet one all that is free: its next burst pays for it with a
    /// page fault per 4 KiB.
    pub(super) fn give_back(pace: Pace) {
        // SAFETY: it takes no pointer and frees nothing that is in use; any thread may call it, at any time.
        unsafe { libmimalloc_sys::mi_collect(pace == Pace::Quiet) }
    }
}
