//! What happened, counted since the start; the server exports it.

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {
        /// Counts of one shard since its start. Each only grows.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct NodeCounters {
            $($(#[doc = $doc])+ pub $name: u64,)*
        }

        impl NodeCounters {
            /// Every counter's name with what it counts, in the order of [`NodeCounters::entries`].
            pub const DESCRIPTIONS: &[(&str, &str)] = &[$((stringify!($name), concat!($($doc),+))),*];

            /// Every counter with its name, in a fixed order.
            pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }
        }
    };
}

counters! {
    /// Requests of clients that came in.
    requests,
    /// Requests refused at once by the node, before its coordinator saw them.
    requests_refused,
    /// Writes refused because their value is larger than `value_bytes_max`.
    limit_value_bytes,
    /// Requests refused because their key is empty or longer than a key may be.
    limit_key_bytes,
    /// Writes refused because `hints_pending_max` was reached.
    limit_hints_pending,
    /// Writes refused because `clock_parked_max` was reached.
    limit_clock_parked,
    /// Peers' writes refused because `peer_requests_max` was reached.
    limit_peer_requests,
    /// Peers' writes refused because `peer_bytes_max` was reached.
    limit_peer_bytes,
    /// Writes not sent because `link_outstanding_bytes_max` or `link_outstanding_batches_max` was reached.
    limit_link_outstanding,
    /// Writes that read their key first: changes of an expiry, puts that keep one.
    reads_first,
    /// Writes that waited for the clock's ceiling.
    clock_parked,
    /// Ceilings of the clock that were made durable.
    clock_ceilings,
    /// Writes refused because their stamp was too far ahead.
    clock_skew_refused,
    /// Writes refused because this node's own clock was further ahead of most nodes' than `clock_skew_max`.
    clock_ahead_refused,
    /// Writes taken whose stamp was further ahead than `clock_skew_warn`.
    clock_skew_warned,
    /// Duplicates of a request in flight, dropped.
    duplicates_in_flight,
    /// Duplicates of an answered request, answered again.
    duplicates_answered,
    /// Writes dropped because their number lay too far back in their session.
    duplicates_too_old,
    /// Peers' writes that came in and were new.
    peer_writes,
    /// New writes of peers that were refused by name.
    peer_writes_refused,
    /// New writes of peers that were refused because their deadline had passed on arrival.
    peer_writes_expired,
    /// Peers' batches that had been executed before.
    peer_batches_duplicate,
    /// Peers' batches too old to be told apart from new ones, ignored.
    peer_batches_too_old,
    /// Peers' reads and pages.
    peer_reads,
    /// Messages that came on a link that is not up, or on the wrong side of one.
    messages_unexpected,
    /// Records logged and applied.
    applied,
    /// Records logged and applied that changed something.
    applied_changed,
    /// Writes to peers that were never answered, or whose link ended.
    writes_lost,
    /// Writes not sent because no link to the replica's shard was up.
    writes_unsent,
    /// Hints handed to the hint logs.
    hints_appended,
    /// Hints that the hint logs refused: the target's log is full, or failed.
    hints_refused,
    /// Hints not taken because they were for this node itself: its log failed, and its restart recovers.
    hints_for_self,
    /// Hints not taken because the target's oldest hint is older than `hint_window`.
    hints_beyond_window,
    /// Hints that their target, or the current owners, acknowledged.
    hints_replayed,
    /// Hints sent to the current owners because their target is no replica any more.
    hints_rerouted,
    /// Hints dropped at delivery because they were older than `hint_window`.
    hints_expired,
    /// Hints dropped because the target will never take them: no replica, no such keyspace, too large.
    hints_dropped,
    /// Pages of hints that were not acknowledged in full and will be sent again in part.
    hint_pages_failed,
    /// Peers that came up.
    peers_up,
    /// Peers that went down.
    peers_down,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_name_every_counter() {
        let counters = NodeCounters { hints_replayed: 3, ..NodeCounters::default() };
        let set: Vec<_> = counters.entries().filter(|&(_, n)| n > 0).collect();
        assert_eq!(set, [("hints_replayed", 3)]);
        assert_eq!(counters.entries().count() * 8, size_of::<NodeCounters>());
    }
}
