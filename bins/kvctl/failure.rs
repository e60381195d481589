//! A failed request in words: what was tried, who answered, what the cluster holds now, what to do next.

use std::fmt::Write;

use quorate_client::{Aftermath, Attempt, ClientError, Fate, Trail};
use quorate_types::{Level, NodeTiming, Receipt, Refusal};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::exit::Exit;
use crate::text::{Names, elapsed, json_bytes, quoted};

/// What was asked, for the words of its failure.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// `get`, `put`, `scan`.
    pub verb: &'static str,
    /// The key, if it is about one.
    pub key: Option<&'a [u8]>,
    /// The level, if one was given.
    pub level: Option<Level>,
}

/// Nodes that are down, as a node that was asked sees them: `n3 down 41s`.
pub type Down = Vec<String>;

/// The answer that says why `asked` failed.
pub fn answer(asked: Asked<'_>, error: &ClientError, names: &Names, down: &Down) -> Answer {
    let mut note = format!("error: {}\n", headline(asked, error, down));
    if let Some(trail) = error.trail() {
        tell_trail(trail, names, &mut note);
    }
    let _ = writeln!(note, "  state: {}", state(error, names));
    let _ = writeln!(note, "  try:   {}", advice(asked, error));
    Answer::new(exit(error), "", fields(asked, error, names)).with_note(note)
}

/// The exit code of `error`.
pub fn exit(error: &ClientError) -> Exit {
    match error {
        ClientError::NotConnected { .. } => Exit::NotConnected,
        ClientError::Unavailable { .. }
        | ClientError::Overloaded { .. }
        | ClientError::Rejected { reason: Refusal::NewestUnknown { .. }, .. } => Exit::Unavailable,
        ClientError::Indeterminate { .. }
        | ClientError::Unheard { .. }
        | ClientError::ReadTimedOut { .. }
        | ClientError::NoAnswer { .. } => Exit::Unknown,
        ClientError::Rejected { .. }
        | ClientError::Key(_)
        | ClientError::Unencodable(_)
        | ClientError::UnknownCoordinator { .. } => Exit::Usage,
        _ => Exit::Bug,
    }
}

/// The name of `error` in JSON and in reports.
pub fn kind(error: &ClientError) -> &'static str {
    match error {
        ClientError::NotConnected { .. } => "not_connected",
        ClientError::Unavailable { .. } => "unavailable",
        ClientError::Overloaded { .. } => "overloaded",
        ClientError::Indeterminate { .. } | ClientError::Unheard { .. } => "indeterminate",
        ClientError::ReadTimedOut { .. } | ClientError::NoAnswer { .. } => "timed_out",
        ClientError::Rejected { .. }
        | ClientError::Key(_)
        | ClientError::Unencodable(_)
        | ClientError::UnknownCoordinator { .. } => "rejected",
        _ => "bug",
    }
}

fn headline(asked: Asked<'_>, error: &ClientError, down: &Down) -> String {
    let who = asked.level.map_or_else(|| asked.verb.to_owned(), |level| level.to_string());
    let down = if down.is_empty() { String::new() } else { format!(" ({})", down.join(", ")) };
    match error {
        ClientError::NotConnected { trail } if turned_away(trail) => "no node let kvctl in".to_owned(),
        ClientError::NotConnected { .. } => "no node could be reached".to_owned(),
        ClientError::Unavailable { required, alive, .. } => {
            format!("{who} needs {}, {} alive{down}", replicas(*required), are(*alive))
        }
        ClientError::Indeterminate { acked, required, .. } => {
            format!("{who} needs {}, {acked} acknowledged in time{down}", replicas(*required))
        }
        ClientError::ReadTimedOut { answered, required, .. } => {
            format!("{who} needs {}, {answered} answered in time{down}", replicas(*required))
        }
        ClientError::Unheard { .. } => "the coordinator fell silent after the write was sent".to_owned(),
        ClientError::NoAnswer { .. } => "no answer".to_owned(),
        other => other.to_string(),
    }
}

fn replicas(count: u8) -> String {
    if count == 1 { "1 replica".to_owned() } else { format!("{count} replicas") }
}

