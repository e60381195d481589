//! Log lines: on standard error, as text or JSON, by a filter that can be changed while the process runs.
//!
//! Invariants:
//! - a line is a line: a control character, whoever it came from and in whichever field, is written as `\u00NN` (which JSON takes too);
//! - one filter per process: every node in it logs by it ([`set_filter`] is the one way to change it);
//! - a filter that is refused leaves the one in force as it was.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use crate::config::{LogConfig, LogFormat};

/// Longest filter.
const FILTER_BYTES_MAX: usize = 1_024;
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Why the filter is what it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// It is none.
    #[error("{filter:?} is no filter: {why}; use a level or filters such as \"info,quorate_node=debug\"")]
    FilterInvalid {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        why: String,
    },
    /// [`start`] was not called, or somebody else's log lines were there first.
    #[error("the log lines of this process are not written by a filter of ours")]
    NotStarted,
}

struct Logs {
    handle: reload::Handle<EnvFilter, Registry>,
    filter: Mutex<String>,
}

static LOGS: OnceLock<Logs> = OnceLock::new();

/// Writes log lines from now on, as `config` says.
pub fn start(config: &LogConfig) -> Result<(), LogError> {
    let look = match config.format {
        LogFormat::Json => Look::Json,
        LogFormat::Text if io::stderr().is_terminal() => Look::Colored,
        LogFormat::Text => Look::Plain,
    };
    let (subscriber, handle) = subscriber(&config.filter, look, io::stderr)?;
    subscriber.try_init().map_err(|_| LogError::NotStarted)?;
    let logs = Logs { handle, filter: Mutex::new(config.filter.clone()) };
    // Nobody else sets it: only one subscriber of a process can be the first.
    let _ = LOGS.set(logs);
    Ok(())
}

/// The filter in force; `None`: [`start`] was not called.
pub fn filter() -> Option<String> {
    LOGS.get().map(|logs| logs.filter.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

/// Logs by `filter` from now on; the one before. All nodes of the process do.
pub fn set_filter(filter: &str) -> Result<String, LogError> {
    let parsed = parsed(filter)?;
    let logs = LOGS.get().ok_or(LogError::NotStarted)?;
    let mut current = logs.filter.lock().unwrap_or_else(PoisonError::into_inner);
    logs.handle.reload(parsed).map_err(|_| LogError::NotStarted)?;
    let before = std::mem::replace(&mut *current, filter.to_owned());
    drop(current);
    tracing::info!(filter, before, "the filter of log lines was changed");
    Ok(before)
}

/// `filter`, if all of it means something. The parser takes any word for the name of a module, so that `inof` would
/// silence everything.
fn parsed(filter: &str) -> Result<EnvFilter, LogError> {
    let invalid = |why: String| {
        let filter = filter.chars().take(FILTER_BYTES_MAX).collect();
        LogError::FilterInvalid { filter, why }
    };
    if filter.len() > FILTER_BYTES_MAX {
        return Err(invalid(format!("it has more than {FILTER_BYTES_MAX} bytes")));
    }
    for part in filter.split(',').map(str::trim) {
        let is_level = LEVELS.iter().any(|level| level.eq_ignore_ascii_case(part));
        if !part.contains(['=', '[']) && !is_level {
            return Err(invalid(format!("{part:?} is no level; those are {}", LEVELS.join(", "))));
        }
    }
    EnvFilter::try_new(filter).map_err(|failure| invalid(failure.to_string()))
}

type Started = (Box<dyn Subscriber + Send + Sync>, reload::Handle<EnvFilter, Registry>);

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Json,
    Plain,
    Colored,
}

fn subscriber<W: Write + 'static>(
    filter: &str,
    look: Look,
    out: impl Fn() -> W + Send + Sync + 'static,
) -> Result<Started, LogError> {
    let (filter, handle) = reload::Layer::new(parsed(filter)?);
    let lines = fmt::layer().with_ansi(look == Look::Colored).with_writer(move || Lines { out: out(), look });
    let subscriber: Box<dyn Subscriber + Send + Sync> = match look {
        Look::Json => Box::new(Registry::default().with(filter).with(lines.json())),
        Look::Plain | Look::Colored => Box::new(Registry::default().with(filter).with(lines)),
    };
    Ok((subscriber, handle))
}

/// Writes whole lines, each as one piece, without control characters in them.
struct Lines<W> {
    out: W,
    /// Colored, escape sequences are ours: those from outside were escaped when their field was formatted.
    look: Look,
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let (text, end) = match line.split_last() {
            Some((b'\n', text)) => (text, "\n"),
            _ => (line, ""),
        };
        let is_raw = |byte: u8| byte.is_ascii_control() && !(self.look == Look::Colored && byte == 0x1b);
        if !text.iter().any(|&byte| is_raw(byte)) {
            return self.out.write_all(line).map(|()| line.len());
        }
        let mut clean = Vec::with_capacity(line.len() + 16);
        for &byte in text {
            if is_raw(byte) {
                clean.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
            } else {
                clean.push(byte);
            }
        }
        clean.extend_from_slice(end.as_bytes());
        self.out.write_all(&clean).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;
