//! What fails in a run, drawn from its seed before it begins, and when it ends again.

use std::time::Duration;

use quorate_transport::memory::{Chance, Delay, LinkFaults};
use quorate_types::Mono;
use quorate_types::points::Point;
use quorate_wal::testkit::SplitMix;

use super::story::{NODES, RUN_MS};
use quorate_sim::clocks::ClockError;
use quorate_sim::cluster::{Cluster, Moment};

/// How far clocks may be wrong, either way.
const SKEW_MS: u64 = 10_000;

#[derive(Clone, Copy, Debug)]
pub enum Fault {
    Kill(usize),
    CutPower(usize),
    /// The power goes in the middle of something, so many disk operations from now.
    CutPowerAfter(usize, u64),
    CutPowerOfAll,
    Return(usize),
    Pause(usize),
    Resume(usize),
    Cut(usize, usize),
    Heal(usize, usize),
    /// One side, a bit mask of nodes, from the other.
    Partition(u32),
    Unite(u32),
    Network(LinkFaults),
    Clock(usize, i64),
    Drift(usize, i64),
    /// So many milliseconds to and fro.
    Strobe(usize, i64),
    Clog(usize, usize),
    Unclog(usize, usize),
    FailSync(usize, u64),
    FailWrite(usize, u64),
    Stall(usize, Duration),
    /// So many bytes still fit.
    Full(usize, u64),
    Room(usize),
    CrashAt(usize, Point, u64, Moment),
    /// It died at a point.
    Fell,
    /// It takes no writes until it is started again.
    LogFailed,
}

impl Fault {
    pub fn name(self) -> &'static str {
        match self {
            Fault::Kill(_) => "killed",
            Fault::CutPower(_) => "power cut",
            Fault::CutPowerAfter(..) => "power cut in the middle of something",
            Fault::CutPowerOfAll => "power cut of all",
            Fault::Return(_) => "started again",
            Fault::Pause(_) => "paused",
            Fault::Resume(_) => "resumed",
            Fault::Cut(..) => "cut one way",
            Fault::Partition(_) => "partitioned",
            Fault::Heal(..) | Fault::Unite(_) => "healed",
            Fault::Network(_) => "network changed",
            Fault::Clock(..) => "clock jumped",
            Fault::Drift(..) => "clock drifts",
            Fault::Strobe(..) => "clock strobes",
            Fault::Clog(..) => "clogged",
            Fault::Unclog(..) => "unclogged",
            Fault::FailSync(..) | Fault::FailWrite(..) => "disk is to fail",
            Fault::Stall(..) => "disk stalled",
            Fault::Full(..) => "disk full",
            Fault::Room(_) => "disk has room",
            Fault::CrashAt(..) => "is to crash at a point",
            Fault::Fell => "crashed at a point",
            Fault::LogFailed => "log failed",
        }
    }
}

/// What is still to happen, by time.
pub struct FaultPlan {
    steps: Vec<(Mono, Fault)>,
    back: SplitMix,
}

impl FaultPlan {
    /// The plan of a seed. Clocks are wrong from the start.
    pub fn of(seed: u64, begin: Mono) -> FaultPlan {
        let mut draw = SplitMix::new(seed ^ 0xfa17);
        let kinds: Vec<u64> = (0..9).filter(|_| !draw.one_in(3)).collect();
        let between = [400, 800, 1_600][draw.below(3) as usize];
        let mut steps: Vec<_> = (1..=NODES).map(|k| (begin, Fault::Clock(k, skew(&mut draw)))).collect();
        let mut at_ms = draw.below(between);
        while at_ms < RUN_MS && !kinds.is_empty() {
            let at = begin + Duration::from_millis(at_ms);
            let kind = kinds[draw.below(kinds.len() as u64) as usize];
            let lasts = Duration::from_millis(50 + draw.below(1_500));
            let k = 1 + draw.below(NODES as u64) as usize;
            let other = 1 + (k + draw.below(NODES as u64 - 1) as usize) % NODES;
            let mask = 1 + draw.below((1 << NODES) - 2) as u32;
            let end = at + lasts;
            match kind {
                0 => steps.extend([(at, Fault::Kill(k)), (end, Fault::Return(k))]),
                1 => steps.extend([(at, Fault::CutPower(k)), (end, Fault::Return(k))]),
                2 => steps.push((at, Fault::CutPowerAfter(k, 1 + draw.below(60)))),
                3 => {
                    steps.push((at, Fault::CutPowerOfAll));
                    steps.extend((1..=NODES).map(|k| (end, Fault::Return(k))));
                }
                4 => steps.extend([(at, Fault::Pause(k)), (end, Fault::Resume(k))]),
                5 if k != other => steps.extend([(at, Fault::Cut(k, other)), (end, Fault::Heal(k, other))]),
                5 | 6 => steps.extend([(at, Fault::Partition(mask)), (end, Fault::Unite(mask))]),
                7 => steps.push((at, Fault::Network(network(&mut draw)))),
                _ => steps.push((at, Fault::Clock(k, skew(&mut draw)))),
            }
            at_ms += 1 + draw.below(2 * between);
        }
        steps.extend(more(seed, begin));
        steps.sort_by_key(|(at, _)| *at);
        FaultPlan { steps, back: SplitMix::new(seed ^ 0xbacc) }
    }