fn are(count: u8) -> String {
    if count == 1 { "1 is".to_owned() } else { format!("{count} are") }
}

fn tell_trail(trail: &Trail, names: &Names, note: &mut String) {
    for attempt in &trail.attempts {
        let _ = writeln!(note, "  tried: {}", attempt_text(attempt, names));
    }
    let Some(receipt) = &trail.receipt else { return };
    let told = |label: &str, what: String, note: &mut String| {
        if !what.is_empty() {
            let _ = writeln!(note, "  {label}: {what}");
        }
    };
    told("asked", timings_text(&receipt.queried, names), note);
    told("answered", timings_text(&receipt.answered, names), note);
    told("hinted", names.list(receipt.hinted.iter().copied()), note);
    for (node, refusal) in &receipt.refused {
        let _ = writeln!(note, "  refused: {}: {refusal}", names.name(*node));
    }
}

/// `n1 0.4ms, n4 1.1ms`
pub fn timings_text(timings: &[NodeTiming], names: &Names) -> String {
    let one =
        |timing: &NodeTiming| format!("{} {}", names.name(timing.node), elapsed(timing.elapsed_us.into()));
    timings.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn attempt_text(attempt: &Attempt, names: &Names) -> String {
    let name = attempt.node.map_or_else(String::new, |node| format!("{} ", names.name(node)));
    format!("{name}{}: {}", attempt.addr, fate_text(&attempt.fate))
}

/// The fate with its causes.
fn fate_text(fate: &Fate) -> String {
    let Fate::NotReached(error) = fate else { return fate.to_string() };
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&**error);
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

fn state(error: &ClientError, names: &Names) -> String {
    match (error, error.aftermath()) {
        (_, Aftermath::NothingSent) => "nothing was sent, nothing has changed".to_owned(),
        (_, Aftermath::NothingChanged) => "nothing has changed".to_owned(),
        (_, Aftermath::NotApplied) => "it was not applied anywhere and never will be".to_owned(),
        (ClientError::Indeterminate { version: Some(version), .. }, _) => {
            format!("unknown: the write may survive, as version {}", names.version(*version))
        }
        _ => "unknown: the write may survive".to_owned(),
    }
}

/// Whether some node answered and refused the connection by name.
fn turned_away(trail: &Trail) -> bool {
    trail.attempts.iter().any(|attempt| attempt.fate.was_turned_away())
}

fn advice(asked: Asked<'_>, error: &ClientError) -> String {
    let level_flag = if matches!(asked.verb, "put" | "del") { "-w" } else { "-r" };
    match error {
        ClientError::NotConnected { trail } if turned_away(trail) => {
            "the configuration or the endpoints of the cluster that is meant; those nodes are of another, or full".to_owned()
        }
        ClientError::NotConnected { .. } => {
            "start a node (`replica --config cluster.toml --node n1`), name one with --endpoints, or `kvctl demo`".to_owned()
        }
        ClientError::Unavailable { .. } if asked.level == Some(Level::One) => "`kvctl status`".to_owned(),
        ClientError::Unavailable { .. } => format!("a lower level ({level_flag} one), or `kvctl status`"),
        ClientError::Overloaded { .. } => "again in a moment; `kvctl status` shows which limit was hit".to_owned(),
        ClientError::Indeterminate { .. } | ClientError::Unheard { .. } => match asked.key {
            Some(key) => format!("`kvctl explain {}` to see who has it, or write it again", quoted(key)),
            None => "`kvctl status`".to_owned(),
        },
        ClientError::ReadTimedOut { .. } | ClientError::NoAnswer { .. } => {
            "again, with a longer --timeout or a lower level; `kvctl status` shows who is down".to_owned()
        }
        ClientError::UnknownCoordinator { .. } => "one of the nodes that `kvctl nodes` shows".to_owned(),
        ClientError::Rejected { reason: Refusal::LevelUnmeetable { n, .. }, .. } => {
            format!("a level of at most {n} ({level_flag} quorum), or a keyspace with a larger n")
        }
        ClientError::Rejected { reason: Refusal::ValueTooLarge { .. }, .. } => {
            "a smaller value, or a larger value_bytes_max in the nodes' configuration".to_owned()
        }
        ClientError::Rejected { reason: Refusal::UnknownKeyspace, .. } => {
            "one of the keyspaces that `kvctl status` shows".to_owned()
        }
        ClientError::Rejected { reason: Refusal::NewestUnknown { .. }, .. } => {
            "again, with a longer --timeout; `kvctl status` shows who is down".to_owned()
        }
        ClientError::Rejected { reason: Refusal::ClockAhead { .. }, .. } => {
            "another node (--coordinator NODE), and repair that node's clock: it takes writes again at once".to_owned()
        }
        ClientError::Rejected { reason: Refusal::ClockBehind { .. } | Refusal::ClockSkew { .. }, .. } => {
            "another node (--coordinator NODE), and look at the clocks: that node's, and whose wrote last \
             (`kvctl explain`)"
                .to_owned()
        }
        ClientError::Rejected { .. } | ClientError::Key(_) | ClientError::Unencodable(_) => {
            "a request within the limits; `kvctl config show` prints those of the configuration".to_owned()
        }
        _ => "report this as a defect".to_owned(),
    }
}

fn fields(asked: Asked<'_>, error: &ClientError, names: &Names) -> Value {
    let mut fields = json!({
        "verb": asked.verb,
        "result": kind(error),
        "error": error.to_string(),
        "state": match error.aftermath() {
            Aftermath::NothingSent => "nothing_sent",
            Aftermath::NothingChanged => "nothing_changed",
            Aftermath::NotApplied => "not_applied",
            Aftermath::Unknown => "unknown",
        },
    });
    if let Some(key) = asked.key {
        fields["key"] = json_bytes(key);
    }
    match error {
        ClientError::Unavailable { required, alive, .. } => {
            fields["required"] = json!(required);
            fields["alive"] = json!(alive);
        }
        ClientError::Indeterminate { acked, required, version, .. } => {
            fields["required"] = json!(required);
            fields["acked"] = json!(acked);
            fields["version"] = version.map_or(Value::Null, |version| names.version_json(version));
        }
        ClientError::ReadTimedOut { answered, required, .. } => {
            fields["required"] = json!(required);
            fields["answered"] = json!(answered);
        }
        _ => {}
    }
    if let Some(trail) = error.trail() {
        let attempts = trail.attempts.iter();
        let attempts =
            attempts.map(|attempt| json!({ "addr": attempt.addr, "outcome": fate_text(&attempt.fate) }));
        fields["attempts"] = attempts.collect();
        fields["receipt"] =
            trail.receipt.as_deref().map_or(Value::Null, |receipt| receipt_json(receipt, names));
    }
    fields
}

/// Who did what, for programs.
pub fn receipt_json(receipt: &Receipt, names: &Names) -> Value {
    let name = |node: &quorate_types::NodeId| json!(names.name(*node));
    let timing = |timing: &NodeTiming| {
        json!({
            "node": names.name(timing.node),
            "elapsed_us": timing.elapsed_us,
            "version": timing.version.map_or(Value::Null, |version| names.version_json(version)),
        })
    };
    let repaired: Vec<Value> = match &receipt.repair {
        quorate_types::ReadRepair::Blocking(nodes) => nodes.iter().map(name).collect(),
        quorate_types::ReadRepair::None => Vec::new(),
    };
    json!({
        "coordinator": names.name(receipt.coordinator),
        "replicas": receipt.replicas.iter().map(name).collect::<Vec<_>>(),
        "queried": receipt.queried.iter().map(timing).collect::<Vec<_>>(),
        "answered": receipt.answered.iter().map(timing).collect::<Vec<_>>(),
        "hinted": receipt.hinted.iter().map(name).collect::<Vec<_>>(),
        "refused": receipt.refused.iter().map(|(node, why)| json!({ "node": names.name(*node), "reason": why.to_string() })).collect::<Vec<_>>(),
        "repaired": repaired,
    })
}

#[cfg(test)]
mod tests {
    use quorate_types::{NodeId, Timestamp, Version};

    use super::*;
    use crate::answer::tests::shown;
    use crate::cli::Format;

    fn put_all() -> Asked<'static> {
        Asked { verb: "put", key: Some(b"k"), level: Some(Level::All) }
    }

    #[test]
    fn too_few_replicas_says_how_many_who_is_down_that_nothing_was_sent_and_what_to_do() {
        let error = ClientError::Unavailable { required: 3, alive: 2, trail: Box::default() };
        let answer = answer(put_all(), &error, &Names::default(), &vec!["n3 down 41s".into()]);
        assert_eq!(answer.exit, Exit::Unavailable);
        assert_eq!(
            answer.note,
            "error: ALL needs 3 replicas, 2 are alive (n3 down 41s)\n\
             \x20 state: nothing was sent, nothing has changed\n\
             \x20 try:   a lower level (-w one), or `kvctl status`\n"
        );
        let (out, _) = shown(&answer, Format::Ndjson);
        let json: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((&json["result"], &json["state"]), (&json!("unavailable"), &json!("nothing_sent")));
        assert_eq!((&json["required"], &json["alive"]), (&json!(3), &json!(2)));
        assert_eq!(shown(&answer, Format::Table).0, "");
    }

    #[test]
    fn an_unknown_outcome_names_its_version_and_what_was_tried() {
        let version = Version::new(Timestamp::from_parts(1_795_160_463_112, 3), NodeId(7));
        let attempt = Attempt {
            addr: "127.0.0.1:7381".into(),
            node: Some(NodeId(7)),
            fate: Fate::Partial { answered: 1, required: 2 },
        };
        let trail = Box::new(Trail { attempts: vec![attempt], receipt: None });
        let error = ClientError::Indeterminate {
            acked: 1,
            required: 2,
            version: Some(version),
            expires_at_ms: None,
            trail,
        };
        let asked = Asked { verb: "put", key: Some(b"k"), level: None };
        let answer = answer(asked, &error, &Names::default(), &Vec::new());
        assert_eq!(answer.exit, Exit::Unknown);
        assert_eq!(
            answer.note,
            "error: put needs 2 replicas, 1 acknowledged in time\n\
             \x20 tried: 00000007 127.0.0.1:7381: 1 of 2 replicas answered\n\
             \x20 state: unknown: the write may survive, as version 2026-11-20T07:41:03.112Z/3 00000007\n\
             \x20 try:   `kvctl explain \"k\"` to see who has it, or write it again\n"
        );
        assert_eq!(answer.json["version"]["counter"], json!(3));
    }

    #[test]
    fn a_rejected_request_was_not_applied_and_is_a_usage_error() {
        let reason = Refusal::ValueTooLarge { bytes: 2_000_000, bytes_max: 1_048_576 };
        let error = ClientError::Rejected { reason, trail: Box::default() };
        let answer = answer(put_all(), &error, &Names::default(), &Vec::new());
        assert_eq!(answer.exit, Exit::Usage);
        assert!(answer.note.starts_with(
            "error: the value has 2000000 bytes, more than value_bytes_max = 1048576\n  \
             state: it was not applied anywhere and never will be\n  \
             try:   a smaller value, or a larger value_bytes_max in the nodes' configuration\n"
        ));
    }

    #[test]
    fn a_node_of_another_cluster_is_told_apart_from_none_at_all() {
        let refusal = quorate_wire::HandshakeRefusal::ShuttingDown;
        let refused =
            quorate_transport::TransportError::HandshakeRefused { peer_addr: "h:1".into(), refusal };
        let fate = Fate::NotReached(std::sync::Arc::new(refused));
        let trail = Trail { attempts: vec![Attempt { addr: "h:1".into(), node: None, fate }], receipt: None };
        let said = |trail| {
            let error = ClientError::NotConnected { trail: Box::new(trail) };
            answer(put_all(), &error, &Names::default(), &Vec::new()).note
        };
        assert!(said(trail).starts_with("error: no node let kvctl in\n"));
        assert!(said(Trail::default()).starts_with("error: no node could be reached\n"));
    }
}
