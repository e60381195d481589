//! What is said of slow answers, seen to in every turn of every test.

use super::*;

impl Cluster {
    /// Each slow answer comes with what was asked for and what that waited for, all the time, and no other answer does.
    pub(super) fn take_slow(&mut self, effects: &mut Effects) {
        let mut told = effects.slow.drain(..).peekable();
        for (origin, _) in &effects.answers {
            let elapsed = origin.tag.elapsed(self.now);
            let slow = told.next_if(|slow| slow.origin == *origin);
            assert_eq!(slow.is_some(), elapsed >= self.plan.slow_after, "{origin:?} after {elapsed:?}");
            let Some(slow) = slow else { continue };
            assert_eq!((slow.keyspace, &slow.sought), (keyspace(), &self.sought[&origin.number]));
            assert_eq!(slow.waits.iter().map(|wait| wait.took).sum::<Duration>(), elapsed, "{slow:?}");
            self.slow.push(slow);
        }
        assert_eq!(told.next(), None, "what is slow is told with its answer");
    }
}

/// What a client asks for.
pub(super) fn sought(body: &RequestBody) -> Sought {
    match body {
        RequestBody::Page { partition, start, .. } => {
            Sought::Page { partition: *partition, start: start.clone() }
        }
        RequestBody::Get { key, .. }
        | RequestBody::Put { key, .. }
        | RequestBody::Delete { key, .. }
        | RequestBody::Expire { key, .. }
        | RequestBody::Explain { key, .. } => Sought::Key(key.clone()),
        other => panic!("{other:?}"),
    }
}
