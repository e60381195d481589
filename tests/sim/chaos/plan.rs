//! What happens in a run, drawn from its seed before it begins: the cluster, the faults, the clients.
//!
//! Invariants: the plan is data, and nothing in it depends on what the run does; each source of chance has its own
//! stream, so that taking one fault away does not reshuffle the rest; which kinds of fault there are, and how
//! everything is set, is drawn per seed too (Groce et al.: Swarm Testing, ISSTA 2012).

use std::time::Duration;

use quorate_coordinator::ReadRepairPolicy;
use quorate_transport::memory::{Chance, Delay, LinkFaults};
use quorate_types::Level;
use quorate_wal::testkit::SplitMix;

use crate::lab::LabSpec;

/// How long clients write and faults happen, virtual milliseconds.
pub const RUN_MS: u64 = 9_000;
/// Keys that many clients write.
const HOT_KEYS: u64 = 6;

/// See the module.
#[derive(Debug)]
pub struct Plan {
    pub steps: Vec<(u64, Step)>,
    /// No process dies, no disk fails and no hint grows old: hints alone bring everything everywhere.
    pub gentle: bool,
    /// No clock is wrong by more than may be followed.
    pub sane_clocks: bool,
}

#[derive(Clone, Debug)]
pub enum Step {
    Fault(Fault),
    Ask(Ask),
    /// The request of this place in the plan is sent once more.
    Again(usize),
}

/// How a replica comes back.
#[derive(Clone, Copy, Debug)]
pub struct Return {
    pub after_ms: u64,
    pub shards: usize,
    /// The power goes again at this many operations of the recovery.
    pub dark_after: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
pub enum Fault {
    Kill(usize, Return),
    CutPower(usize, Return),
    /// The power goes in the middle of something.
    CutPowerAfter(usize, u64, Return),
    CutPowerOfAll(Return),
    /// It stands for so many milliseconds.
    Pause(usize, u64),
    /// From one to another, for so many milliseconds.
    CutOneWay(usize, usize, u64),
    /// One side (a bit mask of nodes) from the other.
    Partition(u32, u64),
    Network(LinkFaults),
    Checkpoint(usize),
    Clock(usize, i64),
    FailSync(usize, u64, Return),
}

#[derive(Clone, Debug)]
pub struct Ask {
    pub client: u64,
    pub by: usize,
    pub key: String,
    pub level: Level,
    pub what: What,
    /// Through whom an indeterminate write is sent again, with its version.
    pub retry_by: Option<usize>,
}

#[derive(Clone, Debug)]
pub enum What {
    Put {
        ttl_ms: Option<u64>,
        /// Of the value, about.
        bytes: usize,
    },
    Delete,
    Get,
}

/// The cluster of a seed.
pub fn spec(seed: u64) -> LabSpec {
    let mut draw = SplitMix::new(seed ^ 0x5bec);
    let nodes = pick(&mut draw, &[3, 4, 4, 4, 5]);
    let n = pick(&mut draw, &[1, 2, 3, 3, 3, 3, 4]).min(nodes);
    let mut spec = LabSpec::new(seed).with_nodes(nodes).with_n(n).with_shards(pick(&mut draw, &[1, 2, 2]));
    let (blocking, background) = (ReadRepairPolicy::Blocking, ReadRepairPolicy::Background);
    spec = spec.with_repair(pick(&mut draw, &[blocking, blocking, background, ReadRepairPolicy::Off]));
    spec.policy.hinted_handoff = !draw.one_in(5);
    let tuning = &mut spec.tuning;
    tuning.wal_segment_bytes = pick(&mut draw, &[64 << 10, 64 << 10, 256 << 10, 1 << 20]);
    tuning.hints.segment_bytes = pick(&mut draw, &[16 << 10, 16 << 10, 64 << 10, 256 << 10]);
    if draw.one_in(6) {
        tuning.hints.bytes_per_target_max = 2_000;
    }
    tuning.sync_most = Duration::from_micros(pick(&mut draw, &[200, 2_000, 20_000, 60_000]));
    tuning.slice_bytes = pick(&mut draw, &[64, 512, 4 << 10]);
    tuning.slice_every = Duration::from_micros(pick(&mut draw, &[100, 3_000, 20_000]));
    let limits = &mut tuning.limits;
    if draw.one_in(4) {
        limits.session_numbers = 8;
        limits.clock_parked_max = 2;
        limits.hints_pending_max = 6;
    }
    if draw.one_in(4) {
        limits.peer_requests_max = 3;
        limits.link_outstanding_batches_max = 3;
        limits.link_outstanding_bytes_max = 6_000;
    }
    spec
}

impl Plan {
    pub fn of(seed: u64, spec: &LabSpec) -> Plan {
        let mut steps: Vec<(u64, Step)> = Vec::new();
        let faults = faults(&mut SplitMix::new(seed ^ 0xfa17), spec);
        let gentle = !faults.iter().any(|(_, fault)| fault.loses_memory() || fault.outdates_hints())
            && spec.tuning.hints.bytes_per_target_max > 100_000;
        let far = |fault: &Fault| matches!(fault, Fault::Clock(_, ms) if ms.unsigned_abs() > 2_000);
        let sane_clocks = !faults.iter().any(|(_, fault)| far(fault));
        steps.extend(faults.into_iter().map(|(at, fault)| (at, Step::Fault(fault))));
        asks(&mut SplitMix::new(seed ^ 0xc11e), spec, &mut steps);
        steps.sort_by_key(|(at, _)| *at);
        link_duplicates(&mut SplitMix::new(seed ^ 0xd0b1), &mut steps);
        Plan { steps, gentle, sane_clocks }
    }
}

impl Fault {
    /// A wall clock jumps by more than `hint_window`: hints taken before are too old after, or the other way round.
    fn outdates_hints(self) -> bool {
        matches!(self, Fault::Clock(_, ms) if ms.unsigned_abs() > 3_600_000)
    }

