//! Pages and explanations: drawn apart from the other requests, and behind them, so that those stay as they were.

use quorate_types::Level;

use super::{Act, Ask, Step, What};
use crate::cluster::ClusterSpec;
use crate::random::{Stream, pick};

/// Their ids begin here.
const IDS: u64 = 800_000;

/// In half of the seeds somebody pages through partitions that hold hot keys, and asks what replicas hold of these.
pub(super) fn looks(
    draw: &mut Stream,
    (cluster, run_ms): (&ClusterSpec, u64),
    (steps, hot_keys): (&mut Vec<Step>, u64),
) {
    if draw.one_in(2) {
        return;
    }
    for id in IDS..=IDS + run_ms / 500 {
        let by = 1 + draw.below(cluster.nodes as u64) as usize;
        let what =
            if draw.one_in(3) { What::Explain } else { What::Page { limit: pick(draw, &[1, 4, 100]) } };
        let level = pick(draw, &[Level::One, Level::Quorum, Level::Quorum, Level::All]);
        let space = draw.below(cluster.keyspaces.len() as u64) as usize;
        let ask = Ask::new(id, by, format!("hot-{}", draw.below(hot_keys)), level, what);
        let act = Act::Ask(Ask { client: 6, space, ..ask });
        steps.push(Step { at_ms: draw.below(run_ms), act });
    }
}
