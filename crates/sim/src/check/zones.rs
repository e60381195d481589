//! The zone test: is a history of one register with unique written values linearizable?
//!
//! A value's *cluster* is its write and the reads that saw it. In any linearization the cluster stands together, so
//! clusters are in a total order; a cluster must come before another if any of its operations ended before any of the
//! other's began. With f the earliest end and s the latest beginning of a cluster: it comes before another if f < s'.
//! A cluster with f < s is a *forward* zone from f to s, else a *backward* zone from s to f. The history is
//! linearizable if and only if
//! - no read ended before the write of its value began;
//! - no two forward zones overlap;
//! - no backward zone lies within a forward zone.
//!
//! O(n log n). Source: Gibbons and Korach, Testing Shared Memories (1997), theorem 4.

use std::collections::BTreeMap;

/// What an operation on a register does, with a number for each value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sets the value.
    Write(u32),
    /// Returns the value.
    Read(u32),
}

/// One operation on a register. Value 0 is what it holds at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterOp {
    /// When it began.
    pub begun: u64,
    /// When it ended; `None`: it may take effect at any later time, or never.
    pub ended: Option<u64>,
    /// What it did.
    pub action: Action,
}

/// The operations on one value.
#[derive(Debug)]
struct Cluster {
    /// Some write began here at the earliest; the first value was written before all time.
    write_begun: Option<u64>,
    earliest_end: u64,
    latest_begin: u64,
    /// Places of the operations that say so.
    ends: usize,
    begins: usize,
}

/// Two operations that contradict each other, by their places in `ops`; `None` if `ops` are linearizable.
///
/// Each value must be written at most once (of several writes the earliest beginning counts, which may hide a
/// contradiction and never makes one up); a value that is read and never written is a contradiction.
pub fn zones(ops: &[RegisterOp]) -> Option<(usize, usize)> {
    let clusters = clusters(ops);
    for (at, op) in ops.iter().enumerate() {
        let Action::Read(value) = op.action else { continue };
        match clusters[&value].write_begun {
            None if value != 0 => return Some((at, at)),
            Some(begun) if op.ended.is_some_and(|ended| ended < begun) => {
                let writes = |op: &RegisterOp| op.action == Action::Write(value);
                return Some((ops.iter().position(writes).unwrap_or(at), at));
            }
            _ => {}
        }
    }
    let mut forward: Vec<&Cluster> = clusters.values().filter(|cluster| cluster.is_forward()).collect();
    forward.sort_by_key(|cluster| cluster.earliest_end);
    for two in forward.windows(2) {
        if two[1].earliest_end < two[0].latest_begin {
            return Some((two[1].ends, two[0].begins));
        }
    }
    // Forward zones don't overlap: of those that begin before a backward zone, only the last may reach over it.
    for backward in clusters.values().filter(|cluster| !cluster.is_forward()) {
        let before = forward.partition_point(|zone| zone.earliest_end < backward.latest_begin);
        let within = before.checked_sub(1).map(|at| forward[at]);
        if let Some(zone) = within.filter(|zone| backward.earliest_end < zone.latest_begin) {
            return Some((backward.ends, zone.begins));
        }
    }
    None
}

impl Cluster {
    fn is_forward(&self) -> bool {
        self.earliest_end < self.latest_begin
    }
}

fn clusters(ops: &[RegisterOp]) -> BTreeMap<u32, Cluster> {
    let mut clusters: BTreeMap<u32, Cluster> = BTreeMap::new();
    for (at, op) in ops.iter().enumerate() {
        let (Action::Write(value) | Action::Read(value)) = op.action;
        let cluster = clusters.entry(value).or_insert(Cluster {
            write_begun: None,
            earliest_end: u64::MAX,
            latest_begin: 0,
            ends: at,
            begins: at,
        });
        let ended = op.ended.unwrap_or(u64::MAX);
        if ended < cluster.earliest_end {
            (cluster.earliest_end, cluster.ends) = (ended, at);
        }
        if op.begun >= cluster.latest_begin {
            (cluster.latest_begin, cluster.begins) = (op.begun, at);
        }
        if let Action::Write(_) = op.action {
            cluster.write_begun = Some(cluster.write_begun.map_or(op.begun, |begun| begun.min(op.begun)));
        }
    }
    // The first value was written before all operations: its cluster comes before whatever began at all.
    if let Some(first) = clusters.get_mut(&0) {
        first.earliest_end = 0;
    }
    clusters
}
