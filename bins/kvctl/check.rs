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
        Ok(mut history) => {
            promise(args, &mut history);
            told(&args.file, &history, &check(&history))
        }
        Err(error) => refused(&args.file, &error),
    }
}

fn opened(file: &Path) -> Result<History, HistoryError> {
    const BUFFER_BYTES: usize = 1 << 20;
    if file == Path::new("-") {
        return read(BufReader::new(io::stdin()), Limits::default());
    }
    let open = File::open(file).map_err(|source| HistoryError::Io { line: 1, source })?;
    read(BufReader::with_capacity(BUFFER_BYTES, open), Limits::default())
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

fn refused(file: &Path, error: &HistoryError) -> Answer {
    let file = file.display().to_string();
    let advice = match error {
        HistoryError::Io { .. } => "is it there, and may you read it?",
        HistoryError::NotAHistory(_) => {
            "`kvctl bench --history FILE` records one; docs/formats.md describes it"
        }
        HistoryError::VersionUnknown { .. } => "the kvctl of the version that recorded it",
        _ => "record it again; docs/formats.md says what a line must be",
    };
    let note = format!("error: {file}: {error}\n  state: nothing was judged\n  try:   {advice}\n");
    let fields = json!({ "verb": "check", "file": file, "result": "unreadable", "error": error.to_string() });
    Answer::new(Exit::Usage, "", fields).with_note(note)
}
