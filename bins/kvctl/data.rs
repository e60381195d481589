//! `get`, `put` and `del`.

use std::io::Read as _;
use std::time::Instant;

use quorate_client::{Options, Read, Reply, Written};
use quorate_types::{Receipt, Record, Version};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::cli::{Del, Get, Put};
use crate::exit::Exit;
use crate::failure::{Asked, receipt_json, timings_text};
use crate::session::Session;
use crate::text::{Names, bytes, elapsed, json_bytes, micros, plain, quoted, time};

/// Prints the value of a key.
pub async fn get(session: &Session, args: &Get) -> Answer {
    let options = match session.options(&args.manner, args.manner.read_level()) {
        Ok(options) => options.with_receipt(),
        Err(answer) => return answer,
    };
    let started = Instant::now();
    let key = args.key.clone().into_bytes();
    match session.client.get(key.clone(), &options).await {
        Ok(reply) => got(&key, &reply, &session.names, micros(started.elapsed())),
        Err(error) => {
            let asked = Asked { verb: "get", key: Some(&key), level: args.manner.read_level() };
            session.failed(asked, &error).await
        }
    }
}

/// The answer to a get: four different results, and failures are a fifth.
fn got(key: &[u8], reply: &Reply<Read>, names: &Names, us: u64) -> Answer {
    let mut fields = json!({
        "verb": "get",
        "key": json_bytes(key),
        "coordinator": names.name(reply.coordinator),
        "attempts": reply.attempts,
        "elapsed_us": us,
        "receipt": reply.receipt.as_deref().map_or(Value::Null, |receipt| receipt_json(receipt, names)),
    });
    match &reply.value {
        Read::Found(record) => {
            fields["result"] = json!("found");
            found(key, record, names, fields)
        }
        Read::Deleted { version } => {
            fields["result"] = json!("deleted");
            fields["version"] = names.version_json(*version);
            let note =
                format!("kvctl: key {} was deleted, version {}\n", quoted(key), names.version(*version));
            Answer::new(Exit::Deleted, "", fields).with_note(note)
        }
        Read::NotFound { expired } => {
            fields["result"] = json!("not_found");
            fields["expired"] = json!(expired.is_some());
            let note = not_found(key, *expired, reply.receipt.as_deref(), names);
            Answer::new(Exit::No, "", fields).with_note(note)
        }
    }
}

fn found(key: &[u8], record: &Record, names: &Names, mut fields: Value) -> Answer {
    let value = record.value.as_deref().unwrap_or_default();
    fields["value"] = json_bytes(value);
    fields["value_bytes"] = json!(value.len());
    fields["version"] = names.version_json(record.version);
    fields["expires_at"] = record.expiry.at_ms.map_or(Value::Null, |at_ms| json!(time(at_ms)));
    let note = match value {
        [] => format!("kvctl: the value of key {} is empty (0 bytes)\n", quoted(key)),
        value if plain(value).as_bytes() != value => {
            format!("kvctl: the value is shown escaped; -o raw prints its {}\n", bytes(value.len() as u64))
        }
        _ => String::new(),
    };
    // A text of several lines is a text all the same.
    let text = match std::str::from_utf8(value) {
        Ok(text) if !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) => {
            return Answer::new(Exit::Ok, format!("{text}\n"), fields)
                .with_raw(value)
                .with_note(if value.is_empty() { note } else { String::new() });
        }
        _ => plain(value),
    };
    Answer::new(Exit::Ok, format!("{text}\n"), fields).with_raw(value).with_note(note)
}

fn not_found(key: &[u8], expired: Option<Version>, receipt: Option<&Receipt>, names: &Names) -> String {
    let who = receipt.map_or_else(String::new, |receipt| {
        let (answered, replicas) = (receipt.answered.len(), receipt.replicas.len());
        format!(" ({answered} of {replicas} replicas answered, none has it)")
    });
    match expired {
        Some(version) => format!(
            "kvctl: key {} not found: its value of version {} has expired\n",
            quoted(key),
            names.version(version)
        ),
        None => format!("kvctl: key {} not found{who}\n", quoted(key)),
    }
}

/// Sets the value of a key.
pub async fn put(session: &Session, args: &Put) -> Answer {
    let mut options = match session.options(&args.manner, args.manner.write_level()) {
        Ok(options) => options.with_receipt(),
        Err(answer) => return answer,
    };
    if let Some(ttl) = args.ttl {
        options = options.ttl(ttl);
    }
    let value = match value_of(&args.value) {
        Ok(value) => value,
        Err(answer) => return answer,
    };
    let key = args.key.clone().into_bytes();
    let started = Instant::now();
    match session.client.put(key.clone(), value, &options).await {
        Ok(reply) => written("put", &key, &reply, &session.names, micros(started.elapsed())),
        Err(error) => {
            let asked = Asked { verb: "put", key: Some(&key), level: args.manner.write_level() };
            session.failed(asked, &error).await
        }
    }
}

