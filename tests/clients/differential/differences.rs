//! Where a reply honestly differs from that of Redis. docs/redis.md has a row for each, and each row is one of these;
//! where it can be done at will, a command shows that the difference is still there.

use crate::reply::Reply;

use super::alike::{
    same_client_info, same_commands, same_docs, same_memory, same_settings, same_shape, same_type,
};
use super::connection::Command;

/// Both replies to one command, and whether what differs is no more than `reason` says.
type Explains = fn(&Command, &Reply, &Reply) -> bool;

/// See the module.
pub struct Difference {
    /// The commands, in capitals, subcommands behind a blank; none: any.
    pub commands: &'static [&'static str],
    /// As docs/redis.md has it.
    pub reason: &'static str,
    /// Commands, of which the last is replied to differently every time; none: it is a matter of time or chance.
    pub shown_by: &'static [&'static str],
    pub explains: Explains,
}

const fn difference(
    commands: &'static [&'static str],
    reason: &'static str,
    shown_by: &'static [&'static str],
    explains: Explains,
) -> Difference {
    Difference { commands, reason, shown_by, explains }
}

/// What is refused is not sent to Redis at all: see [`is_refused`].
pub const REFUSED: &str = "options that need compare-and-set are refused";
pub const REFUSED_OF: &[&str] = &["SET", "EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"];

/// A reason that there is only beside a Redis before 7.2.
pub const AS_IN_7_2: &str = "as in Redis 7.2, also beside an older one";

/// In `shown_by`: a name that is too long.
pub const LONG_NAME: &str = "LONG-NAME";

pub const DIFFERENCES: &[Difference] = &[
    difference(&["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"], "time goes on between two servers", &[], near),
    difference(
        &["UNLINK"],
        "the number of keys that were named: nothing is read",
        &["DEL a", "UNLINK a"],
        |command, ours, theirs| {
            matches!((ours, theirs), (Reply::Integer(ours), Reply::Integer(theirs))
            if usize::try_from(*ours) == Ok(command.0.len() - 1) && theirs <= ours)
        },
    ),
    difference(
        &["HELLO"],
        "the version that is emulated, and the number of the connection",
        &["HELLO 2"],
        |_, ours, theirs| greeting(ours) == greeting(theirs),
    ),
    difference(
        &["SCAN"],
        "cursors are places on the ring, and a page holds whole tokens",
        &["MSET a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8", "SCAN 0 COUNT 1"],
        |_, ours, theirs| same_shape(ours, theirs),
    ),
    difference(&[], "a key has at least one byte", &["GET "], |_, ours, _| {
        is_error(ours, "the key has 0 bytes")
    }),
    difference(&[], "an error repeats no bytes that are no text", &["EXPIRE a 100 \x01"], repeats_no_text),
    difference(
        &["GETEX"],
        "a wrong expiry is an error also if the key does not exist",
        &["DEL a", "GETEX a EX abc"],
        |_, ours, theirs| {
            let wrong = is_error(ours, "expire time") || is_error(ours, "not an integer");
            wrong && matches!(theirs, Reply::Null | Reply::NullBulk)
        },
    ),
    difference(
        &["SCAN"],
        "what is no number below 2^63 is an invalid cursor",
        &["SCAN 9223372036854775808"],
        |_, ours, _| is_error(ours, "invalid cursor"),
    ),
    difference(
        &["READONLY", "READWRITE"],
        "taken and without effect: every node takes reads and writes",
        &["READONLY"],
        |_, ours, theirs| {
            *ours == Reply::Status("OK".to_owned()) && is_error(theirs, "cluster support disabled")
        },
    ),
    difference(
        &["CLIENT LIST", "COMMAND LIST"],
        "options are not offered",
        &["CLIENT LIST TYPE normal"],
        |command, ours, _| command.0.len() > 2 && is_error(ours, "syntax error"),
    ),
    difference(
        &["CLIENT SETNAME", "CLIENT SETINFO", "HELLO"],
        "a name has at most 256 bytes",
        &["CLIENT SETNAME LONG-NAME"],
        |_, ours, _| is_error(ours, "can have 256 bytes at most"),
    ),
    difference(&["CLIENT NO-TOUCH", "CLIENT SETINFO"], AS_IN_7_2, &["CLIENT NO-TOUCH ON"], |_, _, theirs| {
        is_error(theirs, "unknown subcommand")
    }),
    difference(&["COMMAND GETKEYS"], AS_IN_7_2, &["COMMAND GETKEYS PING"], |_, ours, theirs| {
        matches!(ours, Reply::Error(_)) && is_error(theirs, "wrong number of arguments")
    }),
    difference(&["DBSIZE"], "an estimate", &[], same_type),
    difference(&["MEMORY USAGE"], "an estimate of other memory", &["SET a v", "MEMORY USAGE a"], same_memory),
    difference(&["CLIENT ID", "CLIENT LIST", "INFO", "TIME"], "another server", &["CLIENT LIST"], same_type),
    difference(&["CLIENT INFO"], "another connection", &["CLIENT INFO"], same_client_info),
    difference(&["CONFIG GET"], "other settings", &["CONFIG GET *"], same_settings),
    difference(
        &["COMMAND", "COMMAND COUNT", "COMMAND LIST"],
        "other commands",
        &["COMMAND COUNT"],
        same_type,
    ),
    difference(
        &["COMMAND INFO"],
        "flags, categories, tips and key specifications are fewer",
        &["COMMAND INFO get"],
        same_commands,
    ),
    difference(&["COMMAND DOCS"], "summary, since and group only", &["COMMAND DOCS get"], same_docs),
    difference(
        &["CLIENT HELP", "CLUSTER HELP", "COMMAND HELP", "CONFIG HELP", "MEMORY HELP"],
        "other subcommands",
        &["CLIENT HELP"],
        same_type,
    ),
];

