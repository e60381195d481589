//! Whether everything that a plan names is there: nodes, keyspaces, requests, counters, orders of replicas.

use std::collections::{BTreeMap, BTreeSet};

use quorate_types::Key;

use super::{Act, Ask, Expect, Load, PlacedKey, Plan, PlanInvalid, Step, Wanted, What};
use crate::cluster::ClusterSpec;

/// So many orders of replicas a ring of 4,096 partitions has for certain.
const ORDERS_MAX: usize = 250;

impl Plan {
    /// Whether it can be run.
    pub(crate) fn check(&self) -> Result<(), PlanInvalid> {
        self.cluster.check().map_err(PlanInvalid::Cluster)?;
        self.keys.iter().try_for_each(|key| key.check(&self.cluster)).map_err(PlanInvalid::Cluster)?;
        for (place, load) in (1..).zip(&self.loads) {
            load.check(self.cluster.nodes).map_err(|what| PlanInvalid::Load { place, what })?;
        }
        let mut asked = Asked { loads: !self.loads.is_empty(), ..Asked::default() };
        for (place, Step { at_ms, act }) in (1..).zip(&self.steps) {
            let wrong = |what| PlanInvalid::Step { place, at_ms: *at_ms, what };
            asked.check(act, &self.cluster).map_err(wrong)?;
        }
        Ok(())
    }

    /// The plan without what names a request that it does not ask.
    #[must_use]
    pub(crate) fn without_dangling(mut self) -> Plan {
        let mut asked = Asked { loads: !self.loads.is_empty(), ..Asked::default() };
        self.steps.retain_mut(|step| {
            if let Act::Ask(ask) = &mut step.act {
                ask.expect = ask.expect.filter(|expect| asked.knows(*expect));
            }
            let is_there = asked.named(&step.act).is_none();
            asked.take(&step.act);
            is_there
        });
        self
    }
}

/// The requests before a step.
#[derive(Default)]
struct Asked {
    /// By id, whether it is a put.
    ids: BTreeMap<u64, bool>,
    /// Others come from loads.
    loads: bool,
}

impl Asked {
    fn check(&mut self, act: &Act, cluster: &ClusterSpec) -> Result<(), String> {
        let nodes = match act {
            Act::Fault(fault) => fault.nodes(),
            Act::Ask(ask) => {
                self.check_ask(ask, cluster)?;
                ask.retry_by.into_iter().chain([ask.by]).collect()
            }
            Act::Until { wanted, .. } | Act::Throughout { wanted, .. } => {
                wanted.unknown_name().map_or(Ok(()), Err)?;
                wanted.nodes()
            }
            Act::Again(_) | Act::Say(_) => Vec::new(),
        };
        if let Some(what) = self.named(act) {
            return Err(what);
        }
        self.take(act);
        match nodes.iter().find(|node| !(1..=cluster.nodes).contains(*node)) {
            Some(node) => Err(format!("there is no node {node}")),
            None => Ok(()),
        }
    }

    fn check_ask(&self, ask: &Ask, cluster: &ClusterSpec) -> Result<(), String> {
        if ask.space >= cluster.keyspaces.len() {
            return Err(format!("there is no keyspace {}", ask.space));
        }
        if Key::new(ask.key.clone().into_bytes()).is_err() {
            return Err(format!("the key has {} bytes", ask.key.len()));
        }
        if self.ids.contains_key(&ask.id) {
            return Err(format!("the id {} is taken", ask.id));
        }
        match ask.expect {
            Some(expect) if !self.knows(expect) => {
                Err(format!("no put before it is expected to be seen: {expect}"))
            }
            _ => Ok(()),
        }
    }

    /// Whether what is expected to be seen is a put.
    fn knows(&self, expect: Expect) -> bool {
        let Expect::Sees(id) = expect else { return true };
        self.loads || self.ids.get(&id).is_some_and(|is_put| *is_put)
    }

    /// What it names that is not there.
    fn named(&self, act: &Act) -> Option<String> {
        match act {
            Act::Again(id) if !self.loads && !self.ids.contains_key(id) => {
                Some(format!("nothing before it asks #{id}"))
            }
            Act::Until { wanted: Wanted::Copies { of, .. }, .. }
            | Act::Throughout { wanted: Wanted::Copies { of, .. }, .. }
                if !self.knows(Expect::Sees(*of)) =>
            {
                Some(format!("nothing before it puts #{of}"))
            }
            _ => None,
        }
    }

