//! Named points: places in production code at which the simulator lets a replica die, and rare paths that it makes it
//! take.
//!
//! ```text
//! crash_point!("checkpoint.manifest_published");       nothing behind this line is carried out
//! if rarely!("checkpoint.small_slice") { … }           a path that is allowed, and rare
//! ```
//!
//! Invariants:
//! - outside [`in_scene`], which only the simulator calls, a point does nothing: one load of a thread's flag;
//! - every point is in the one table below, and a name that is not does not compile;
//! - a rare branch is a choice that is right either way: taking it never breaks a promise.
//!
//! A site of a rare branch is active in a quarter of the seeds, and then fires a quarter of the time.
//! Source: FoundationDB's BUGGIFY (Zhou et al., SIGMOD 2021).

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// A point of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point(u8);

/// What may happen at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The replica dies.
    Crash,
    /// It goes another way.
    Rare,
}

use Kind::{Crash as C, Rare as R};

/// All points: name, kind, what has just happened there, or what is done instead.
const TABLE: &[(&str, Kind, &str)] = &[
    ("write.stamped", C, "a write has its stamp, and nobody has heard of it"),
    ("write.sent", C, "a write is on its way to its replicas, our own copy is not in the log"),
    ("write.queued", C, "our own copy of a write is about to be logged"),
    ("write.applied", C, "a write is durable and applied, and not acknowledged"),
    ("write.acked", C, "an acknowledgement came, its client is not answered"),
    ("write.given_up", C, "the deadline of a write passed, its hints are not taken"),
    ("peer.queued", C, "a peer's write is about to be logged"),
    ("peer.acks_sent", C, "acknowledgements leave"),
    ("peer.read", C, "a peer's question is answered"),
    ("log.durable", C, "the log said that records are durable, and they are not applied"),
    ("clock.ceiling_logged", C, "a ceiling of the clock is about to be logged"),
    ("clock.ceiling_durable", C, "a ceiling is durable, the writes that wait for it are not stamped"),
    ("clock.followed", C, "the clock followed a peer's stamp"),
    ("read.repair_sent", C, "a read has sent its repairs"),
    ("read.winner_asked", C, "a read asks for the value that a digest told of"),
    ("linearizable.asked", C, "the first phase of a LINEARIZABLE write has asked"),
    ("linearizable.known", C, "a majority said which version is the newest, and nothing is stamped"),
    ("linearizable.second", C, "the second phase begins"),
    ("link.up", C, "a link to a peer is up"),
    ("link.lost", C, "a link was lost, with what was on it"),
    ("hint.taken", C, "a hint was taken, and is not in its log"),
    ("hint.staged", C, "a hint is in its log, and not synced"),
    ("hint.synced", C, "hints are synced, and do not count yet"),
    ("hint.progress", C, "that hints were delivered is in their log, which is not cut"),
    ("handoff.page_read", C, "a page of hints was read, nothing of it is sent"),
    ("handoff.page_sent", C, "a page of hints is on its way"),
    ("handoff.hint_settled", C, "a hint's fate is known"),
    ("handoff.page_done", C, "a page was delivered, its hints are not forgotten"),
    ("checkpoint.begun", C, "a checkpoint begins, what older ones left is gone"),
    ("checkpoint.part_begun", C, "a part has its header"),
    ("checkpoint.slice", C, "a slice of a part is written"),
    ("checkpoint.part_synced", C, "a part is synced"),
    ("checkpoint.log_synced", C, "the log is synced up to the replay point"),
    ("checkpoint.parts_named", C, "the parts' names are synced, no manifest names them"),
    ("checkpoint.published", C, "the manifest is replaced, the log is not cut"),
    ("checkpoint.log_cut", C, "the log is cut, the old parts are there"),
    ("checkpoint.swept", C, "the old parts are gone"),
    ("start.surveyed", C, "a start has read what the directory says of itself"),
    ("start.checkpoint_loaded", C, "the checkpoint is loaded, the log is not open"),
    ("start.log_opened", C, "the log is open, and not replayed"),
    ("start.log_replayed", C, "the log is replayed, the new generation is not durable"),
    ("start.published", C, "the new generation is durable, the node serves nobody"),
    ("handoff.small_page", R, "a page of hints has one hint"),
    ("handoff.repeats", R, "a hint that was delivered is sent again"),
    ("hint.read_from_disk", R, "young hints are not kept in memory, and read from their log"),
    ("link.batch_of_one", R, "a batch of writes is closed at its first"),
    ("link.closed", R, "a link is closed behind a batch"),
    ("peer.overloaded", R, "a peer's write is refused as if too many waited"),
    ("write.overloaded", R, "a client's write is refused as if too many hints waited"),
    ("read.digests_only", R, "one replica more is asked for a digest, however small the value"),
    ("read.hedged_at_once", R, "a read is hedged without delay"),
    ("linearizable.late", R, "the stamp of a LINEARIZABLE write comes too late"),
    ("checkpoint.small_slice", R, "a slice has one record"),
];

