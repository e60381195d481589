//! No room: files that may not grow, and a disk that is really full.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Failed;
use quorate_wal::io::OpenMode;
use quorate_wal::{Io, Options, StdIo, TailState, Wal};

use crate::cases::{Outcome, passed, skipped};
use crate::disk::{Mount, probe_tmpfs};
use crate::faults::must_be_clear;
use crate::folder::Folder;
use crate::log::{Heard, Log, Moment};
use crate::oracle::Fate;
use crate::process::Worker;
use crate::settings::Settings;
use crate::tools::{signal_of, tool};
use crate::worker::Play;

const EFBIG: i32 = 27;
const ENOSPC: i32 = 28;
const SIGXFSZ: i32 = 25;

/// A limit that falls into the middle of a frame (they end on multiples of 8), and of a segment that is long enough
/// for the next not to be made before.
const FILE_BYTES_MAX: u64 = 200_003;
const LONG_SEGMENT_BYTES: u64 = 1 << 20;

const DISK_BYTES: u64 = 2 << 20;
const BALLAST_BYTES: usize = 512 << 10;
const FILL_SEGMENT_BYTES: u64 = 64 << 10;

/// The system takes the first bytes of a frame and refuses the others with an error.
pub fn a_write_cut_short_and_then_refused_is_a_torn_tail(settings: &Settings) -> Result<Outcome, Failed> {
    let deaf = ["sh", "-c", "trap '' XFSZ; exec \"$0\""].map(OsString::from);
    cut_short(settings, &deaf, |heard, signal| {
        must_be_clear(heard, EFBIG)?;
        match (heard.stopped.len(), signal) {
            (1, None) => Ok(()),
            _ => Err(format!("signal {signal:?}, {heard:?}").into()),
        }
    })
}

/// The system takes the first bytes of a frame and kills the process for the others.
pub fn a_process_killed_in_the_middle_of_a_write_leaves_a_torn_tail(
    settings: &Settings,
) -> Result<Outcome, Failed> {
    let no_core = ["prlimit", "--core=0"].map(OsString::from);
    cut_short(settings, &no_core, |heard, signal| match signal {
        Some(SIGXFSZ) => Ok(()),
        _ => Err(format!("signal {signal:?}, {heard:?}").into()),
    })
}

fn cut_short(
    settings: &Settings,
    wrapper: &[OsString],
    expected: impl Fn(&Heard, Option<i32>) -> Result<(), Failed>,
) -> Result<Outcome, Failed> {
    if let Err(why) = tool(Command::new("prlimit").arg("--fsize")) {
        return skipped(why);
    }
    let folder = Folder::make()?;
    let mut log = Log::new(&folder.path().join("log"), settings.seed);
    let task = log.task(Play::Fill { segment_bytes: LONG_SEGMENT_BYTES });
    let mut worker = Worker::start(&task, wrapper)?;
    log.hear(&mut worker, Moment::Acked(1))?;
    let (process, limit) = (worker.id().to_string(), format!("--fsize={FILE_BYTES_MAX}:"));
    tool(Command::new("prlimit").args(["--pid", &process, &limit]))?;
    let heard = log.hear(&mut worker, Moment::Dead)?;
    expected(&heard, signal_of(worker.end()?))?;
    let examined = log.examine(Fate::Killed)?;
    let torn = matches!(examined.tail, TailState::Torn { offset } if offset < FILE_BYTES_MAX);
    if !torn {
        return Err(format!("the frame across byte {FILE_BYTES_MAX} is not torn: {examined:?}").into());
    }
    log.examine(Fate::Killed)?;
    folder.done()?;
    passed(format!("{:?}, the write ended at byte {FILE_BYTES_MAX}", examined.tail))
}

/// Until the last byte: a clear error, nothing lost, and on it goes when there is room. Later, with recycled segments,
/// the log opens without a free byte.
pub fn a_full_disk_stops_the_log_and_room_lets_it_go_on(settings: &Settings) -> Result<Outcome, Failed> {
    if let Err(why) = probe_tmpfs() {
        return skipped(why);
    }
    let folder = Folder::make()?;
    let disk = folder.path().join("disk");
    let mount = Mount::tmpfs(&disk, DISK_BYTES)?;
    let ballast = Ballast { disk: &disk };
    ballast.load("ballast", BALLAST_BYTES)?;
    let mut log = Log::new(&disk.join("log"), settings.seed);
    let heard = fill(&mut log)?;
    refused_without_room(&log)?;
    ballast.drop("ballast")?;
    let examined = log.examine(Fate::Killed)?;
    opens_without_a_free_byte(&mut log, &ballast)?;
    drop(mount);
    folder.done()?;
    passed(format!("{} records; {}", examined.checked.last, heard.stopped[0].why))
}

fn fill(log: &mut Log) -> Result<Heard, Failed> {
    let mut worker = log.start(Play::Fill { segment_bytes: FILL_SEGMENT_BYTES })?;
    let heard = log.hear(&mut worker, Moment::Dead)?;
    let status = worker.end()?;
    must_be_clear(&heard, ENOSPC)?;
    if heard.stopped.len() == 1 && status.success() {
        Ok(heard)
    } else {
        Err(format!("{status}: {heard:?}").into())
    }
}

/// Without room and without a segment to use again, opening says so, and changes no segment.
fn refused_without_room(log: &Log) -> Result<(), Failed> {
    let before = segments(&log.dir)?;
    match Wal::open(&Options::new(&log.dir).segment_bytes(FILL_SEGMENT_BYTES), StdIo::shared()) {
        Ok(_) => return Err("opened on a full disk: it was not full".into()),
        Err(quorate_wal::Error::Io { source, .. }) if source.raw_os_error() == Some(ENOSPC) => {}
        Err(error) => return Err(format!("not clear enough: {error}").into()),
    }
    if segments(&log.dir)? == before { Ok(()) } else { Err("a refused opening changed a segment".into()) }
}

/// Names and bytes.
fn segments(dir: &Path) -> Result<Vec<(String, Vec<u8>)>, Failed> {
    let is_segment = |name: &String| Path::new(name).extension().is_some_and(|kind| kind == "seg");
    let names = StdIo.list(dir)?.into_iter().filter(is_segment);
    names.map(|name| Ok((name.clone(), StdIo.read(&dir.join(&name), DISK_BYTES)?))).collect()
}

fn opens_without_a_free_byte(log: &mut Log, ballast: &Ballast<'_>) -> Result<(), Failed> {
    log.recycle()?;
    ballast.load("everything", DISK_BYTES as usize)?;
    for _ in 0..3 {
        log.examine(Fate::Killed)?;
    }
    ballast.drop("everything")
}

/// Files that take room.
struct Ballast<'a> {
    disk: &'a Path,
}

impl Ballast<'_> {
    /// Takes `bytes`, or all there is.
    fn load(&self, name: &str, bytes: usize) -> Result<(), Failed> {
        let file = StdIo.open(&self.disk.join(name), OpenMode::Create)?;
        match file.write_all_at(&vec![0; bytes], 0) {
            Err(error) if error.raw_os_error() != Some(ENOSPC) => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn drop(&self, name: &str) -> Result<(), Failed> {
        Ok(StdIo.remove(&self.disk.join(name))?)
    }
}
