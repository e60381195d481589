//! The process that is made to die: this very binary, told by its environment what to do.
//!
//! Invariant: it never outlives the test. A thread reads standard input, on which nothing ever comes; when its other
//! end is gone, so is the parent, and the process ends.

use std::env;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{self, Command, ExitCode};
use std::sync::Arc;
use std::thread;

use quorate_wal::io::OpenMode;
use quorate_wal::testkit::SplitMix;
use quorate_wal::{Error, Io, Options, Recovery, StdIo, Wal};

use crate::hand::Voice;
use crate::report::Report;

mod refusals;
mod script;
mod storm;

pub use storm::WAITERS;

const PLAY: &str = "WAL_CRASH_PLAY";
const SEED: &str = "WAL_CRASH_PLAY_SEED";
const PROCESS: &str = "WAL_CRASH_PLAY_PROCESS";
const DIR: &str = "WAL_CRASH_PLAY_DIR";

/// Exit codes beside 0.
pub const DIFFERENT: u8 = 4;
const ORPHANED: i32 = 5;

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Play {
    /// Many threads append, checkpoint, pin and follow, until it dies or the log stops.
    Storm,
    /// One thread goes through all that a log does, the same calls to the disk each time; after a stop it opens the
    /// log anew and goes on.
    Script,
    /// Many threads wait for durability in every way there is, until the log stops.
    Waiters,
    /// One thread appends until the log stops; segments as they say.
    Fill { segment_bytes: u64 },
    /// Acknowledges a record that was only staged. The oracle must notice.
    Liar,
    /// Says by its exit code whether its first sync fails.
    Probe,
}

impl Play {
    const ALL: &[Self] = &[
        Self::Storm,
        Self::Script,
        Self::Waiters,
        Self::Fill { segment_bytes: 64 << 10 },
        Self::Fill { segment_bytes: 1 << 20 },
        Self::Liar,
        Self::Probe,
    ];
}

/// One process's work.
#[derive(Clone, Debug)]
pub struct Task {
    pub play: Play,
    pub seed: u64,
    /// No two processes on one log have the same; the lives of a process are numbered from it.
    pub process: u64,
    pub dir: PathBuf,
}

/// The number of the `opening`-th life, from 0, that a process gives the log.
pub fn life(process: u64, opening: u64) -> u64 {
    (process << 8) + opening
}

impl Task {
    /// Writes the task into the environment of `command`.
    pub fn assign(&self, command: &mut Command) {
        command
            .env(PLAY, format!("{:?}", self.play))
            .env(SEED, self.seed.to_string())
            .env(PROCESS, self.process.to_string())
            .env(DIR, &self.dir);
    }

    /// The task in this process's environment.
    pub fn assigned() -> Option<Self> {
        let play = env::var(PLAY).ok()?;
        let number = |name| env::var(name).ok().and_then(|number: String| number.parse().ok());
        Some(Self {
            play: *Play::ALL.iter().find(|known| format!("{known:?}") == play)?,
            seed: number(SEED)?,
            process: number(PROCESS)?,
            dir: env::var_os(DIR)?.into(),
        })
    }

    /// The number of its `opening`-th life, from 0.
    fn life(&self, opening: u64) -> u64 {
        life(self.process, opening)
    }

    /// What is left to chance in this process.
    fn chance(&self) -> SplitMix {
        SplitMix::new(SplitMix::new(self.seed).bits() ^ self.process)
    }

    /// Does it.
    pub fn run(&self) -> ExitCode {
        thread::spawn(die_with_the_parent);
        match self.play {
            Play::Storm => storm::storm(self),
            Play::Script => script::script(self),
            Play::Waiters => storm::waiters(self),
            Play::Fill { segment_bytes } => script::fill(self, segment_bytes),
            Play::Liar => script::lie(self),
            Play::Probe => return self.probe(),
        }
        ExitCode::SUCCESS
    }

    fn probe(&self) -> ExitCode {
        let synced = StdIo.open(&self.dir.join("probe"), OpenMode::Create).and_then(|file| {
            file.write_all_at(b"probe", 0)?;
            file.sync_data()
        });
        ExitCode::from(if synced.is_ok() { 0 } else { DIFFERENT })
    }

    /// Opens the log and says so; `None`, and says that too, if it is refused.
    fn open(&self, options: &Options, opening: u64) -> Option<(Wal, Recovery)> {
        say(&Report::Opening);
        match Wal::open(options, StdIo::shared()) {
            Ok((wal, recovery)) => {
                let (oldest, last) = (recovery.oldest_lsn().get(), recovery.last_lsn().get());
                say(&Report::Opened { life: self.life(opening), oldest, last });
                Some((wal, recovery))
            }
            Err(error) => {
                refused(&error);
                None
            }
        }
    }
}

fn die_with_the_parent() {
    let mut byte = [0];
    while io::stdin().read(&mut byte).is_ok_and(|bytes| bytes > 0) {}
    process::exit(ORPHANED);
}

/// Tells the parent, by one write.
fn say(report: &Report) {
    let line = format!("{report}\n");
    let mut stdout = io::stdout().lock();
    if stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()).is_err() {
        process::exit(ORPHANED);
    }
}

fn voice() -> Voice {
    Arc::new(|report| say(&report))
}

/// What the operating system said, 0 if it was not it.
fn os_error(error: &Error) -> i32 {
    match error {
        Error::Poisoned { source, .. } | Error::Io { source, .. } => source.raw_os_error().unwrap_or(0),
        _ => 0,
    }
}

/// The disk did not let the log open, or read.
fn refused(error: &Error) {
    say(&Report::Refused { os_error: os_error(error), why: error.to_string() });
}

/// The log stopped while `writer` used it: checks that it is refused everything from now on, and says it.
fn stopped(wal: &Wal, writer: u32, error: &Error) {
    let Error::Poisoned { durable, .. } = error else {
        return say(&Report::Broken { why: format!("writer {writer} was told {error:?}") });
    };
    let taken = refusals::not_refused(wal);
    if !taken.is_empty() {
        return say(&Report::Broken { why: format!("after {error}, these went well: {taken:?}") });
    }
    let (durable, os_error) = (durable.get(), os_error(error));
    say(&Report::Stopped { writer, durable, os_error, why: error.to_string() });
}
