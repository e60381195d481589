//! Whose memory `replica` takes, in which pages, and when it is given back.
//!
//! mimalloc: requests are freed in bursts, on other threads than they came on, which the system's allocator does worst. What it
//! keeps of a burst it looks at again every ten thousand slow allocations of a thread, so never, where nothing happens any
//! more: benches/RESULTS.md says what stayed and what it costs to ask for it.
//!
//! It asks the system for huge pages. They are worth it to a node with much data (a SET among a million keys takes an eighth less CPU
//! time); to a small one, 2 MiB for each piece of memory that is touched at all hide what was given back. So they are off until
//! the node is large; then what a burst may leave in them is little beside the data.

use quorate_server::GiveBack;

/// How the threads of the server give back; `None`: the system's allocator does as it likes.
#[cfg(not(feature = "mimalloc"))]
pub(crate) const GIVE_BACK: Option<GiveBack> = None;
#[cfg(feature = "mimalloc")]
pub(crate) const GIVE_BACK: Option<GiveBack> = Some(mimalloc::give_back);

/// To be called first.
pub(crate) fn begin() {
    #[cfg(all(feature = "mimalloc", target_os = "linux"))]
    mimalloc::huge_pages::begin();
}

#[cfg(feature = "mimalloc")]
mod mimalloc {
    use quorate_server::Pace;

    #[global_allocator]
    static ALLOCATOR: ::mimalloc::MiMalloc = ::mimalloc::MiMalloc;

    /// A busy thread lets go what has been free for a second, a quiet one all that is free: its next burst pays for it with
    /// page faults.
    pub(super) fn give_back(pace: Pace) {
        // SAFETY: it takes no pointer and frees nothing that is in use; any thread may call it, at any time.
        unsafe { libmimalloc_sys::mi_collect(pace == Pace::Quiet) }
        #[cfg(target_os = "linux")]
        huge_pages::look();
    }

    #[cfg(target_os = "linux")]
    pub(super) mod huge_pages {
        use std::sync::atomic::{AtomicBool, Ordering};

        use rustix::param::page_size;
        use rustix::thread::disable_transparent_huge_pages;

        /// Resident memory from which on a node is large.
        const LARGE_BYTES: usize = 128 << 20;

        static OFF: AtomicBool = AtomicBool::new(false);

        /// None for now. Where the system does not let it be changed, it stays as it is.
        pub(crate) fn begin() {
            OFF.store(disable_transparent_huge_pages(true).is_ok(), Ordering::Relaxed);
        }

        /// Lets the system use them for good once the node is large.
        pub(crate) fn look() {
            let is_large = || resident_bytes().is_some_and(|bytes| bytes >= LARGE_BYTES);
            if OFF.load(Ordering::Relaxed) && is_large() && OFF.swap(false, Ordering::Relaxed) {
                // It was allowed when they were switched off; if not now, the node is a little slower.
                let _ = disable_transparent_huge_pages(false);
            }
        }

        fn resident_bytes() -> Option<usize> {
            let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
            let pages: usize = statm.split(' ').nth(1)?.parse().ok()?;
            Some(pages * page_size())
        }
    }
}
