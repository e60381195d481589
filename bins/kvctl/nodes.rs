//! `nodes`, `ring` and `hints`: the cluster in tables.

use std::fmt::Write;

use quorate_client::ring_of;
use quorate_types::PARTITIONS;
use quorate_wire::{NodeStatus, RingView};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::cli::Ring;
use crate::exit::Exit;
use crate::overview::{NodeLine, Overview};
use crate::session::Session;
use crate::table::{Side, Table};
use crate::text::{Names, age, bytes, count, elapsed, time};

const DASH: &str = "-";

/// Each node.
pub async fn nodes(session: &Session) -> Answer {
    match Overview::gather(session, "nodes").await {
        Ok(overview) => nodes_told(&overview),
        Err(answer) => answer,
    }
}

fn nodes_told(overview: &Overview) -> Answer {
    let (l, r) = (Side::Left, Side::Right);
    let mut table = Table::new(&[
        ("S", l),
        ("NODE", l),
        ("ADDRESS", l),
        ("ZONE", l),
        ("CAPACITY", r),
        ("KEYS", r),
        ("BYTES", r),
        ("LOG", r),
        ("SYNC", r),
        ("RTT", r),
        ("HINTS", r),
        ("UP", r),
        ("SHARDS", r),
    ]);
    let lines = overview.lines();
    for line in &lines {
        table.row(node_row(line, overview));
    }
    let text = format!(
        "{}S = Up/Suspect/Down + Normal; HINTS wait for the node; RTT as its peers see it\n",
        table.render()
    );
    let rows: Vec<Value> = lines.iter().map(node_json).collect();
    let fields = json!({ "verb": "nodes", "cluster": overview.view.cluster_name, "nodes": rows });
    Answer::new(Exit::Ok, text, fields).with_rows(rows)
}

fn node_row(line: &NodeLine<'_>, overview: &Overview) -> Vec<String> {
    let told = |what: fn(&NodeStatus) -> String| line.status.map_or_else(|| DASH.to_owned(), what);
    let since = line.down.as_ref().map_or_else(|| DASH.to_owned(), |(ms, _)| format!("(down {})", age(*ms)));
    vec![
        line.standing.code().to_owned(),
        line.node.name.clone(),
        line.node.addr.clone(),
        line.node.zone.clone().unwrap_or_else(|| DASH.to_owned()),
        line.node.capacity.value().to_string(),
        told(|status| count(keys(status))),
        told(|status| bytes(status.keyspaces.iter().map(|keyspace| keyspace.bytes).sum())),
        told(|status| bytes(status.wal.bytes)),
        told(|status| elapsed(status.wal.sync_us.into())),
        rtt(line, overview).map_or_else(|| DASH.to_owned(), |us| elapsed(us.into())),
        count(line.hints),
        line.status.map_or(since, |status| age(status.uptime_ms)),
        told(|status| status.shards.to_string()),
    ]
}

fn keys(status: &NodeStatus) -> u64 {
    status.keyspaces.iter().map(|keyspace| keyspace.keys).sum()
}

/// The median round trip to the node, as its peers saw it last.
fn rtt(line: &NodeLine<'_>, overview: &Overview) -> Option<u32> {
    let peers = overview.statuses.iter().flatten().flat_map(|status| &status.peers);
    let about = peers.filter(|peer| peer.node == line.node.node && peer.alive && peer.rtt_us > 0);
    let mut rtts: Vec<u32> = about.map(|peer| peer.rtt_us).collect();
    rtts.sort_unstable();
    rtts.get(rtts.len() / 2).copied()
}

