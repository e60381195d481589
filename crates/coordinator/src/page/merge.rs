//! One page out of the pages of several replicas.
//!
//! Invariants:
//! - an entry is returned only if every replica asked has shown its part up to there: beyond the lowest end among
//!   the unfinished pages somebody may hold a newer record, or a tombstone, that was not seen;
//! - the cursor is the last place looked at, so that nothing is skipped and nothing comes twice.

use std::collections::BTreeMap;

use bytes::Bytes;
use quorate_ring::Ring;
use quorate_types::{Record, Token};

/// What one replica showed.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) entries: Vec<(Bytes, Record)>,
    pub(super) done: bool,
}

/// How much a page may hold, and the time by which expiry is judged.
pub(super) struct Bounds {
    pub(super) entries_max: usize,
    pub(super) bytes_max: u64,
    pub(super) wall_ms: u64,
}

/// Live records in the order of (token, key), and the key after which to go on.
pub(super) type Merged = (Vec<(Bytes, Record)>, Option<Bytes>);

type Place = (Token, Bytes);

pub(super) fn entry_bytes((key, record): &(Bytes, Record)) -> u64 {
    (key.len() + record.value.as_ref().map_or(0, Bytes::len)) as u64
}

pub(super) fn merge(ring: &Ring, parts: Vec<Part>, bounds: &Bounds) -> Merged {
    let place = |key: &Bytes| (ring.token(key), key.clone());
    let unfinished = parts.iter().filter(|part| !part.done);
    let horizon: Option<Place> = unfinished.filter_map(|p| p.entries.last()).map(|(key, _)| place(key)).min();
    let mut newest: BTreeMap<Place, Record> = BTreeMap::new();
    for (key, record) in parts.into_iter().flat_map(|part| part.entries) {
        let place = place(&key);
        if horizon.as_ref().is_none_or(|end| place <= *end) {
            newest.entry(place).and_modify(|have| absorb(have, &record)).or_insert(record);
        }
    }
    cut(newest, horizon.map(|(_, key)| key), bounds)
}

fn absorb(have: &mut Record, more: &Record) {
    have.merge(more);
}

fn cut(newest: BTreeMap<Place, Record>, end: Option<Bytes>, bounds: &Bounds) -> Merged {
    let (mut live, mut bytes, mut last) = (Vec::new(), 0, None);
    for ((_, key), record) in newest {
        let visible = record.value.is_some() && !record.is_expired(bounds.wall_ms);
        let entry = (key.clone(), record);
        if visible {
            bytes += entry_bytes(&entry);
            if live.len() == bounds.entries_max || (bytes > bounds.bytes_max && !live.is_empty()) {
                return (live, last);
            }
            live.push(entry);
        }
        last = Some(key);
    }
    (live, end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quorate_ring::Member;
    use quorate_types::{KeyspaceId, NodeId, Timestamp, Version};

    use super::*;

    fn ring() -> Ring {
        Ring::build(3, &[Member::new(NodeId(1), 1.0, None)], &[(KeyspaceId(1), 1)]).unwrap()
    }

    fn record(version: u64, kind: u8) -> Record {
        let version = Version::new(Timestamp(version), NodeId(1));
        match kind {
            0 => Record::tombstone(version),
            1 => Record::put(version, "expired", Some(5)),
            _ => Record::put(version, format!("v{version}"), None),
        }
    }

    /// One replica's whole partition, in order.
    fn holdings(ring: &Ring, held: &[(u8, u64, u8)]) -> BTreeMap<Place, Record> {
        let mut map = BTreeMap::new();
        for &(key, version, kind) in held {
            let key = Bytes::from(vec![b'k', key]);
            let incoming = record(version, (version as u8 + kind) % 4);
            let at = (ring.token(&key), key);
            map.entry(at).and_modify(|have| absorb(have, &incoming)).or_insert(incoming);
        }
        map
    }

    fn part(held: &BTreeMap<Place, Record>, after: Option<&Place>, limit: usize) -> Part {
        let rest: Vec<_> = held.iter().filter(|&(place, _)| after.is_none_or(|a| place > a)).collect();
        let entries =
            rest.iter().take(limit).map(|&((_, key), record)| (key.clone(), record.clone())).collect();
        Part { entries, done: rest.len() <= limit }
    }

    proptest! {
        #[test]
        fn pages_of_replicas_that_differ_add_up_to_the_merge_of_all_they_hold(
            held in proptest::collection::vec(proptest::collection::vec((0u8..30, 0u64..6, 0u8..1), 0..40), 1..4),
            limit in 1usize..6,
            bytes_max in 1u64..40,
        ) {
            let ring = ring();
            let replicas: Vec<_> = held.iter().map(|h| holdings(&ring, h)).collect();
            let mut all = BTreeMap::new();
            for (place, record) in replicas.iter().flatten() {
                all.entry(place.clone()).and_modify(|have| absorb(have, record)).or_insert(record.clone());
            }
            let live = all.into_iter().filter(|(_, r)| r.value.is_some() && !r.is_expired(10));
            let wanted: Vec<_> = live.map(|((_, key), record)| (key, record)).collect();

            let bounds = Bounds { entries_max: limit, bytes_max, wall_ms: 10 };
            let (mut seen, mut after, mut rounds) = (Vec::new(), None::<Bytes>, 0);
            loop {
                let place = after.as_ref().map(|key| (ring.token(key), key.clone()));
                let parts = replicas.iter().map(|held| part(held, place.as_ref(), limit)).collect();
                let (entries, next) = merge(&ring, parts, &bounds);
                prop_assert!(entries.len() <= limit);
                prop_assert!(entries.len() <= 1 || entries.iter().map(entry_bytes).sum::<u64>() <= bytes_max);
                seen.extend(entries);
                rounds += 1;
                prop_assert!(rounds < 200, "the cursor stands still");
                if next.is_none() {
                    break;
                }
                after = next;
            }
            prop_assert_eq!(seen, wanted);
        }
    }
}
