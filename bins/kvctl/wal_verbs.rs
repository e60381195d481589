//! `wal`: looks into a log on disk; takes no lock, changes nothing, but for `truncate`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_wal::inspect::{Frames, SegmentFile, SegmentState, Verdict, frames, records, segments, verify};
use quorate_wal::{Error, Io, Lsn, StdIo, TailState};
use serde_json::json;

pub mod args;
mod record;
mod repair;

use crate::answer::{Answer, Screen};
use crate::exit::Exit;
use crate::table::{Side, Table};
use crate::text::{bytes, count, time};
use args::{Payloads, Reading, WalDir, WalVerb};
use record::print_record;

/// Does what `verb` asks for.
pub fn run(verb: &WalVerb, screen: &mut Screen<'_>) -> io::Result<Exit> {
    match verb {
        WalVerb::Ls(dir) => screen.show(&listed(&log_dir(dir))),
        WalVerb::Verify(dir) => screen.show(&verified(&log_dir(dir))),
        WalVerb::Dump { dir, from, limit, reading } => {
            let dir = log_dir(dir);
            let pick = Pick { from: Lsn::new(*from), limit: *limit, payloads: payloads(reading, &dir) };
            dump(&dir, &pick, screen)
        }
        WalVerb::Salvage { dir, into, reading } => {
            let dir = log_dir(dir);
            repair::salvaged(&dir, (into.as_deref(), payloads(reading, &dir)), screen)
        }
        WalVerb::Truncate { dir, at, yes_i_typed } => {
            let consent = yes_i_typed.map(Lsn::new);
            repair::truncated(&log_dir(dir), (Lsn::new(*at), consent), screen)
        }
    }
}

/// The folder of the log: the one named, or the log of the node whose folder that is.
fn log_dir(named: &WalDir) -> PathBuf {
    let within = named.dir.join("wal");
    if within.is_dir() { within } else { named.dir.clone() }
}

/// Which records to print, and how.
struct Pick {
    from: Lsn,
    limit: u64,
    payloads: Payloads,
}

/// As asked for; else a node's if the log lies where a node keeps its own or a target's hints: beside, or two above, is
/// its manifest.
fn payloads(reading: &Reading, dir: &Path) -> Payloads {
    let is_of_a_node = || {
        let whole = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        whole.ancestors().skip(1).take(2).any(|folder| folder.join("MANIFEST").is_file())
    };
    let guess = || if is_of_a_node() { Payloads::Node } else { Payloads::Bytes };
    reading.payloads.unwrap_or_else(guess)
}

fn listed(dir: &Path) -> Answer {
    let files = match segments(&StdIo, dir) {
        Ok(files) if files.is_empty() => return no_log(dir),
        Ok(files) => files,
        Err(error) => return failed(&error),
    };
    let (l, r) = (Side::Left, Side::Right);
    let mut table =
        Table::new(&[("SEGMENT", r), ("STATE", l), ("FIRST LSN", r), ("SIZE", r), ("BEGUN", l), ("FILE", l)]);
    let mut rows = Vec::new();
    for file in &files {
        let name = file.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let (state, header) = state(file);
        table.row([
            file.index.to_string(),
            state.to_owned(),
            header.map_or_else(|| "-".to_owned(), |(first, _)| first.to_string()),
            bytes(file.bytes),
            header.map_or_else(|| "-".to_owned(), |(_, begun_ms)| time(begun_ms)),
            name.clone(),
        ]);
        rows.push(json!({
            "segment": file.index,
            "state": state,
            "first_lsn": header.map(|(first, _)| first),
            "begun": header.map(|(_, begun_ms)| time(begun_ms)),
            "file_bytes": file.bytes,
            "file": name,
        }));
    }
    let fields = json!({ "verb": "wal ls", "dir": dir.display().to_string(), "segments": rows });
    Answer::new(Exit::Ok, table.render(), fields).with_rows(rows)
}

/// The state's word; of a segment in use its first LSN and when it was begun.
fn state(file: &SegmentFile) -> (&'static str, Option<(u64, u64)>) {
    match &file.state {
        SegmentState::Begun(header) => ("begun", Some((header.first_lsn.get(), header.created_unix_ms))),
        SegmentState::Prepared => ("prepared", None),
        SegmentState::Headless => ("headless", None),
        SegmentState::Foreign => ("foreign", None),
        SegmentState::Spare => ("spare", None),
        SegmentState::Unfinished => ("unfinished", None),
        _ => ("unknown", None),
    }
}

fn verified(dir: &Path) -> Answer {
    match verify(&StdIo, dir) {
        Ok(Some(verdict)) => sound(dir, &verdict),
        Ok(None) => no_log(dir),
        Err(error) => failed(&error),
    }
}

