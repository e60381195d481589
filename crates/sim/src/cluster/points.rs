//! Deaths at named points of the production code, and rare branches: see [`quorate_types::points`].
//!
//! A replica dies as a machine without power does: from the point on its disk takes nothing, and what the turn wanted
//! done is done as far as the moment says, and no further.

use quorate_types::points::{self, Chance, Crash, Kind, Point, Scene};
use serde::{Deserialize, Serialize};

use super::replica::SimReplica;
use super::{Cluster, ClusterSpec};
use crate::random::Streams;

/// When a replica dies that has come to its point in a turn. A step of a checkpoint or of hint logs has no frames: there
/// both later moments are its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// There and then: nothing that the turn wanted is done.
    #[default]
    There,
    /// Once the turn's frames have left; nothing is logged or answered.
    Frames,
    /// Once everything is carried out, and nothing of it synced.
    Turn,
}

/// What points do to one replica.
#[derive(Debug, Default)]
pub(super) struct Points {
    scene: Scene,
    moment: Moment,
    /// Where it died, until that was asked.
    fell: Option<Point>,
}

impl Points {
    pub fn new(k: usize, streams: Streams, spec: &ClusterSpec) -> Points {
        let chance =
            Chance { sites: streams.number("points", &[]), times: streams.number("points", &[k as u64]) };
        let scene = Scene::new(spec.tuning.rare_branches.then_some(chance));
        Points { scene, moment: Moment::There, fell: None }
    }
}

impl SimReplica {
    /// Calls `body` with this replica's points in force; `None`: it died at one, and its disk is dark.
    pub fn in_scene<R>(&mut self, body: impl FnOnce(&mut SimReplica) -> R) -> Option<R> {
        let mut scene = std::mem::take(&mut self.points.scene);
        let ended = points::in_scene(&mut scene, || body(self));
        self.points.scene = scene;
        if let Err(died) = ended {
            self.points.fell = Some(died.at);
        }
        ended.ok()
    }

    /// Dies if it came to its point and this is the moment. Whether it did.
    pub fn falls_behind(&mut self, moment: Moment) -> bool {
        if self.points.moment == moment {
            self.falls_now();
        }
        self.disk.is_dark()
    }

    /// Dies if it came to its point, whatever the moment that was meant.
    pub fn falls_now(&mut self) {
        if let Some(point) = self.points.scene.take_noted() {
            self.disk.darken();
            self.points.fell = Some(point);
        }
    }

    /// Neither dies nor takes a rare branch from now on.
    pub fn forget_points(&mut self) {
        self.points.scene.be_plain();
    }
}

impl Cluster {
    /// Replica `k` dies when it comes to `point` for the `nth` time from now, in this life or a later one; in place of
    /// a death at a point that was planned before.
    pub fn crash_at(&mut self, k: usize, point: Point, nth: u64, moment: Moment) {
        let replica = self.replica(k);
        let disk = replica.disk.clone();
        let stop = Box::new(move || disk.darken());
        replica.points.moment = moment;
        replica.points.scene.plan(Crash { at: point, nth, at_once: moment == Moment::There, stop });
    }

    /// Where replica `k` died, if that was at a point and was not asked before.
    pub fn take_fall(&mut self, k: usize) -> Option<Point> {
        self.replica(k).points.fell.take()
    }

    /// How often replica `k` came by this point, or took this rare branch.
    pub fn passed(&self, k: usize, point: Point) -> u64 {
        self.replicas[k - 1].points.scene.count(point)
    }

    /// The points at which a replica may die.
    pub fn crash_points() -> Vec<Point> {
        Point::all().filter(|point| point.kind() == Kind::Crash).collect()
    }
}
