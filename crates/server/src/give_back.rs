//! Memory that a burst has left free goes back to the system when the burst is over.
//!
//! A fast allocator keeps what was freed for the next burst, and looks at it again while it is asked for more: on a thread
//! that has little to do any more that may never be. So a task on each thread that serves connections looks, once a second,
//! how busy its thread was, and that is told to whoever knows the allocator; this crate does not.
//!
//! Invariants:
//! - nothing of it is on the way of a request;
//! - a thread that has done next to nothing since it was last quiet is left alone.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{MissedTickBehavior, interval};

/// How often a thread is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Work between two looks up to which a thread is quiet: a twentieth.
const QUIET_MAX: Duration = Duration::from_millis(50);
/// Work that leaves nothing behind worth looking for.
const WORK_MIN: Duration = Duration::from_millis(1);

/// How much a thread had to do during the last second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Next to nothing, after it had more: all that is free may go, it is not needed soon.
    Quiet,
    /// Something: what is free now is likely to be needed again.
    Busy,
}

/// Has the allocator give back what the thread that calls it has freed. Called at most once a second and thread.
pub type GiveBack = fn(Pace);

/// Tells the pace of the thread that this runs on, whenever there is reason to; for ever.
pub(crate) async fn tell_pace(tell: impl Fn(Pace)) {
    let metrics = Handle::current().metrics();
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut work = Work::default();
    loop {
        looks.tick().await;
        // The only thread of this runtime.
        if let Some(pace) = work.seen(metrics.worker_total_busy_duration(0)) {
            tell(pace);
        }
    }
}

/// What a thread has worked, from look to look.
#[derive(Debug, Default)]
struct Work {
    total: Duration,
    since_quiet: Duration,
}

impl Work {
    /// It has worked `total` since its start; `None`: too little since it was last quiet.
    fn seen(&mut self, total: Duration) -> Option<Pace> {
        let lately = total.saturating_sub(self.total);
        self.total = total;
        self.since_quiet += lately;
        if self.since_quiet < WORK_MIN {
            return None;
        }
        if lately > QUIET_MAX {
            return Some(Pace::Busy);
        }
        self.since_quiet = Duration::ZERO;
        Some(Pace::Quiet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_quiet_once_after_each_burst_and_left_alone_until_it_has_worked_again() {
        let mut work = Work::default();
        let mut total = Duration::ZERO;
        let mut seen = |worked_us| {
            total += Duration::from_micros(worked_us);
            work.seen(total)
        };
        assert_eq!(seen(900), None, "too little");
        assert_eq!(seen(200), Some(Pace::Quiet), "a little, from several seconds, is enough");
        assert_eq!(seen(0), None);
        assert_eq!(seen(800_000), Some(Pace::Busy));
        assert_eq!(seen(50_001), Some(Pace::Busy));
        assert_eq!(seen(50_000), Some(Pace::Quiet));
        assert_eq!(seen(20), None);
        assert_eq!(seen(900_000), Some(Pace::Busy));
        assert_eq!(seen(0), Some(Pace::Quiet), "after a burst that ended with its second");
    }
}
