//! The commands that are offered.

use super::ExpireUnit::{AtMilliseconds, AtSeconds, InMilliseconds, InSeconds};
use super::TimeUnit::{Milliseconds, Seconds};
use super::subcommands::{CLIENT, CLUSTER, COMMAND, CONFIG, MEMORY};
use super::{ALL, Access, Command, Group, Keys, NONE, ONE, PAIRS, Verb};

pub(super) const fn command(
    (name, arity, access, keys): (&'static str, i8, Access, Keys),
    (group, since, syntax, summary): (Group, &'static str, &'static str, &'static str),
    verb: Verb,
    subcommands: &'static [Command],
) -> Command {
    Command { name, arity, access, keys, group, since, syntax, summary, verb, subcommands }
}

/// Sorted by name.
pub(crate) const OFFERED: &[Command] = &[
    command(
        ("auth", -2, Access::None, NONE),
        (Group::Connection, "1.0.0", "AUTH [username] password", "Says the password of this door."),
        Verb::Auth,
        &[],
    ),
    command(
        ("client", -2, Access::None, NONE),
        (
            Group::Connection,
            "2.4.0",
            "CLIENT subcommand",
            "About this connection and the others of this node.",
        ),
        Verb::Client,
        CLIENT,
    ),
    command(
        ("cluster", -2, Access::None, NONE),
        (
            Group::Server,
            "3.0.0",
            "CLUSTER subcommand",
            "What spreads cluster clients over the nodes, with `resp.cluster`; without, as a Redis without cluster support.",
        ),
        Verb::Cluster,
        CLUSTER,
    ),
    command(
        ("command", -1, Access::None, NONE),
        (Group::Server, "2.8.13", "COMMAND [subcommand]", "How commands are called."),
        Verb::Command,
        COMMAND,
    ),
    command(
        ("config", -2, Access::None, NONE),
        (Group::Server, "2.0.0", "CONFIG subcommand", "The few settings that clients ask for."),
        Verb::Config,
        CONFIG,
    ),
    command(
        ("dbsize", 1, Access::Read, NONE),
        (
            Group::Server,
            "1.0.0",
            "DBSIZE",
            "About how many keys the keyspace has: estimated from the share that this node holds.",
        ),
        Verb::DbSize,
        &[],
    ),
    command(
        ("del", -2, Access::Write, ALL),
        (
            Group::Generic,
            "1.0.0",
            "DEL key [key ...]",
            "Deletes keys; how many of them existed, which takes a read of each.",
        ),
        Verb::Del,
        &[],
    ),
    command(
        ("echo", 2, Access::None, NONE),
        (Group::Connection, "1.0.0", "ECHO message", "The message."),
        Verb::Echo,
        &[],
    ),
    command(
        ("exists", -2, Access::Read, ALL),
        (Group::Generic, "1.0.0", "EXISTS key [key ...]", "How many of the keys exist."),
        Verb::Exists,
        &[],
    ),
    command(
        ("expire", -3, Access::Write, ONE),
        (
            Group::Generic,
            "1.0.0",
            "EXPIRE key seconds",
            "Lets a key expire; its value keeps its own version, so that a racing write loses nothing.",
        ),
        Verb::Expire(InSeconds),
        &[],
    ),
    command(
        ("expireat", -3, Access::Write, ONE),
        (Group::Generic, "1.2.0", "EXPIREAT key unix-time-seconds", "Lets a key expire at a time."),
        Verb::Expire(AtSeconds),
        &[],
    ),
    command(
        ("expiretime", 2, Access::Read, ONE),
        (Group::Generic, "7.0.0", "EXPIRETIME key", "When a key expires, seconds since 1970."),
        Verb::ExpireTime(Seconds),
        &[],
    ),
    command(
        ("get", 2, Access::Read, ONE),
        (Group::String, "1.0.0", "GET key", "The value of a key."),
        Verb::Get,
        &[],
    ),
    command(
        ("getex", -2, Access::Write, ONE),
        (
            Group::String,
            "6.2.0",
            "GETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]",
            "The value of a key, whose expiry is set: a read, then a write of the expiry.",
        ),
        Verb::GetEx,
        &[],
    ),
    command(
        ("getrange", 4, Access::Read, ONE),
        (Group::String, "2.4.0", "GETRANGE key start end", "A part of the value of a key."),
        Verb::GetRange,
        &[],
    ),
    command(
        ("hello", -1, Access::None, NONE),
        (
            Group::Connection,
            "6.0.0",
            "HELLO [protover [AUTH username password] [SETNAME name]]",
            "Chooses the version of the protocol; what this server is.",
        ),
        Verb::Hello,
        &[],
    ),
    command(
        ("info", -1, Access::None, NONE),
        (Group::Server, "1.0.0", "INFO [section ...]", "How this node is."),
        Verb::Info,
        &[],
    ),
    command(
        ("kv.consistency", -1, Access::None, NONE),
        (
            Group::Own,
            "0.1.0",
            "KV.CONSISTENCY [READ level] [WRITE level]",
            "How many replicas must answer the reads and writes of this connection; without arguments, says so.",
        ),
        Verb::KvConsistency,
        &[],
    ),
    command(
        ("kv.del", -2, Access::Write, ONE),
        (
            Group::Own,
            "0.1.0",
            "KV.DEL key [LEVEL level] [VERSION version] [META]",
            "Deletes a key without reading it.",
        ),
        Verb::KvDel,
        &[],
    ),
    command(
        ("kv.explain", 2, Access::Read, ONE),
        (Group::Own, "0.1.0", "KV.EXPLAIN key", "Where a key lives and what each replica holds of it."),
        Verb::KvExplain,
        &[],
    ),
    command(
        ("kv.get", -2, Access::Read, ONE),
        (
            Group::Own,
            "0.1.0",
            "KV.GET key [LEVEL level] [META]",
            "The value of a key; with META, its version and expiry too.",
        ),
        Verb::KvGet,
        &[],
    ),
    command(
        ("kv.put", -3, Access::Write, ONE),
        (
            Group::Own,
            "0.1.0",
            "KV.PUT key value [LEVEL level] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL] [VERSION version] [META]",
            "Sets the value of a key; with META, the version that it got and how many replicas had acknowledged.",
        ),
        Verb::KvPut,
        &[],
    ),
    command(
        ("kv.receipt", -1, Access::None, NONE),
        (
            Group::Own,
            "0.1.0",
            "KV.RECEIPT [ON | OFF]",
            "Asks for receipts from here on, or shows that of the last read or write before: who answered when, who was hinted.",
        ),
        Verb::KvReceipt,
        &[],
    ),
    command(
        ("memory", -2, Access::Read, NONE),
        (Group::Server, "4.0.0", "MEMORY subcommand", "About memory."),
        Verb::Memory,
        MEMORY,
    ),
    command(
        ("mget", -2, Access::Read, ALL),
        (Group::String, "1.0.0", "MGET key [key ...]", "The values of keys, each read on its own."),
        Verb::MGet,
        &[],
    ),
    command(
        ("mset", -3, Access::Write, PAIRS),
        (
            Group::String,
            "1.0.1",
            "MSET key value [key value ...]",
            "Sets keys, each a write of its own: an error says which were not written.",
        ),
        Verb::MSet,
        &[],
    ),
    command(
        ("persist", 2, Access::Write, ONE),
        (Group::Generic, "2.2.0", "PERSIST key", "Lets a key live for ever."),
        Verb::Persist,
        &[],
    ),
    command(
        ("pexpire", -3, Access::Write, ONE),
        (Group::Generic, "2.6.0", "PEXPIRE key milliseconds", "Lets a key expire."),
        Verb::Expire(InMilliseconds),
        &[],
    ),
    command(
        ("pexpireat", -3, Access::Write, ONE),
        (Group::Generic, "2.6.0", "PEXPIREAT key unix-time-milliseconds", "Lets a key expire at a time."),
        Verb::Expire(AtMilliseconds),
        &[],
    ),
    command(
        ("pexpiretime", 2, Access::Read, ONE),
        (Group::Generic, "7.0.0", "PEXPIRETIME key", "When a key expires, milliseconds since 1970."),
        Verb::ExpireTime(Milliseconds),
        &[],
    ),
    command(
        ("ping", -1, Access::None, NONE),
        (Group::Connection, "1.0.0", "PING [message]", "PONG, or the message."),
        Verb::Ping,
        &[],
    ),
    command(
        ("psetex", 4, Access::Write, ONE),
        (Group::String, "2.6.0", "PSETEX key milliseconds value", "Sets the value of a key and its expiry."),
        Verb::SetEx(Milliseconds),
        &[],
    ),
    command(
        ("pttl", 2, Access::Read, ONE),
        (Group::Generic, "2.6.0", "PTTL key", "How long a key has to live, milliseconds."),
        Verb::Ttl(Milliseconds),
        &[],
    ),
    command(
        ("quit", -1, Access::None, NONE),
        (Group::Connection, "1.0.0", "QUIT", "Ends the connection."),
        Verb::Quit,
        &[],
    ),
    command(
        ("readonly", 1, Access::None, NONE),
        (Group::Connection, "3.0.0", "READONLY", "Taken and without effect: every node takes reads."),
        Verb::NoOp,
        &[],
    ),
    command(
        ("readwrite", 1, Access::None, NONE),
        (Group::Connection, "3.0.0", "READWRITE", "Taken and without effect: every node takes writes."),
        Verb::NoOp,
        &[],
    ),
    command(
        ("reset", 1, Access::None, NONE),
        (Group::Connection, "6.2.0", "RESET", "Makes the connection as it was at its beginning."),
        Verb::Reset,
        &[],
    ),
    command(
        ("scan", -2, Access::Read, NONE),
        (
            Group::Generic,
            "2.8.0",
            "SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]",
            "Goes through all keys; a cursor is a place on the ring, so that any node goes on with it.",
        ),
        Verb::Scan,
        &[],
    ),
    command(
        ("select", 2, Access::None, NONE),
        (Group::Connection, "1.0.0", "SELECT index", "There is database 0 only."),
        Verb::Select,
        &[],
    ),
    command(
        ("set", -3, Access::Write, ONE),
        (
            Group::String,
            "1.0.0",
            "SET key value [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
            "Sets the value of a key. NX, XX and GET are refused: they need compare-and-set.",
        ),
        Verb::Set,
        &[],
    ),
    command(
        ("setex", 4, Access::Write, ONE),
        (Group::String, "2.0.0", "SETEX key seconds value", "Sets the value of a key and its expiry."),
        Verb::SetEx(Seconds),
        &[],
    ),
    command(
        ("strlen", 2, Access::Read, ONE),
        (Group::String, "2.2.0", "STRLEN key", "The length of the value of a key."),
        Verb::Strlen,
        &[],
    ),
    command(
        ("substr", 4, Access::Read, ONE),
        (
            Group::String,
            "1.0.0",
            "SUBSTR key start end",
            "A part of the value of a key: the old name of GETRANGE.",
        ),
        Verb::GetRange,
        &[],
    ),
    command(
        ("time", 1, Access::None, NONE),
        (Group::Server, "2.6.0", "TIME", "The time of this node."),
        Verb::Time,
        &[],
    ),
    command(
        ("touch", -2, Access::Read, ALL),
        (Group::Generic, "3.2.1", "TOUCH key [key ...]", "How many of the keys exist; nothing is recorded."),
        Verb::Exists,
        &[],
    ),
    command(
        ("ttl", 2, Access::Read, ONE),
        (Group::Generic, "1.0.0", "TTL key", "How long a key has to live, seconds."),
        Verb::Ttl(Seconds),
        &[],
    ),
    command(
        ("type", 2, Access::Read, ONE),
        (Group::Generic, "1.0.0", "TYPE key", "string, or none."),
        Verb::Type,
        &[],
    ),
    command(
        ("unlink", -2, Access::Write, ALL),
        (
            Group::Generic,
            "4.0.0",
            "UNLINK key [key ...]",
            "Deletes keys without reading them; how many were named.",
        ),
        Verb::Unlink,
        &[],
    ),
    command(
        ("wait", 3, Access::None, NONE),
        (
            Group::Generic,
            "3.0.0",
            "WAIT numreplicas timeout",
            "How many replicas beside the first had the last write of this connection on disk when it was answered.",
        ),
        Verb::Wait,
        &[],
    ),
];
