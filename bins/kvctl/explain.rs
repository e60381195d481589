//! `explain`: where a key lives, what each replica has of it, and what a read would do.

use std::fmt::Write;

use quorate_types::{Level, Version};
use quorate_wire::{CopyView, Explanation, ReplicaView};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::cli::Explain;
use crate::exit::Exit;
use crate::failure::Asked;
use crate::session::Session;
use crate::text::{Names, bytes, count, elapsed, json_bytes, time};

/// Explains a key.
pub async fn explain(session: &Session, args: &Explain) -> Answer {
    let options = match session.options(&args.manner, None) {
        Ok(options) => options,
        Err(answer) => return answer,
    };
    let key = args.key.clone().into_bytes();
    match session.client.explain(key.clone(), &options).await {
        Ok(reply) => {
            let coordinator = session.names.name(reply.coordinator);
            told(&key, &reply.value, &coordinator, &session.names)
        }
        Err(error) => session.failed(Asked { verb: "explain", key: Some(&key), level: None }, &error).await,
    }
}

fn told(key: &[u8], explanation: &Explanation, coordinator: &str, names: &Names) -> Answer {
    let Explanation { token, partition, n, replicas, winner } = explanation;
    let list = names.list(replicas.iter().map(|replica| replica.node));
    let mut text = format!(
        "token {:016x}  partition {partition}  n = {n}  replicas {list}  asked by {coordinator}\n",
        token.0
    );
    let width = replicas.iter().map(|replica| names.name(replica.node).chars().count()).max().unwrap_or(0);
    for replica in replicas {
        let _ = writeln!(text, "  {}", replica_text(replica, explanation, names, width));
    }
    let _ = writeln!(text, "verdict: {}", verdict(explanation, names));
    let fields = json!({
        "verb": "explain",
        "key": json_bytes(key),
        "token": format!("{:016x}", token.0),
        "partition": partition.0,
        "n": n,
        "coordinator": coordinator,
        "winner": winner.map_or(Value::Null, |version| names.version_json(version)),
        "current_replicas": current(explanation).count(),
        "replicas": replicas.iter().map(|replica| replica_json(replica, explanation, names)).collect::<Vec<_>>(),
    });
    Answer::new(Exit::Ok, text, fields)
}

/// The replicas that hold the newest state: the winner, or nothing where nobody has anything.
fn current(explanation: &Explanation) -> impl Iterator<Item = &ReplicaView> {
    explanation.replicas.iter().filter(|replica| is_current(replica, explanation))
}

fn is_current(replica: &ReplicaView, explanation: &Explanation) -> bool {
    match &replica.copy {
        CopyView::Present { version, expiry, .. } => {
            Some(*version) == explanation.winner && Some(expiry.version) == newest_expiry(explanation)
        }
        CopyView::Tombstone { version } => Some(*version) == explanation.winner,
        CopyView::Absent => explanation.winner.is_none(),
        CopyView::Refused(_) | CopyView::Silent => false,
    }
}

/// The newest stamp of an expiry beside any value: it is set by itself, so the newest value does not say it.
fn newest_expiry(explanation: &Explanation) -> Option<Version> {
    let expiry = |replica: &ReplicaView| match &replica.copy {
        CopyView::Present { expiry, .. } => Some(expiry.version),
        _ => None,
    };
    explanation.replicas.iter().filter_map(expiry).max()
}

fn replica_text(replica: &ReplicaView, explanation: &Explanation, names: &Names, width: usize) -> String {
    let stale = if is_current(replica, explanation) { "" } else { "  BEHIND" };
    let copy = match &replica.copy {
        CopyView::Present { version, expiry, value_bytes } => {
            let expires = expiry.at_ms.map_or_else(String::new, |at_ms| format!("  expires {}", time(at_ms)));
            format!(
                "present  {}  {}{expires}{stale}",
                names.version(*version),
                bytes(u64::from(*value_bytes))
            )
        }
        CopyView::Tombstone { version } => format!("deleted  {}{stale}", names.version(*version)),
        CopyView::Absent => format!("absent{stale}"),
        CopyView::Refused(why) => format!("refused  {why}"),
        CopyView::Silent => "no answer".to_owned(),
    };
    let alive = if replica.alive { "" } else { "  (down)" };
    let hints = match replica.hints_here {
        0 => String::new(),
        hints => format!("  {} hints wait for it at the coordinator", count(hints)),
    };
    format!(
        "{:width$}  {copy}  {}{alive}{hints}",
        names.name(replica.node),
        elapsed(replica.elapsed_us.into())
    )
}

