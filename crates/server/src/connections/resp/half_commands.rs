//! Commands of Redis clients whose rest has not come, over all shards: `resp.commands_bytes_max`.
//!
//! Invariant: what a connection has counted is given back when its command is whole, and when it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Smaller ones are not counted: pipelines are cut in two all the time, and `resp.connections_max` bounds these.
const COUNTED_FROM_BYTES: usize = 4 << 10;

/// Bytes of all of them.
#[derive(Debug, Default)]
pub(crate) struct HalfCommands(AtomicUsize);

impl HalfCommands {
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One connection's part.
#[derive(Debug)]
pub(super) struct HalfCommand {
    all: Arc<HalfCommands>,
    bytes: usize,
}

impl HalfCommand {
    pub(super) fn new(all: &Arc<HalfCommands>) -> HalfCommand {
        HalfCommand { all: Arc::clone(all), bytes: 0 }
    }

    /// It takes `bytes` now; false if it has grown and all together take more than `max`.
    pub(super) fn takes(&mut self, bytes: usize, max: usize) -> bool {
        let bytes = if bytes < COUNTED_FROM_BYTES { 0 } else { bytes };
        let before = std::mem::replace(&mut self.bytes, bytes);
        if bytes <= before {
            if bytes < before {
                self.all.0.fetch_sub(before - bytes, Ordering::Relaxed);
            }
            return true;
        }
        let more = bytes - before;
        self.all.0.fetch_add(more, Ordering::Relaxed) + more <= max
    }
}

impl Drop for HalfCommand {
    fn drop(&mut self) {
        self.takes(0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_grows_beyond_what_all_may_take_is_told_and_what_is_over_is_given_back() {
        let all = Arc::new(HalfCommands::default());
        let (mut one, mut other) = (HalfCommand::new(&all), HalfCommand::new(&all));
        assert!(one.takes(60_000, 100_000));
        assert!(other.takes(4_000, 100_000), "too small to count");
        assert!(!other.takes(50_000, 100_000));
        assert!(one.takes(60_000, 100_000), "it has not grown");
        assert_eq!(all.bytes(), 110_000);
        drop(other);
        assert!(one.takes(100_000, 100_000));
        assert!(one.takes(0, 100_000));
        assert_eq!(all.bytes(), 0);
    }
}