impl Point {
    /// How many there are.
    pub const COUNT: usize = TABLE.len();

    /// All points, in the order of the table.
    pub fn all() -> impl Iterator<Item = Point> {
        (0..Self::COUNT).map(|at| Point(at as u8))
    }

    /// The point of this name.
    ///
    /// # Panics
    /// If there is none: where it is a constant, the build fails.
    pub const fn named(name: &str) -> Point {
        let mut at = 0;
        while at < TABLE.len() {
            if same(TABLE[at].0.as_bytes(), name.as_bytes()) {
                return Point(at as u8);
            }
            at += 1;
        }
        panic!("a point that is not in the table")
    }

    /// The point of this name, if there is one.
    pub fn find(name: &str) -> Option<Point> {
        Self::all().find(|point| point.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        TABLE[usize::from(self.0)].0
    }

    /// What may happen there.
    pub fn kind(self) -> Kind {
        TABLE[usize::from(self.0)].1
    }

    /// What has just happened there, or what is done instead.
    pub fn description(self) -> &'static str {
        TABLE[usize::from(self.0)].2
    }
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// A place where a simulated replica may die. Does nothing in production.
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {{
        const POINT: $crate::points::Point = $crate::points::Point::named($name);
        $crate::points::pass(POINT);
    }};
}

/// Whether to go the rare way here, though there is no need. False in production.
#[macro_export]
macro_rules! rarely {
    ($name:literal) => {{
        const POINT: $crate::points::Point = $crate::points::Point::named($name);
        $crate::points::fires(POINT)
    }};
}

thread_local! {
    static ON: Cell<bool> = const { Cell::new(false) };
    static SCENE: RefCell<Scene> = const { RefCell::new(Scene::nowhere()) };
}

/// Behind [`crash_point!`].
#[inline]
pub fn pass(at: Point) {
    if ON.get() {
        reached(at);
    }
}

/// Behind [`rarely!`].
#[inline]
pub fn fires(at: Point) -> bool {
    ON.get() && SCENE.with_borrow_mut(|scene| scene.fires(at))
}

#[cold]
fn reached(at: Point) {
    if let Some(crash) = SCENE.with_borrow_mut(|scene| scene.reach(at)) {
        // The world first: what is torn down on the way out reaches it no more.
        (crash.stop)();
        resume_unwind(Box::new(Died { at }));
    }
}

/// A replica died at this point; nothing behind it was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Died {
    /// Where.
    pub at: Point,
}

/// A death that is planned.
pub struct Crash {
    /// Where.
    pub at: Point,
    /// At which passing from now, from 1.
    pub nth: u64,
    /// There and then; else it is only noted ([`Scene::take_noted`]), and who carries effects out lets it die later.
    pub at_once: bool,
    /// What makes the world stop listening to the replica, at the point itself.
    pub stop: Box<dyn Fn()>,
}

impl fmt::Debug for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crash").field("at", &self.at).field("nth", &self.nth).finish_non_exhaustive()
    }
}

/// What points do to one replica, and how often it came by each.
#[derive(Debug)]
pub struct Scene {
    passed: Vec<u64>,
    fired: Vec<u64>,
    /// What rare branches are drawn from; `None`: none is taken.
    chance: Option<Chance>,
    crash: Option<Crash>,
    noted: Option<Point>,
}

/// From where rare branches are drawn.
#[derive(Clone, Copy, Debug)]
pub struct Chance {
    /// Which sites are active: the same for all replicas of a run.
    pub sites: u64,
    /// When they fire: one's own.
    pub times: u64,
}

impl Default for Scene {
    /// A place without points.
    fn default() -> Scene {
        Scene::nowhere()
    }
}

impl Scene {
    const fn nowhere() -> Scene {
        Scene { passed: Vec::new(), fired: Vec::new(), chance: None, crash: None, noted: None }
    }

    /// A scene in which rare branches are taken if there is a `chance`, and nobody dies yet.
    pub fn new(chance: Option<Chance>) -> Scene {
        let counts = || vec![0; Point::COUNT];
        Scene { passed: counts(), fired: counts(), chance, ..Scene::nowhere() }
    }

    /// Plans a death, in place of one that was planned before.
    pub fn plan(&mut self, crash: Crash) {
        self.crash = Some(crash);
    }

    /// Nobody dies and no rare branch is taken from now on.
    pub fn be_plain(&mut self) {
        (self.crash, self.chance, self.noted) = (None, None, None);
    }

    /// The point of a death that was noted and not carried out, once.
    pub fn take_noted(&mut self) -> Option<Point> {
        self.noted.take()
    }

    /// How often this point was passed, or this rare branch taken.
    pub fn count(&self, point: Point) -> u64 {
        let counts = if point.kind() == C { &self.passed } else { &self.fired };
        counts[usize::from(point.0)]
    }

