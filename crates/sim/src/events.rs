//! A run as JSON Lines, for whoever wants to play it: docs/formats.md, "Events of a simulation".

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::observe::{Observer, Passing, Sight};
use crate::plan::Plan;
use crate::run::Report;

/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;

/// Writes what it sees; the first error stops it, and is told at the end.
pub struct EventWriter<W> {
    to: W,
    failed: Option<io::Error>,
}

impl<W: Write> EventWriter<W> {
    /// Writes the first line.
    pub fn new(to: W, plan: &Plan) -> EventWriter<W> {
        let mut writer = EventWriter { to, failed: None };
        let nodes: Vec<Value> = (1..=plan.cluster.nodes)
            .map(|k| json!({ "number": k, "name": format!("n{k}"), "id": crate::cluster::node_id(k).to_string() }))
            .collect();
        let spaces: Vec<Value> =
            plan.cluster.keyspaces.iter().map(|space| json!({ "name": space.name, "n": space.n })).collect();
        writer.line(&json!({ "sim": {
            "version": FORMAT_VERSION, "seed": plan.seed, "about": plan.about, "run_ms": plan.run_ms,
            "nodes": nodes, "keyspaces": spaces,
        } }));
        writer
    }

    /// Writes the last line; the first error there was.
    ///
    /// # Errors
    /// What was not written.
    pub fn finish(mut self, report: &Report) -> io::Result<()> {
        let wrong: Vec<Value> = report
            .violations
            .iter()
            .map(
                |violation| json!({ "about": violation.about, "key": violation.key, "what": violation.what }),
            )
            .collect();
        let hash = format!("{:016x}", report.trace.hash());
        self.line(&json!({ "end": {
            "simulated_ns": report.simulated.as_nanos() as u64, "trace_hash": hash, "violations": wrong,
        } }));
        match self.failed {
            Some(error) => Err(error),
            None => self.to.flush(),
        }
    }

    fn line(&mut self, value: &Value) {
        if self.failed.is_none() {
            self.failed = writeln!(self.to, "{value}").err();
        }
    }
}

impl<W: Write> Observer for EventWriter<W> {
    fn see(&mut self, at_ns: u64, sight: Sight<'_>) {
        let value = match sight {
            Sight::Say(text) => json!({ "at_ns": at_ns, "say": text }),
            Sight::Fault(fault) => {
                json!({ "at_ns": at_ns, "fault": { "name": fault.name(), "plan": fault } })
            }
            Sight::Over(name, nodes) => json!({ "at_ns": at_ns, "over": { "name": name, "nodes": nodes } }),
            Sight::Event(event) => json!(event),
            Sight::Message(Passing { from, to, kind, bytes, arrived, .. }) => {
                json!({ "at_ns": at_ns, "message": {
                "from": from, "to": to, "kind": format!("{kind:?}"),
                "bytes": (!arrived).then_some(bytes), "arrived": arrived,
            } })
            }
            Sight::Met(wanted) => json!({ "at_ns": at_ns, "met": wanted.to_string() }),
            Sight::Wrong(what) => json!({ "at_ns": at_ns, "wrong": what }),
            // The trace is for people who look for a fault: `kvctl sim replay --trace`.
            Sight::Happening(_) => return,
        };
        self.line(&value);
    }
}
