//! Deaths at named points: which, where and when, is drawn apart from the other faults, so that those stay as they were.

use quorate_types::points::{Kind, Point};
use serde::{Deserialize, Deserializer, Serializer, de};

use super::{Act, Fault, Return, Step};
use crate::cluster::{Cluster, ClusterSpec, Moment};
use crate::random::{Stream, pick};

/// Two of three plans in which replicas die anyway have such deaths too, at a few points each: a plan without any death
/// stays one, for only there must hints alone bring everything everywhere.
pub(super) fn crashes(draw: &mut Stream, (cluster, run_ms): (&ClusterSpec, u64), steps: &mut Vec<Step>) {
    let some_die = steps.iter().any(|step| matches!(&step.act, Act::Fault(fault) if fault.loses_memory()));
    if !some_die || draw.one_in(3) {
        return;
    }
    let all = Cluster::crash_points();
    let points: Vec<Point> = (0..1 + draw.below(6)).map(|_| pick(draw, &all)).collect();
    let between = pick(draw, &[300, 900, 2_500]);
    let mut at_ms = draw.below(between);
    while at_ms < run_ms {
        let most = pick(draw, &[1, 4, 40]);
        let (after_ms, shards) = (50 + draw.below(2_500), 1 + draw.below(2) as usize);
        let back = Return { after_ms, shards, ..Return::default() };
        let fault = Fault::CrashAt {
            node: 1 + draw.below(cluster.nodes as u64) as usize,
            point: pick(draw, &points),
            nth: 1 + draw.below(most),
            moment: pick(draw, &[Moment::There, Moment::Frames, Moment::Turn]),
            back,
        };
        steps.push(Step { at_ms, act: Act::Fault(fault) });
        at_ms += 1 + draw.below(2 * between);
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
pub(super) fn point_text<S: Serializer>(point: &Point, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(point.name())
}

pub(super) fn point_of_text<'de, D: Deserializer<'de>>(from: D) -> Result<Point, D::Error> {
    let name = String::deserialize(from)?;
    let point = Point::find(&name).filter(|point| point.kind() == Kind::Crash);
    point.ok_or_else(|| de::Error::custom(format!("no point at which a replica may die is called {name:?}")))
}
