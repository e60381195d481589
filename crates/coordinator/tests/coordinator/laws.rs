//! What must hold in whatever order things happen.

use std::collections::BTreeSet;

use proptest::prelude::*;
use quorate_coordinator::{KeyspacePolicy, ReadRepairPolicy};
use quorate_types::WriteOutcome;

use crate::world::{N, World, Written};

/// One thing that happens. `pick` chooses among what there is.
#[derive(Clone, Debug)]
pub enum Step {
    Put {
        node: u8,
        key: u8,
        level: u8,
    },
    Get {
        node: u8,
        key: u8,
        level: u8,
    },
    Retry {
        pick: u8,
    },
    Deliver {
        pick: u8,
    },
    Double {
        pick: u8,
    },
    Drop {
        pick: u8,
    },
    Refuse {
        pick: u8,
    },
    Lose {
        pick: u8,
    },
    Believe {
        node: u8,
    },
    Hint {
        pick: u8,
    },
    Wait {
        ms: u16,
    },
    /// Reads and their answers are delivered until there are none; writes, acks and repairs stay where they are.
    Reads,
}

/// How often replicas refuse, messages vanish and links die, beside 40 deliveries.
#[derive(Clone, Copy)]
struct Weather {
    refuse: u32,
    drop: u32,
    lose: u32,
}

const CALM: Weather = Weather { refuse: 3, drop: 2, lose: 2 };
const STORM: Weather = Weather { refuse: 25, drop: 10, lose: 5 };
/// Replicas are overloaded: nearly everything is refused.
const FULL: Weather = Weather { refuse: 120, drop: 1, lose: 1 };

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![steps_in(CALM), steps_in(STORM), steps_in(FULL)]
}

fn steps_in(weather: Weather) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => any::<(u8, u8, u8)>().prop_map(|(node, key, level)| Step::Put { node, key, level }),
        5 => any::<(u8, u8, u8)>().prop_map(|(node, key, level)| Step::Get { node, key, level }),
        1 => any::<u8>().prop_map(|pick| Step::Retry { pick }),
        40 => any::<u8>().prop_map(|pick| Step::Deliver { pick }),
        3 => any::<u8>().prop_map(|pick| Step::Double { pick }),
        weather.drop => any::<u8>().prop_map(|pick| Step::Drop { pick }),
        weather.refuse => any::<u8>().prop_map(|pick| Step::Refuse { pick }),
        weather.lose => any::<u8>().prop_map(|pick| Step::Lose { pick }),
        1 => any::<u8>().prop_map(|node| Step::Believe { node }),
        1 => any::<u8>().prop_map(|pick| Step::Hint { pick }),
        2 => (0u16..200).prop_map(|ms| Step::Wait { ms }),
        4 => Just(Step::Reads),
    ];
    proptest::collection::vec(step, 1..200)
}

fn policies() -> impl Strategy<Value = KeyspacePolicy> {
    let repair = prop_oneof![
        4 => Just(ReadRepairPolicy::Blocking),
        1 => Just(ReadRepairPolicy::Background),
        1 => Just(ReadRepairPolicy::Off),
    ];
    (repair, any::<bool>()).prop_map(|(read_repair, hinted_handoff)| KeyspacePolicy {
        n: N,
        read_repair,
        hinted_handoff,
        ..KeyspacePolicy::default()
    })
}

fn run(policy: KeyspacePolicy, steps: &[Step]) -> World {
    play(World::new(policy), steps)
}

fn traced(policy: KeyspacePolicy, steps: &[Step]) -> Vec<String> {
    let mut world = World::new(policy);
    world.trace = Some(Vec::new());
    play(world, steps).trace.unwrap_or_default()
}

fn play(mut world: World, steps: &[Step]) -> World {
    for step in steps {
        world.step(step);
    }
    world.end();
    world
}

/// Rejected once, whatever was attempted before, or never sent at all.
fn refused_for_good(written: &Written) -> bool {
    use WriteOutcome::{Rejected, Unavailable};
    written.outcomes.iter().any(|outcome| matches!(outcome, Rejected { .. }))
        || written.outcomes.iter().all(|outcome| matches!(outcome, Unavailable { .. }))
}

/// Every replica acked or is hinted, if the write may exist; nobody, if it was refused for good.
fn check_ledger(world: &World, policy: KeyspacePolicy) {
    for (version, written) in &world.writes {
        let holders: BTreeSet<_> =
            world.applied.iter().filter(|(_, v)| v == version).map(|&(n, _)| n).collect();
        let hinted: BTreeSet<_> = written.hinted.iter().copied().collect();
        if refused_for_good(written) {
            assert_eq!(
                (holders, hinted),
                (BTreeSet::new(), BTreeSet::new()),
                "{version} was refused for good"
            );
        } else if !policy.hinted_handoff {
            assert_eq!(hinted, BTreeSet::new());
        } else if !holders.is_empty() {
            let missing =
                world.replicas[&written.key].iter().find(|n| !holders.contains(n) && !hinted.contains(n));
            assert_eq!(missing, None, "{version} is neither on it nor hinted: {written:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, ..ProptestConfig::default() })]

    /// Within the run, `World` checks on each event: one answer per request; `Written` only with that many replicas
    /// holding it; reads no older than what R + W > N promises, nor, under blocking repair, than earlier reads;
    /// no hint for a replica that acknowledged first; hints only of writes, whole, once per attempt.
    #[test]
    fn in_any_order_of_events_every_promise_holds_and_nothing_is_left_over(
        policy in policies(),
        steps in steps(),
    ) {
        let world = run(policy, &steps);
        check_ledger(&world, policy);
    }

    #[test]
    fn once_all_hints_are_delivered_the_replicas_hold_the_same(steps in steps()) {
        let mut world = run(KeyspacePolicy { n: N, ..KeyspacePolicy::default() }, &steps);
        world.deliver_all_hints();
        for (key, replicas) in &world.replicas {
            let held: BTreeSet<_> =
                replicas.iter().map(|&node| format!("{:?}", world.stores.get(&(node, key.clone())))).collect();
            prop_assert_eq!(held.len(), 1, "{:?}", held);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, ..ProptestConfig::default() })]

    #[test]
    fn the_same_events_give_the_same_effects(policy in policies(), steps in steps()) {
        prop_assert_eq!(traced(policy, &steps), traced(policy, &steps));
    }
}
