//! How the cluster is, as this node sees it. Hashes and tokens are 64 bits wide and come as hexadecimal text: JSON's
//! numbers are not.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use quorate_types::Expiry;
use quorate_wire::{CopyView, Explanation, NodeStatus, RequestBody, ResponseBody, RingNode, RingView};
use serde_json::{Value, json};

use crate::door::{Asking, Door};
use crate::node::About;
use crate::outcome;
use crate::params::{self, Params};
use crate::problem::Problem;
use crate::reply;

/// `GET /api/v1/cluster`.
pub(crate) async fn cluster(State(door): State<Arc<Door>>, request: Request) -> Result<Response, Problem> {
    let ring = ring_of(&door, request.uri()).await?;
    let alive = ring.nodes.iter().filter(|node| node.alive).count();
    Ok(ok(&json!({
        "cluster": ring.cluster_name,
        "id": ring.cluster.to_string(),
        "seen_by": door.about().node,
        "ring_hash": hex(ring.ring_hash),
        "nodes": ring.nodes.len(),
        "alive": alive,
        "keyspaces": keyspaces_of(&ring),
    })))
}

/// `GET /api/v1/keyspaces`.
pub(crate) async fn keyspaces(State(door): State<Arc<Door>>, request: Request) -> Result<Response, Problem> {
    let ring = ring_of(&door, request.uri()).await?;
    Ok(ok(&json!({ "keyspaces": keyspaces_of(&ring) })))
}

/// `GET /api/v1/nodes`.
pub(crate) async fn nodes(State(door): State<Arc<Door>>, request: Request) -> Result<Response, Problem> {
    let ring = ring_of(&door, request.uri()).await?;
    let nodes: Vec<Value> = ring.nodes.iter().map(node).collect();
    Ok(ok(&json!({ "seen_by": door.about().node, "nodes": nodes })))
}

/// `GET /api/v1/ring`: the nodes with their vnodes.
pub(crate) async fn ring(State(door): State<Arc<Door>>, request: Request) -> Result<Response, Problem> {
    let ring = ring_of(&door, request.uri()).await?;
    let with_vnodes = |member: &RingNode| {
        let mut value = node(member);
        value["vnodes"] = member.vnodes.iter().map(|partition| partition.0).collect();
        value
    };
    let nodes: Vec<Value> = ring.nodes.iter().map(with_vnodes).collect();
    Ok(ok(&json!({ "ring_hash": hex(ring.ring_hash), "hash_seed": hex(ring.hash_seed), "nodes": nodes })))
}

/// `GET /api/v1/hints`: what this node keeps for others.
pub(crate) async fn hints(State(door): State<Arc<Door>>, request: Request) -> Result<Response, Problem> {
    let status = status_of(&door, request.uri()).await?;
    let hint = |hint: &quorate_wire::HintStatus| {
        json!({
            "target": door.about().name(hint.target),
            "durable": hint.durable,
            "bytes": hint.bytes,
            "oldest_wall_ms": hint.oldest_wall_ms,
        })
    };
    let hints: Vec<Value> = status.hints.iter().map(hint).collect();
    Ok(ok(&json!({ "node": status.name, "hints": hints })))
}

/// `GET /api/v1/explain?key=`: every replica's copy, side by side.
pub(crate) async fn explain(State(door): State<Arc<Door>>, request: Request) -> Result<Response, Problem> {
    let params = Params::parse(request.uri().query(), params::EXPLAIN)?;
    let key = params.key()?.ok_or_else(|| Problem::bad("key-missing", "name a key: ?key= or ?key64="))?;
    let body = RequestBody::Explain { keyspace: params.keyspace(door.about())?, key };
    match door.ask(body, asking(params.deadline_ms()?)).await?.body {
        ResponseBody::Explain(explanation) => Ok(ok(&explained(&explanation, door.about()))),
        other => Err(outcome::unfitting(other)),
    }
}

async fn ring_of(door: &Door, uri: &Uri) -> Result<RingView, Problem> {
    let params = Params::parse(uri.query(), params::VIEW)?;
    match door.ask(RequestBody::Ring, asking(params.deadline_ms()?)).await?.body {
        ResponseBody::Ring(ring) => Ok(*ring),
        other => Err(outcome::unfitting(other)),
    }
}

async fn status_of(door: &Door, uri: &Uri) -> Result<NodeStatus, Problem> {
    let params = Params::parse(uri.query(), params::VIEW)?;
    match door.ask(RequestBody::Status, asking(params.deadline_ms()?)).await?.body {
        ResponseBody::Status(status) => Ok(*status),
        other => Err(outcome::unfitting(other)),
    }
}

fn asking(deadline_ms: u32) -> Asking {
    Asking { deadline_ms, want_receipt: false }
}

fn ok(value: &Value) -> Response {
    reply::json(StatusCode::OK, value)
}

fn hex(number: u64) -> String {
    format!("{number:016x}")
}

fn node(member: &RingNode) -> Value {
    json!({
        "id": member.name,
        "number": member.node.to_string(),
        "addr": member.addr,
        "capacity": member.capacity.value(),
        "zone": member.zone,
        "alive": member.alive,
        "vnodes_count": member.vnodes.len(),
        "owned_partitions": member.owned_partitions,
    })
}

fn keyspaces_of(ring: &RingView) -> Vec<Value> {
    let keyspace = |keyspace: &quorate_wire::RingKeyspace| {
        json!({
            "name": keyspace.name,
            "n": keyspace.n,
            "read": keyspace.read.to_string(),
            "write": keyspace.write.to_string(),
        })
    };
    ring.keyspaces.iter().map(keyspace).collect()
}

fn explained(explanation: &Explanation, about: &About) -> Value {
    let replica = |view: &quorate_wire::ReplicaView| {
        json!({
            "node": about.name(view.node),
            "alive": view.alive,
            "elapsed_us": view.elapsed_us,
            "hints_here": view.hints_here,
            "copy": copy(&view.copy),
        })
    };
    json!({
        "token": hex(explanation.token.0),
        "partition": explanation.partition.0,
        "n": explanation.n,
        "winner": explanation.winner.map(|version| version.to_string()),
        "replicas": explanation.replicas.iter().map(replica).collect::<Vec<_>>(),
    })
}

fn copy(copy: &CopyView) -> Value {
    match copy {
        CopyView::Present { version, expiry: Expiry { at_ms, .. }, value_bytes } => json!({
            "state": "present",
            "version": version.to_string(),
            "expires_at_ms": at_ms,
            "value_bytes": value_bytes,
        }),
        CopyView::Tombstone { version } => json!({ "state": "tombstone", "version": version.to_string() }),
        CopyView::Absent => json!({ "state": "absent" }),
        CopyView::Refused(refusal) => json!({ "state": "refused", "reason": refusal.to_string() }),
        CopyView::Silent => json!({ "state": "silent" }),
    }
}
