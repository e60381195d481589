use std::sync::Arc;

use tracing::subscriber::with_default;
use tracing::{debug, info, warn};

use super::*;

/// Lines that were written.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `log` writes under `filter`; `log` may change the filter.
fn lines(
    (filter, look): (&str, Look),
    log: impl FnOnce(&reload::Handle<EnvFilter, Registry>),
) -> Vec<String> {
    let kept = Kept::default();
    let out = kept.clone();
    let (subscriber, handle) = subscriber(filter, look, move || out.clone()).unwrap();
    with_default(subscriber, || log(&handle));
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_control_character_in_any_field_is_escaped_and_a_line_stays_one_line() {
    let hostile = "k\n2026-01-01T00:00:00Z  INFO forged\r\x1b[31m\0\x7f";
    for look in [Look::Plain, Look::Json] {
        let lines = lines(("info", look), |_| {
            info!(key = hostile, "quoted");
            info!(key = %hostile, "displayed");
            info!(key = ?hostile, "debugged");
            info!("in the message: {hostile}");
        });
        assert_eq!(lines.len(), 4, "{lines:?}");
        for line in &lines {
            assert!(!line.bytes().any(|byte| byte.is_ascii_control()), "{line:?}");
            assert!(line.contains("forged"), "nothing is left out: {line:?}");
        }
        if look == Look::Json {
            for line in lines {
                let object: serde_json::Value = serde_json::from_str(&line).unwrap();
                assert_eq!(object["level"], "INFO");
            }
        }
    }
}

#[test]
fn the_filter_can_be_changed_while_lines_are_written() {
    let lines = lines(("warn", Look::Plain), |handle| {
        info!("before");
        handle.reload(parsed("info").unwrap()).unwrap();
        info!("between");
        handle.reload(parsed("warn,quorate_server=debug").unwrap()).unwrap();
        debug!("after");
        warn!(target: "elsewhere", "warned");
        info!(target: "elsewhere", "unheard");
    });
    let ends: Vec<_> = lines.iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(ends, ["between", "after", "warned"]);
}

#[test]
fn what_is_no_filter_is_refused_by_what_is_wrong_with_it() {
    for (filter, why) in [
        ("inof", "\"inof\" is no level; those are off, error, warn, info, debug, trace"),
        ("info,", "\"\" is no level"),
        ("", "\"\" is no level"),
        ("quorate_node=loud", "expected one of"),
        (&"info,".repeat(300), "it has more than 1024 bytes"),
    ] {
        let refused = parsed(filter).unwrap_err().to_string();
        assert!(refused.contains(why) && refused.contains("use a level or filters"), "{refused}");
    }
    for filter in ["info", "WARN", "warn,quorate_node=debug", "off", "quorate_server=trace,info"] {
        assert!(parsed(filter).is_ok(), "{filter}");
    }
}

#[test]
fn a_process_whose_lines_are_not_ours_says_so() {
    assert_eq!(filter(), None);
    assert!(matches!(set_filter("info"), Err(LogError::NotStarted)));
    assert!(matches!(set_filter("inof"), Err(LogError::FilterInvalid { .. })));
}
