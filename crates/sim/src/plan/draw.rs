//! A plan from a seed: which kinds of fault there are, how often, and how everything is set, is drawn per seed too.
//!
//! Source: Groce et al., Swarm Testing (ISSTA 2012): leaving kinds of fault out finds what their mixture hides.

use quorate_types::Level;

use super::{Act, Ask, Fault, Plan, Return, Step, Weather, What, disks, looks, points, traps};
use crate::clocks::ClockError;
use crate::cluster::{ClusterSpec, KeyspaceSpec, Repair, Tuning};
use crate::cuts::Cut;
use crate::kernel::Order;
use crate::random::{Stream, Streams, pick};

/// Keys that many clients write.
const HOT_KEYS: u64 = 6;
/// Kinds of fault that [`one_fault`] knows.
const KINDS: u64 = 18;

/// What of a plan is given, and not drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How long clients ask and faults happen, virtual milliseconds.
    pub run_ms: u64,
    /// Nodes; `None`: drawn.
    pub nodes: Option<usize>,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape { run_ms: 9_000, nodes: None }
    }
}

impl Plan {
    /// The plan of a seed.
    pub fn draw(seed: u64, shape: Shape) -> Plan {
        let streams = Streams::new(seed);
        let mut cluster = cluster(&mut streams.stream("plan: cluster", &[]), shape);
        let mut draw_points = streams.stream("plan: points", &[]);
        cluster.tuning.rare_branches = !draw_points.one_in(4);
        let mut steps = Vec::new();
        linearizable(
            &mut streams.stream("plan: linearizable", &[]),
            (&mut cluster, shape.run_ms),
            &mut steps,
        );
        lost_disks(&mut streams.stream("plan: lost disks", &[]), (&cluster, shape.run_ms), &mut steps);
        faults(&mut streams.stream("plan: faults", &[]), (&cluster, shape.run_ms), &mut steps);
        points::crashes(&mut draw_points, (&cluster, shape.run_ms), &mut steps);
        traps::traps(&mut streams.stream("plan: traps", &[]), (&cluster, shape.run_ms), &mut steps);
        asks(&mut streams.stream("plan: clients", &[]), (&cluster, shape.run_ms), &mut steps);
        checkpoints(&mut streams.stream("plan: checkpoints", &[]), (&cluster, shape.run_ms), &mut steps);
        again(&mut streams.stream("plan: duplicates", &[]), &mut steps);
        disks::lies(&mut streams.stream("plan: disks that lie", &[]), (&cluster, shape.run_ms), &mut steps);
        disks::long_waits(&mut streams.stream("plan: long waits", &[]), (&cluster, shape.run_ms), &mut steps);
        looks::looks(
            &mut streams.stream("plan: looks", &[]),
            (&cluster, shape.run_ms),
            (&mut steps, HOT_KEYS),
        );
        traps::two_phases(&mut streams.stream("plan: two phases", &[]), (&cluster, shape.run_ms), &mut steps);
        steps.sort_by_key(|step| step.at_ms);
        Plan { seed, run_ms: shape.run_ms, cluster, steps, ..Plan::default() }
    }
}

fn cluster(draw: &mut Stream, shape: Shape) -> ClusterSpec {
    let drawn = pick(draw, &[3, 4, 4, 4, 5]);
    let nodes = shape.nodes.unwrap_or(drawn);
    let spaces = pick(draw, &[1, 1, 2, 3]);
    ClusterSpec {
        nodes,
        shards: pick(draw, &[1, 2, 2]),
        order: pick(draw, &[Order::Random, Order::Random, Order::Random, Order::Arrival, Order::Reverse]),
        tuning: tuning(draw),
        keyspaces: (0..spaces).map(|i| keyspace(draw, i, nodes)).collect(),
    }
}

fn keyspace(draw: &mut Stream, number: usize, nodes: usize) -> KeyspaceSpec {
    let (blocking, background) = (Repair::Blocking, Repair::Background);
    KeyspaceSpec {
        name: if number == 0 { "default".to_owned() } else { format!("space-{number}") },
        n: pick(draw, &[1, 2, 3, 3, 3, 3, 4]).min(nodes),
        read_repair: pick(draw, &[blocking, blocking, background, Repair::Off]),
        hinted_handoff: !draw.one_in(5),
    }
}