/// What a value argument means: text, `-` standard input, `@file`, `@@text` a text that begins with @.
fn value_of(argument: &str) -> Result<Vec<u8>, Answer> {
    let unreadable = |what: &str, error: std::io::Error| {
        let note = format!("error: can't read the value from {what}: {error}\n  state: nothing was sent\n");
        let fields = json!({ "verb": "put", "result": "rejected", "error": note.lines().next(), "state": "nothing_sent" });
        Answer::new(Exit::Usage, "", fields).with_note(note)
    };
    if argument == "-" {
        let mut value = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut value)
            .map_err(|error| unreadable("standard input", error))?;
        return Ok(value);
    }
    match argument.strip_prefix('@') {
        Some(text) if text.starts_with('@') => Ok(text.as_bytes().to_vec()),
        Some(file) => std::fs::read(file).map_err(|error| unreadable(file, error)),
        None => Ok(argument.as_bytes().to_vec()),
    }
}

fn written(verb: &'static str, key: &[u8], reply: &Reply<Written>, names: &Names, us: u64) -> Answer {
    let Written { version, expires_at_ms, acked, required } = reply.value;
    let fields = json!({
        "verb": verb,
        "key": json_bytes(key),
        "result": "written",
        "version": names.version_json(version),
        "expires_at": expires_at_ms.map_or(Value::Null, |at_ms| json!(time(at_ms))),
        "acked": acked,
        "required": required,
        "coordinator": names.name(reply.coordinator),
        "attempts": reply.attempts,
        "elapsed_us": us,
        "receipt": reply.receipt.as_deref().map_or(Value::Null, |receipt| receipt_json(receipt, names)),
    });
    Answer::new(Exit::Ok, written_text(reply, names, us), fields).with_raw("")
}

/// `ok  2/3 acks in 1.2ms by n1 (n1 0.4ms, n4 1.1ms; hint for n3)`, at LINEARIZABLE with `asked n1 0.1ms, n4 0.5ms; `
/// before the acks
fn written_text(reply: &Reply<Written>, names: &Names, us: u64) -> String {
    let Written { acked, required, .. } = reply.value;
    let Some(receipt) = reply.receipt.as_deref() else {
        return format!("ok  {acked} acks ({required} needed) in {}\n", elapsed(us));
    };
    let queried = timings_text(&receipt.queried, names);
    let asked = if queried.is_empty() { String::new() } else { format!("asked {queried}; ") };
    let hinted = names.list(receipt.hinted.iter().copied());
    let hints = if hinted.is_empty() { String::new() } else { format!("; hint for {hinted}") };
    format!(
        "ok  {acked}/{} acks in {} by {} ({asked}{}{hints})\n",
        receipt.replicas.len(),
        elapsed(us),
        names.name(reply.coordinator),
        timings_text(&receipt.answered, names),
    )
}

/// Deletes keys, one after the other.
pub async fn del(session: &Session, args: &Del) -> Answer {
    let options = match session.options(&args.manner, args.manner.write_level()) {
        Ok(options) => options.with_receipt(),
        Err(answer) => return answer,
    };
    let mut answers = Vec::new();
    for key in &args.keys {
        answers.push(del_one(session, key.as_bytes(), args, &options).await);
    }
    together(answers)
}

async fn del_one(session: &Session, key: &[u8], args: &Del, options: &Options) -> Answer {
    let started = Instant::now();
    match session.client.delete(key.to_vec(), options).await {
        Ok(reply) => written("del", key, &reply, &session.names, micros(started.elapsed())),
        Err(error) => {
            let asked = Asked { verb: "del", key: Some(key), level: args.manner.write_level() };
            session.failed(asked, &error).await
        }
    }
}

/// The answers to several keys as one; if some went well and some did not, the exit says so.
fn together(mut answers: Vec<Answer>) -> Answer {
    if answers.len() == 1 {
        return answers.swap_remove(0);
    }
    let failed: Vec<_> =
        answers.iter().filter(|answer| answer.exit != Exit::Ok).map(|answer| answer.exit).collect();
    let exit = match failed.first() {
        None => Exit::Ok,
        Some(first) if failed.len() == answers.len() => *first,
        Some(_) => Exit::Partial,
    };
    let results: Vec<Value> = answers.iter().map(|answer| answer.json.clone()).collect();
    let text: String = answers.iter().map(|answer| answer.text.as_str()).collect();
    let note: String = answers.iter().map(|answer| answer.note.as_str()).collect();
    let fields = json!({ "verb": "del", "results": results });
    Answer::new(exit, text, fields).with_note(note).with_rows(results).with_raw("")
}

#[cfg(test)]
mod tests {
    use quorate_types::{NodeId, NodeTiming, ReadRepair, Timestamp};

    use super::*;
    use crate::answer::tests::shown;
    use crate::cli::Format;

    fn version() -> Version {
        Version::new(Timestamp::from_parts(1_795_160_463_112, 0), NodeId(1))
    }