/// A node, for programs.
pub fn node_json(line: &NodeLine<'_>) -> Value {
    let mut fields = json!({
        "node": line.node.name,
        "addr": line.node.addr,
        "zone": line.node.zone,
        "capacity": line.node.capacity.value(),
        "state": line.standing.word(),
        "hints_for_it": line.hints,
    });
    if let Some((ms, why)) = &line.down {
        fields["down_us"] = json!(ms * 1000);
        fields["down_reason"] = json!(why);
    }
    if let Some(status) = line.status {
        fields["generation"] = json!(status.generation.0);
        fields["uptime_us"] = json!(status.uptime_ms * 1000);
        fields["shards"] = json!(status.shards);
        fields["ring"] = json!(format!("{:016x}", status.ring_hash));
        fields["keys"] = json!(keys(status));
        fields["tombstones"] =
            json!(status.keyspaces.iter().map(|keyspace| keyspace.tombstones).sum::<u64>());
        fields["bytes"] = json!(status.keyspaces.iter().map(|keyspace| keyspace.bytes).sum::<u64>());
        fields["wal"] = wal_json(status);
        let counters = status.counters.iter().map(|(name, value)| (name.clone(), json!(value)));
        fields["counters"] = Value::Object(counters.collect());
    }
    fields
}

fn wal_json(status: &NodeStatus) -> Value {
    let wal = &status.wal;
    json!({
        "sync": wal.sync,
        "inline_sync": wal.inline_sync,
        "appended_lsn": wal.appended_lsn,
        "durable_lsn": wal.durable_lsn,
        "replay_lsn": wal.replay_lsn,
        "checkpoint": wal.checkpoint,
        "segments": wal.segments,
        "log_bytes": wal.bytes,
        "sync_us": wal.sync_us,
        "syncs": wal.syncs,
        "synced_records": wal.synced_records,
        "failed": wal.failed,
    })
}

/// Who owns how much.
pub async fn ring(session: &Session, args: &Ring) -> Answer {
    if let Some(Err(answer)) = args.node.as_deref().map(|name| session.node(name)) {
        return answer;
    }
    match Overview::gather(session, "ring").await {
        Ok(overview) => ring_told(&overview.view, args),
        Err(answer) => answer,
    }
}

fn ring_told(view: &RingView, args: &Ring) -> Answer {
    let (l, r) = (Side::Left, Side::Right);
    let mut table = Table::new(&[
        ("NODE", l),
        ("ADDRESS", l),
        ("ZONE", l),
        ("CAPACITY", r),
        ("VNODES", r),
        ("OWNS FIRST", r),
        ("HOLDS", r),
        ("LOAD", r),
    ]);
    // The keyspace with the most replicas is what a node has to carry.
    let widest = view.keyspaces.iter().max_by_key(|keyspace| keyspace.n);
    let n = widest.map_or(1, |keyspace| usize::from(keyspace.n));
    let ownership = ring_of(view).map(|ring| ring.ownership(n)).unwrap_or_default();
    let mut nodes: Vec<_> =
        view.nodes.iter().filter(|node| args.node.as_ref().is_none_or(|name| *name == node.name)).collect();
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    let (mut rows, mut tokens) = (Vec::new(), String::new());
    for node in nodes {
        let owned = ownership.iter().find(|owned| owned.node == node.node);
        let percent = |part: u64| format!("{:.1}%", part as f64 * 100.0 / PARTITIONS as f64);
        let (primary, replica, load) =
            owned.map_or((0, 0, 0.0), |owned| (owned.primary as u64, owned.replica as u64, owned.load()));
        table.row([
            node.name.clone(),
            node.addr.clone(),
            node.zone.clone().unwrap_or_else(|| DASH.to_owned()),
            node.capacity.value().to_string(),
            node.vnodes.len().to_string(),
            percent(primary),
            percent(replica),
            format!("{load:.3}"),
        ]);
        rows.push(json!({
            "node": node.name,
            "addr": node.addr,
            "zone": node.zone,
            "capacity": node.capacity.value(),
            "vnodes": node.vnodes.iter().map(|at| at.0).collect::<Vec<_>>(),
            "primary_partitions": primary,
            "replica_partitions": replica,
            "load": load,
        }));
        if args.tokens {
            let at: Vec<String> = node.vnodes.iter().map(ToString::to_string).collect();
            let _ = writeln!(tokens, "{}: {}", node.name, at.join(" "));
        }
    }
    let text = format!(
        "{}n = {n}, {PARTITIONS} partitions, ring {:016x}; LOAD 1 = a fair share by capacity\n{tokens}",
        table.render(),
        view.ring_hash
    );
    let ring = format!("{:016x}", view.ring_hash);
    let fields = json!({ "verb": "ring", "cluster": view.cluster_name, "ring": ring, "n": n, "nodes": rows });
    Answer::new(Exit::Ok, text, fields).with_rows(rows)
}