fn tuning(draw: &mut Stream) -> Tuning {
    let usual = Tuning::default();
    let (small_sessions, small_links) = (draw.one_in(4), draw.one_in(4));
    let or = |small: bool, least: usize, usual: usize| if small { least } else { usual };
    Tuning {
        wal_segment_bytes: pick(draw, &[64 << 10, 64 << 10, 256 << 10, 1 << 20]),
        hint_segment_bytes: pick(draw, &[16 << 10, 16 << 10, 64 << 10, 256 << 10]),
        hint_bytes_per_target_max: if draw.one_in(6) { 2_000 } else { usual.hint_bytes_per_target_max },
        sync_us_most: pick(draw, &[200, 2_000, 20_000, 60_000]),
        turn_us: pick(draw, &[0, 0, 20, 300, 4_000]),
        slice_bytes: pick(draw, &[64, 512, 4 << 10]),
        slice_us: pick(draw, &[100, 3_000, 20_000]),
        session_numbers: or(small_sessions, 8, usual.session_numbers),
        clock_parked_max: or(small_sessions, 2, usual.clock_parked_max),
        hints_pending_max: or(small_sessions, 6, usual.hints_pending_max as usize) as u64,
        peer_requests_max: or(small_links, 3, usual.peer_requests_max),
        link_outstanding_batches_max: or(small_links, 3, usual.link_outstanding_batches_max),
        link_outstanding_bytes_max: or(small_links, 6_000, usual.link_outstanding_bytes_max),
        clock_ahead_ms: pick(draw, &[50, 1_000, 1_000]),
        digest_above_bytes: pick(draw, &[1, 4_096, 4_096]),
        ..usual
    }
}

fn faults(draw: &mut Stream, (cluster, run_ms): (&ClusterSpec, u64), steps: &mut Vec<Step>) {
    let kinds: Vec<u64> = (0..KINDS).filter(|_| !draw.one_in(3)).collect();
    let gentle = draw.one_in(4);
    let clocks: &[u64] = if draw.one_in(3) { &[1_000, 4_500, 20_000, 4 * 3_600_000] } else { &[1_000] };
    if kinds.is_empty() {
        return;
    }
    let between = pick(draw, &[150, 400, 900]);
    let mut at_ms = draw.below(500);
    while at_ms < run_ms {
        let kind = kinds[draw.below(kinds.len() as u64) as usize];
        let fault = one_fault(draw, cluster, kind, clocks);
        if !(gentle && fault.loses_memory()) {
            steps.push(Step { at_ms, act: Act::Fault(fault) });
        }
        at_ms += 1 + draw.below(2 * between);
    }
}

fn one_fault(draw: &mut Stream, cluster: &ClusterSpec, kind: u64, clocks: &[u64]) -> Fault {
    let nodes = cluster.nodes;
    let node = 1 + draw.below(nodes as u64) as usize;
    let to = if nodes == 1 { 1 } else { 1 + (node + draw.below(nodes as u64 - 1) as usize) % nodes };
    let ms = 100 + draw.below(4_000);
    let dark_after = draw.one_in(4).then(|| 1 + draw.below(40));
    let (after_ms, shards) = (50 + draw.below(3_500), 1 + draw.below(2) as usize);
    let back = Return { after_ms, shards, dark_after, ..Return::default() };
    match kind {
        0 => Fault::Kill { node, back },
        1 => Fault::CutPower { node, back },
        2 => Fault::CutPowerAfter { node, operations: 1 + draw.below(60), back },
        3 => Fault::CutPowerOfAll { back },
        4 => Fault::Pause { node, ms },
        5 | 6 => {
            let flap_ms = if draw.one_in(4) { 20 + draw.below(600) } else { 0 };
            Fault::Cut { ways: cut(draw, nodes, (node, to)), ms, flap_ms }
        }
        7 => Fault::Clog { from: node, to, ms },
        8 | 9 if draw.one_in(3) => Fault::Link { from: node, to, weather: weather(draw) },
        8 | 9 => Fault::Weather(weather(draw)),
        10 => Fault::FailSync { node, syncs: 1 + draw.below(20), back },
        11 if draw.one_in(2) => Fault::FailWrite { node, writes: 1 + draw.below(40), back },
        11 => Fault::Full { node, room_bytes: draw.below(100_000), ms },
        12 => Fault::ShortWrites { node, one_in: pick(draw, &[3, 20]), ms },
        13 => Fault::Stall { node, ms },
        14 => Fault::Checkpoint { node },
        _ => Fault::Clock { node, error: clock(draw, clocks) },
    }
}

