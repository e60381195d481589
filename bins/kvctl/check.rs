//! `check`: judges a recorded history.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use quorate_sim::check::{Report, Ruling, check};
use quorate_sim::history::{History, HistoryError, Limits, ReadRepairPolicy, read};
use serde_json::json;

use crate::answer::Answer;
use crate::cli::{Check, Repair};
use crate::exit::Exit;

/// The verdict on the history that `args` names.
pub fn run(args: &Check) -> Answer {
    match opened(&args.file) {
        Err(Unread::Open(error)) => refused(
            &args.file,
            &error.to_string(),
            "the file of a history that you may read, or - for standard input",
        ),
        Err(Unread::History(error)) => refused(&args.file, &error.to_string(), advice(&error)),
        Ok(mut history) => {
            promise(args, &mut history);
            told(&args.file, &history, &check(&history))
        }
    }
}

/// Why there is no history to judge.
enum Unread {
    Open(io::Error),
    History(HistoryError),
}

fn opened(file: &Path) -> Result<History, Unread> {
    const BUFFER_BYTES: usize = 1 << 20;
    if file == Path::new("-") {
        return read(BufReader::new(io::stdin()), Limits::default()).map_err(Unread::History);
    }
    let open = File::open(file).map_err(Unread::Open)?;
    if open.metadata().is_ok_and(|is| is.is_dir()) {
        return Err(Unread::Open(io::ErrorKind::IsADirectory.into()));
    }
    read(BufReader::with_capacity(BUFFER_BYTES, open), Limits::default()).map_err(Unread::History)
}

/// What `args` promise instead of the history.
fn promise(args: &Check, history: &mut History) {
    if args.initial_unknown {
        history.forget_initial();
    }
    for promise in history.promises_mut() {
        if let Some(repair) = args.read_repair {
            promise.read_repair = Some(match repair {
                Repair::Blocking => ReadRepairPolicy::Blocking,
                Repair::Background => ReadRepairPolicy::Background,
                Repair::Off => ReadRepairPolicy::Off,
            });
        }
        if !args.linearizable.is_empty() {
            promise.linearizable.clone_from(&args.linearizable);
        }
    }
}

fn told(file: &Path, history: &History, report: &Report) -> Answer {
    let (exit, verdict) = match report.ruling() {
        Ruling::Violated => (Exit::Violated, "VIOLATED: the history breaks a promise"),
        Ruling::Holds => (Exit::Ok, "ok: every promise that the history shows was kept"),
        Ruling::Undecided => {
            (Exit::Undecided, "undecided: no promise is broken, but not everything could be decided")
        }
        Ruling::NotJudged => (Exit::Undecided, "undecided: the history shows nothing that could be judged"),
    };
    let mut fields = json!({ "verb": "check", "file": file.display().to_string() });
    if let (Some(fields), Some(more)) = (fields.as_object_mut(), report.fields(history).as_object()) {
        fields.extend(more.clone());
    }
    let weakness = match report.weakness() {
        weak if !weak.is_empty() && matches!(report.ruling(), Ruling::Holds | Ruling::Undecided) => {
            format!("; {weak}")
        }
        // What was broken needs no doubt, and where nothing was judged that is the verdict.
        _ => String::new(),
    };
    Answer::new(exit, format!("{}\n{verdict}{weakness}\n", report.text(history)), fields)
}

fn advice(error: &HistoryError) -> &'static str {
    match error {
        HistoryError::Io { .. } => "again, or a copy on another disk",
        HistoryError::NotAHistory(_) => {
            "`kvctl bench --history FILE` records one; docs/formats.md describes it"
        }
        HistoryError::VersionUnknown { .. } => "the kvctl of the version that recorded it",
        _ => "record it again; docs/formats.md says what a line must be",
    }
}

fn refused(file: &Path, error: &str, advice: &str) -> Answer {
    let file = file.display().to_string();
    let note = format!("error: {file}: {error}\n  state: nothing was judged\n  try:   {advice}\n");
    let fields = json!({ "verb": "check", "file": file, "result": "unreadable", "error": error });
    Answer::new(Exit::Usage, "", fields).with_note(note)
}