    fn reply<T>(value: T) -> Reply<T> {
        let timing = |node, elapsed_us| NodeTiming { node: NodeId(node), elapsed_us, version: None };
        let receipt = Receipt {
            coordinator: NodeId(1),
            replicas: vec![NodeId(1), NodeId(4), NodeId(3)],
            queried: Vec::new(),
            answered: vec![timing(1, 400), timing(4, 1_100)],
            hinted: vec![NodeId(3)],
            refused: Vec::new(),
            repair: ReadRepair::None,
        };
        Reply { value, receipt: Some(Box::new(receipt)), coordinator: NodeId(1), attempts: 1 }
    }

    fn get_answer(read: Read) -> Answer {
        got(b"k", &reply(read), &Names::default(), 1_200)
    }

    #[test]
    fn missing_empty_and_deleted_are_three_results_in_text_json_and_exit_code() {
        let empty = get_answer(Read::Found(Record::put(version(), "", None)));
        let deleted = get_answer(Read::Deleted { version: version() });
        let missing = get_answer(Read::NotFound { expired: None });
        let expired = get_answer(Read::NotFound { expired: Some(version()) });

        let exits = [&empty, &deleted, &missing, &expired].map(|answer| answer.exit.code());
        assert_eq!(exits, [0, 10, 1, 1]);
        assert_eq!(
            shown(&empty, Format::Table),
            ("\n".into(), "kvctl: the value of key \"k\" is empty (0 bytes)\n".into())
        );
        assert_eq!(
            shown(&deleted, Format::Table),
            (
                String::new(),
                "kvctl: key \"k\" was deleted, version 2026-11-20T07:41:03.112Z/0 00000001\n".into()
            )
        );
        assert_eq!(
            shown(&missing, Format::Table),
            (String::new(), "kvctl: key \"k\" not found (2 of 3 replicas answered, none has it)\n".into())
        );
        assert_eq!(
            shown(&expired, Format::Table).1,
            "kvctl: key \"k\" not found: its value of version 2026-11-20T07:41:03.112Z/0 00000001 has expired\n"
        );
        let results = [&empty, &deleted, &missing].map(|answer| answer.json["result"].clone());
        assert_eq!(results, [json!("found"), json!("deleted"), json!("not_found")]);
        assert_eq!((&empty.json["value"], &empty.json["value_bytes"]), (&json!({ "utf8": "" }), &json!(0)));
    }

    #[test]
    fn a_value_is_printed_as_it_is_and_what_is_no_text_escaped() {
        let text = get_answer(Read::Found(Record::put(version(), "two\nlines", None)));
        assert_eq!(shown(&text, Format::Table), ("two\nlines\n".into(), String::new()));
        assert_eq!(shown(&text, Format::Raw).0, "two\nlines");
        let binary = get_answer(Read::Found(Record::put(version(), &b"\xff\x1b"[..], None)));
        assert_eq!(shown(&binary, Format::Table).0, "\\xff\\x1b\n");
        assert_eq!(&binary.raw[..], b"\xff\x1b");
        assert_eq!(binary.json["value"], json!({ "base64": "/xs=" }));
    }

    #[test]
    fn a_write_says_who_acknowledged_and_who_got_a_hint() {
        let value = Written { version: version(), expires_at_ms: None, acked: 2, required: 2 };
        let answer = written("put", b"k", &reply(value), &Names::default(), 1_200);
        assert_eq!(
            answer.text,
            "ok  2/3 acks in 1.2ms by 00000001 (00000001 400us, 00000004 1.1ms; hint for 00000003)\n"
        );
        assert_eq!(answer.json["receipt"]["hinted"], json!(["00000003"]));
        let mut in_two_phases = reply(value);
        let timing = NodeTiming { node: NodeId(4), elapsed_us: 700, version: Some(version()) };
        in_two_phases.receipt.as_mut().unwrap().queried = vec![timing];
        let answer = written("put", b"k", &in_two_phases, &Names::default(), 1_200);
        assert_eq!(
            answer.text,
            "ok  2/3 acks in 1.2ms by 00000001 (asked 00000004 700us; 00000001 400us, 00000004 1.1ms; hint for 00000003)\n"
        );
        assert_eq!(answer.json["receipt"]["queried"][0]["version"]["node"], json!("00000001"));
        assert_eq!(shown(&answer, Format::Raw).0, "");
    }

    #[test]
    fn several_keys_of_which_some_fail_are_a_partial_success() {
        let one = |exit| Answer::new(exit, "", json!({}));
        assert_eq!(together(vec![one(Exit::Ok), one(Exit::Ok)]).exit, Exit::Ok);
        assert_eq!(together(vec![one(Exit::Ok), one(Exit::Unavailable)]).exit, Exit::Partial);
        assert_eq!(together(vec![one(Exit::Unavailable), one(Exit::Unknown)]).exit, Exit::Unavailable);
    }

    #[test]
    fn a_value_comes_from_the_argument_or_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("v");
        std::fs::write(&file, [0, 255]).unwrap();
        assert_eq!(value_of("plain").unwrap(), b"plain");
        assert_eq!(value_of("@@home").unwrap(), b"@home");
        assert_eq!(value_of(&format!("@{}", file.display())).unwrap(), [0, 255]);
        assert_eq!(value_of("@/does/not/exist").unwrap_err().exit, Exit::Usage);
    }
}
