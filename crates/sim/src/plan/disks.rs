//! Disks that lie, and waits as long as those of sick machines: drawn apart from the other faults, and behind them, so that
//! those stay as they were.
//!
//! Source: the disk model of Prabhakaran et al., IRON File Systems (SOSP 2005), and TigerBeetle's: failed and stale
//! reads, misdirected writes, rot; a stalled disk may take half a minute.

use super::{Act, Fault, Return, Step};
use crate::cluster::ClusterSpec;
use crate::random::{Stream, pick};

/// Kinds of fault that [`lie`] knows.
const KINDS: u64 = 5;
/// The longest pause or stall, milliseconds.
const WAIT_MS_MAX: u64 = 30_000;
/// What other draws make is at most about this long.
const WAIT_MS_LEAST: u64 = 4_000;

/// In a third of the plans in which replicas lose their memory anyway some disks lie: a plan in which none does stays one,
/// for only there must hints alone bring everything everywhere.
pub(super) fn lies(draw: &mut Stream, (cluster, run_ms): (&ClusterSpec, u64), steps: &mut Vec<Step>) {
    let some_lose = steps.iter().any(|step| matches!(&step.act, Act::Fault(fault) if fault.loses_memory()));
    if !some_lose || !draw.one_in(3) {
        return;
    }
    let kinds: Vec<u64> = (0..KINDS).filter(|_| draw.one_in(2)).collect();
    let most = pick(draw, &[2, 4, 10]);
    for _ in 0..=draw.below(most) {
        let node = 1 + draw.below(cluster.nodes as u64) as usize;
        let kind = if kinds.is_empty() { draw.below(KINDS) } else { pick(draw, &kinds) };
        let at_ms = draw.below(run_ms);
        steps.push(Step { at_ms, act: Act::Fault(lie(draw, node, kind)) });
        // Most of what a disk holds is read at a start.
        if !draw.one_in(3) {
            let (after_ms, shards) = (20 + draw.below(1_500), 1 + draw.below(2) as usize);
            let back = Return { after_ms, shards, ..Return::default() };
            let fault =
                if draw.one_in(2) { Fault::Kill { node, back } } else { Fault::CutPower { node, back } };
            steps.push(Step { at_ms: at_ms + 1 + draw.below(800), act: Act::Fault(fault) });
        }
    }
}

fn lie(draw: &mut Stream, node: usize, kind: u64) -> Fault {
    let (sector, ms) = (draw.below(1 << 32), 50 + draw.below(3_000));
    match kind {
        0 => Fault::FailReads { node, sector, ms },
        1 => {
            let (sectors, reads) = (pick(draw, &[1, 2, 8, 64]), pick(draw, &[1, 2, 20]));
            Fault::StaleReads { node, sector, sectors, reads, ms }
        }
        2 => Fault::MisdirectWrite { node, writes: 1 + draw.below(40) },
        3 => {
            let back = Return { after_ms: 50 + draw.below(1_500), ..Return::default() };
            Fault::FailDirSync { node, syncs: 1 + draw.below(4), back }
        }
        _ => Fault::RotAlive { node, bits: pick(draw, &[1, 8, 64]) },
    }
}

/// In an eighth of the seeds a process or a disk stands still for up to half a minute, or until there is peace.
pub(super) fn long_waits(draw: &mut Stream, (cluster, run_ms): (&ClusterSpec, u64), steps: &mut Vec<Step>) {
    if !draw.one_in(8) {
        return;
    }
    for _ in 0..=draw.below(2) {
        let node = 1 + draw.below(cluster.nodes as u64) as usize;
        let ms = WAIT_MS_LEAST + draw.below(WAIT_MS_MAX - WAIT_MS_LEAST + 1);
        let fault = if draw.one_in(2) { Fault::Pause { node, ms } } else { Fault::Stall { node, ms } };
        steps.push(Step { at_ms: draw.below(run_ms), act: Act::Fault(fault) });
    }
}
