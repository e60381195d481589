//! What `replica` says when it can't go on: what is wrong, what became of the data, what to do; and its exit code.

use std::error::Error;
use std::fmt;

use quorate_server::StartError;
use quorate_server::config::ConfigError;
use quorate_server::logs::LogError;

/// See the module.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    error: String,
    state: &'static str,
    remedy: &'static str,
}

const CONFIG: u8 = 2;
const ADDRESS: u8 = 3;
const DIRECTORY: u8 = 11;
const DAMAGED: u8 = 12;
const BUG: u8 = 70;

const NOTHING_STARTED: &str = "nothing was started, no data was touched";

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\n  state: {}\n  try:   {}", self.error, self.state, self.remedy)
    }
}

impl Failure {
    pub(crate) fn config(error: &ConfigError) -> Failure {
        Failure {
            code: CONFIG,
            error: chain(error),
            state: NOTHING_STARTED,
            remedy: "correct the configuration; `replica --check-config` checks it",
        }
    }

    pub(crate) fn node_missing(known: &[String]) -> Failure {
        Failure {
            code: CONFIG,
            error: format!("the configuration has several nodes: {}", known.join(", ")),
            state: NOTHING_STARTED,
            remedy: "say which one this is: --node ID",
        }
    }

    pub(crate) fn logs(error: &LogError) -> Failure {
        Failure {
            code: CONFIG,
            error: format!("log.filter: {error}"),
            state: NOTHING_STARTED,
            remedy: "correct log.filter; `replica --check-config` shows where the configuration is",
        }
    }

    pub(crate) fn start(error: &StartError) -> Failure {
        let (code, state, remedy) = match error {
            StartError::NoSuchNode { .. } => (CONFIG, NOTHING_STARTED, "name one of those with --node"),
            StartError::AddressTaken { .. } => (
                ADDRESS,
                "nothing was started, the data directory holds what it held",
                "stop the other process, or change addr (or --listen)",
            ),
            StartError::Listen { .. } => (
                ADDRESS,
                "nothing was started, the data directory holds what it held",
                "use an address of this machine in addr (or --listen)",
            ),
            StartError::Disk(error) => return Failure::disk(error),
            _ => (BUG, "the data directory is as it was", "start it again; if it stays, report it"),
        };
        Failure { code, error: chain(error), state, remedy }
    }

    fn disk(error: &quorate_server::DiskError) -> Failure {
        use quorate_server::DiskError as E;
        let (code, remedy) = match error {
            E::Locked { .. } => (DIRECTORY, "stop the process that has it, or use another --data-dir"),
            E::OtherIdentity { .. } => {
                (DIRECTORY, "use this node's own --data-dir, or the right --node and --config")
            }
            E::Io { .. } | E::Wal(quorate_wal::Error::Io { .. }) => {
                (DIRECTORY, "see that this user can read and write the directory and that the disk has room")
            }
            _ => (DAMAGED, "as above; `kvctl wal verify` on the directory shows what can be read"),
        };
        Failure { code, error: chain(error), state: "nothing was started, nothing was overwritten", remedy }
    }

    pub(crate) fn while_running(why: &str) -> Failure {
        Failure {
            code: DAMAGED,
            error: why.to_owned(),
            state: "what was acknowledged is on disk; what was under way may or may not be",
            remedy: "see to the disk, then start the node again: it recovers from its log",
        }
    }
}

/// The error and what caused it, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use quorate_server::DiskError;

    use super::*;

    #[test]
    fn a_disk_that_is_full_when_the_log_is_opened_is_no_damage() {
        let source = Arc::new(io::Error::from(io::ErrorKind::StorageFull));
        let wal =
            quorate_wal::Error::Io { action: "make", path: "data/n1/wal/0000000005.new".into(), source };
        let failure = Failure::start(&StartError::Disk(DiskError::Wal(wal)));
        assert_eq!(failure.code, DIRECTORY);
        assert!(failure.to_string().ends_with("and that the disk has room"), "{failure}");
    }
}
