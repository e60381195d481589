//! `wal salvage` and `wal truncate`: what is left for a log without backup and without other replicas.
//!
//! Invariant: a log is cut only after a person typed the LSN, or a command line says that one did; both name it twice.

use std::io::{self, BufRead, IsTerminal};
use std::path::Path;

use quorate_wal::inspect::segments;
use quorate_wal::repair::{Cut, Salvage, Salvaged, plan, salvage, truncate};
use quorate_wal::{Error, Io, Lsn, Options, STAGED_BYTES_MAX, StdIo, SyncPolicy, Wal};
use serde_json::json;

use super::args::Payloads;
use super::record::print_record;
use super::{failed, no_log};
use crate::answer::{Answer, Screen};
use crate::exit::Exit;
use crate::text::count;

/// `wal salvage`
pub fn salvaged(
    dir: &Path,
    (into, payloads): (Option<&Path>, Payloads),
    screen: &mut Screen<'_>,
) -> io::Result<Exit> {
    if !has_log(dir) {
        return screen.show(&no_log(dir));
    }
    let found = match salvage(StdIo::shared(), dir) {
        Ok(found) => found,
        Err(error) => return screen.show(&failed(&error)),
    };
    match into {
        None => printed(found, payloads, screen),
        Some(into) => written(found, into, screen),
    }
}

fn has_log(dir: &Path) -> bool {
    segments(&StdIo, dir).is_ok_and(|files| !files.is_empty())
}

/// Whether what is no record is damage: what a log in use gave back while it was read is none.
fn is_damage(gap: &Salvaged<'_>) -> bool {
    !matches!(gap, Salvaged::Gap(Error::Recycled { .. }))
}

fn told(gap: &Salvaged<'_>) -> String {
    match gap {
        Salvaged::Gap(error) => error.to_string(),
        // Not passed over: a salvage that is silent about something is no salvage.
        other => format!("found what this kvctl does not know: {other:?}"),
    }
}

fn printed(mut found: Salvage, payloads: Payloads, screen: &mut Screen<'_>) -> io::Result<Exit> {
    let mut exit = Exit::Ok;
    while let Some(item) = found.next_item() {
        match &item {
            Salvaged::Record(record) => print_record(record, payloads, screen)?,
            gap => {
                if is_damage(gap) {
                    exit = Exit::Corrupt;
                }
                writeln!(screen.err, "gap: {}", told(gap))?;
            }
        }
    }
    screen.out.flush()?;
    Ok(exit)
}

/// Into a new log; it is synced as a whole, at the end.
fn written(mut found: Salvage, into: &Path, screen: &mut Screen<'_>) -> io::Result<Exit> {
    if StdIo.list(into).is_ok_and(|names| !names.is_empty()) {
        let note = format!(
            "error: {} is not empty\n  state: nothing was written\n  try:   name a new folder\n",
            into.display()
        );
        let fields = json!({ "verb": "wal salvage", "result": "not_empty" });
        return screen.show(&Answer::new(Exit::Usage, "", fields).with_note(note));
    }
    let (mut records, mut gaps, mut exit) = (0_u64, 0_u64, Exit::Ok);
    let outcome = copy(&mut found, into, |item| match item {
        Salvaged::Record(_) => records += 1,
        gap => {
            gaps += 1;
            if is_damage(gap) {
                exit = Exit::Corrupt;
            }
            // A note that cannot be written must not end the salvage.
            writeln!(screen.err, "gap: {}", told(gap)).unwrap_or_default();
        }
    });
    if let Err(error) = outcome {
        return screen.show(&failed(&error));
    }
    let text =
        format!("{} records written to {}, numbered anew; gaps: {gaps}\n", count(records), into.display());
    let fields = json!({
        "verb": "wal salvage",
        "into": into.display().to_string(),
        "records": records,
        "gaps": gaps,
    });
    screen.show(&Answer::new(exit, text, fields))
}

fn copy(found: &mut Salvage, into: &Path, mut count: impl FnMut(&Salvaged<'_>)) -> Result<(), Error> {
    let (wal, _) = Wal::open(
        &Options::new(into).sync(SyncPolicy::Os).record_bytes_max(STAGED_BYTES_MAX),
        StdIo::shared(),
    )?;
    while let Some(item) = found.next_item() {
        if let Salvaged::Record(record) = &item
            && let Err(Error::Full { .. }) = wal.stage(record.kind, &[record.payload])
        {
            wal.commit_to(wal.last_lsn())?;
            wal.stage(record.kind, &[record.payload])?;
        }
        count(&item);
    }
    wal.close()
}

/// `wal truncate`
pub fn truncated(dir: &Path, (at, consent): (Lsn, Option<Lsn>), screen: &mut Screen<'_>) -> io::Result<Exit> {
    if !has_log(dir) {
        return screen.show(&no_log(dir));
    }
    let planned = match plan(&StdIo, dir, at) {
        Ok(planned) => planned,
        Err(error) => return screen.show(&failed(&error)),
    };
    screen.err.write_all(intent(dir, &planned).as_bytes())?;
    let typed = match consent {
        Some(lsn) => Some(lsn),
        None if io::stdin().is_terminal() => typed(screen)?,
        None => return screen.show(&refused("standard input is no terminal: add --yes-i-typed LSN")),
    };
    if typed != Some(at) {
        return screen.show(&refused("that is not the LSN"));
    }
    match truncate(&StdIo, dir, at) {
        Ok(cut) => screen.show(&done(dir, &cut)),
        Err(error) => screen.show(&failed(&error)),
    }
}

fn typed(screen: &mut Screen<'_>) -> io::Result<Option<Lsn>> {
    write!(screen.err, "Type the LSN to go on: ")?;
    screen.err.flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim().parse().ok().map(Lsn::new))
}

fn intent(dir: &Path, cut: &Cut) -> String {
    let what = format!(
        "The log in {} will end after LSN {}. Every later record is lost to it, acknowledged or not.\n",
        dir.display(),
        cut.last_lsn
    );
    let (path, offset) = &cut.at;
    let stays = format!("  {} counts up to byte {offset}; its bytes stay\n", path.display());
    let goes =
        cut.aside.iter().map(|(from, to)| format!("  {} is put aside as {}\n", from.display(), to.display()));
    [what, stays].into_iter().chain(goes).collect()
}

fn refused(why: &str) -> Answer {
    let note = format!("error: not confirmed: {why}\n  state: nothing was changed\n");
    Answer::new(Exit::Usage, "", json!({ "verb": "wal truncate", "result": "not_confirmed" })).with_note(note)
}

fn done(dir: &Path, cut: &Cut) -> Answer {
    let aside: Vec<_> = cut.aside.iter().map(|(_, to)| to.display().to_string()).collect();
    let text = format!("ok  the log ends after LSN {}; put aside: {}\n", cut.last_lsn, aside.len());
    let fields = json!({
        "verb": "wal truncate",
        "dir": dir.display().to_string(),
        "result": "truncated",
        "last_lsn": cut.last_lsn.get(),
        "aside": aside,
    });
    Answer::new(Exit::Ok, text, fields)
}
