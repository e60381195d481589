//! Requests at fixed times, whatever the answers take (an open loop).
//!
//! A thread of its own keeps the time: an async timer's granularity of a millisecond would show in every latency.
//! Latencies count from the time at which a request was due, so that waiting behind a stall counts, too
//! (coordinated omission: Tene, How NOT to Measure Latency, 2013).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// The least sleep: what is due meanwhile becomes due together.
const SLEEP_MIN: Duration = Duration::from_micros(100);

/// Hands out due times. Cheap to clone.
#[derive(Clone)]
pub struct Pace(Arc<Inner>);

struct Inner {
    rate: u64,
    started: Instant,
    due: Semaphore,
    taken: AtomicU64,
    ended: AtomicBool,
}

impl Pace {
    /// `rate` requests a second from now on.
    pub fn start(rate: u64) -> Pace {
        let inner = Arc::new(Inner {
            rate: rate.max(1),
            started: Instant::now(),
            due: Semaphore::new(0),
            taken: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let keeper = Arc::clone(&inner);
        thread::spawn(move || keeper.keep_time());
        Pace(inner)
    }

    /// Waits for the next request's time; what it was. `None` when the pace has ended.
    pub async fn next_due(&self) -> Option<Instant> {
        self.0.due.acquire().await.ok()?.forget();
        Some(self.0.due_at(self.0.taken.fetch_add(1, Ordering::Relaxed)))
    }

    /// Nothing is due any more.
    pub fn end(&self) {
        self.0.ended.store(true, Ordering::Relaxed);
        self.0.due.close();
    }
}

impl Inner {
    fn due_at(&self, number: u64) -> Instant {
        let nanos = u128::from(number) * 1_000_000_000 / u128::from(self.rate);
        self.started + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many are due at `now`.
    fn due_by(&self, now: Instant) -> u64 {
        let nanos = now.saturating_duration_since(self.started).as_nanos();
        u64::try_from(nanos * u128::from(self.rate) / 1_000_000_000).unwrap_or(u64::MAX) + 1
    }

    fn keep_time(&self) {
        let mut released = 0;
        while !self.ended.load(Ordering::Relaxed) {
            let due = self.due_by(Instant::now());
            self.due.add_permits((due - released) as usize);
            released = due;
            let wait = self.due_at(released).saturating_duration_since(Instant::now());
            thread::sleep(wait.max(SLEEP_MIN));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn due_times_are_evenly_spaced_though_they_are_handed_out_together() {
        let pace = Pace::start(10_000);
        let mut due = Vec::new();
        for _ in 0..50 {
            due.push(pace.next_due().await.unwrap());
        }
        let gaps: Vec<_> = due.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| *gap == Duration::from_micros(100)), "{gaps:?}");
        assert!(due[49] <= Instant::now(), "nothing is due before its time");
        pace.end();
        assert_eq!(pace.next_due().await, None);
    }
}