fn verdict(explanation: &Explanation, names: &Names) -> String {
    let n = usize::from(explanation.n);
    let answering = explanation.replicas.iter().filter(|replica| is_answering(replica)).count();
    let state = match explanation.winner {
        Some(_) => format!("{} of {n} replicas have the newest version", current(explanation).count()),
        None => "no replica that answered has the key".to_owned(),
    };
    let missing =
        names.list(explanation.replicas.iter().filter(|replica| !is_answering(replica)).map(|r| r.node));
    let read = |level: Level| level.required(n).is_ok_and(|required| required <= answering);
    let reads = match (read(Level::Quorum), read(Level::All)) {
        (_, true) => "reads at any level succeed".to_owned(),
        (true, false) => format!("a read at QUORUM succeeds, at ALL it fails for want of {missing}"),
        (false, false) => format!("a read at QUORUM fails for want of {missing}"),
    };
    format!("{state}; {reads}")
}

fn is_answering(replica: &ReplicaView) -> bool {
    !matches!(replica.copy, CopyView::Silent | CopyView::Refused(_))
}

fn replica_json(replica: &ReplicaView, explanation: &Explanation, names: &Names) -> Value {
    let mut fields = json!({
        "node": names.name(replica.node),
        "alive": replica.alive,
        "elapsed_us": replica.elapsed_us,
        "current": is_current(replica, explanation),
        "hints_at_coordinator": replica.hints_here,
    });
    match &replica.copy {
        CopyView::Present { version, expiry, value_bytes } => {
            fields["copy"] = json!("present");
            fields["version"] = names.version_json(*version);
            fields["value_bytes"] = json!(value_bytes);
            fields["expires_at"] = expiry.at_ms.map_or(Value::Null, |at_ms| json!(time(at_ms)));
        }
        CopyView::Tombstone { version } => {
            fields["copy"] = json!("deleted");
            fields["version"] = names.version_json(*version);
        }
        CopyView::Absent => fields["copy"] = json!("absent"),
        CopyView::Refused(why) => {
            fields["copy"] = json!("refused");
            fields["reason"] = json!(why.to_string());
        }
        CopyView::Silent => fields["copy"] = json!("silent"),
    }
    fields
}

#[cfg(test)]
mod tests {
    use quorate_types::{Expiry, NodeId, PartitionId, Timestamp, Token, Version};

    use super::*;

    fn view(node: u32, copy: CopyView) -> ReplicaView {
        ReplicaView {
            node: NodeId(node),
            alive: copy != CopyView::Silent,
            elapsed_us: 200,
            copy,
            hints_here: 0,
        }
    }

    #[test]
    fn a_replica_that_missed_a_change_of_the_expiry_is_behind() {
        let version = |ms| Version::new(Timestamp::from_parts(ms, 0), NodeId(4));
        let present = |expired, at_ms| CopyView::Present {
            version: version(1_000),
            expiry: Expiry { version: version(expired), at_ms },
            value_bytes: 24,
        };
        let explanation = Explanation {
            token: Token(1),
            partition: PartitionId(0),
            n: 2,
            replicas: vec![view(4, present(2_000, Some(9_000))), view(1, present(1_000, None))],
            winner: Some(version(1_000)),
        };
        let answer = told(b"k", &explanation, "n4", &Names::default());
        assert_eq!(answer.json["current_replicas"], json!(1));
        let lines: Vec<&str> = answer.text.lines().collect();
        assert!(lines[1].contains("expires 1970-01-01T00:00:09.000Z  200us"), "{}", answer.text);
        assert!(lines[2].contains("BEHIND"), "{}", answer.text);
    }

    #[test]
    fn a_replica_that_is_behind_and_one_that_is_silent_are_told_apart() {
        let version = |ms| Version::new(Timestamp::from_parts(ms, 0), NodeId(4));
        let present = |ms| CopyView::Present {
            version: version(ms),
            expiry: Expiry { version: version(ms), at_ms: None },
            value_bytes: 24,
        };
        let mut silent = view(3, CopyView::Silent);
        silent.hints_here = 1;
        let explanation = Explanation {
            token: Token(0x9f3c_0000_0000_0001),
            partition: PartitionId(2547),
            n: 3,
            replicas: vec![view(4, present(2_000)), view(1, present(1_000)), silent],
            winner: Some(version(2_000)),
        };
        let answer = told(b"user:42", &explanation, "n4", &Names::default());
        assert_eq!(
            answer.text,
            "token 9f3c000000000001  partition 2547  n = 3  replicas 00000004, 00000001, 00000003  asked by n4\n\
             \x20 00000004  present  1970-01-01T00:00:02.000Z/0 00000004  24 B  200us\n\
             \x20 00000001  present  1970-01-01T00:00:01.000Z/0 00000004  24 B  BEHIND  200us\n\
             \x20 00000003  no answer  200us  (down)  1 hints wait for it at the coordinator\n\
             verdict: 1 of 3 replicas have the newest version; a read at QUORUM succeeds, at ALL it fails for want of 00000003\n"
        );
        assert_eq!(answer.json["current_replicas"], json!(1));
        assert_eq!(answer.json["replicas"][2]["copy"], json!("silent"));
    }
}