    /// What is due; whoever lost its power in the middle of something, or whose log failed, is to come back, and
    /// whoever did not start tries it again.
    pub fn due(&mut self, cluster: &mut Cluster) -> Vec<Fault> {
        let now = cluster.now().mono;
        for k in cluster.take_dark() {
            let at = now + Duration::from_millis(50 + self.back.below(1_500));
            self.steps.push((at, Fault::Return(k)));
            if cluster.take_fall(k).is_some() {
                self.steps.push((now, Fault::Fell));
            }
        }
        for k in cluster.take_failed() {
            let at = now + Duration::from_millis(50 + self.back.below(1_500));
            self.steps.extend([(now, Fault::LogFailed), (at, Fault::CutPower(k)), (at, Fault::Return(k))]);
        }
        for k in (1..=NODES).filter(|k| !cluster.is_up(*k)) {
            let comes = |(_, fault): &(Mono, Fault)| matches!(fault, Fault::Return(back) if *back == k);
            if !self.steps.iter().any(comes) {
                self.steps.push((now + Duration::from_millis(200), Fault::Return(k)));
            }
        }
        let (due, rest) = std::mem::take(&mut self.steps).into_iter().partition(|(at, _)| *at <= now);
        self.steps = rest;
        let due: Vec<(Mono, Fault)> = due;
        due.into_iter().map(|(_, fault)| fault).collect()
    }

    /// Everything heals and comes back; clocks stay wrong.
    pub fn peace(&mut self, cluster: &mut Cluster) -> Vec<Fault> {
        self.steps.clear();
        (1..=NODES).for_each(|k| cluster.forget_disk_faults(k));
        cluster.heal_all();
        for k in (1..=NODES).filter(|k| cluster.refuses_writes(*k)) {
            self.steps
                .extend([Fault::CutPower(k), Fault::Return(k)].map(|fault| (cluster.now().mono, fault)));
        }
        let nodes = 1..=NODES;
        let pairs = nodes.clone().flat_map(|a| (1..=NODES).map(move |b| (a, b)));
        let heals = pairs.filter(|(a, b)| a != b).map(|(a, b)| Fault::Heal(a, b));
        let resumes = nodes.clone().filter(|k| cluster.is_paused(*k)).map(Fault::Resume);
        let calm = Fault::Network(LinkFaults::default());
        std::iter::once(calm).chain(heals).chain(resumes).chain(nodes.map(Fault::Return)).collect()
    }
}

/// What the other draws leave out, from a stream of its own.
fn more(seed: u64, begin: Mono) -> Vec<(Mono, Fault)> {
    let mut draw = SplitMix::new(seed ^ 0xd15c);
    let kinds: Vec<u64> = (0..8).filter(|_| !draw.one_in(3)).collect();
    let between = [600, 1_200, 2_400][draw.below(3) as usize];
    let points = Cluster::crash_points();
    let (mut steps, mut at_ms) = (Vec::new(), draw.below(between));
    while at_ms < RUN_MS && !kinds.is_empty() {
        let at = begin + Duration::from_millis(at_ms);
        let lasts = Duration::from_millis(50 + draw.below(2_500));
        let k = 1 + draw.below(NODES as u64) as usize;
        let other = 1 + (k + draw.below(NODES as u64 - 1) as usize) % NODES;
        match kinds[draw.below(kinds.len() as u64) as usize] {
            0 => steps.push((at, Fault::FailSync(k, 1 + draw.below(30)))),
            1 => steps.push((at, Fault::FailWrite(k, 1 + draw.below(60)))),
            2 => steps.push((at, Fault::Stall(k, lasts))),
            3 => steps.extend([(at, Fault::Full(k, draw.below(30_000))), (at + lasts, Fault::Room(k))]),
            4 if k != other => {
                steps.extend([(at, Fault::Clog(k, other)), (at + lasts, Fault::Unclog(k, other))]);
            }
            // At most a fifth of the run, 2.4 s.
            4 | 5 => steps.push((at, Fault::Drift(k, 20 * skew(&mut draw)))),
            6 => steps.push((at, Fault::Strobe(k, skew(&mut draw)))),
            _ => {
                let point = points[draw.below(points.len() as u64) as usize];
                let moment = [Moment::There, Moment::Frames, Moment::Turn][draw.below(3) as usize];
                steps.push((at, Fault::CrashAt(k, point, 1 + draw.below(20), moment)));
            }
        }
        at_ms += 1 + draw.below(2 * between);
    }
    steps
}