    fn take(&mut self, act: &Act) {
        if let Act::Ask(ask) = act {
            self.ids.insert(ask.id, matches!(ask.what, What::Put { .. }));
        }
    }
}

impl Load {
    fn check(&self, nodes: usize) -> Result<(), String> {
        if self.to_ms < self.from_ms {
            return Err(format!("to_ms = {} is before from_ms = {}", self.to_ms, self.from_ms));
        }
        match self.by.iter().find(|node| !(1..=nodes).contains(*node)) {
            Some(node) => Err(format!("by: there is no node {node}")),
            None => Ok(()),
        }
    }
}

impl PlacedKey {
    fn check(&self, cluster: &ClusterSpec) -> Result<(), String> {
        let PlacedKey { name, replicas } = self;
        let n = cluster.keyspaces[0].n;
        let distinct: BTreeSet<_> = replicas.iter().collect();
        let are_nodes = replicas.iter().all(|node| (1..=cluster.nodes).contains(node));
        if distinct.len() < replicas.len() || replicas.len() > n || !are_nodes {
            return Err(format!("the key {name} can't have the replicas {replicas:?} with n = {n}"));
        }
        let orders: usize = (0..replicas.len()).map(|taken| cluster.nodes - taken).product();
        if orders > ORDERS_MAX {
            return Err(format!(
                "the key {name} has one of {orders} orders of replicas, and a ring is only certain to have each of \
                 {ORDERS_MAX}: name fewer of them, or fewer nodes"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(rest: &str) -> String {
        match Plan::parse(&format!("seed = 1\nrun_ms = 100\n{rest}")) {
            Ok(_) => "it is taken".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_request_that_is_never_asked_is_not_asked_again_nor_seen_nor_copied() {
        let step = |act: &str| refused(&format!("[[step]]\nat_ms = 5\ndo = {{ {act} }}\n"));
        assert_eq!(step("again = 99"), "step 1 (at 5 ms): nothing before it asks #99");
        assert_eq!(
            step("until = { wanted = { copies = { key = \"k\", of = 99, count = 0 } }, within_ms = 0 }"),
            "step 1 (at 5 ms): nothing before it puts #99"
        );
        let get = "id = 1, by = 1, key = \"k\", level = \"ONE\", what = \"get\"";
        assert_eq!(
            step(&format!("ask = {{ {get}, expect = {{ sees = 1 }} }}")),
            "step 1 (at 5 ms): no put before it is expected to be seen: the value of #1"
        );
    }

    #[test]
    fn a_load_that_ends_before_it_begins_or_asks_a_node_that_is_not_there_is_refused() {
        assert_eq!(refused("[[load]]\nfrom_ms = 9\nto_ms = 8\n"), "load 1: to_ms = 8 is before from_ms = 9");
        assert_eq!(refused("[[load]]\nby = [1, 9]\n"), "load 1: by: there is no node 9");
    }

    #[test]
    fn an_order_of_replicas_that_a_ring_may_not_have_is_refused() {
        let key = "[[key]]\nname = \"k\"\nreplicas = [1, 2, 3, 4]\n[cluster]\nnodes = 9\n";
        let is = refused(&format!("{key}keyspaces = [{{ n = 5 }}]\n"));
        assert!(is.contains("one of 3024 orders of replicas"), "{is}");
    }

    #[test]
    fn what_names_a_request_goes_with_it() {
        let ask = "ask = { id = 1, by = 1, key = \"k\", level = \"ONE\", what = { put = {} } }";
        let text = format!(
            "seed = 1\nrun_ms = 100\n[[step]]\nat_ms = 5\ndo = {{ {ask} }}\n\
             [[step]]\nat_ms = 6\ndo = {{ again = 1 }}\n"
        );
        let mut plan = Plan::parse(&text).unwrap();
        assert_eq!(plan.clone().without_dangling(), plan);
        plan.steps.remove(0);
        assert_eq!(plan.without_dangling().steps, []);
    }
}
