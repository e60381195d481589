//! Regressions convict the bug that they are kept for: each is run with that bug planted and must end badly, and without it
//! well. What a file exercises is shown so, and not by its name.
//!
//! `cargo test -p quorate-sim --features mutants --test sim convicted`

use quorate_sim::mutants::Mutant;
use quorate_sim::run::run;
use quorate_sim::scenarios::Scenario;

/// A regression, and the planted bug that is like the one it is kept for.
const CONVICTED: &[(&str, &str)] = &[
    ("clock-back-over-a-restart", "ClockGoesBack"),
    ("expiry-races-repair", "ReplicaJudgesExpiry"),
    ("fsync-eio-retry", "wal::RetryAfterSyncError"),
    ("fsync-eio-retry", "FailedLogAcks"),
    ("hint-half-written-at-the-tail", "wal::NoChecksum"),
    ("hint-owner-crashes-before-flush", "HintsNotSynced"),
    ("monotonic-read-without-its-repair", "RepairNotAwaited"),
    ("ours-duplicated-put", "DuplicateRestamped"),
    ("overload-and-retries", "RetryRestamped"),
    ("riak-lost-put-acks", "DuplicateRestamped"),
    ("riak-handoff-merge-order", "OverwrittenUncompared"),
    ("scylla-hints-drained-too-early", "HintsForgottenAtStart"),
    ("scylla-partial-replay-counted", "FailedHintIsDelivered"),
    ("scylla-tombstone-gc-needs-all-sources", "TombstonesNotInCheckpoint"),
    ("scylla-tombstone-gc-needs-all-sources", "TombstonesNotReplayed"),
    ("voldemort-no-hint-for-delete", "NoHintForDelete"),
    ("voldemort-quota-fail-no-hint", "NoHintForRefused"),
];

#[test]
fn each_convicts_the_bug_that_it_is_kept_for_and_nobody_else() {
    let mut missed = Vec::new();
    for (name, bug) in CONVICTED {
        let plan = Scenario::named(name).expect("it is shipped").plan().unwrap();
        let mutant =
            Mutant::all().into_iter().find(|mutant| mutant.to_string() == *bug).expect("it is planted");
        assert!(run(&plan).is_well(), "{name} ends badly without any bug");
        if mutant.run(&plan).is_well() {
            missed.push((name, bug));
        }
    }
    assert!(missed.is_empty(), "not convicted: {missed:?}");
}
