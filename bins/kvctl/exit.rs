//! The exit codes: the one table that outcomes, help text and README go by.

use std::fmt;
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Done; for a get, the key has a value (which may be empty).
    Ok,
    /// A negative answer.
    No,
    /// The request itself is at fault.
    Usage,
    /// No node could be reached.
    NotConnected,
    /// Too few replicas, or too busy.
    Unavailable,
    /// No sufficient answer in time.
    Unknown,
    /// Some of a batch.
    Partial,
    /// The cluster is not healthy.
    Unhealthy,
    /// The key was deleted.
    Deleted,
    /// A log that can't be trusted.
    Corrupt,
    /// A promise was broken.
    Violated,
    /// Not everything could be judged.
    Undecided,
    /// A defect of kvctl.
    Bug,
    /// Ctrl-C.
    Interrupted,
}

const TABLE: [(Exit, u8, &str); 14] = [
    (Exit::Ok, 0, "done; get: the key has a value, which may be empty"),
    (Exit::No, 1, "get: not found"),
    (Exit::Usage, 2, "usage or configuration error, or the request was rejected; nothing was applied"),
    (Exit::NotConnected, 3, "no node could be reached; nothing was sent"),
    (Exit::Unavailable, 4, "too few replicas alive, or overloaded; nothing was written"),
    (Exit::Unknown, 5, "no sufficient answer in time; a write may survive"),
    (Exit::Partial, 8, "some of the keys of a command, not all"),
    (Exit::Unhealthy, 9, "status --exit-code: the cluster is not healthy"),
    (Exit::Deleted, 10, "get: the key was deleted"),
    (Exit::Corrupt, 12, "wal: the log is corrupt or not a log"),
    (Exit::Violated, 13, "check, sim: a promise was broken, or a scenario did not end as it says"),
    (
        Exit::Undecided,
        14,
        "check, sim: no promise is broken as far as it was judged, but not everything could be decided",
    ),
    (Exit::Bug, 70, "a defect of kvctl; please report it"),
    (Exit::Interrupted, 130, "interrupted by Ctrl-C"),
];

impl Exit {
    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        TABLE.iter().find(|(exit, ..)| *exit == self).map_or(70, |(_, code, _)| *code)
    }

    /// The table as text, for the help of the root command.
    pub fn table() -> String {
        let lines: Vec<String> = TABLE.iter().map(|(_, code, what)| format!("  {code:>3}  {what}")).collect();
        format!("Exit codes:\n{}", lines.join("\n"))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_has_one_code_and_no_two_share_one() {
        let codes: std::collections::BTreeSet<u8> = TABLE.iter().map(|(_, code, _)| *code).collect();
        assert_eq!(codes.len(), TABLE.len());
        assert_eq!(
            (Exit::Ok.code(), Exit::No.code(), Exit::Deleted.code(), Exit::Unavailable.code()),
            (0, 1, 10, 4)
        );
        assert!(Exit::table().contains("   10  get: the key was deleted"));
    }
}