/// What nodes hold for others.
pub async fn hints(session: &Session) -> Answer {
    match Overview::gather(session, "hints").await {
        Ok(overview) => hints_told(&overview),
        Err(answer) => answer,
    }
}

fn hints_told(overview: &Overview) -> Answer {
    let (l, r) = (Side::Left, Side::Right);
    let mut table = Table::new(&[("HOLDER", l), ("FOR", l), ("DURABLE", r), ("BYTES", r), ("OLDEST", l)]);
    let names = Names::of(&overview.view);
    let mut rows = Vec::new();
    for line in overview.lines() {
        for hint in line.status.iter().flat_map(|status| &status.hints).filter(|hint| hint.durable > 0) {
            let oldest = hint.oldest_wall_ms.map(time);
            table.row([
                line.node.name.clone(),
                names.name(hint.target),
                count(hint.durable),
                bytes(hint.bytes),
                oldest.clone().unwrap_or_else(|| DASH.to_owned()),
            ]);
            rows.push(json!({
                "holder": line.node.name,
                "target": names.name(hint.target),
                "durable": hint.durable,
                "hint_bytes": hint.bytes,
                "oldest": oldest,
            }));
        }
    }
    let silent: Vec<String> = overview
        .lines()
        .iter()
        .filter(|line| line.status.is_none())
        .map(|line| line.node.name.clone())
        .collect();
    let note = if silent.is_empty() {
        String::new()
    } else {
        format!("kvctl: no answer from {}; hints they hold are not shown\n", silent.join(", "))
    };
    let text = if table.is_empty() { "no hints are waiting\n".to_owned() } else { table.render() };
    let fields = json!({ "verb": "hints", "hints": rows, "silent": silent });
    Answer::new(Exit::Ok, text, fields).with_rows(rows).with_note(note)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overview::tests::overview;

    #[test]
    fn nodes_are_listed_with_what_is_known_of_those_that_are_down() {
        let answer = nodes_told(&overview(&[3]));
        let lines: Vec<&str> = answer.text.lines().collect();
        assert_eq!(
            lines[0],
            "S   NODE  ADDRESS         ZONE  CAPACITY   KEYS      BYTES     LOG  SYNC    RTT  HINTS          UP  SHARDS"
        );
        assert_eq!(
            lines[1],
            "UN  n1    127.0.0.1:7381  -            1  1,200  146.5 KiB  1000 B  90us  210us      0      4m 10s       2"
        );
        assert_eq!(
            lines[3],
            "DN  n3    127.0.0.1:7401  -            1      -          -       -     -      -  1,200  (down 38s)       -"
        );
        assert_eq!(answer.json["nodes"][0]["counters"]["hints_taken"], json!(400));
    }

    #[test]
    fn hints_are_listed_by_holder_and_silence_is_told() {
        let answer = hints_told(&overview(&[3]));
        assert_eq!(
            answer.text,
            "HOLDER  FOR  DURABLE     BYTES  OLDEST\n\
             n1      n3       400  58.6 KiB  -\n\
             n2      n3       400  58.6 KiB  -\n\
             n4      n3       400  58.6 KiB  -\n"
        );
        assert_eq!(answer.note, "kvctl: no answer from n3; hints they hold are not shown\n");
        assert_eq!(hints_told(&overview(&[])).text, "no hints are waiting\n");
    }

    #[test]
    fn the_ring_shows_shares_and_on_request_every_vnode() {
        let args = Ring { node: Some("n2".into()), tokens: true };
        let answer = ring_told(&overview(&[]).view, &args);
        assert_eq!(answer.json["nodes"].as_array().unwrap().len(), 1);
        let row = &answer.json["nodes"][0];
        let replica = row["replica_partitions"].as_u64().unwrap();
        assert!((2_900..=3_250).contains(&replica), "{replica}");
        assert!(answer.text.contains("\nn2: "), "{}", answer.text);
    }
}
