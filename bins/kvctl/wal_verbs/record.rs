//! One record of a log, as a line.

use std::io;

use quorate_store::log::{KIND_HINT, KIND_HINTS_DELIVERED, LogEntry, decode};
use quorate_wal::Record;
use serde_json::{Value, json};

use super::args::Payloads;
use crate::answer::Screen;
use crate::cli::Format;
use crate::text::{Names, bytes, json_bytes, quoted, time};

/// Of a payload that nobody can read for us, a line shows so many bytes; JSON has all of them.
const SHOWN_BYTES: usize = 200;

pub fn print_record(record: &Record<'_>, payloads: Payloads, screen: &mut Screen<'_>) -> io::Result<()> {
    match screen.format {
        Format::Table => writeln!(screen.out, "{}", text(record, payloads)),
        Format::Json | Format::Ndjson => writeln!(screen.out, "{}", json(record, payloads)),
        Format::Raw => screen.out.write_all(record.payload),
    }
}

fn text(record: &Record<'_>, payloads: Payloads) -> String {
    let what = match payloads {
        Payloads::Node => node_text(record),
        Payloads::Bytes => bytes_text(record),
    };
    format!("{:>10}  {what}", record.lsn.to_string())
}

fn bytes_text(record: &Record<'_>) -> String {
    let shown = &record.payload[..record.payload.len().min(SHOWN_BYTES)];
    let more = if shown.len() < record.payload.len() { " ..." } else { "" };
    format!("kind {}  {} bytes  {}{more}", record.kind, record.payload.len(), quoted(shown))
}

fn node_text(record: &Record<'_>) -> String {
    let names = Names::default();
    match decode(record.kind, record.payload) {
        Ok(LogEntry::Mutation { keyspace, key, record }) => {
            let value = record.value.map_or_else(|| "deleted".to_owned(), |value| bytes(value.len() as u64));
            let expires =
                record.expiry.at_ms.map_or_else(String::new, |at_ms| format!("  expires {}", time(at_ms)));
            format!(
                "write  {}  {value}  {}  keyspace {keyspace}{expires}",
                quoted(key),
                names.version(record.version)
            )
        }
        Ok(LogEntry::ClockCeiling(ceiling)) => format!("clock  ceiling {}", time(ceiling.wall_ms())),
        Err(_) if record.kind == KIND_HINT => format!("hint  {} bytes", record.payload.len()),
        Err(_) if record.kind == KIND_HINTS_DELIVERED => "hints delivered".to_owned(),
        Err(why) => format!("{}, no record of a node: {why}", bytes_text(record)),
    }
}

fn json(record: &Record<'_>, payloads: Payloads) -> Value {
    let mut fields =
        json!({ "lsn": record.lsn.get(), "kind": record.kind, "payload_bytes": record.payload.len() });
    match payloads {
        Payloads::Node => add_entry(&mut fields, record),
        Payloads::Bytes => fields["payload"] = json_bytes(record.payload),
    }
    fields
}

fn add_entry(fields: &mut Value, record: &Record<'_>) {
    let names = Names::default();
    match decode(record.kind, record.payload) {
        Ok(LogEntry::Mutation { keyspace, key, record }) => {
            fields["entry"] = json!("write");
            fields["keyspace"] = json!(keyspace.to_string());
            fields["key"] = json_bytes(key);
            fields["version"] = names.version_json(record.version);
            fields["value"] = record.value.map_or(Value::Null, json_bytes);
            fields["expires_at"] = record.expiry.at_ms.map_or(Value::Null, |at_ms| json!(time(at_ms)));
        }
        Ok(LogEntry::ClockCeiling(ceiling)) => {
            fields["entry"] = json!("clock_ceiling");
            fields["ceiling_ms"] = json!(ceiling.wall_ms());
        }
        Err(_) if record.kind == KIND_HINT => fields["entry"] = json!("hint"),
        Err(_) if record.kind == KIND_HINTS_DELIVERED => fields["entry"] = json!("hints_delivered"),
        Err(why) => {
            fields["unreadable"] = json!(why.to_string());
            fields["payload"] = json_bytes(record.payload);
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_store::log::{KIND_MUTATION, encode_mutation};
    use quorate_types::{KeyspaceId, NodeId, Timestamp, Version};
    use quorate_wal::Lsn;

    use super::*;

    #[test]
    fn a_record_of_a_node_is_shown_with_its_key_and_one_that_is_unknown_with_its_kind() {
        let version = Version::new(Timestamp::from_parts(1_795_160_463_112, 0), NodeId(1));
        let mut payload = Vec::new();
        let record = quorate_types::Record::put(version, "value", None);
        encode_mutation(&mut payload, KeyspaceId(7), b"k", &record);
        let record = Record { lsn: Lsn::new(12), kind: KIND_MUTATION, payload: &payload };
        assert_eq!(
            text(&record, Payloads::Node),
            "        12  write  \"k\"  5 B  2026-11-20T07:41:03.112Z/0 00000001  keyspace 00000007"
        );
        assert_eq!(json(&record, Payloads::Node)["value"], json!({ "utf8": "value" }));
        let unknown = Record { lsn: Lsn::new(1), kind: 99, payload: &[1, 2] };
        assert_eq!(
            text(&unknown, Payloads::Node),
            "         1  kind 99  2 bytes  \"\\x01\\x02\", no record of a node: kind 99 is unknown to this release"
        );
    }

    #[test]
    fn a_record_of_another_program_is_shown_as_bytes_whatever_its_kind() {
        let record = Record { lsn: Lsn::new(3), kind: KIND_MUTATION, payload: b"a line\n" };
        assert_eq!(text(&record, Payloads::Bytes), "         3  kind 1  7 bytes  \"a line\\n\"");
        assert_eq!(json(&record, Payloads::Bytes)["payload"], json!({ "utf8": "a line\n" }));
        let long = Record { payload: &[b'x'; 300], ..record };
        let shown = text(&long, Payloads::Bytes);
        assert!(shown.ends_with(&format!("\"{}\" ...", "x".repeat(200))), "{shown}");
    }
}
