//! Looking on: telling a scenario as it goes, writing its events, its history, its trace.

use std::collections::BTreeMap;
use std::fmt::Write as FmtWrite;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use quorate_sim::events::EventWriter;
use quorate_sim::history::{Ask, Event, Outcome, What, Writer};
use quorate_sim::observe::{Observer, Sight};
use quorate_sim::plan::Plan;
use quorate_sim::run::{Report, history_header};
use quorate_types::Mono;

use crate::answer::Answer;
use crate::exit::Exit;

/// Whoever wants to see a run.
pub struct Look<'a> {
    narrator: Option<Narrator<'a>>,
    events: Option<(&'a Path, EventWriter<BufWriter<File>>)>,
    history: Option<(&'a Path, io::Result<Writer<BufWriter<File>>>)>,
}

/// A file that is not whole.
#[derive(Debug)]
pub struct Unwritten {
    flag: &'static str,
    file: String,
    error: io::Error,
}

/// `answer`, and that these files are not whole; a run that ended well has then not done what it was asked for.
pub fn with_unwritten(mut answer: Answer, unwritten: &[Unwritten]) -> Answer {
    for Unwritten { flag, file, error } in unwritten {
        let state = "the run went to its end, the file is not whole";
        let advice = "another file: its disk must have room";
        let _ = FmtWrite::write_fmt(
            &mut answer.note,
            format_args!("error: {flag} {file}: {error}\n  state: {state}\n  try:   {advice}\n"),
        );
        if answer.exit == Exit::Ok {
            answer.exit = Exit::Usage;
        }
    }
    answer
}

impl<'a> Look<'a> {
    /// Tells `out`, if there is one.
    pub fn new(plan: &Plan, out: Option<&'a mut dyn Write>) -> Look<'a> {
        let narrator =
            out.map(|out| Narrator { out, asked: BTreeMap::new(), failed: None, about: plan.about.clone() });
        Look { narrator, events: None, history: None }
    }

    pub fn write_events(&mut self, (path, to): (&'a Path, BufWriter<File>), plan: &Plan) {
        self.events = Some((path, EventWriter::new(to, plan)));
    }

    pub fn write_history(&mut self, (path, to): (&'a Path, BufWriter<File>), plan: &Plan) {
        self.history = Some((path, Writer::new(to, &history_header(plan))));
    }

    /// Ends what is written: the files that are not whole.
    ///
    /// # Errors
    /// If the narration can't be told.
    pub fn finish(self, report: &Report) -> io::Result<Vec<Unwritten>> {
        let events = self.events.map(|(path, events)| ("--events", path, events.finish(report)));
        let history = self
            .history
            .map(|(path, history)| ("--history", path, history.and_then(|mut history| history.flush())));
        let unwritten = |(flag, path, ended): (&'static str, &Path, io::Result<()>)| {
            ended.err().map(|error| Unwritten { flag, file: path.display().to_string(), error })
        };
        match self.narrator.and_then(|narrator| narrator.failed) {
            Some(error) => Err(error),
            None => Ok(events.into_iter().chain(history).filter_map(unwritten).collect()),
        }
    }
}

impl Observer for Look<'_> {
    fn see(&mut self, at_ns: u64, sight: Sight<'_>) {
        if let Some(narrator) = &mut self.narrator {
            narrator.see(at_ns, sight);
        }
        if let Some((_, events)) = &mut self.events {
            events.see(at_ns, sight);
        }
        if let (Some((_, history)), Sight::Event(event)) = (&mut self.history, sight)
            && let Ok(writer) = history
            && let Err(error) = writer.write(event)
        {
            *history = Err(error);
        }
    }
}

/// Tells people what happens.
struct Narrator<'a> {
    out: &'a mut dyn Write,
    asked: BTreeMap<u64, String>,
    about: String,
    failed: Option<io::Error>,
}

/// Requests beyond this many are not told one by one.
const TOLD_MAX: usize = 40;

impl Narrator<'_> {
    fn line(&mut self, at_ns: u64, text: &str) {
        if !self.about.is_empty() {
            let about = std::mem::take(&mut self.about);
            self.write(&format!("{about}\n\n"));
        }
        self.write(&format!("{:>9.3} s  {text}\n", at_ns as f64 / 1e9));
    }

    fn write(&mut self, text: &str) {
        if self.failed.is_none() {
            self.failed = self.out.write_all(text.as_bytes()).err();
        }
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Invoke(invoke) if self.asked.len() < TOLD_MAX => {
                let by = invoke.coordinator.map_or_else(String::new, name_of);
                let what = match &invoke.ask {
                    Ask::Get { key } => format!("get {key}"),
                    Ask::Put { key, value, .. } => format!("put {key} {value}"),
                    Ask::Delete { key } => format!("delete {key}"),
                    Ask::Scan {} => "scan".to_owned(),
                };
                self.asked.insert(invoke.id, format!("{by}  {what} at {}", invoke.level));
            }
            Event::Complete(complete) => {
                if let Some(asked) = self.asked.get(&complete.id).cloned() {
                    self.line(complete.at_ns, &format!("{asked}: {}", answer(&complete.outcome)));
                }
            }
            Event::Node(event) => {
                let name = name_of(event.node);
                self.line(event.at_ns, &format!("{name}  {}", happened(event.what)));
            }
            _ => {}
        }
    }

    fn see(&mut self, at_ns: u64, sight: Sight<'_>) {
        match sight {
            Sight::Say(text) => {
                self.line(at_ns, "");
                self.write(&format!("  {text}\n\n"));
            }
            Sight::Fault(fault) => self.line(at_ns, &format!("fault: {}", fault.name())),
            Sight::Over(name, _) => self.line(at_ns, &format!("over: {name}")),
            Sight::Met(wanted) => self.line(at_ns, &format!("now: {wanted}")),
            Sight::Wrong(what) => self.line(at_ns, &format!("WRONG: {what}")),
            Sight::Event(event) => self.event(event),
            Sight::Peace => self.line(at_ns, "peace: nothing fails any more"),
            Sight::Ways { .. } | Sight::Message(_) | Sight::Happening(_) => {}
        }
    }
}

