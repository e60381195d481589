//! docs/redis.md: what bounds a client, and what it sees of the node's beginning and end. Defaults are read off
//! [`crate::Limits`].

use std::fmt::Write as _;

use crate::Limits;
use crate::connection::{NAME_BYTES_MAX, SCAN_COUNT_MAX};
use crate::limits::{STRANGER_ARGUMENT_BYTES_MAX, STRANGER_ARGUMENTS_MAX};

/// What bounds a client; the defaults are those of the code.
pub(super) fn limits(text: &mut String) {
    let limits = Limits::default();
    text.push_str("\n## Limits\n\n");
    row(text, "limit", "default", ("above it", "counted as"));
    row(text, "---", "---", ("---", "---"));
    sent(&limits, text);
    owed(&limits, text);
    text.push_str(LIMITS_TAIL);
}

fn row(text: &mut String, limit: &str, default: &str, (above, counted): (&str, &str)) {
    let _ = writeln!(text, "| {limit} | {default} | {above} | {counted} |");
}

/// Of what a client sends.
fn sent(limits: &Limits, text: &mut String) {
    row(
        text,
        "`resp.connections_max`, of the node",
        "10,000",
        (
            "`ERR max number of clients reached`, closed",
            "`quorate_limit_hits_total{limit=\"resp.connections_max\"}`",
        ),
    );
    row(
        text,
        "`resp.arguments_max`, of a command",
        &limits.arguments_max.to_string(),
        ("`ERR Protocol error: invalid multibulk length: …`, closed", GARBLED),
    );
    row(
        text,
        "`limits.value_bytes_max` and 64 KiB, of an argument",
        &kib(limits.argument_bytes_max as usize),
        (
            "`ERR Protocol error: invalid bulk length: …`, closed; a value between both: `ERR value is too large (limit …)`",
            "`quorate_resp_garbled_total`; `quorate_limit_hits_total{limit=\"value_bytes_max\"}`",
        ),
    );
    row(
        text,
        "`resp.command_bytes_max`, of a command with its arguments",
        &kib(limits.command_bytes_max as usize),
        ("`ERR Protocol error: a command has at most …`, closed", GARBLED),
    );
    row(
        text,
        "a command that is written as a line",
        &kib(limits.inline_bytes_max as usize),
        ("`ERR Protocol error: too big inline request: …`, closed", GARBLED),
    );
    row(
        text,
        "before `AUTH`, if there is a password: arguments; bytes of each, or of a line",
        &format!("{STRANGER_ARGUMENTS_MAX}; {}", kib(STRANGER_ARGUMENT_BYTES_MAX as usize)),
        ("`ERR Protocol error: unauthenticated …`, closed", GARBLED),
    );
}

/// Of what a client waits for.
fn owed(limits: &Limits, text: &mut String) {
    row(
        text,
        "`resp.pipeline_max`, commands of a client that wait for answers",
        &limits.pipeline_max.to_string(),
        ("nothing more is read until some were answered", WAITS),
    );
    row(
        text,
        "`resp.reads_max`, reads of a client under way",
        &limits.reads_max.to_string(),
        (
            "no further command of it is begun. Eight at first; one more with each small value; after a large one only as many \
         as come to `output_pause_bytes`",
            WAITS,
        ),
    );
    row(
        text,
        "`resp.output_pause_bytes`, of answers that wait for a client, or for their turn",
        &kib(limits.output_pause_bytes),
        ("no further command of it is begun", WAITS),
    );
    row(
        text,
        "`resp.commands_bytes_max`, of all clients' commands whose rest has not come; smaller ones than 4 KiB do not count",
        &kib(limits.commands_bytes_max),
        ("`TRYAGAIN`, closed", "`quorate_limit_hits_total{limit=\"resp.commands_bytes_max\"}`"),
    );
    row(
        text,
        "`resp.command_timeout`, from a command's first byte to its last; the time in which the node reads nothing does not count",
        &format!("{} s", limits.command_timeout.as_secs()),
        ("`ERR`, closed", "`quorate_limit_hits_total{limit=\"resp.command_timeout\"}`"),
    );
    row(
        text,
        "`resp.write_timeout`, in which a client takes nothing of its replies",
        &format!("{} s", limits.write_timeout.as_secs()),
        ("closed", "`quorate_limit_hits_total{limit=\"resp.write_timeout\"}`"),
    );
    row(
        text,
        "`status_requests_max` (fixed), requests that wait for the node's next status (`INFO`, `DBSIZE`)",
        "16,384",
        ("`TRYAGAIN`", "`quorate_limit_hits_total{limit=\"status_requests_max\"}`"),
    );
    row(
        text,
        "`resp.output_bytes_max`, of the values of one reply",
        &kib(limits.output_bytes_max),
        (
            "`ERR` instead of the reply, before its first byte; ask for fewer keys",
            "`quorate_limit_hits_total{limit=\"resp.output_bytes_max\"}`",
        ),
    );
    row(
        text,
        "a name that a client gives itself",
        &format!("{NAME_BYTES_MAX} B"),
        ("`ERR Client names can have … bytes at most.`", "`quorate_resp_errors_total`"),
    );
    row(
        text,
        "keys that one `SCAN` gives",
        &SCAN_COUNT_MAX.to_string(),
        ("so many are given", "not counted"),
    );
}

const GARBLED: &str = "`quorate_resp_garbled_total`";
const WAITS: &str = "not counted: the client waits";

fn kib(bytes: usize) -> String {
    format!("{} KiB", bytes >> 10)
}

const LIMITS_TAIL: &str = "
So a client makes a node keep at most `output_pause_bytes` of answers, `reads_max` values whose sizes were not known, and
one reply; in its usual course a few values more than the sockets hold. A client that reads slowly slows only itself: it
is closed when it takes nothing at all for `write_timeout`. `INFO`, `DBSIZE`, `SCAN`, `CLIENT LIST` and a command on more
keys than may be under way let nothing behind them begin until they are answered or all of it has begun. All who ask for
a status while one is put together share the next one.
";

pub(super) const ENDS: &str = "
## The end of a connection, and of a node

A client that shuts its sending side still gets the replies to all whole commands that it has sent; then the node closes.
While a node drains, clients that are connected get `TRYAGAIN` for commands on keys, and new ones are told
`TRYAGAIN the node is draining and takes no new clients` and closed (`resp_refused_draining`). A node that starts says
`LOADING` until its data is recovered.
";
