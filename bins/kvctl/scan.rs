//! `scan`: lists keys and values as they arrive.

use std::io;

use quorate_client::{Cursor, ScanOptions};
use quorate_types::{PARTITIONS, PartitionId, Record};
use serde_json::{Value, json};

use crate::answer::{Answer, SCHEMA, Screen};
use crate::cli::{Format, Scan};
use crate::exit::Exit;
use crate::failure::Asked;
use crate::session::Session;
use crate::text::{Names, json_bytes, plain, time};

/// Lists what `args` asks for.
pub async fn scan(session: &Session, args: &Scan, screen: &mut Screen<'_>) -> io::Result<Exit> {
    let options = match session.options(&args.manner, args.manner.read_level()) {
        Ok(options) => options,
        Err(answer) => return screen.show(&answer),
    };
    let from = match args.cursor.as_deref().map(read_cursor).transpose() {
        Ok(from) => from,
        Err(answer) => return screen.show(&answer),
    };
    let page_limit = u32::try_from(args.limit.clamp(1, 1000)).unwrap_or(1000);
    let mut walk = session
        .client
        .scan(ScanOptions { from: from.clone(), page_limit, ..ScanOptions::default() }, &options);
    let mut listing = Listing::new(args, &session.names, from);
    while !listing.is_full() {
        match walk.next().await {
            None => break,
            Some(Ok(page)) => listing.page(page.entries, page.next, screen)?,
            Some(Err(error)) => {
                let asked = Asked { verb: "scan", key: None, level: args.manner.read_level() };
                let mut answer = session.failed(asked, &error).await;
                answer.note.push_str(&listing.go_on_text());
                listing.end(screen)?;
                return screen.show(&answer);
            }
        }
    }
    listing.end(screen)?;
    write!(screen.err, "{}", listing.go_on_text())?;
    Ok(Exit::Ok)
}

/// What has been listed, and where to go on.
struct Listing<'a> {
    args: &'a Scan,
    names: &'a Names,
    listed: u64,
    /// For `-o json`, which is one object.
    entries: Vec<Value>,
    next: Option<Cursor>,
}

impl<'a> Listing<'a> {
    fn new(args: &'a Scan, names: &'a Names, from: Option<Cursor>) -> Listing<'a> {
        let next = from.or(Some(Cursor { partition: PartitionId(0), after: None }));
        Listing { args, names, listed: 0, entries: Vec::new(), next }
    }

    fn is_full(&self) -> bool {
        self.listed >= self.args.limit
    }

    fn page(
        &mut self,
        entries: Vec<(bytes::Bytes, Record)>,
        next: Option<Cursor>,
        screen: &mut Screen<'_>,
    ) -> io::Result<()> {
        let partition = self.next.as_ref().map_or(PartitionId(0), |next| next.partition);
        for (key, record) in entries {
            if self.is_full() {
                return Ok(());
            }
            self.next = Some(Cursor { partition, after: Some(key.clone()) });
            if key.starts_with(self.args.prefix.as_bytes()) {
                self.listed += 1;
                self.entry(&key, &record, screen)?;
            }
        }
        self.next = next;
        Ok(())
    }

    fn entry(&mut self, key: &[u8], record: &Record, screen: &mut Screen<'_>) -> io::Result<()> {
        let value = record.value.as_deref().unwrap_or_default();
        match screen.format {
            Format::Table if self.args.keys_only => writeln!(screen.out, "{}", plain(key)),
            Format::Table => writeln!(screen.out, "{}\t{}", plain(key), plain(value)),
            Format::Raw => {
                screen.out.write_all(if self.args.keys_only { key } else { value })?;
                screen.out.write_all(b"\n")
            }
            Format::Ndjson => writeln!(screen.out, "{}", self.entry_json(key, record)),
            Format::Json => {
                let entry = self.entry_json(key, record);
                self.entries.push(entry);
                Ok(())
            }
        }
    }

    fn entry_json(&self, key: &[u8], record: &Record) -> Value {
        let mut entry = json!({
            "key": json_bytes(key),
            "version": self.names.version_json(record.version),
            "expires_at": record.expiry.at_ms.map_or(Value::Null, |at_ms| json!(time(at_ms))),
        });
        if !self.args.keys_only {
            entry["value"] = json_bytes(record.value.as_deref().unwrap_or_default());
        }
        entry
    }

    fn end(&mut self, screen: &mut Screen<'_>) -> io::Result<()> {
        if screen.format == Format::Json {
            let cursor = self.next.as_ref().map(write_cursor);
            let entries = std::mem::take(&mut self.entries);
            let object = json!({ "schema": SCHEMA, "verb": "scan", "entries": entries, "cursor": cursor });
            writeln!(screen.out, "{object:#}")?;
        }
        screen.out.flush()
    }

    fn go_on_text(&self) -> String {
        match &self.next {
            Some(next) => {
                format!("kvctl: {} listed; go on with --cursor {}\n", self.listed, write_cursor(next))
            }
            None => String::new(),
        }
    }
}

/// `PARTITION` or `PARTITION:KEY IN HEX`.
fn write_cursor(cursor: &Cursor) -> String {
    let key = cursor.after.as_ref().map_or_else(String::new, |key| {
        let digits = key.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let hex: String = digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
        format!(":{hex}")
    });
    format!("{}{key}", cursor.partition)
}

fn read_cursor(text: &str) -> Result<Cursor, Answer> {
    let (partition, key) =
        text.split_once(':').map_or((text, None), |(partition, key)| (partition, Some(key)));
    let partition = partition.parse::<u16>().ok().filter(|partition| usize::from(*partition) < PARTITIONS);
    let key = key.map(|hex| from_hex(hex).ok_or(())).transpose();
    if let (Some(partition), Ok(key)) = (partition, key) {
        return Ok(Cursor { partition: PartitionId(partition), after: key.map(bytes::Bytes::from) });
    }
    let note = format!("error: {text:?} is no cursor; give what an earlier scan printed\n");
    let fields =
        json!({ "verb": "scan", "result": "rejected", "error": note.trim_end(), "state": "nothing_sent" });
    Err(Answer::new(Exit::Usage, "", fields).with_note(note))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_read_back_as_it_was_written(partition in 0u16..4096, key in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..9))) {
            let cursor = Cursor { partition: PartitionId(partition), after: key.map(bytes::Bytes::from) };
            prop_assert_eq!(read_cursor(&write_cursor(&cursor)).unwrap(), cursor);
        }

        #[test]
        fn what_is_no_cursor_is_refused(text in "[0-9a-z:]{0,6}") {
            if let Err(answer) = read_cursor(&text) {
                prop_assert_eq!(answer.exit, Exit::Usage);
            }
        }
    }

    #[test]
    fn a_listing_keeps_to_prefix_and_limit_and_knows_where_it_stopped() {
        let args = Scan {
            prefix: "a".into(),
            limit: 2,
            cursor: None,
            keys_only: false,
            manner: crate::cli::Manner::default(),
        };
        let names = Names::default();
        let mut listing = Listing::new(&args, &names, None);
        let version = quorate_types::Version::new(quorate_types::Timestamp(0), quorate_types::NodeId(1));
        let entry = |key: &'static str| (bytes::Bytes::from(key), Record::put(version, "v", None));
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut screen = Screen { format: Format::Table, out: &mut out, err: &mut err };
        listing.page(vec![entry("a1"), entry("b1"), entry("a2"), entry("a3")], None, &mut screen).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a1\tv\na2\tv\n");
        assert_eq!(listing.go_on_text(), "kvctl: 2 listed; go on with --cursor 0:6132\n");
    }
}
