//! Faults, as data.

use std::time::Duration;

use quorate_transport::memory::{Chance, Delay, LinkFaults};
use quorate_types::points::Point;
use serde::{Deserialize, Serialize};

use super::points::{point_of_text, point_text};
use crate::clocks::ClockError;
use crate::cluster::Moment;
use crate::cuts::Cut;

/// How a replica comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Return {
    /// When.
    pub after_ms: u64,
    /// With so many shards.
    pub shards: usize,
    /// The power goes again at this operation of the recovery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dark_after: Option<u64>,
    /// Nobody dials it before it has asked something itself.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unseen: bool,
}

impl Default for Return {
    fn default() -> Return {
        Return { after_ms: 400, shards: 1, dark_after: None, unseen: false }
    }
}

/// Something that fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// A process dies; its system lives.
    Kill {
        /// Whose.
        node: usize,
        /// How it comes back.
        back: Return,
    },
    /// A machine loses power.
    CutPower {
        /// Which.
        node: usize,
        /// How it comes back.
        back: Return,
    },
    /// A machine loses power at an operation of its disk.
    CutPowerAfter {
        /// Which.
        node: usize,
        /// At which operation from now, from 1.
        operations: u64,
        /// How it comes back.
        back: Return,
    },
    /// A machine loses power when its replica comes to a named point.
    CrashAt {
        /// Which.
        node: usize,
        /// The point.
        #[serde(serialize_with = "point_text", deserialize_with = "point_of_text")]
        point: Point,
        /// The how manieth time from now, from 1.
        nth: u64,
        /// How far what its turn wanted is carried out.
        #[serde(default)]
        moment: Moment,
        /// How it comes back.
        back: Return,
    },
    /// All machines lose power at once.
    CutPowerOfAll {
        /// How each comes back.
        back: Return,
    },
    /// A process stands still.
    Pause {
        /// Whose.
        node: usize,
        /// For how long.
        ms: u64,
    },
    /// Ways through the network are cut.
    Cut {
        /// Which.
        ways: Cut,
        /// For how long.
        ms: u64,
        /// Healed and cut again in this rhythm; 0: not.
        #[serde(default)]
        flap_ms: u64,
    },
    /// What one node sends to another waits.
    Clog {
        /// The sender.
        from: usize,
        /// The receiver.
        to: usize,
        /// For how long.
        ms: u64,
    },
    /// All links change.
    Weather(Weather),
    /// One directed link changes, until the weather does.
    Link {
        /// The sender.
        from: usize,
        /// The receiver.
        to: usize,
        /// How it is.
        weather: Weather,
    },
    /// A checkpoint begins.
    Checkpoint {
        /// Whose.
        node: usize,
    },
    /// A wall clock goes wrong, or right.
    Clock {
        /// Whose.
        node: usize,
        /// How.
        error: ClockError,
    },
    /// A sync fails and throws the pages away.
    FailSync {
        /// Whose.
        node: usize,
        /// Which from now, from 1.
        syncs: u64,
        /// How the replica comes back.
        back: Return,
    },
    /// A write fails.
    FailWrite {
        /// Whose.
        node: usize,
        /// Which from now, from 1.
        writes: u64,
        /// How the replica comes back.
        back: Return,
    },
    /// Writes are short or interrupted.
    ShortWrites {
        /// Whose.
        node: usize,
        /// One in so many.
        one_in: u64,
        /// For how long.
        ms: u64,
    },
    /// A disk is full.
    Full {
        /// Whose.
        node: usize,
        /// Bytes that still fit.
        room_bytes: u64,
        /// For how long.
        ms: u64,
    },
    /// A replica comes back with an empty disk.
    Wipe {
        /// Whose.
        node: usize,
        /// How it comes back.
        back: Return,
    },
    /// The state of a disk is kept, for [`Fault::OldDisk`].
    SaveDisk {
        /// Whose.
        node: usize,
    },
    /// A replica comes back with the state of its disk that was kept, if one was.
    OldDisk {
        /// Whose.
        node: usize,
        /// How it comes back.
        back: Return,
    },
    /// Bits of a disk flip while the replica is down. If it finds that and refuses to start, its disk is emptied.
    Rot {
        /// Whose.
        node: usize,
        /// How many.
        bits: u64,
        /// How it comes back.
        back: Return,
    },
    /// No sync of a disk ends.
    Stall {
        /// Whose.
        node: usize,
        /// For how long.
        ms: u64,
    },
    /// A sector of a disk can't be read for a while.
    FailReads {
        /// Whose.
        node: usize,
        /// Which of its sectors that hold something, counted round from 0.
        sector: u64,
        /// For how long.
        ms: u64,
    },
    /// Some sectors of a disk read as they were before they were last written, for a while.
    StaleReads {
        /// Whose.
        node: usize,
        /// The first: which of those that hold something, counted round from 0.
        sector: u64,
        /// How many, as far as the file goes.
        sectors: u64,
        /// So many reads.
        reads: u64,
        /// For how long.
        ms: u64,
    },
    /// A write reports success and lands elsewhere on the disk; the page cache hides it until the power goes. If the
    /// replica finds that and refuses to start, its disk is emptied.
    MisdirectWrite {
        /// Whose.
        node: usize,
        /// Which from now, from 1.
        writes: u64,
    },
    /// A sync of a directory fails.
    FailDirSync {
        /// Whose.
        node: usize,
        /// Which from now, from 1.
        syncs: u64,
        /// How the replica comes back.
        back: Return,
    },
    /// Bits of a disk flip under a running replica. If it finds that at its next start and refuses it, its disk is
    /// emptied.
    RotAlive {
        /// Whose.
        node: usize,
        /// How many.
        bits: u64,
    },
}

