//! `CLUSTER`: for those clients that look for it, if the configuration has it (`resp.cluster`).

use super::Connection;
use crate::cluster::{ClusterView, slot};
use crate::effects::{Effects, Question};
use crate::parse::Args;
use crate::pending::Telling;
use crate::table::Verb;

pub(super) const DISABLED: &str = "ERR This instance has cluster support disabled";

impl Connection {
    pub(super) fn cluster(&mut self, verb: Verb, args: &Args<'_>, effects: &mut Effects) {
        let Some(map) = &self.settings.cluster else { return self.error(DISABLED, effects) };
        let view = match verb {
            Verb::ClusterSlots => ClusterView::Slots,
            Verb::ClusterShards => ClusterView::Shards,
            Verb::ClusterNodes => ClusterView::Nodes,
            Verb::ClusterMyId => {
                let id = map.own_id();
                return self.reply(|w| w.bulk(id.as_bytes()));
            }
            Verb::ClusterKeySlot => return self.reply_number(u64::from(slot(args.at(2)))),
            _ => ClusterView::Summary,
        };
        self.ask_driver(Question::Down, Telling::Cluster(view), effects);
    }

    /// What of `CLUSTER` is about slots as places, which they are not here.
    #[cold]
    pub(super) fn cluster_refused(&mut self, args: &Args<'_>, effects: &mut Effects) {
        if self.settings.cluster.is_none() {
            return self.error(DISABLED, effects);
        }
        let name = args.text(1).to_uppercase();
        let why = "slots only spread clients over the nodes, by the configuration: no key is kept by its slot, and none \
                   moves. Use SCAN to go through keys, KV.EXPLAIN to see where one lives, and kvctl for the nodes";
        self.error(&format!("ERR CLUSTER {name} is not offered: {why}."), effects);
    }
}
