//! What happens in a run, as data made before it begins: the cluster, the faults, the clients.
//!
//! Invariants: nothing in a plan depends on what the run does; a step that is taken out changes no other step; a plan
//! in a file is all that is needed to run it again.

mod disks;
mod draw;
mod expect;
mod fault;
mod limits;
mod load;
mod looks;
mod names;
mod points;
mod traps;

use std::time::Duration;

use quorate_types::Level;
use serde::{Deserialize, Serialize};

use crate::cluster::ClusterSpec;
use crate::history::text;
pub use draw::Shape;
pub use expect::{Expect, Wanted};
pub use fault::{Fault, Return, Weather};
pub use limits::{RUN_MS_MAX, STEPS_MAX, VALUE_BYTES_MAX};
pub use load::{Grid, Load};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What it shows, in one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// Where the case is from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub origin: String,
    /// What is left to chance is drawn from this.
    pub seed: u64,
    /// How long clients ask and faults happen, virtual milliseconds.
    pub run_ms: u64,
    /// Levels to try in all combinations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<Grid>,
    /// The cluster.
    #[serde(default)]
    pub cluster: ClusterSpec,
    /// Keys that must lie on certain nodes.
    #[serde(default, rename = "key", skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<PlacedKey>,
    /// Requests that are left to chance.
    #[serde(default, rename = "load", skip_serializing_if = "Vec::is_empty")]
    pub loads: Vec<Load>,
    /// What happens, in order of time.
    #[serde(default, rename = "step")]
    pub steps: Vec<Step>,
}

/// A name that steps use for a key whose replicas are these, nearest on the ring first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacedKey {
    /// The name in the plan. The key itself is this, or this with a number behind it.
    pub name: String,
    /// The first of its replicas, by node number.
    pub replicas: Vec<usize>,
}

/// Something at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When, milliseconds after the cluster came up.
    pub at_ms: u64,
    /// What.
    #[serde(rename = "do")]
    pub act: Act,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// Something fails.
    Fault(Fault),
    /// A client asks.
    Ask(Ask),
    /// The request of this id is sent once more.
    Again(u64),
    /// Nothing goes on until this holds; all later steps are later by as much.
    Until {
        /// What.
        wanted: Wanted,
        /// It is a violation if it does not hold after so long.
        within_ms: u64,
    },
    /// This holds now, and at each moment of so long; all later steps are later by as much.
    Throughout {
        /// What.
        wanted: Wanted,
        /// How long.
        for_ms: u64,
    },
    /// A sentence for whoever looks on.
    Say(String),
}

/// A client's request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Which it is; no other has this id. The value that it writes is made from it.
    pub id: u64,
    /// Who asks.
    #[serde(default)]
    pub client: u64,
    /// The node that is asked.
    pub by: usize,
    /// Which keyspace.
    #[serde(default)]
    pub space: usize,
    /// The key.
    pub key: String,
    /// How many replicas must answer.
    #[serde(with = "text")]
    pub level: Level,
    /// How long the client waits.
    #[serde(default = "two_seconds")]
    pub time_left_ms: u32,
    /// What it asks.
    pub what: What,
    /// Through whom an indeterminate write is sent again, with its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_by: Option<usize>,
    /// How it must be answered; `None`: the checker's promises are enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
}

impl Ask {
    /// A request of the least that must be said; everything else as files leave it out.
    pub(crate) fn new(id: u64, by: usize, key: String, level: Level, what: What) -> Ask {
        let (client, space, time_left_ms) = (0, 0, two_seconds());
        Ask { id, client, by, space, key, level, time_left_ms, what, retry_by: None, expect: None }
    }
}

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum What {
    /// Set the value.
    Put {
        /// For how long; `None`: for good.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ttl_ms: Option<u64>,
        /// Bytes of the value, about.
        #[serde(default)]
        bytes: usize,
    },
    /// Delete it.
    Delete,
    /// Read it.
    Get,
    /// Read a page of what its partition holds, from the beginning.
    Page {
        /// Most entries.
        #[serde(default = "a_few")]
        limit: u32,
    },
    /// Ask what each replica holds of it.
    Explain,
}

/// Why a plan can't be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanInvalid {
    /// It is no TOML, or has words that no plan has.
    #[error("not a plan: {0}")]
    Syntax(String),
    /// It describes no cluster.
    #[error("no such cluster can be: {0}")]
    Cluster(String),
    /// A number is too large or too small.
    #[error("{what} = {is} is not within {least} to {most}")]
    Limit {
        /// Where it stands.
        what: String,
        /// What it is.
        is: i128,
        /// The least that it may be.
        least: i128,
        /// The most.
        most: i128,
    },
    /// A load can't be drawn.
    #[error("load {place}: {what}")]
    Load {
        /// Its place among the loads, from 1.
        place: usize,
        /// What is wrong.
        what: String,
    },
    /// A step names what is not there.
    #[error("step {place} (at {at_ms} ms): {what}")]
    Step {
        /// Its place among the steps, from 1.
        place: usize,
        /// Its time.
        at_ms: u64,
        /// What is wrong.
        what: String,
    },
}