impl Fault {
    /// All names that faults have in tables.
    pub const NAMES: &[&str] = &[
        "killed",
        "power cut",
        "power went in the middle of something",
        "power cut of all",
        "paused",
        "flapping cut",
        "cut one way",
        "partial cut",
        "partitioned",
        "bridge",
        "ring of majorities",
        "clogged",
        "network changed",
        "link changed",
        "checkpoint begun",
        "clock drifts",
        "clock strobes",
        "clock jumped",
        "sync failed",
        "write failed",
        "short writes",
        "disk full",
        "disk stalled",
        "disk wiped",
        "disk kept",
        "old disk back",
        "disk rotten",
        "disk rotten under a running replica",
        "sector unreadable",
        "sectors stale",
        "read failed",
        "read stale",
        "write misdirected",
        "directory sync failed",
        "log failed",
        "crashed at a point",
    ];

    /// What it is called in tables.
    pub fn name(&self) -> &'static str {
        match self {
            Fault::Kill { .. } => "killed",
            Fault::CutPower { .. } => "power cut",
            Fault::CutPowerAfter { .. } => "power went in the middle of something",
            Fault::CrashAt { .. } => "crashed at a point",
            Fault::CutPowerOfAll { .. } => "power cut of all",
            Fault::Pause { .. } => "paused",
            Fault::Cut { flap_ms: 1.., .. } => "flapping cut",
            Fault::Cut { ways: Cut::OneWay { .. } | Cut::Mute { .. }, .. } => "cut one way",
            Fault::Cut { ways: Cut::Partial { .. }, .. } => "partial cut",
            Fault::Cut { ways: Cut::Sides { .. }, .. } => "partitioned",
            Fault::Cut { ways: Cut::Bridge { .. }, .. } => "bridge",
            Fault::Cut { ways: Cut::Ring, .. } => "ring of majorities",
            Fault::Clog { .. } => "clogged",
            Fault::Weather(_) => "network changed",
            Fault::Link { .. } => "link changed",
            Fault::Checkpoint { .. } => "checkpoint begun",
            Fault::Clock { error: ClockError::Drift { .. }, .. } => "clock drifts",
            Fault::Clock { error: ClockError::Strobe { .. }, .. } => "clock strobes",
            Fault::Clock { .. } => "clock jumped",
            Fault::FailSync { .. } => "sync failed",
            Fault::FailWrite { .. } => "write failed",
            Fault::ShortWrites { .. } => "short writes",
            Fault::Full { .. } => "disk full",
            Fault::Stall { .. } => "disk stalled",
            Fault::Wipe { .. } => "disk wiped",
            Fault::SaveDisk { .. } => "disk kept",
            Fault::OldDisk { .. } => "old disk back",
            Fault::Rot { .. } => "disk rotten",
            Fault::RotAlive { .. } => "disk rotten under a running replica",
            Fault::FailReads { .. } => "sector unreadable",
            Fault::StaleReads { .. } => "sectors stale",
            Fault::MisdirectWrite { .. } => "write misdirected",
            Fault::FailDirSync { .. } => "directory sync failed",
        }
    }

    /// It as one line of TOML, as in a plan.
    pub fn to_toml(&self) -> String {
        let value = toml::Value::try_from(self).expect("numbers, words and tables");
        value.to_string()
    }

    /// Whether a replica may lose what was not on its disk, or stop taking writes.
    pub fn loses_memory(&self) -> bool {
        matches!(
            self,
            Fault::Kill { .. }
                | Fault::CutPower { .. }
                | Fault::CutPowerAfter { .. }
                | Fault::CrashAt { .. }
                | Fault::CutPowerOfAll { .. }
                | Fault::FailSync { .. }
                | Fault::FailWrite { .. }
                | Fault::Full { .. }
                | Fault::Wipe { .. }
                | Fault::OldDisk { .. }
                | Fault::Rot { .. }
                | Fault::RotAlive { .. }
                | Fault::FailReads { .. }
                | Fault::StaleReads { .. }
                | Fault::MisdirectWrite { .. }
                | Fault::FailDirSync { .. }
        )
    }

    /// How wrong it makes a wall clock at most, milliseconds.
    pub(super) fn clock_error_ms(&self, run_ms: u64) -> u64 {
        match self {
            Fault::Clock { error, .. } => error.most_ms(run_ms),
            _ => 0,
        }
    }

    /// The nodes that it names.
    pub(super) fn nodes(&self) -> Vec<usize> {
        match self {
            Fault::Kill { node, .. }
            | Fault::CutPower { node, .. }
            | Fault::CutPowerAfter { node, .. }
            | Fault::CrashAt { node, .. }
            | Fault::Pause { node, .. }
            | Fault::Checkpoint { node }
            | Fault::Clock { node, .. }
            | Fault::FailSync { node, .. }
            | Fault::FailWrite { node, .. }
            | Fault::ShortWrites { node, .. }
            | Fault::Full { node, .. }
            | Fault::Stall { node, .. }
            | Fault::Wipe { node, .. }
            | Fault::SaveDisk { node }
            | Fault::OldDisk { node, .. }
            | Fault::Rot { node, .. }
            | Fault::RotAlive { node, .. }
            | Fault::FailReads { node, .. }
            | Fault::StaleReads { node, .. }
            | Fault::MisdirectWrite { node, .. }
            | Fault::FailDirSync { node, .. } => vec![*node],
            Fault::Clog { from, to, .. } | Fault::Link { from, to, .. } => vec![*from, *to],
            Fault::Cut { ways, .. } => ways.nodes(),
            Fault::CutPowerOfAll { .. } | Fault::Weather(_) => Vec::new(),
        }
    }
}

