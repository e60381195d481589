//! Several listeners to one log.
//!
//! Invariant: every method of [`Hooks`] is passed on here; one that is forgotten would be heard by nobody.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::{BatchReport, Hooks, RecoveryReport};
use crate::{Error, Lsn};

/// Both are told, in order; the second even if the first panics. More of them: `(a, (b, c))`.
///
/// ```
/// use quorate_wal::{Hooks, Lsn, Options};
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// #[derive(Default)]
/// struct Rotations(AtomicU64);
/// impl Hooks for Rotations {
///     fn on_rotate(&self, _index: u64) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
/// }
///
/// #[derive(Default)]
/// struct Appended(AtomicU64);
/// impl Hooks for Appended {
///     fn on_append(&self, _last: Lsn, records: u64, _payload_bytes: u64) {
///         self.0.fetch_add(records, Ordering::Relaxed);
///     }
/// }
///
/// let appended = Arc::new(Appended::default()); // kept, to be read
/// let options = Options::new("/var/lib/orders").hooks(Arc::new((appended.clone(), Rotations::default())));
/// ```
impl<A: Hooks, B: Hooks> Hooks for (A, B) {
    fn on_append(&self, last: Lsn, records: u64, payload_bytes: u64) {
        both((&self.0, &self.1), |hooks| hooks.on_append(last, records, payload_bytes));
    }
    fn on_batch(&self, batch: &BatchReport) {
        both((&self.0, &self.1), |hooks| hooks.on_batch(batch));
    }
    fn on_sync(&self, took: Duration) {
        both((&self.0, &self.1), |hooks| hooks.on_sync(took));
    }
    fn on_rotate(&self, index: u64) {
        both((&self.0, &self.1), |hooks| hooks.on_rotate(index));
    }
    fn on_recycle(&self, index: u64) {
        both((&self.0, &self.1), |hooks| hooks.on_recycle(index));
    }
    fn on_recover(&self, recovery: &RecoveryReport) {
        both((&self.0, &self.1), |hooks| hooks.on_recover(recovery));
    }
    fn on_poison(&self, cause: &Error) {
        both((&self.0, &self.1), |hooks| hooks.on_poison(cause));
    }
}

fn both((one, other): (&dyn Hooks, &dyn Hooks), tell: impl Fn(&dyn Hooks)) {
    let first = catch_unwind(AssertUnwindSafe(|| tell(one)));
    tell(other);
    if let Err(panic) = first {
        resume_unwind(panic);
    }
}

/// As what it points to, so that its owner may keep a handle.
impl<H: Hooks + ?Sized> Hooks for Arc<H> {
    fn on_append(&self, last: Lsn, records: u64, payload_bytes: u64) {
        (**self).on_append(last, records, payload_bytes);
    }
    fn on_batch(&self, batch: &BatchReport) {
        (**self).on_batch(batch);
    }
    fn on_sync(&self, took: Duration) {
        (**self).on_sync(took);
    }
    fn on_rotate(&self, index: u64) {
        (**self).on_rotate(index);
    }
    fn on_recycle(&self, index: u64) {
        (**self).on_recycle(index);
    }
    fn on_recover(&self, recovery: &RecoveryReport) {
        (**self).on_recover(recovery);
    }
    fn on_poison(&self, cause: &Error) {
        (**self).on_poison(cause);
    }
}
