//! The views, on a cluster with one node down and hints waiting for it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::cluster::{Cluster, poll};
use super::http::send;

const KEYS: u64 = 20;

/// The parts of the cluster that the views name.
struct Scene {
    cluster: Cluster,
}

impl Scene {
    /// n2 is down, known to be, and misses [`KEYS`] writes.
    fn begin() -> Scene {
        let mut cluster = Cluster::start(3, "[server]\nshards = 2\n");
        cluster.wait_for_links();
        cluster.kill("n2");
        let scene = Scene { cluster };
        poll("n2 is missed", || scene.get("n1", "/cluster")["alive"] == 2);
        for k in 0..KEYS {
            let put = format!("PUT /api/v1/store/key:{k}");
            assert_eq!(send(scene.cluster.http_addr("n1"), &put, "v").0, 201);
        }
        poll("all hints are kept", || scene.get("n1", "/hints")["hints"][0]["durable"] == KEYS);
        scene
    }

    fn get(&self, node: &str, view: &str) -> Value {
        let (status, body) = send(self.cluster.http_addr(node), &format!("GET /api/v1{view}"), "");
        assert_eq!(status, 200, "{view}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}

/// The names of a document's members.
fn members(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

#[test]
fn the_views_show_who_is_down_and_what_is_kept_for_it() {
    let mut scene = Scene::begin();
    cluster_and_keyspaces(&scene);
    nodes_and_ring(&scene);
    hints(&scene);
    explain(&scene);

    scene.cluster.restart("n2");
    poll("n2 is back and has what it missed", || {
        scene.get("n1", "/cluster")["alive"] == 3
            && list(&scene.get("n1", "/hints")["hints"]).iter().all(|hint| hint["durable"] == 0)
    });
    let found = scene.get("n2", "/explain?key=key:1");
    assert!(list(&found["replicas"]).iter().all(|replica| replica["copy"]["state"] == "present"), "{found}");
}

fn cluster_and_keyspaces(scene: &Scene) {
    let (n1, n3) = (scene.get("n1", "/cluster"), scene.get("n3", "/cluster"));
    let keyspaces = json!([{ "name": "default", "n": 3, "read": "QUORUM", "write": "QUORUM" }]);
    let expected = json!({
        "cluster": "in-process",
        "id": n3["id"],
        "seen_by": "n1",
        "ring_hash": n3["ring_hash"],
        "nodes": 3,
        "alive": 2,
        "keyspaces": keyspaces,
    });
    assert_eq!(n1, expected);
    let hash = n1["ring_hash"].as_str().unwrap();
    assert!(hash.len() == 16 && u64::from_str_radix(hash, 16).is_ok_and(|hash| hash != 0), "{hash}");
    assert_eq!(scene.get("n1", "/keyspaces"), json!({ "keyspaces": keyspaces }));
}

fn nodes_and_ring(scene: &Scene) {
    let (nodes, ring) = (scene.get("n1", "/nodes"), scene.get("n1", "/ring"));
    assert_eq!(nodes["seen_by"], "n1");
    assert_eq!(members(&ring), ["hash_seed", "nodes", "ring_hash"]);
    assert_eq!(ring["ring_hash"], scene.get("n1", "/cluster")["ring_hash"]);
    let (nodes, ring) = (list(&nodes["nodes"]), list(&ring["nodes"]));
    let mut names: Vec<&str> = nodes.iter().map(|node| node["id"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["n1", "n2", "n3"]);
    let mut owned = 0;
    let mut vnodes = BTreeSet::new();
    for (node, in_ring) in nodes.iter().zip(ring) {
        let name = node["id"].as_str().unwrap();
        assert_eq!(node["addr"], scene.cluster.addr(name));
        assert_eq!((&node["alive"], &node["zone"]), (&json!(name != "n2"), &Value::Null), "{name}");
        assert_eq!(node["capacity"], 1.0);
        owned += node["owned_partitions"].as_u64().unwrap();
        let mut with_vnodes = node.clone();
        with_vnodes["vnodes"] = in_ring["vnodes"].clone();
        assert_eq!(in_ring, &with_vnodes, "the ring says the same, and the vnodes");
        let here: Vec<u64> = list(&in_ring["vnodes"]).iter().map(|at| at.as_u64().unwrap()).collect();
        assert_eq!(node["vnodes_count"], here.len());
        assert!(!here.is_empty() && here.iter().all(|at| *at < 4_096 && vnodes.insert(*at)), "{name}");
    }
    assert_eq!(owned, 4_096);
}

fn hints(scene: &Scene) {
    let view = scene.get("n1", "/hints");
    let hint = &view["hints"][0];
    assert_eq!(view["node"], "n1");
    assert_eq!(list(&view["hints"]).len(), 1, "{view}");
    assert_eq!(members(hint), ["bytes", "durable", "oldest_wall_ms", "target"]);
    assert_eq!((&hint["target"], &hint["durable"]), (&json!("n2"), &json!(KEYS)));
    assert!(hint["bytes"].as_u64().unwrap() > KEYS, "{hint}");
    let oldest = hint["oldest_wall_ms"].as_u64().unwrap();
    let now = crate::clock::wall_ms();
    assert!(oldest <= now && now - oldest < 60_000, "{oldest} is no moment ago, it is {now}");
    assert_eq!(scene.get("n3", "/hints"), json!({ "node": "n3", "hints": [] }));
}

fn explain(scene: &Scene) {
    let view = scene.get("n1", "/explain?key=key:1");
    assert_eq!(members(&view), ["n", "partition", "replicas", "token", "winner"]);
    let token = u64::from_str_radix(view["token"].as_str().unwrap(), 16).unwrap();
    assert_eq!((&view["n"], view["partition"].as_u64().unwrap()), (&json!(3), token >> 52));
    let replicas = list(&view["replicas"]);
    assert_eq!(replicas.len(), 3);
    for replica in replicas {
        let name = replica["node"].as_str().unwrap();
        assert_eq!(members(replica), ["alive", "copy", "elapsed_us", "hints_here", "node"]);
        assert_eq!(replica["alive"], name != "n2", "{replica}");
        assert_eq!(replica["hints_here"], if name == "n2" { KEYS } else { 0 }, "{replica}");
        let copy = if name == "n2" {
            json!({ "state": "silent" })
        } else {
            let version = &view["winner"];
            json!({ "state": "present", "version": version, "expires_at_ms": null, "value_bytes": 1 })
        };
        assert_eq!(replica["copy"], copy, "{name}");
    }
    let nothing = scene.get("n3", "/explain?key=nobody");
    assert_eq!(nothing["winner"], Value::Null);
}
