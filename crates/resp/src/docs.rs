//! docs/redis.md, rendered from the table of commands.

use std::fmt::Write;

use crate::table::{Command, Group, OFFERED, REFUSED, Why};

/// The page. A test holds docs/redis.md against it.
pub fn page() -> String {
    let mut text = String::from(HEAD);
    for group in Group::ALL {
        let _ =
            write!(text, "\n### {}\n\n| command | since | what it does |\n|---|---|---|\n", heading(group));
        for command in OFFERED.iter().filter(|command| command.group == group) {
            row(command, &mut text);
            command.subcommands.iter().for_each(|sub| row(sub, &mut text));
        }
    }
    text.push_str("\n## What is refused\n");
    for why in Why::ALL {
        let names: Vec<String> = REFUSED
            .iter()
            .filter(|(_, reason)| *reason == why)
            .map(|(name, _)| format!("`{}`", name.to_uppercase()))
            .collect();
        let _ = write!(text, "\n**Not offered: {}.** {}.\n", why.sentence(), names.join(", "));
    }
    text
}

fn row(command: &Command, text: &mut String) {
    let syntax = command.syntax.replace('|', "\\|");
    let _ = writeln!(text, "| `{syntax}` | {} | {} |", command.since, command.summary);
}

fn heading(group: Group) -> &'static str {
    match group {
        Group::String => "Values",
        Group::Generic => "Keys",
        Group::Own => "Levels and receipts",
        Group::Connection => "The connection",
        Group::Server => "The server",
    }
}

const HEAD: &str = "# Redis clients

Rendered from the table in `crates/resp/src/table`; a test holds it against this page.

A node listens for Redis clients at the `resp_addr` of its `[[node]]`. Any client of RESP2 or RESP3 can use it, through any
node. Values are strings of bytes. Nodes agree in the end, not at once: what a reply promises is the level that was in
force for the command.

## Levels

The listener has defaults (`resp_addr = \"127.0.0.1:7379 read=ONE write=QUORUM\"`; without them, those of the keyspace);
`KV.CONSISTENCY READ level WRITE level` sets them for a connection (in the connect hook of a pool), `KV.GET … LEVEL level`
and `KV.PUT … LEVEL level` for one command. `RESET` goes back to the listener's. Commands on the same key take effect in
the order in which one connection sent them: a `GET` behind a `SET` in a pipeline sees it, if the levels overlap.

## Errors

| code | what became of the data | what to do |
|---|---|---|
| `NOREPLICAS` | too few replicas are alive: nothing was sent | try again later, or at a lower level |
| `LOADING` | the node recovers its data from its disk: nothing was done, the connection is closed | try again |
| `TRYAGAIN` | overloaded, shutting down, or too late before it began: nothing was sent | try again |
| `WRITETIMEOUT` | too few replicas acknowledged: the write may survive | read the key, then decide |
| `READTIMEOUT` | too few replicas answered | try again, or at a lower level |
| `PARTIAL` | of several keys some were written; the error names the others | look at those |
| `MISCONF` | the node's log failed: it takes no writes | go to another node |
| `ERR` | it will never be done as it is asked | change the command |

Clients retry some codes by themselves; none of them stands for an outcome that is not known.

## Expiry

A key's value and its expiry each carry the stamp of the write that set them, and merge on their own. `EXPIRE` beside a
racing `SET` loses neither: the newer of both expiries holds, whichever value wins. `EXPIRE`, `PERSIST` and
`SET … KEEPTTL` read first, at the level for reads (`KEEPTTL` at the keyspace's).

## Clients that were tried

`tests/clients` installs them, in exactly these versions, and lets each connect (without and with a password, and with a
wrong one), set, get, mget, expire, scan, send a pipeline and quit; what is refused below must reach the program as an
error.

| client | versions | notes |
|---|---|---|
| redis-cli, redis-benchmark | 7.0.15 | redis-benchmark with `-t ping,set,get,mset`: it stops at the first test that is refused |
| redis-py | 5.3.1, 6.4.0, 7.4.1, 8.1.0 | `pipeline(transaction=False)` |
| coredis | 6.9.0 | |
| valkey-glide (Python) | 2.6.0 | batches with `is_atomic=False` |
| ioredis, iovalkey | 6.0.0, 0.4.0 | |
| node-redis | 6.3.1 | `execAsPipeline` |
| go-redis, rueidis | 9.23.0, 1.0.79 | rueidis with `DisableCache`: there is no `CLIENT TRACKING` |
| Jedis, Lettuce | 7.1.0, 7.1.0 | |
| redis-rs, fred, rustis | 1.8.1, 10.1.0, 0.27.2 | redis-rs built with overflow checks loses its connection when `MULTI` is refused |

What each sends when it comes is kept in `tests/clients/handshakes` and played to a node by `cargo test`.

## Where a reply differs from that of Redis

Random sequences of all commands below go to a node and to a real Redis; the replies are the same, errors to the letter,
but for these:

| commands | what differs, or why |
|---|---|
| all | a key has at least one byte; what needs compare-and-set is refused (below); an error repeats no bytes that are no text |
| `SET`, `EXPIRE`, `PEXPIRE`, `EXPIREAT`, `PEXPIREAT` | options that need compare-and-set are refused |
| `GETEX` | a wrong expiry is an error also if the key does not exist |
| `UNLINK` | the number of keys that were named: nothing is read |
| `SCAN` | cursors are places on the ring; a page holds whole tokens; what is no number below 2^63 is an invalid cursor |
| `READONLY`, `READWRITE` | taken and without effect: every node takes reads and writes |
| `CLIENT LIST`, `COMMAND LIST` | options are not offered |
| `CLIENT NO-TOUCH`, `CLIENT SETINFO`, `COMMAND GETKEYS` | as in Redis 7.2, also beside an older one |
| `DBSIZE` | an estimate |
| `MEMORY USAGE` | an estimate of other memory |
| `HELLO` | the version that is emulated, and the number of the connection |
| `CLIENT ID`, `CLIENT INFO`, `CLIENT LIST`, `INFO`, `CONFIG GET`, `TIME` | another server |
| `COMMAND` and its subcommands | other commands |
| `TTL`, `PTTL`, `EXPIRETIME`, `PEXPIRETIME` | time goes on between two servers |

A client that sends `MULTI`, commands and `EXEC` in one go gets errors for both, and what stands between them is executed
as it comes.

## What is offered
";

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_says_what_the_table_says() {
        let page = super::page();
        assert_eq!(page, include_str!("../../../docs/redis.md"), "docs/redis.md should be:\n{page}");
    }
}