impl Plan {
    /// The plan in a file's text.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Plan, PlanInvalid> {
        let plan: Plan = toml::from_str(text).map_err(|error| PlanInvalid::Syntax(error.to_string()))?;
        plan.check_limits()?;
        plan.check()?;
        Ok(plan)
    }

    /// The plan as a file's text.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("numbers, words and tables")
    }

    /// The faults, with their times.
    pub fn faults(&self) -> impl Iterator<Item = (u64, &Fault)> {
        self.steps.iter().filter_map(|step| match &step.act {
            Act::Fault(fault) => Some((step.at_ms, fault)),
            _ => None,
        })
    }

    /// No process dies, no disk fails and no hint grows old: hints alone bring everything everywhere.
    pub fn is_gentle(&self) -> bool {
        let tuning = &self.cluster.tuning;
        let outdates = |fault: &Fault| fault.clock_error_ms(self.run_ms) > tuning.hint_window_ms / 3;
        tuning.hint_bytes_per_target_max > 100_000
            && self.run_ms * 2 < tuning.hint_window_ms
            && !self.faults().any(|(_, fault)| fault.loses_memory() || outdates(fault))
    }

    /// No clock is wrong by more than may be followed.
    pub fn has_sane_clocks(&self) -> bool {
        let most = self.cluster.tuning.clock_skew_max_ms * 2 / 5;
        self.faults().all(|(_, fault)| fault.clock_error_ms(self.run_ms) <= most)
    }

    /// Whether somebody wrote it to show something: then nothing is asked but what it says.
    pub fn is_scenario(&self) -> bool {
        !self.about.is_empty()
    }

    /// How long clients ask and faults happen.
    pub fn run_time(&self) -> Duration {
        Duration::from_millis(self.run_ms)
    }
}

fn a_few() -> u32 {
    8
}

fn two_seconds() -> u32 {
    2_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_the_same_after_it_was_written_to_a_file_and_read() {
        for seed in 0..20 {
            let plan = Plan::draw(seed, Shape::default());
            assert_eq!(Plan::parse(&plan.to_toml()).unwrap(), plan, "seed {seed}");
        }
    }

    #[test]
    fn a_seed_gives_one_plan_and_the_kinds_of_fault_differ_between_seeds() {
        let kinds = |seed| -> std::collections::BTreeSet<&str> {
            Plan::draw(seed, Shape::default()).faults().map(|(_, fault)| fault.name()).collect()
        };
        assert_eq!(Plan::draw(7, Shape::default()), Plan::draw(7, Shape::default()));
        let all: std::collections::BTreeSet<_> = (0..40).map(kinds).collect();
        assert!(all.len() > 30, "swarm: {} different sets of kinds", all.len());
    }

    #[test]
    fn a_name_that_nothing_is_counted_under_is_refused_with_those_that_are_like_it() {
        let refused = |wanted: &str| {
            let step =
                format!("at_ms = 5\ndo = {{ until = {{ wanted = {{ {wanted} }}, within_ms = 0 }} }}\n");
            Plan::parse(&format!("seed = 1\nrun_ms = 100\n[[step]]\n{step}"))
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            refused("counter = { name = \"repair_writez\", most = 0 }").unwrap_err(),
            "step 1 (at 5 ms): no counter is called \"repair_writez\"; near it: repair_writes, repair_acks, repairs_blocking"
        );
        assert_eq!(
            refused("happened = { name = \"xyz\", least = 1 }").unwrap_err(),
            "step 1 (at 5 ms): no thing that happens is called \"xyz\"; `kvctl sim run` lists those that are not 0 \
             as \"happened\""
        );
        assert!(refused("counter = { name = \"messages of a former life\" }").is_ok());
        assert!(refused("happened = { name = \"torn tail cut\", least = 1 }").is_ok());
    }

    #[test]
    fn a_plan_with_a_node_that_is_not_there_is_refused_with_its_step() {
        let text =
            "seed = 1\nrun_ms = 100\n[[step]]\nat_ms = 5\ndo = { fault = { checkpoint = { node = 9 } } }\n";
        let error = Plan::parse(text).unwrap_err();
        assert_eq!(error.to_string(), "step 1 (at 5 ms): there is no node 9");
    }
}