fn cut(draw: &mut Stream, nodes: usize, (node, to): (usize, usize)) -> Cut {
    let mask = 1 + draw.below((1 << nodes) - 1);
    let side = (1..=nodes).filter(|k| mask >> (k - 1) & 1 == 1).collect();
    match draw.below(8) {
        0 => Cut::OneWay { from: node, to },
        1 => Cut::Partial { a: node, b: to },
        2 => Cut::Mute { side },
        3 => Cut::Bridge { over: node },
        4 => Cut::Ring,
        5 => Cut::Sides { side: vec![node] },
        _ => Cut::Sides { side },
    }
}

fn weather(draw: &mut Stream) -> Weather {
    let more_us = pick(draw, &[1_000, 20_000, 150_000, 700_000]);
    let mut chance = || pick(draw, &[0, 0, 20_000, 150_000]);
    let (loss, duplication, reordering) = (chance(), chance(), chance());
    let tailed = draw.one_in(2);
    Weather {
        least_us: 50,
        more_us: if tailed { more_us / 4 } else { more_us },
        tailed,
        loss,
        duplication,
        reordering,
        reorder_by_us: more_us * 3,
    }
}

fn clock(draw: &mut Stream, clocks: &[u64]) -> ClockError {
    let most = pick(draw, clocks);
    let ms = draw.below(2 * most).cast_signed() - most.cast_signed();
    match draw.below(6) {
        0 => ClockError::Drift { ppm: (ms * 20).clamp(-200_000, 200_000) },
        1 => ClockError::Strobe { ms, every_ms: 1 + draw.below(400) },
        2 => ClockError::None,
        _ => ClockError::Step { ms },
    }
}

fn asks(draw: &mut Stream, (cluster, run_ms): (&ClusterSpec, u64), steps: &mut Vec<Step>) {
    let per_second = pick(draw, &[13, 28, 45]);
    let count = run_ms * per_second / 1_000;
    let mix = draw.below(3);
    let (ttls, larges, impatient) = (draw.one_in(2), draw.one_in(2), draw.one_in(3));
    for id in 0..count {
        let space = draw.below(cluster.keyspaces.len() as u64) as usize;
        let key = match draw.below(3) {
            0 => format!("unique-{id}"),
            _ => format!("hot-{}", draw.below(HOT_KEYS)),
        };
        let ttl_ms = (ttls && draw.one_in(4)).then(|| 20 + draw.below(4_000));
        let what = match draw.below(8) {
            0..4 => What::Put { ttl_ms, bytes: if larges && draw.one_in(6) { 4_500 } else { 0 } },
            4 => What::Delete,
            _ => What::Get,
        };
        let node = |draw: &mut Stream| 1 + draw.below(cluster.nodes as u64) as usize;
        let ask = Ask {
            id,
            client: draw.below(4),
            by: node(draw),
            space,
            key,
            level: level(draw, mix, cluster.keyspaces[space].n),
            time_left_ms: if impatient && draw.one_in(3) { pick(draw, &[5, 60, 400]) } else { 2_000 },
            what,
            retry_by: (!draw.one_in(3)).then(|| node(draw)),
            expect: None,
        };
        steps.push(Step { at_ms: draw.below(run_ms), act: Act::Ask(ask) });
    }
}

fn level(draw: &mut Stream, mix: u64, n: usize) -> Level {
    let quorum = Level::Quorum;
    match mix {
        0 => quorum,
        1 => pick(draw, &[quorum, quorum, Level::One, Level::All]),
        _ => pick(draw, &[Level::One, quorum, Level::All, Level::Exactly(n.min(2) as u8)]),
    }
}