fn skew(draw: &mut SplitMix) -> i64 {
    draw.below(2 * SKEW_MS + 1).cast_signed() - SKEW_MS.cast_signed()
}

fn network(draw: &mut SplitMix) -> LinkFaults {
    let most = Duration::from_millis([1, 20, 150][draw.below(3) as usize]);
    let percent = |draw: &mut SplitMix| Chance::percent([0, 2, 10][draw.below(3) as usize]);
    LinkFaults {
        delay: Delay::Uniform { least: Duration::from_micros(50), most },
        loss: percent(draw),
        duplication: percent(draw),
        reordering: percent(draw),
        reorder_by: most * 3,
    }
}

/// Starts it, if its disk lets it.
fn try_to_return(cluster: &mut Cluster, k: usize) {
    if cluster.try_restart(k).is_err() {
        let _ = cluster.take_fall(k);
        cluster.lose_power_if_dark(k);
    }
}

/// Does it, as far as it makes sense now.
pub fn apply(cluster: &mut Cluster, fault: Fault) {
    let sides = |mask: u32| (1..=NODES).partition(|k| mask >> (k - 1) & 1 == 1);
    match fault {
        Fault::Kill(k) if cluster.is_up(k) => cluster.kill(k),
        Fault::CutPower(k) if cluster.is_up(k) => cluster.cut_power(k),
        Fault::CutPowerAfter(k, operations) if cluster.is_up(k) => cluster.cut_power_after(k, operations),
        Fault::CutPowerOfAll => (1..=NODES).for_each(|k| apply(cluster, Fault::CutPower(k))),
        Fault::Return(k) if !cluster.is_up(k) => try_to_return(cluster, k),
        Fault::Pause(k) if cluster.is_up(k) => cluster.pause(k),
        Fault::Resume(k) if cluster.is_paused(k) => cluster.resume(k),
        Fault::Cut(a, b) => cluster.cut(a, b),
        Fault::Heal(a, b) => cluster.heal(a, b),
        Fault::Partition(mask) => {
            let (left, right): (Vec<usize>, Vec<usize>) = sides(mask);
            cluster.partition(&left, &right);
        }
        Fault::Unite(mask) => {
            let (left, right): (Vec<usize>, Vec<usize>) = sides(mask);
            cluster.unite(&left, &right);
        }
        Fault::Network(faults) => cluster.set_weather(faults),
        Fault::Clock(k, ms) => cluster.set_clock(k, ClockError::Step { ms }),
        Fault::Drift(k, ppm) => cluster.set_clock(k, ClockError::Drift { ppm }),
        Fault::Strobe(k, ms) => cluster.set_clock(k, ClockError::Strobe { ms, every_ms: 300 }),
        Fault::Clog(a, b) => cluster.clog(a, b),
        Fault::Unclog(a, b) => cluster.unclog(a, b),
        Fault::FailSync(k, syncs) => cluster.fail_sync_after(k, syncs),
        Fault::FailWrite(k, writes) => cluster.fail_write_after(k, writes),
        Fault::Stall(k, time) => cluster.stall_disk(k, time),
        Fault::Full(k, bytes) => cluster.set_room(k, Some(bytes)),
        Fault::Room(k) => cluster.set_room(k, None),
        Fault::CrashAt(k, point, nth, moment) if cluster.is_up(k) => {
            cluster.crash_at(k, point, nth, moment);
        }
        _ => {}
    }
}
