//! A bound on memory.

use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// For what does not depend on the files: a log's own small things, the simulated disk's, a thread that reads ahead.
const BYTES_FIXED: usize = 512 << 10;
/// Of each byte in the files: what the simulated disk keeps of it, the log's windows, what these checks remember.
const TIMES: usize = 40;

/// Runs `work`, which may take memory in proportion to `bytes` of files.
pub fn assert_bounded(bytes: usize, work: impl FnOnce()) {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    work();
    let (used, justified) = (HEAP.peak_usage().saturating_sub(before), BYTES_FIXED + TIMES * bytes);
    assert!(used <= justified, "{used} bytes of memory for {bytes} bytes of files");
}