/// Whether the command of this name is one of ours that Redis does not have.
pub fn is_our_own(name: &str) -> bool {
    name.starts_with("KV.")
}

/// Whether the reply says that the command was refused where refusing is right.
pub fn is_refused(command: &Command, ours: &Reply) -> bool {
    let options: &[&str] = match command.word(0).as_str() {
        "SET" => &["NX", "XX", "GET"],
        "EXPIRE" | "PEXPIRE" | "EXPIREAT" | "PEXPIREAT" => &["NX", "XX", "GT", "LT"],
        _ => return false,
    };
    matches!(ours, Reply::Error(text) if text.contains("is not offered: ")) && command.has(options)
}

/// Why both replies may differ as they do.
pub fn reason(command: &Command, ours: &Reply, theirs: &Reply) -> Option<&'static str> {
    let name = command.name();
    let of_command = |difference: &&Difference| {
        difference.commands.is_empty() || difference.commands.contains(&name.as_str())
    };
    let found = DIFFERENCES.iter().filter(of_command).find(|it| (it.explains)(command, ours, theirs));
    found.map(|difference| difference.reason)
}

fn is_error(reply: &Reply, words: &str) -> bool {
    matches!(reply, Reply::Error(text) if text.contains(words))
}

/// Whether both are the same error up to an argument that they repeat, which has bytes that are no text.
fn repeats_no_text(command: &Command, ours: &Reply, theirs: &Reply) -> bool {
    const COMMON_MIN: usize = "ERR Unsupported option ".len();
    let (Reply::Error(ours), Reply::Error(theirs)) = (ours, theirs) else { return false };
    let is_text = |word: &Vec<u8>| word.iter().all(|byte| (b' '..=b'~').contains(byte));
    let common = ours.chars().zip(theirs.chars()).take_while(|(ours, theirs)| ours == theirs).count();
    common >= COMMON_MIN && !command.0.iter().all(is_text)
}

/// Two times that the same command set on both servers.
fn near(_: &Command, ours: &Reply, theirs: &Reply) -> bool {
    const FAR: u64 = 400_000;
    let (Reply::Integer(ours), Reply::Integer(theirs)) = (ours, theirs) else { return false };
    *ours > 0 && *theirs > 0 && ours.abs_diff(*theirs) < FAR
}

fn greeting(reply: &Reply) -> Reply {
    let mut greeting = reply.clone();
    for varying in ["version", "id"] {
        if let Some(value) = greeting.value_of(varying) {
            *value = Reply::Null;
        }
    }
    greeting
}