fn sound(dir: &Path, verdict: &Verdict) -> Answer {
    let records: u64 = verdict.segments.iter().map(|segment| segment.records).sum();
    let frames: u64 = verdict.segments.iter().map(|segment| segment.frames).sum();
    let tail = match verdict.tail {
        TailState::Torn { offset } => {
            format!(
                "torn at byte {offset}: a write was cut short that nothing vouches for; its bytes are kept"
            )
        }
        TailState::Open => "open: the process that wrote it did not close it".to_owned(),
        TailState::Closed => "closed in good order".to_owned(),
        TailState::Created => "just made".to_owned(),
        other => format!("{other:?}: this kvctl has no words for it"),
    };
    let text = format!(
        "ok  {} records in {} frames, segments: {}, LSN {} to {}; proved durable up to {}; the end is {tail}\n",
        count(records),
        count(frames),
        verdict.segments.len(),
        verdict.oldest_lsn,
        verdict.last_lsn,
        verdict.witnessed_lsn,
    );
    let fields = json!({
        "verb": "wal verify",
        "dir": dir.display().to_string(),
        "result": "sound",
        "records": records,
        "frames": frames,
        "segments": verdict.segments.len(),
        "oldest_lsn": verdict.oldest_lsn.get(),
        "last_lsn": verdict.last_lsn.get(),
        "witnessed_lsn": verdict.witnessed_lsn.get(),
        "tail": tail,
    });
    Answer::new(Exit::Ok, text, fields)
}

fn no_log(dir: &Path) -> Answer {
    let note = format!(
        "error: no log in {}\n  try:   the folder of a node (data/n1) or of a log (data/n1/wal)\n",
        dir.display()
    );
    Answer::new(Exit::Usage, "", json!({ "verb": "wal", "result": "no_log" })).with_note(note)
}

fn failed(error: &Error) -> Answer {
    let (exit, result) = match error {
        Error::Corrupt(_) | Error::Missing { .. } | Error::Foreign { .. } => (Exit::Corrupt, "corrupt"),
        _ => (Exit::Usage, "unreadable"),
    };
    let mut fields = json!({ "verb": "wal", "result": result, "error": error.to_string() });
    if let Error::Corrupt(corruption) = error {
        fields["file"] = json!(corruption.path.display().to_string());
        fields["offset"] = json!(corruption.offset);
        fields["after_lsn"] = json!(corruption.after_lsn.get());
    }
    Answer::new(exit, "", fields).with_note(format!("error: {error}\n"))
}

/// Prints records as they are read.
fn dump(dir: &Path, pick: &Pick, screen: &mut Screen<'_>) -> io::Result<Exit> {
    let io: Arc<dyn Io> = StdIo::shared();
    let mut replay = match records(&io, dir, pick.from) {
        Ok(Some(replay)) => replay,
        Ok(None) => return screen.show(&no_log(dir)),
        // What can be read of a damaged log is shown all the same, then the damage.
        Err(error @ (Error::Corrupt(_) | Error::Missing { .. })) => {
            dump_intact(dir, pick, screen)?;
            return screen.show(&failed(&error));
        }
        Err(error) => return screen.show(&failed(&error)),
    };
    for _ in 0..pick.limit {
        match replay.next_record() {
            Ok(Some(record)) => print_record(&record, pick.payloads, screen)?,
            Ok(None) => break,
            Err(error) => return screen.show(&failed(&error)),
        }
    }
    screen.out.flush()?;
    Ok(Exit::Ok)
}

/// Prints the records of each segment up to its first frame that is not intact, or to where the next one says it ends.
fn dump_intact(dir: &Path, pick: &Pick, screen: &mut Screen<'_>) -> io::Result<()> {
    let mut left = pick.limit;
    let files = segments(&StdIo, dir).unwrap_or_default();
    for (place, file) in files.iter().enumerate() {
        let Ok(mut intact) = frames(&StdIo, dir, file.index) else { continue };
        let end = counted_end(&intact, files.get(place + 1));
        while let Ok(Some(frame)) = intact.next_frame() {
            if frame.offset >= end {
                break;
            }
            for record in frame.records().filter(|record| record.lsn >= pick.from) {
                if left == 0 {
                    return Ok(());
                }
                print_record(&record, pick.payloads, screen)?;
                left -= 1;
            }
        }
    }
    Ok(())
}

/// Where the frames of a segment end that count, by the word of the one after it.
fn counted_end(segment: &Frames, next: Option<&SegmentFile>) -> u64 {
    let this = segment.header();
    match next.map(|next| &next.state) {
        Some(SegmentState::Begun(next))
            if next.log_id == this.log_id
                && next.index == this.index + 1
                && next.previous.epoch == this.epoch =>
        {
            next.previous.end
        }
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_log_is_told_from_a_damaged_log() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(listed(dir.path()).exit, Exit::Usage);
        assert!(verified(dir.path()).note.starts_with("error: no log in "));
    }
}