/// In half of the seeds every replica takes checkpoints all the time, so that crashes find every stage of one; in long runs
/// less often, or checkpoints would be most of what they do.
fn checkpoints(draw: &mut Stream, (cluster, run_ms): (&ClusterSpec, u64), steps: &mut Vec<Step>) {
    if draw.one_in(2) {
        return;
    }
    let every = pick(draw, &[60, 200, 600]).max(run_ms / 200);
    for node in 1..=cluster.nodes {
        let mut at_ms = draw.below(every);
        while at_ms < run_ms {
            steps.push(Step { at_ms, act: Act::Fault(Fault::Checkpoint { node }) });
            at_ms += 1 + draw.below(2 * every);
        }
    }
}

/// Ids of requests at LINEARIZABLE begin here.
const LINEARIZABLE_IDS: u64 = 500_000;

/// In a third of the seeds some keys are written and read at LINEARIZABLE alone, often with clocks that are 10 s wrong and
/// may be.
fn linearizable(draw: &mut Stream, (cluster, run_ms): (&mut ClusterSpec, u64), steps: &mut Vec<Step>) {
    if !draw.one_in(3) {
        return;
    }
    if draw.one_in(2) {
        cluster.tuning.clock_skew_max_ms = 60_000;
        for node in 1..=cluster.nodes {
            let ms = draw.below(20_000).cast_signed() - 10_000;
            let error = ClockError::Step { ms };
            steps.push(Step { at_ms: 0, act: Act::Fault(Fault::Clock { node, error }) });
        }
    }
    let (per_second, keys) = (pick(draw, &[6, 12, 20]), pick(draw, &[1, 2, 3]));
    for id in 0..run_ms * per_second / 1_000 {
        let what = match draw.below(8) {
            0..3 => What::Put { ttl_ms: None, bytes: 0 },
            3 => What::Delete,
            _ => What::Get,
        };
        let node = |draw: &mut Stream| 1 + draw.below(cluster.nodes as u64) as usize;
        let (client, by) = (4 + draw.below(3), node(draw));
        let key = format!("register-{}", draw.below(keys));
        let retry_by = draw.one_in(2).then(|| node(draw));
        let ask =
            Ask { client, retry_by, ..Ask::new(LINEARIZABLE_IDS + id, by, key, Level::Linearizable, what) };
        steps.push(Step { at_ms: draw.below(run_ms), act: Act::Ask(ask) });
    }
}

/// In a sixth of the seeds disks are lost: emptied, put back to an older state, rotten.
fn lost_disks(draw: &mut Stream, (cluster, run_ms): (&ClusterSpec, u64), steps: &mut Vec<Step>) {
    if !draw.one_in(6) {
        return;
    }
    for _ in 0..=draw.below(3) {
        let node = 1 + draw.below(cluster.nodes as u64) as usize;
        let (after_ms, shards) = (50 + draw.below(3_500), 1 + draw.below(2) as usize);
        let back = Return { after_ms, shards, ..Return::default() };
        let at_ms = draw.below(run_ms);
        let fault = match draw.below(4) {
            0 | 1 => Fault::Wipe { node, back },
            2 => {
                let kept_at = draw.below(at_ms.max(1));
                steps.push(Step { at_ms: kept_at, act: Act::Fault(Fault::SaveDisk { node }) });
                Fault::OldDisk { node, back }
            }
            _ => Fault::Rot { node, bits: 1 + draw.below(3), back },
        };
        steps.push(Step { at_ms, act: Act::Fault(fault) });
    }
}

/// Some requests are sent again, soon or late.
fn again(draw: &mut Stream, steps: &mut Vec<Step>) {
    let mut more = Vec::new();
    for step in steps.iter() {
        if let Act::Ask(ask) = &step.act
            && draw.one_in(8)
        {
            let within_ms = pick(draw, &[3, 100, 2_500]);
            more.push(Step { at_ms: step.at_ms + draw.below(within_ms), act: Act::Again(ask.id) });
        }
    }
    steps.extend(more);
}
