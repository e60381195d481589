//! A run as JSON Lines, for whoever wants to play it: docs/formats.md, "Events of a simulation".

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::observe::{Observer, Passing, Sight};
use crate::plan::Plan;
use crate::run::Report;

/// The version of the format.
pub const FORMAT_VERSION: u32 = 2;

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
            Sight::Ways { ways, cut } => json!({ "at_ns": at_ns, "ways": { "cut": cut, "ways": ways } }),
            Sight::Peace => json!({ "at_ns": at_ns, "peace": true }),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::run_observed;

    /// The lines of a run with these faults, that say something of faults: their one field beside the time.
    fn told(faults: &str) -> Vec<String> {
        let plan = Plan::parse(&format!("seed = 1\nrun_ms = 1000\n{faults}")).unwrap();
        let mut bytes = Vec::new();
        let mut writer = EventWriter::new(&mut bytes, &plan);
        let report = run_observed(&plan, &mut writer);
        assert!(report.is_well(), "{}", report.text);
        writer.finish(&report).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let of_faults = lines.filter_map(|line| {
            let ms = line.get("at_ns")?.as_u64()? / 1_000_000;
            let fields = line.as_object()?;
            let (name, value) =
                fields.iter().find(|(name, _)| ["over", "ways", "peace"].contains(&name.as_str()))?;
            Some(format!("{ms} {name} {value}"))
        });
        of_faults.collect()
    }

    #[test]
    fn whatever_lasts_has_an_end_and_peace_a_beginning() {
        let faults = [
            "{ cut = { ways = { one_way = { from = 1, to = 2 } }, ms = 100 } }",
            "{ clog = { from = 2, to = 3, ms = 200 } }",
            "{ full = { node = 1, room_bytes = 10000000, ms = 300 } }",
            "{ stall = { node = 2, ms = 400 } }",
            "{ short_writes = { node = 3, one_in = 9, ms = 500 } }",
            "{ pause = { node = 4, ms = 600 } }",
            "{ clog = { from = 1, to = 4, ms = 60000 } }",
        ];
        let steps =
            faults.map(|fault| format!("[[step]]\nat_ms = 10\ndo = {{ fault = {fault} }}\n")).concat();
        assert_eq!(
            told(&steps),
            [
                r#"10 ways {"cut":true,"ways":[[1,2]]}"#,
                r#"110 ways {"cut":false,"ways":[[1,2]]}"#,
                r#"110 over {"name":"cut one way","nodes":[1,2]}"#,
                r#"210 over {"name":"clogged","nodes":[2,3]}"#,
                r#"310 over {"name":"disk full","nodes":[1]}"#,
                r#"410 over {"name":"disk stalled","nodes":[2]}"#,
                r#"510 over {"name":"short writes","nodes":[3]}"#,
                r#"610 over {"name":"paused","nodes":[4]}"#,
                "1000 peace true",
            ]
        );
    }

    #[test]
    fn a_cut_that_flaps_says_each_time_which_ways_are_cut_and_which_healed() {
        let flap = "{ cut = { ways = { one_way = { from = 1, to = 2 } }, ms = 250, flap_ms = 100 } }";
        let (cut, healed) = (r#"ways {"cut":true,"ways":[[1,2]]}"#, r#"ways {"cut":false,"ways":[[1,2]]}"#);
        let lines = told(&format!("[[step]]\nat_ms = 0\ndo = {{ fault = {flap} }}\n"));
        let over = r#"over {"name":"flapping cut","nodes":[1,2]}"#;
        let all = [(0, cut), (100, healed), (200, cut), (300, healed), (300, over), (1000, "peace true")];
        assert_eq!(lines, all.map(|(ms, what)| format!("{ms} {what}")));
    }
}
