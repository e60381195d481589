//! What the design has and this version has not: refused by name, so that nobody believes a key is in force.

use super::error::Wrong;

const SECTIONS: [(&str, &str, &str); 6] = [
    ("cold", "the cold tier (LSM)", "remove the section; all data lives in memory and in checkpoints"),
    ("lsm", "the cold tier (LSM)", "remove the section; all data lives in memory and in checkpoints"),
    ("gossip", "gossip membership", "remove the section; the [[node]] list is the membership"),
    (
        "membership",
        "changing membership at run time",
        "remove the section; the [[node]] list is the membership",
    ),
    ("antientropy", "anti-entropy", "remove the section; hints and read repair bring replicas together"),
    ("tls", "TLS", "remove the section; keep the cluster on a trusted network"),
];

const KEYS: [(&str, &str, &str, &str); 10] = [
    (
        "keyspace",
        "sloppy",
        "a sloppy quorum",
        "remove `sloppy`; hinted handoff brings missed writes to their replicas",
    ),
    (
        "keyspace",
        "sloppy_quorum",
        "a sloppy quorum",
        "remove it; hinted handoff brings missed writes to their replicas",
    ),
    (
        "keyspace",
        "compare_and_set",
        "compare-and-set",
        "remove it; of two writes the one with the newer version wins",
    ),
    (
        "keyspace",
        "linearizable",
        "a switch for linearizability",
        "write read = \"LINEARIZABLE\" and write = \"LINEARIZABLE\"",
    ),
    (
        "keyspace",
        "siblings_max",
        "keeping siblings",
        "remove it; conflict = \"lww\" keeps the newest version",
    ),
    (
        "keyspace",
        "cold_tier",
        "the cold tier (LSM)",
        "remove it; all data lives in memory and in checkpoints",
    ),
    ("limits", "memory_bytes_max", "evicting to a cold tier", "remove it; all data lives in memory"),
    ("checkpoint", "cold_tier", "the cold tier (LSM)", "remove it; checkpoints are full images"),
    ("cluster", "vnodes", "a number of vnodes", "remove it; it follows from the `capacity` of each node"),
    (
        "node",
        "vnodes",
        "a number of vnodes",
        "write `capacity`, above 0; the number of vnodes follows from it",
    ),
];

/// Why a section of this name is refused, if it is one of the design's.
pub(super) fn section(name: &str) -> Option<Wrong> {
    SECTIONS
        .iter()
        .find(|(known, ..)| *known == name)
        .map(|&(_, what, instead)| Wrong::NotYet { what, instead })
}

/// Why this key, or this value of it, is refused, if it is one of the design's.
pub(super) fn value(section: &str, key: &str, text: &str) -> Option<Wrong> {
    let text = text.to_ascii_lowercase();
    let refused = match (section, key, text.as_str()) {
        ("keyspace", "conflict", "siblings") => {
            Some(("conflict = \"siblings\"", "write conflict = \"lww\": the newest version wins"))
        }
        ("keyspace", "read" | "write", "serial") => Some((
            "level SERIAL",
            "use LINEARIZABLE, at which each key is a register, without compare-and-set",
        )),
        _ => KEYS
            .iter()
            .find(|(s, k, ..)| (*s, *k) == (section, key))
            .map(|&(_, _, what, instead)| (what, instead)),
    };
    refused.map(|(what, instead)| Wrong::NotYet { what, instead })
}