/// The name of a simulated node.
fn name_of(node: quorate_types::NodeId) -> String {
    let number = (1..=32).find(|k| quorate_sim::cluster::node_id(*k) == node);
    number.map_or_else(|| node.to_string(), |k| format!("n{k}"))
}

fn answer(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Written { acked, required, .. } => {
            format!("written, {acked} acknowledgements of {required} needed")
        }
        Outcome::Found(held) => held.value.as_ref().map_or_else(|| "found".to_owned(), ToString::to_string),
        Outcome::Unavailable { required, alive } => {
            format!("unavailable, nothing was sent: {alive} of {required} replicas are alive")
        }
        Outcome::Indeterminate { acked, required, .. } => {
            format!("not known: {acked} of {required} acknowledged in time; it may survive")
        }
        Outcome::TimedOut { answered, required } => format!("timed out: {answered} of {required} answered"),
        Outcome::Rejected { reason } => format!("rejected: {reason}"),
        other => other.kind().replace('_', " "),
    }
}

fn happened(what: What) -> &'static str {
    match what {
        What::Crash => "is killed",
        What::PowerCut => "loses power",
        What::Start => "is up again",
        What::Pause => "stands still",
        What::Resume => "goes on",
        What::DiskFailed => "has a failed disk: it takes no more writes",
        What::Wipe => "lost its disk",
        What::OldDisk => "has an older disk",
        What::ClockMoved => "has another time",
        What::Stop => "stops",
    }
}

/// Prints the trace.
pub struct PrintTrace<'a> {
    out: &'a mut dyn Write,
    failed: Option<io::Error>,
}

impl<'a> PrintTrace<'a> {
    pub fn new(out: &'a mut dyn Write) -> PrintTrace<'a> {
        PrintTrace { out, failed: None }
    }

    pub fn finish(self) -> io::Result<()> {
        self.failed.map_or(Ok(()), Err)
    }
}

impl Observer for PrintTrace<'_> {
    fn see(&mut self, at_ns: u64, sight: Sight<'_>) {
        if let Sight::Happening(happening) = sight
            && self.failed.is_none()
        {
            let begin = Mono(happening.at.0 - at_ns);
            self.failed = writeln!(self.out, "{}", happening.since(begin)).err();
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_sim::plan::Shape;
    use quorate_sim::run::run_observed;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_whose_files_have_no_room_goes_to_its_end_and_says_which_are_not_whole() {
        let plan = Plan::draw(1, Shape { run_ms: 50, nodes: None });
        let full = || BufWriter::new(File::options().write(true).open("/dev/full").unwrap());
        let mut look = Look::new(&plan, None);
        look.write_events((Path::new("e.jsonl"), full()), &plan);
        look.write_history((Path::new("h.jsonl"), full()), &plan);
        let report = run_observed(&plan, &mut look);
        assert!(report.is_well(), "{}", report.text);
        let answer = with_unwritten(Answer::new(Exit::Ok, "", json!({})), &look.finish(&report).unwrap());
        assert_eq!(answer.exit, Exit::Usage);
        for words in ["error: --events e.jsonl: No space left", "error: --history h.jsonl: No space left"] {
            assert!(answer.note.contains(words), "{}", answer.note);
        }
    }
}
