//! The events say what the log did, at levels that fit.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use quorate_wal::TracingHooks;
use tracing::Level;

use crate::hooks;

/// Takes what is written to it.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines of a log's life, from this level up.
fn lines(level: Level) -> Vec<String> {
    let page = Page::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer({
            let page = page.clone();
            move || page.clone()
        })
        .with_max_level(level)
        .with_ansi(false)
        .without_time()
        .finish();
    let life = || hooks::live(Arc::new(TracingHooks::new("orders")));
    tracing::subscriber::with_default(subscriber, life);
    let bytes = page.0.lock().unwrap();
    String::from_utf8(bytes.clone()).unwrap().lines().map(|line| line.trim_start().to_owned()).collect()
}

#[test]
fn each_event_has_its_level_and_its_fields() {
    let all = lines(Level::TRACE);
    for line in [
        "TRACE quorate_wal: synced log=\"orders\" took_us=80",
        "TRACE quorate_wal: batch written log=\"orders\" last_lsn=1 records=1 bytes=944 synced=true \
         queue_wait_us=0",
        "DEBUG quorate_wal: segment begun log=\"orders\" segment=2",
        "DEBUG quorate_wal: segment given back log=\"orders\" segment=1",
    ] {
        assert!(all.iter().any(|found| found == line), "{line} is not among {all:#?}");
    }
    let (first, last) = (&all[0], all.last().unwrap());
    assert!(first.starts_with("INFO quorate_wal: log opened log=\"orders\" log_id="), "{first}");
    assert!(first.ends_with("oldest_lsn=1 last_lsn=0 tail=Created copied_records=0"), "{first}");
    assert!(
        last.starts_with("ERROR quorate_wal: log stopped for good log=\"orders\" error=the log"),
        "{last}"
    );
    assert!(last.contains("Records up to LSN 9 are durable"), "{last}");
}

#[test]
fn a_log_in_good_order_says_one_line_at_the_usual_level_and_one_when_it_stops() {
    let levels: Vec<_> =
        lines(Level::INFO).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(levels, ["INFO", "ERROR"]);
}

#[test]
fn the_documented_table_has_each_event_at_its_level() {
    let table = include_str!("../../src/hooks/to_tracing.md");
    let all = lines(Level::TRACE);
    for row in table.lines().skip(2).take_while(|line| !line.is_empty()) {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let event = format!("{} quorate_wal: {} log=", cells[1], cells[2]);
        let line = all.iter().find(|line| line.starts_with(&event)).expect(row);
        let fields =
            cells[3].split('`').filter(|field| field.chars().all(|c| c.is_alphanumeric() || c == '_'));
        for field in fields.filter(|field| !field.is_empty()) {
            assert!(line.contains(&format!(" {field}=")), "{field} of {line}");
        }
    }
}
