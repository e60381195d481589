//! The one table of commands: what there is, how it is called, what is offered and what is refused and why.
//!
//! Dispatch, arity, `COMMAND` and docs/redis.md all go by it, so that they can't differ.
//!
//! Invariant: names are lower case, sorted within a list, and no name is in two lists.

mod offered;
mod refused;
mod subcommands;

pub(crate) use offered::OFFERED;
pub(crate) use refused::{REFUSED, REFUSED_OF_CLUSTER};

/// What a command is for: its heading in the docs, its group in `COMMAND DOCS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Connection,
    Server,
    Generic,
    String,
    Own,
}

impl Group {
    pub(crate) const ALL: [Group; 5] =
        [Group::String, Group::Generic, Group::Own, Group::Connection, Group::Server];

    /// As `COMMAND DOCS` names it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Generic => "generic",
            Group::String => "string",
            Group::Own => "quorate",
        }
    }
}

/// What a command does with data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// It touches no key.
    None,
    /// It reads keys.
    Read,
    /// It writes keys.
    Write,
}

/// Which arguments are keys: from `first` to `last` (from the end, if negative) every `step`; `first` 0: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) first: i8,
    pub(crate) last: i8,
    pub(crate) step: i8,
}

/// No argument is a key.
pub(crate) const NONE: Keys = Keys { first: 0, last: 0, step: 0 };
/// The first argument is.
pub(crate) const ONE: Keys = Keys { first: 1, last: 1, step: 1 };
/// The second is: a subcommand stands before it.
pub(crate) const SECOND: Keys = Keys { first: 2, last: 2, step: 1 };
/// All are.
pub(crate) const ALL: Keys = Keys { first: 1, last: -1, step: 1 };
/// Every second one is: key, value, key, value.
pub(crate) const PAIRS: Keys = Keys { first: 1, last: -1, step: 2 };

/// One offered command, or one subcommand of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// Arguments with the name: exactly, or at least if negative.
    pub(crate) arity: i8,
    pub(crate) access: Access,
    pub(crate) keys: Keys,
    pub(crate) group: Group,
    /// The version of Redis that had it first; of ours for our own.
    pub(crate) since: &'static str,
    /// How it is written.
    pub(crate) syntax: &'static str,
    /// One line for people.
    pub(crate) summary: &'static str,
    pub(crate) verb: Verb,
    pub(crate) subcommands: &'static [Command],
}

/// What dispatch does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Auth,
    Client,
    ClientGetName,
    ClientId,
    ClientInfo,
    ClientKill,
    ClientList,
    ClientNoOp,
    ClientReply,
    ClientSetInfo,
    ClientSetName,
    Cluster,
    ClusterInfo,
    ClusterKeySlot,
    ClusterMyId,
    ClusterNodes,
    ClusterShards,
    ClusterSlots,
    Command,
    CommandCount,
    CommandDocs,
    CommandGetKeys,
    CommandInfo,
    CommandList,
    Config,
    ConfigGet,
    DbSize,
    Del,
    Echo,
    Exists,
    Expire(ExpireUnit),
    ExpireTime(TimeUnit),
    Get,
    GetEx,
    GetRange,
    Hello,
    Help,
    Info,
    KvConsistency,
    KvDel,
    KvExplain,
    KvGet,
    KvPut,
    KvReceipt,
    Memory,
    MemoryUsage,
    MGet,
    MSet,
    NoOp,
    Persist,
    Ping,
    Quit,
    Reset,
    Scan,
    Select,
    Set,
    SetEx(TimeUnit),
    Strlen,
    Time,
    Ttl(TimeUnit),
    Type,
    Unlink,
    Wait,
}

/// The unit of a time that a command takes or gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeUnit {
    Seconds,
    Milliseconds,
}

/// The unit and the zero of a time at which a key shall expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExpireUnit {
    InSeconds,
    InMilliseconds,
    AtSeconds,
    AtMilliseconds,
}

/// Why a command of Redis is not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It reads and writes in one step.
    ReadModifyWrite,
    /// Transactions.
    Transaction,
    /// Scripts.
    Script,
    /// Publish and subscribe.
    PubSub,
    /// It is about another type than strings.
    OtherType,
    /// It is about all keys at once.
    AllKeys,
    /// It is about how Redis keeps and copies its data.
    Administration,
    /// It tells what this node does not keep.
    NotKept,
    /// It tells of slow commands.
    Slowness,
    /// It looks into a value.
    PartOfValue,
}

impl Why {
    pub(crate) const ALL: [Why; 10] = [
        Why::ReadModifyWrite,
        Why::Transaction,
        Why::Script,
        Why::PubSub,
        Why::OtherType,
        Why::AllKeys,
        Why::Administration,
        Why::NotKept,
        Why::Slowness,
        Why::PartOfValue,
    ];

