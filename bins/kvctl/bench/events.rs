//! What happens to nodes while a history is recorded, told by whoever makes it happen: a line each, `NODE WHAT`.
//!
//! The end of the input ends the run, so that faults and load end together however long the faults take.

use std::io::BufRead;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use quorate_sim::history::What;
use tokio::sync::Notify;

use crate::bench::record::Recorder;

/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Events(Arc<Inner>);

#[derive(Default)]
struct Inner {
    over: AtomicBool,
    told: Notify,
    /// The line that meant nothing.
    wrong: Mutex<Option<String>>,
}

impl Events {
    /// Records all of `input` from now on, in a thread of its own.
    pub fn read(recorder: &Arc<Recorder>, input: impl BufRead + Send + 'static) -> Events {
        let events = Events::default();
        let (reader, recorder) = (events.clone(), Arc::clone(recorder));
        thread::spawn(move || {
            let wrong = record_all(&recorder, input).err();
            *reader.wrong_line() = wrong;
            reader.0.over.store(true, Ordering::Release);
            reader.0.told.notify_waiters();
        });
        events
    }

    /// Returns when the input has ended, or had a line that means nothing.
    pub async fn over(&self) {
        loop {
            let told = self.0.told.notified();
            if self.0.over.load(Ordering::Acquire) {
                return;
            }
            told.await;
        }
    }

    /// What was wrong with the input, if that is why it is over.
    pub fn wrong(&self) -> Option<String> {
        self.wrong_line().clone()
    }

    fn wrong_line(&self) -> MutexGuard<'_, Option<String>> {
        self.0.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn record_all(recorder: &Recorder, input: impl BufRead) -> Result<(), String> {
    for (number, line) in (1..).zip(input.lines()) {
        let line = line.map_err(|error| format!("line {number}: {error}"))?;
        if !line.trim().is_empty() {
            let wrong = |why: String| format!("line {number}, {line:?}: {why}");
            let (node, what) = parse(&line).map_err(wrong)?;
            recorder.node(node, what).map_err(|why| format!("line {number}, {line:?}: {why}"))?;
        }
    }
    Ok(())
}

fn parse(line: &str) -> Result<(&str, What), String> {
    let (node, what) = line.trim().split_once(' ').ok_or("it is not `NODE WHAT`")?;
    let parsed = serde_json::from_value(what.trim().into());
    let what = parsed.map_err(|_| format!("nothing called {:?} happens to nodes", what.trim()))?;
    Ok((node, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_a_node_and_what_happened_to_it() {
        assert_eq!(parse("n2 crash"), Ok(("n2", What::Crash)));
        assert_eq!(parse(" n2  power_cut "), Ok(("n2", What::PowerCut)));
        assert_eq!(parse("n2"), Err("it is not `NODE WHAT`".to_owned()));
        assert_eq!(parse("n2 sneezed"), Err("nothing called \"sneezed\" happens to nodes".to_owned()));
    }
}
