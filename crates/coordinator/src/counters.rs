//! What happened, counted since the start; the server exports it.

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {
        /// Counts since the start of the process. Each only grows.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: u64,)*
        }

        impl Counters {
            /// Every counter's name with what it counts, in the order of [`Counters::entries`].
            pub const DESCRIPTIONS: &[(&str, &str)] = &[$((stringify!($name), concat!($($doc),+))),*];

            /// Every counter with its name, in a fixed order.
            pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }

            /// Adds what another shard counted.
            pub fn add(&mut self, other: &Counters) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counters! {
    /// Writes answered `Written`.
    writes_written,
    /// Writes answered `Indeterminate`.
    writes_indeterminate,
    /// Writes answered `Rejected`.
    writes_rejected,
    /// LINEARIZABLE writes that asked for the newest version before they were stamped.
    queries,
    /// LINEARIZABLE writes that were never stamped: too few replicas answered, or the clock may not follow.
    queries_failed,
    /// Requests answered `Unavailable`: nothing was sent.
    unavailable,
    /// Requests refused at once because a limit was reached or their deadline had passed: nothing was sent.
    refused_at_once,
    /// Requests refused because `requests_max` was reached.
    limit_requests,
    /// Requests refused because `request_bytes_max` was reached.
    limit_request_bytes,
    /// Requests rejected at once because of their keyspace or level: nothing was sent.
    requests_rejected,
    /// Writes to single replicas that were acknowledged.
    write_acks,
    /// Writes to single replicas that were refused by name.
    write_refusals,
    /// Writes to single replicas whose link died or was full.
    write_losses,
    /// Writes to single replicas that were not answered before the deadline.
    write_silences,
    /// Hints handed to the node.
    hints_taken,
    /// Writes that stopped waiting for their last replicas early, because `stragglers_max` or
    /// `request_bytes_max` was reached.
    stragglers_cut,
    /// Reads answered with a record, a tombstone or nothing found.
    reads_answered,
    /// Reads, pages and blocking repairs that did not get enough answers.
    reads_timed_out,
    /// Reads refused by every replica that was asked.
    reads_rejected,
    /// Extra requests because a replica was slow.
    reads_hedged,
    /// Extra requests not made because of the hedging budget.
    hedges_withheld,
    /// Second requests for a value whose hash differed.
    digest_mismatches,
    /// Reads that wrote the winner to stale replicas before they answered.
    repairs_blocking,
    /// Reads that wrote the winner to stale replicas after they had answered.
    repairs_background,
    /// Repair writes to single replicas that were sent.
    repair_writes,
    /// Repair writes to single replicas that were acknowledged.
    repair_acks,
    /// Reads whose replicas were not compared because `background_max` was reached.
    background_skipped,
    /// Pages answered.
    pages_answered,
    /// Explanations given.
    explains_answered,
    /// Answers about requests that had ended, or that no replica was asked for.
    answers_stale,
    /// Answers from a replica that had given its answer already.
    answers_duplicate,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_name_every_counter_and_shards_add_up() {
        let mut sum = Counters { hints_taken: 2, ..Counters::default() };
        sum.add(&Counters { hints_taken: 3, write_acks: 1, ..Counters::default() });
        let set: Vec<_> = sum.entries().filter(|&(_, n)| n > 0).collect();
        assert_eq!(set, [("write_acks", 1), ("hints_taken", 5)]);
        assert_eq!(sum.entries().count() * 8, size_of::<Counters>());
    }
}
