//! `wal`: looks into a log on disk; takes no lock, changes nothing, but for `truncate`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_store::log::{KIND_HINT, KIND_HINTS_DELIVERED, LogEntry, decode};
use quorate_wal::inspect::{SegmentFile, SegmentState, Verdict, frames, records, segments, verify};
use quorate_wal::{Error, Io, Lsn, Record, StdIo, TailState};
use serde_json::{Value, json};

mod repair;

use crate::answer::{Answer, Screen};
use crate::cli::{Format, WalDir, WalVerb};
use crate::exit::Exit;
use crate::table::{Side, Table};
use crate::text::{Names, bytes, count, json_bytes, quoted, time};

/// Does what `verb` asks for.
pub fn run(verb: &WalVerb, screen: &mut Screen<'_>) -> io::Result<Exit> {
    match verb {
        WalVerb::Ls(dir) => screen.show(&listed(&log_dir(dir))),
        WalVerb::Verify(dir) => screen.show(&verified(&log_dir(dir))),
        WalVerb::Dump { dir, from, limit } => dump(&log_dir(dir), (Lsn::new(*from), *limit), screen),
        WalVerb::Salvage { dir, into } => repair::salvaged(&log_dir(dir), into.as_deref(), screen),
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
        TailState::Torn { offset } => format!("torn at byte {offset}: a write that was never acknowledged"),
        TailState::Open => "open: the process that wrote it did not close it".to_owned(),
        TailState::Closed => "closed in good order".to_owned(),
        TailState::Created => "just made".to_owned(),
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
fn dump(dir: &Path, (from, limit): (Lsn, u64), screen: &mut Screen<'_>) -> io::Result<Exit> {
    let io: Arc<dyn Io> = StdIo::shared();
    let mut replay = match records(&io, dir, from) {
        Ok(Some(replay)) => replay,
        Ok(None) => return screen.show(&no_log(dir)),
        // What can be read of a damaged log is shown all the same, then the damage.
        Err(error @ (Error::Corrupt(_) | Error::Missing { .. })) => {
            dump_intact(dir, (from, limit), screen)?;
            return screen.show(&failed(&error));
        }
        Err(error) => return screen.show(&failed(&error)),
    };
    for _ in 0..limit {
        match replay.next_record() {
            Ok(Some(record)) => print_record(&record, screen)?,
            Ok(None) => break,
            Err(error) => return screen.show(&failed(&error)),
        }
    }
    screen.out.flush()?;
    Ok(Exit::Ok)
}

/// Prints the records of each segment up to its first frame that is not intact.
fn dump_intact(dir: &Path, (from, limit): (Lsn, u64), screen: &mut Screen<'_>) -> io::Result<()> {
    let mut left = limit;
    for file in segments(&StdIo, dir).unwrap_or_default() {
        let Ok(mut intact) = frames(&StdIo, dir, file.index) else { continue };
        while let Ok(Some(frame)) = intact.next_frame() {
            for record in frame.records().filter(|record| record.lsn >= from) {
                if left == 0 {
                    return Ok(());
                }
                print_record(&record, screen)?;
                left -= 1;
            }
        }
    }
    Ok(())
}

fn print_record(record: &Record<'_>, screen: &mut Screen<'_>) -> io::Result<()> {
    match screen.format {
        Format::Table => writeln!(screen.out, "{}", record_text(record)),
        Format::Json | Format::Ndjson => writeln!(screen.out, "{}", record_json(record)),
        Format::Raw => screen.out.write_all(record.payload),
    }
}

fn record_text(record: &Record<'_>) -> String {
    let names = Names::default();
    let what = match decode(record.kind, record.payload) {
        Ok(LogEntry::Mutation { keyspace, key, record }) => {
            let value = record.value.map_or_else(|| "deleted".to_owned(), |value| bytes(value.len() as u64));
            let expires =
                record.expiry.at_ms.map_or_else(String::new, |at_ms| format!("  expires {}", time(at_ms)));
            format!(
                "write  {}  {value}  {}  keyspace {keyspace}{expires}",
                quoted(key),
                names.version(record.version)
            )
        }
        Ok(LogEntry::ClockCeiling(ceiling)) => format!("clock  ceiling {}", time(ceiling.wall_ms())),
        Err(_) if record.kind == KIND_HINT => format!("hint  {} bytes", record.payload.len()),
        Err(_) if record.kind == KIND_HINTS_DELIVERED => "hints delivered".to_owned(),
        Err(why) => format!("kind {}  {} bytes, not readable: {why}", record.kind, record.payload.len()),
    };
    format!("{:>10}  {what}", record.lsn.to_string())
}

fn record_json(record: &Record<'_>) -> Value {
    let names = Names::default();
    let mut fields =
        json!({ "lsn": record.lsn.get(), "kind": record.kind, "payload_bytes": record.payload.len() });
    match decode(record.kind, record.payload) {
        Ok(LogEntry::Mutation { keyspace, key, record }) => {
            fields["entry"] = json!("write");
            fields["keyspace"] = json!(keyspace.to_string());
            fields["key"] = json_bytes(key);
            fields["version"] = names.version_json(record.version);
            fields["value"] = record.value.map_or(Value::Null, json_bytes);
            fields["expires_at"] = record.expiry.at_ms.map_or(Value::Null, |at_ms| json!(time(at_ms)));
        }
        Ok(LogEntry::ClockCeiling(ceiling)) => {
            fields["entry"] = json!("clock_ceiling");
            fields["ceiling_ms"] = json!(ceiling.wall_ms());
        }
        Err(_) if record.kind == KIND_HINT => fields["entry"] = json!("hint"),
        Err(_) if record.kind == KIND_HINTS_DELIVERED => fields["entry"] = json!("hints_delivered"),
        Err(why) => fields["unreadable"] = json!(why.to_string()),
    }
    fields
}

#[cfg(test)]
mod tests {
    use quorate_store::log::{KIND_MUTATION, encode_mutation};
    use quorate_types::{KeyspaceId, NodeId, Timestamp, Version};

    use super::*;

    #[test]
    fn a_record_is_shown_with_its_key_and_one_that_is_unknown_with_its_kind() {
        let version = Version::new(Timestamp::from_parts(1_795_160_463_112, 0), NodeId(1));
        let mut payload = Vec::new();
        let record = quorate_types::Record::put(version, "value", None);
        encode_mutation(&mut payload, KeyspaceId(7), b"k", &record);
        let record = Record { lsn: Lsn::new(12), kind: KIND_MUTATION, payload: &payload };
        assert_eq!(
            record_text(&record),
            "        12  write  \"k\"  5 B  2026-11-20T07:41:03.112Z/0 00000001  keyspace 00000007"
        );
        assert_eq!(record_json(&record)["value"], json!({ "utf8": "value" }));
        let unknown = Record { lsn: Lsn::new(1), kind: 99, payload: &[1, 2] };
        assert_eq!(
            record_text(&unknown),
            "         1  kind 99  2 bytes, not readable: kind 99 is unknown to this release"
        );
    }

    #[test]
    fn a_folder_without_a_log_is_told_from_a_damaged_log() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(listed(dir.path()).exit, Exit::Usage);
        assert!(verified(dir.path()).note.starts_with("error: no log in "));
    }
}