    /// Passes a point: the death that is due there at once.
    fn reach(&mut self, at: Point) -> Option<Crash> {
        self.passed[usize::from(at.0)] += 1;
        let crash = self.crash.as_mut().filter(|crash| crash.at == at)?;
        crash.nth = crash.nth.saturating_sub(1);
        if crash.nth > 0 {
            return None;
        }
        let crash = self.crash.take()?;
        if crash.at_once {
            return Some(crash);
        }
        self.noted = Some(at);
        None
    }

    /// Each draw depends on the site and on how often it was come by, and on nothing else that happened.
    fn fires(&mut self, at: Point) -> bool {
        let site = usize::from(at.0);
        self.passed[site] += 1;
        let Some(Chance { sites, times }) = self.chance else { return false };
        let active = mix(sites, site as u64).is_multiple_of(4);
        let fires = active && mix(mix(times, site as u64), self.passed[site]).is_multiple_of(4);
        self.fired[site] += u64::from(fires);
        fires
    }
}

/// Source: Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators (OOPSLA 2014).
fn mix(seed: u64, number: u64) -> u64 {
    let mut bits = seed ^ number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ (bits >> 31)) >> 7
}

/// Calls `body` with the points of this scene in force in this thread.
///
/// # Errors
/// It died at a point. Other panics go on.
pub fn in_scene<R>(scene: &mut Scene, body: impl FnOnce() -> R) -> Result<R, Died> {
    let outer = SCENE.replace(std::mem::take(scene));
    let was_on = ON.replace(true);
    let ended = catch_unwind(AssertUnwindSafe(body));
    ON.set(was_on);
    *scene = SCENE.replace(outer);
    ended.map_err(|panic| match panic.downcast::<Died>() {
        Ok(died) => *died,
        Err(other) => resume_unwind(other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: Point = Point::named("write.sent");

    /// A death there, at once.
    fn crash(nth: u64) -> Crash {
        Crash { at: SENT, nth, at_once: true, stop: Box::new(|| {}) }
    }

    #[test]
    fn names_are_unique_and_say_where_they_are() {
        let names: std::collections::BTreeSet<_> = Point::all().map(Point::name).collect();
        assert_eq!(names.len(), Point::COUNT);
        assert!(Point::all().all(|point| Point::find(point.name()) == Some(point)));
        assert!(names.iter().all(|name| name.split('.').count() == 2), "{names:?}");
    }

    #[test]
    fn outside_a_scene_nothing_happens() {
        crash_point!("write.sent");
        assert!(!rarely!("handoff.small_page"));
    }

    #[test]
    fn nothing_behind_the_nth_passing_is_carried_out_and_the_world_stops_first() {
        let mut scene = Scene::new(None);
        let stopped = std::rc::Rc::new(Cell::new(false));
        let seen = std::rc::Rc::clone(&stopped);
        scene.plan(Crash { stop: Box::new(move || seen.set(true)), ..crash(3) });
        let mut done = 0;
        let ended = in_scene(&mut scene, || {
            for _ in 0..9 {
                crash_point!("write.sent");
                done += 1;
            }
        });
        assert_eq!((ended, done, stopped.get()), (Err(Died { at: SENT }), 2, true));
        assert_eq!(in_scene(&mut scene, || crash_point!("write.sent")), Ok(()), "once");
        assert_eq!(scene.count(SENT), 4);
    }

    #[test]
    fn a_death_that_is_not_at_once_is_noted() {
        let mut scene = Scene::new(None);
        scene.plan(Crash { at_once: false, ..crash(1) });
        assert_eq!(in_scene(&mut scene, || crash_point!("write.sent")), Ok(()));
        assert_eq!((scene.take_noted(), scene.take_noted()), (Some(SENT), None));
    }

    #[test]
    fn another_panic_goes_on_and_the_scene_is_put_back() {
        let mut scene = Scene::new(None);
        let panicked = catch_unwind(AssertUnwindSafe(|| in_scene(&mut scene, || panic!("a bug"))));
        assert!(panicked.is_err());
        crash_point!("write.sent");
        assert_eq!(scene.count(SENT), 0, "it was not in the scene any more");
    }

    #[test]
    fn a_site_is_active_in_a_quarter_of_the_seeds_and_fires_a_quarter_of_the_time() {
        let (mut active, mut fired, of) = (0, 0, 400);
        for seed in 0..of {
            let mut scene = Scene::new(Some(Chance { sites: seed, times: !seed }));
            let times = in_scene(&mut scene, || (0..100).filter(|_| rarely!("link.closed")).count()).unwrap();
            active += usize::from(times > 0);
            fired += times;
        }
        assert!((of as usize / 5..of as usize / 3).contains(&active), "active in {active} of {of}");
        assert!((active * 20..active * 30).contains(&fired), "fired {fired} of {}", active * 100);
    }
}