/// What links do to frames. Chances are in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Weather {
    /// A frame takes at least this long.
    pub least_us: u64,
    /// And on average, if `tailed`, or at most this much longer.
    pub more_us: u64,
    /// Most frames are fast, some very slow.
    pub tailed: bool,
    /// Frames lost.
    pub loss: u32,
    /// Frames doubled.
    pub duplication: u32,
    /// Frames held back, to be overtaken.
    pub reordering: u32,
    /// How long at most.
    pub reorder_by_us: u64,
}

impl Default for Weather {
    /// 100 µs, and nothing is lost.
    fn default() -> Weather {
        Weather {
            least_us: 100,
            more_us: 0,
            tailed: false,
            loss: 0,
            duplication: 0,
            reordering: 0,
            reorder_by_us: 10_000,
        }
    }
}

impl From<Weather> for LinkFaults {
    fn from(weather: Weather) -> LinkFaults {
        let (least, more) = (Duration::from_micros(weather.least_us), Duration::from_micros(weather.more_us));
        LinkFaults {
            delay: if weather.tailed {
                Delay::Tailed { least, mean: more }
            } else {
                Delay::Uniform { least, most: least + more }
            },
            loss: Chance::per_million(weather.loss),
            duplication: Chance::per_million(weather.duplication),
            reordering: Chance::per_million(weather.reordering),
            reorder_by: Duration::from_micros(weather.reorder_by_us),
        }
    }
}
