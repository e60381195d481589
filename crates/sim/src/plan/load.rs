//! Requests that a scenario leaves to chance: how many, on how many keys, at which levels.

use quorate_types::Level;
use serde::{Deserialize, Serialize};

use super::{Act, Ask, Plan, Step, What};
use crate::history::text;
use crate::random::Streams;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Load {
    /// From when.
    pub from_ms: u64,
    /// To when.
    pub to_ms: u64,
    /// Requests in a second.
    pub per_second: u64,
    /// Keys, `key-0` and so on.
    pub keys: u64,
    /// Of a hundred requests, the writes.
    pub writes_percent: u64,
    /// Of a hundred writes, the deletions.
    pub deletes_percent: u64,
    /// Bytes of the values, about.
    pub bytes: usize,
    /// The level of reads.
    #[serde(with = "text")]
    pub read: Level,
    /// The level of writes.
    #[serde(with = "text")]
    pub write: Level,
    /// The nodes that are asked; none: all.
    pub by: Vec<usize>,
}

impl Default for Load {
    /// From the beginning on, 50 a second, half of them writes, eight keys, QUORUM.
    fn default() -> Load {
        Load {
            from_ms: 0,
            to_ms: 5_000,
            per_second: 50,
            keys: 8,
            writes_percent: 50,
            deletes_percent: 0,
            bytes: 0,
            read: Level::Quorum,
            write: Level::Quorum,
            by: Vec::new(),
        }
    }
}

/// Levels that are tried in all combinations, a run each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Levels of reads.
    #[serde(with = "text::list")]
    pub read: Vec<Level>,
    /// Levels of writes.
    #[serde(with = "text::list")]
    pub write: Vec<Level>,
}

/// Clients that ask.
const CLIENTS: u64 = 8;
/// Ids of requests that loads ask begin here.
const FIRST_ID: u64 = 1_000_000;

impl Plan {
    /// The plan with its loads as single steps.
    #[must_use]
    pub fn with_loads_drawn(&self) -> Plan {
        let mut plan = self.clone();
        for (which, load) in std::mem::take(&mut plan.loads).into_iter().enumerate() {
            plan.draw_load(which as u64, &load);
        }
        // Stable: what a scenario lists in an order stays in it.
        plan.steps.sort_by_key(|step| step.at_ms);
        plan
    }

    fn draw_load(&mut self, which: u64, load: &Load) {
        let mut draw = Streams::new(self.seed).stream("plan: load", &[which]);
        let span = load.to_ms.saturating_sub(load.from_ms).max(1);
        let by: Vec<usize> =
            if load.by.is_empty() { (1..=self.cluster.nodes).collect() } else { load.by.clone() };
        for i in 0..load.asks() {
            let writes = draw.below(100) < load.writes_percent;
            let what = match writes {
                true if draw.below(100) < load.deletes_percent => What::Delete,
                true => What::Put { ttl_ms: None, bytes: load.bytes },
                false => What::Get,
            };
            let client = draw.below(CLIENTS);
            let (id, by) = (FIRST_ID * (which + 1) + i, by[draw.below(by.len() as u64) as usize]);
            let key = format!("key-{}", draw.below(load.keys.max(1)));
            let level = if writes { load.write } else { load.read };
            let ask = Ask { client, ..Ask::new(id, by, key, level, what) };
            self.steps.push(Step { at_ms: load.from_ms + draw.below(span), act: Act::Ask(ask) });
        }
    }

    /// The runs that the plan stands for: one for each pair of levels of its grid, or itself. Each with its name.
    pub fn variants(&self) -> Vec<(String, Plan)> {
        let Some(Grid { read, write }) = &self.grid else { return vec![(String::new(), self.clone())] };
        let pairs = read.iter().flat_map(|read| write.iter().map(move |write| (*read, *write)));
        pairs.map(|(read, write)| (format!("R {read}, W {write}"), self.at_levels(read, write))).collect()
    }

    fn at_levels(&self, read: Level, write: Level) -> Plan {
        let mut plan = Plan { grid: None, ..self.clone() };
        plan.loads.iter_mut().for_each(|load| (load.read, load.write) = (read, write));
        plan
    }
}
