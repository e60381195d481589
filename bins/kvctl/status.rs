//! `status`: one screen, a verdict first.

use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::time::Duration;

use quorate_types::PARTITIONS;
use serde_json::{Value, json};

use crate::answer::{Answer, Screen};
use crate::cli::{Format, Status};
use crate::exit::Exit;
use crate::overview::{Overview, Standing, Verdict};
use crate::session::Session;
use crate::text::{age, count};

/// Time between two looks.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// Clears a terminal and goes to its first line.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Shows how the cluster is, once or until interrupted.
pub async fn status(session: &Session, args: &Status, screen: &mut Screen<'_>) -> io::Result<Exit> {
    loop {
        let answer = match Overview::gather(session, "status").await {
            Ok(overview) => told(&overview, args),
            Err(answer) => answer,
        };
        if args.watch && screen.format == Format::Table && io::stdout().is_terminal() {
            write!(screen.out, "{CLEAR}")?;
        }
        let exit = screen.show(&answer)?;
        if !args.watch {
            return Ok(exit);
        }
        tokio::select! {
            () = tokio::time::sleep(WATCH_EVERY) => {}
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Interrupted),
        }
    }
}

fn told(overview: &Overview, args: &Status) -> Answer {
    let verdict = overview.verdict();
    let exit = if args.exit_code && verdict != Verdict::Healthy { Exit::Unhealthy } else { Exit::Ok };
    Answer::new(exit, text(overview, verdict), fields(overview, verdict))
}

fn text(overview: &Overview, verdict: Verdict) -> String {
    let lines = overview.lines();
    let standing = |wanted| lines.iter().filter(|line| line.standing == wanted).count();
    let (up, down, suspect) = (standing(Standing::Up), standing(Standing::Down), standing(Standing::Suspect));
    let suspects = if suspect == 0 { String::new() } else { format!(", {suspect} suspect") };
    let mut text = format!(
        "cluster {}   {}   {} nodes: {up} up, {down} down{suspects}   {}\n",
        overview.view.cluster_name,
        verdict.word(),
        lines.len(),
        rings_text(overview),
    );
    for line in lines.iter().filter(|line| line.standing != Standing::Up) {
        let (since, why) =
            line.down.as_ref().map_or((String::new(), ""), |(ms, why)| (format!(" {}", age(*ms)), why));
        let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
        let hints = match line.hints {
            0 => String::new(),
            hints => format!("   {} hints held for it   -> kvctl hints", count(hints)),
        };
        let _ = writeln!(text, "WARN  {} {}{since}{why}{hints}", line.node.name, line.standing.word());
    }
    for line in &lines {
        if let Some(why) = line.status.and_then(|status| status.wal.failed.as_deref()) {
            let _ = writeln!(text, "WARN  {} takes no writes: {why}", line.node.name);
        }
    }
    coverage_text(overview, &mut text);
    let _ = writeln!(text, "{}", totals_text(overview));
    text
}

fn rings_text(overview: &Overview) -> String {
    let rings = overview.rings();
    let answered: usize = rings.values().sum();
    match rings.iter().next() {
        Some((hash, agreed)) if rings.len() == 1 => {
            format!("ring {hash:016x} (agreed by {agreed} of {answered})")
        }
        Some(_) => format!("{} DIFFERENT RINGS among {answered} nodes", rings.len()),
        None => "no node answered".to_owned(),
    }
}

fn coverage_text(overview: &Overview, text: &mut String) {
    for covered in overview.coverage() {
        let keyspace = covered.keyspace;
        let (mark, what) = match covered.lacking() {
            0 => ("OK  ", "every partition has the replicas its levels need".to_owned()),
            lacking => (
                "WARN",
                format!(
                    "{} of {PARTITIONS} partitions lack replicas for their levels",
                    count(lacking as u64)
                ),
            ),
        };
        let fewer = match covered.reduced() {
            0 => String::new(),
            reduced => format!("; {} have fewer than {} up", count(reduced as u64), keyspace.n),
        };
        let _ = writeln!(
            text,
            "{mark}  keyspace {} (n={} r={} w={}): {what}{fewer}",
            keyspace.name, keyspace.n, keyspace.read, keyspace.write
        );
    }
}

fn totals_text(overview: &Overview) -> String {
    let statuses = || overview.statuses.iter().flatten();
    let copies: u64 = statuses().flat_map(|status| &status.keyspaces).map(|keyspace| keyspace.keys).sum();
    let hints: u64 = statuses().flat_map(|status| &status.hints).map(|hint| hint.durable).sum();
    let counted = |name: &str| -> u64 {
        let counters = statuses().flat_map(|status| &status.counters);
        counters.filter(|(known, _)| known == name).map(|(_, value)| *value).sum()
    };
    let clients = match counted("resp_connections") {
        0 => String::new(),
        clients => format!(", {} Redis clients", count(clients)),
    };
    let slowest = statuses().map(|status| status.wal.sync_us).max().unwrap_or(0);
    format!(
        "      {} copies of keys, {} hints waiting, slowest log sync {}{clients}",
        count(copies),
        count(hints),
        crate::text::elapsed(slowest.into())
    )
}

fn fields(overview: &Overview, verdict: Verdict) -> Value {
    let nodes: Vec<Value> = overview.lines().iter().map(|line| crate::nodes::node_json(line)).collect();
    let keyspaces = overview
        .coverage()
        .iter()
        .map(|covered| {
            json!({
                "name": covered.keyspace.name,
                "n": covered.keyspace.n,
                "read": covered.keyspace.read.to_string(),
                "write": covered.keyspace.write.to_string(),
                "partitions": PARTITIONS,
                "partitions_lacking": covered.lacking(),
                "partitions_reduced": covered.reduced(),
            })
        })
        .collect::<Vec<_>>();
    let rings: Vec<String> = overview.rings().keys().map(|hash| format!("{hash:016x}")).collect();
    json!({
        "verb": "status",
        "cluster": overview.view.cluster_name,
        "verdict": verdict.word(),
        "rings": rings,
        "nodes": nodes,
        "keyspaces": keyspaces,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overview::tests::overview;

    const NONE: Status = Status { watch: false, exit_code: false };

    #[test]
    fn a_healthy_cluster_is_three_lines() {
        let answer = told(&overview(&[]), &NONE);
        assert_eq!(
            answer.text,
            "cluster demo   healthy   4 nodes: 4 up, 0 down   ring 0000000000000abc (agreed by 4 of 4)\n\
             OK    keyspace default (n=3 r=QUORUM w=QUORUM): every partition has the replicas its levels need\n\
             \x20     4,800 copies of keys, 0 hints waiting, slowest log sync 90us\n"
        );
        assert_eq!(answer.json["verdict"], json!("healthy"));
    }

    #[test]
    fn a_node_that_is_down_is_named_with_the_hints_that_wait_for_it() {
        let overview = overview(&[3]);
        let answer = told(&overview, &Status { exit_code: true, ..NONE });
        assert_eq!(answer.exit, Exit::Unhealthy);
        let second = answer.text.lines().nth(1).unwrap();
        assert_eq!(second, "WARN  n3 down 38s (refused)   1,200 hints held for it   -> kvctl hints");
        assert_eq!(answer.json["nodes"][2]["state"], json!("down"));
        assert_eq!(told(&overview, &NONE).exit, Exit::Ok);
    }
}