    /// The rest of the sentence that begins with `NAME is not offered: `.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Why::ReadModifyWrite => {
                "it reads and writes in one step, which needs compare-and-set on the key; here the newest write wins, \
                 and a lock or counter made of it would break under concurrent clients. Use GET and SET, or KV.PUT, \
                 from one writer per key"
            }
            Why::Transaction => {
                "commands on several keys are not one unit here, and isolation that is not there can't be promised. \
                 Send a plain pipeline: commands on the same key keep their order (redis-py: pipeline(transaction=False))"
            }
            Why::Script => {
                "scripts would run on one coordinator, while every node takes writes of the same keys. Do the work \
                 in the client"
            }
            Why::PubSub => "there are no channels. Use a message broker",
            Why::OtherType => {
                "values are strings of bytes. Keep a structure as a serialised value, or as one key per part"
            }
            Why::AllKeys => "keys live on many nodes. Use SCAN to go through them, and UNLINK to delete them",
            Why::Administration => "this is not how nodes of this store are run. Use kvctl",
            Why::NotKept => {
                "this node keeps no such record. Use KV.EXPLAIN, which says what each replica has of a key"
            }
            Why::Slowness => {
                "a node keeps no record of it for clients. Its log has slow requests (log.slow_request), its metrics count \
                 them (quorate_slow_requests_total) and have latencies, and KV.RECEIPT says who was waited for"
            }
            Why::PartOfValue => {
                "there is GETRANGE for a part of a value; for more, GET it and look at it in the client"
            }
        }
    }
}

/// The offered command of this name, in any case.
pub(crate) fn offered(name: &[u8]) -> Option<&'static Command> {
    find(OFFERED, name)
}

/// The subcommand of this name.
pub(crate) fn subcommand(command: &'static Command, name: &[u8]) -> Option<&'static Command> {
    find(command.subcommands, name)
}

/// Why the command of this name is not offered, if Redis has it.
pub(crate) fn refused(name: &[u8]) -> Option<Why> {
    let at = REFUSED.binary_search_by(|(known, _)| by_name(known, name)).ok()?;
    Some(REFUSED[at].1)
}

/// Whether Redis has a subcommand of `CLUSTER` of this name that is not offered.
pub(crate) fn is_refused_of_cluster(name: &[u8]) -> bool {
    REFUSED_OF_CLUSTER.binary_search_by(|known| by_name(known, name)).is_ok()
}

fn find(commands: &'static [Command], name: &[u8]) -> Option<&'static Command> {
    let at = commands.binary_search_by(|command| by_name(command.name, name)).ok()?;
    Some(&commands[at])
}

fn by_name(known: &str, name: &[u8]) -> std::cmp::Ordering {
    known.bytes().cmp(name.iter().map(u8::to_ascii_lowercase))
}

impl Command {
    /// Whether it may have `arguments` arguments, its name included.
    pub(crate) fn takes(&self, arguments: usize) -> bool {
        let wanted = usize::from(self.arity.unsigned_abs());
        if self.arity < 0 { arguments >= wanted } else { arguments == wanted }
    }

    /// The positions of its keys among `arguments` arguments.
    pub(crate) fn key_positions(&self, arguments: usize) -> impl Iterator<Item = usize> {
        let Keys { first, last, step } = self.keys;
        let end = match last {
            ..0 => arguments.saturating_sub(usize::from(last.unsigned_abs()) - 1),
            last => arguments.min(last as usize + 1),
        };
        let from = if first == 0 { end } else { first as usize };
        (from..end).step_by(usize::from(step.unsigned_abs()).max(1))
    }

    /// Its flags, as `COMMAND` names them.
    pub(crate) fn flags(&self) -> Vec<&'static str> {
        let mut flags = match self.access {
            Access::Read => vec!["readonly"],
            Access::Write => vec!["write"],
            Access::None => vec!["loading", "stale"],
        };
        if matches!(self.verb, Verb::Auth | Verb::Hello | Verb::Quit | Verb::Reset) {
            flags.push("no_auth");
        }
        if self.keys == ONE || self.keys == NONE {
            flags.push("fast");
        }
        flags
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_lower_case_sorted_and_nobody_has_two_meanings() {
        let mut all = BTreeSet::new();
        let lists = [
            OFFERED.iter().map(|command| command.name).collect::<Vec<_>>(),
            REFUSED.iter().map(|(name, _)| *name).collect(),
        ];
        for names in lists {
            assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
            for name in names {
                assert_eq!(name, name.to_ascii_lowercase());
                assert!(all.insert(name), "{name} stands twice");
            }
        }
        for command in OFFERED {
            let names: Vec<_> = command.subcommands.iter().map(|sub| sub.name).collect();
            assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        }
        assert!(REFUSED_OF_CLUSTER.is_sorted_by(|a, b| a < b), "{REFUSED_OF_CLUSTER:?}");
    }

    #[test]
    fn every_command_is_found_in_any_case_and_says_how_it_is_written() {
        for command in OFFERED {
            assert_eq!(offered(command.name.to_uppercase().as_bytes()).map(|c| c.name), Some(command.name));
            assert!(command.syntax.starts_with(&command.name.to_uppercase()), "{}", command.name);
            assert!(command.summary.ends_with('.'), "{}", command.name);
        }
        assert_eq!(refused(b"SetNX"), Some(Why::ReadModifyWrite));
        assert!(offered(b"nope").is_none() && refused(b"get").is_none());
    }

    #[test]
    fn keys_are_where_the_table_says() {
        let positions =
            |name: &str, len| offered(name.as_bytes()).unwrap().key_positions(len).collect::<Vec<_>>();
        assert_eq!(positions("get", 2), [1]);
        assert_eq!(positions("set", 5), [1]);
        assert_eq!(positions("mset", 5), [1, 3]);
        assert_eq!(positions("del", 4), [1, 2, 3]);
        assert_eq!(positions("ping", 2), [0; 0]);
    }
}