    fn loses_memory(self) -> bool {
        matches!(
            self,
            Fault::Kill(..)
                | Fault::CutPower(..)
                | Fault::CutPowerAfter(..)
                | Fault::CutPowerOfAll(..)
                | Fault::FailSync(..)
        )
    }
}

fn faults(draw: &mut SplitMix, spec: &LabSpec) -> Vec<(u64, Fault)> {
    let kinds: Vec<u64> = (0..10).filter(|_| !draw.one_in(3)).collect();
    let gentle = draw.one_in(4);
    let clocks: &[u64] = if draw.one_in(3) { &[1_000, 4_500, 20_000, 4 * 3_600_000] } else { &[1_000] };
    let mut faults = Vec::new();
    if kinds.is_empty() {
        return faults;
    }
    let between = pick(draw, &[150, 400, 900]);
    let mut at = draw.below(500);
    while at < RUN_MS {
        let kind = kinds[draw.below(kinds.len() as u64) as usize];
        let fault = one_fault(draw, spec, kind, clocks);
        if !(gentle && fault.loses_memory()) {
            faults.push((at, fault));
        }
        at += 1 + draw.below(2 * between);
    }
    faults
}

fn one_fault(draw: &mut SplitMix, spec: &LabSpec, kind: u64, clocks: &[u64]) -> Fault {
    let nodes = spec.nodes as u64;
    let k = 1 + draw.below(nodes) as usize;
    let other = 1 + (k + draw.below(nodes - 1) as usize) % spec.nodes;
    let lasts_ms = 100 + draw.below(4_000);
    let dark_after = draw.one_in(4).then(|| 1 + draw.below(40));
    let back = Return { after_ms: 50 + draw.below(3_500), shards: 1 + draw.below(2) as usize, dark_after };
    match kind {
        0 => Fault::Kill(k, back),
        1 => Fault::CutPower(k, back),
        2 => Fault::CutPowerAfter(k, 1 + draw.below(60), back),
        3 if draw.one_in(2) => Fault::CutPowerOfAll(back),
        3 | 4 => Fault::Pause(k, lasts_ms),
        5 => Fault::CutOneWay(k, other, lasts_ms),
        6 => Fault::Partition(1 + draw.below((1 << nodes) - 2) as u32, lasts_ms),
        7 => Fault::Network(network(draw)),
        8 => match draw.below(4) {
            0 => Fault::FailSync(k, 1 + draw.below(20), back),
            _ => Fault::Checkpoint(k),
        },
        _ => Fault::Clock(k, clock(draw, clocks)),
    }
}

fn network(draw: &mut SplitMix) -> LinkFaults {
    let most = Duration::from_millis(pick(draw, &[1, 20, 150, 700]));
    let percent = |draw: &mut SplitMix| Chance::percent(pick(draw, &[0, 0, 2, 15]));
    LinkFaults {
        delay: Delay::Uniform { least: Duration::from_micros(50), most },
        loss: percent(draw),
        duplication: percent(draw),
        reordering: percent(draw),
        reorder_by: most * 3,
    }
}

fn clock(draw: &mut SplitMix, clocks: &[u64]) -> i64 {
    let most = pick(draw, clocks);
    draw.below(2 * most).cast_signed() - most.cast_signed()
}

fn asks(draw: &mut SplitMix, spec: &LabSpec, steps: &mut Vec<(u64, Step)>) {
    let count = pick(draw, &[120, 250, 400]);
    let levels: Vec<Level> = match draw.below(3) {
        0 => vec![Level::Quorum],
        1 => vec![Level::Quorum, Level::Quorum, Level::One, Level::All],
        _ => vec![Level::One, Level::Quorum, Level::All, Level::Exactly(spec.policy.n.min(2) as u8)],
    };
    let ttls = draw.one_in(2);
    let larges = draw.one_in(2);
    for i in 0..count {
        let key = match draw.below(3) {
            0 => format!("unique-{i}"),
            _ => format!("hot-{}", draw.below(HOT_KEYS)),
        };
        let ttl_ms = (ttls && draw.one_in(4)).then(|| 20 + draw.below(4_000));
        let what = match draw.below(8) {
            0..4 => What::Put { ttl_ms, bytes: if larges && draw.one_in(6) { 4_500 } else { 0 } },
            4 => What::Delete,
            _ => What::Get,
        };
        let node = |draw: &mut SplitMix| 1 + draw.below(spec.nodes as u64) as usize;
        let ask = Ask {
            client: draw.below(4),
            by: node(draw),
            key,
            level: pick(draw, &levels),
            what,
            retry_by: (!draw.one_in(3)).then(|| node(draw)),
        };
        steps.push((draw.below(RUN_MS), Step::Ask(ask)));
    }
}

/// Some requests are sent again, soon or late.
fn link_duplicates(draw: &mut SplitMix, steps: &mut Vec<(u64, Step)>) {
    let mut again = Vec::new();
    for (place, (at, step)) in steps.iter().enumerate() {
        if matches!(step, Step::Ask(_)) && draw.one_in(8) {
            let within_ms = pick(draw, &[3, 100, 2_500]);
            again.push((at + draw.below(within_ms), Step::Again(place)));
        }
    }
    // Behind all others of their time; places in the plan stay what they are.
    let mut order: Vec<(u64, usize)> = steps.iter().enumerate().map(|(i, (at, _))| (*at, i)).collect();
    order.extend(again.iter().enumerate().map(|(i, (at, _))| (*at, steps.len() + i)));
    order.sort_unstable();
    let all: Vec<(u64, Step)> = steps.drain(..).chain(again).collect();
    let new_place = |old: usize| order.iter().position(|(_, i)| *i == old).expect("a permutation");
    let moved = |step: &Step| match step {
        Step::Again(old) => Step::Again(new_place(*old)),
        other => other.clone(),
    };
    *steps = order.iter().map(|(at, i)| (*at, moved(&all[*i].1))).collect();
}

pub fn pick<T: Copy>(draw: &mut SplitMix, from: &[T]) -> T {
    from[draw.below(from.len() as u64) as usize]
}
