//! docs/redis.md, rendered from the table of commands.

mod bounds;

use std::fmt::Write;

use crate::table::{Command, Group, OFFERED, REFUSED, Why};

/// The page. A test holds docs/redis.md against it.
pub fn page() -> String {
    let mut text = String::from(HEAD);
    bounds::limits(&mut text);
    text.push_str(OFFERED_HEAD);
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
    text.push_str(bounds::ENDS);
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

## Cluster clients

Any client reaches every key through one node. A cluster client (redis-py's `RedisCluster`, ioredis' `Cluster`, go-redis'
`ClusterClient`) can spread its requests over all of them: with `cluster = true` in `[resp]`, `CLUSTER SLOTS`, `SHARDS`, `NODES`,
`INFO`, `KEYSLOT` and `MYID` are answered, and `HELLO` and `INFO` say `cluster`. The 16,384 slots are divided evenly over the nodes
of the configuration whose `resp_addr` has a listener of the same levels, in the order of the nodes' numbers, so that every
node gives the same answer. While a node is down, or drains, its slots go to the next; two nodes may see that at different
moments, and it does no harm: a slot is no place of a key, any node takes any key, there is no `MOVED` or `ASK`, and commands on keys
of several slots are taken. A listener on all addresses (`0.0.0.0`) is told with the host of the node's `addr`. In `CLUSTER NODES`
the ports of the bus, pings and epochs are zeros: there are none; nor has `CLUSTER SHARDS` offsets of replication. What else Redis
has under `CLUSTER` (`COUNTKEYSINSLOT`, `MEET`, `SETSLOT`…) is refused. Plain clients notice nothing.

## Errors

| code | what became of the data | what to do |
|---|---|---|
| `NOREPLICAS` | too few replicas are alive: nothing was sent | try again later, or at a lower level |
| `LOADING` | the node recovers its data from its disk: nothing was done, the connection is closed | try again |
| `TRYAGAIN` | overloaded, shutting down, or too late before it began: nothing was sent | try again |
| `WRITETIMEOUT` | too few replicas acknowledged: the write may survive | read the key, then decide; or repeat a `SET` or `DEL` as `KV.PUT` or `KV.DEL` (below) |
| `READTIMEOUT` | too few replicas answered | try again, or at a lower level |
| `PARTIAL` | of several keys some were written; the error names the others | look at those |
| `MISCONF` | the node's log failed: it takes no writes | go to another node |
| `ERR` | it will never be done as it is asked | change the command |

Clients retry some codes by themselves; none of them stands for an outcome that is not known.

A write whose outcome is unknown can be made sure of without a read: `KV.PUT key value VERSION version`, with the same value and
the version that the error names (and `PXAT` its `expires_at_ms`, if it names one), or `KV.DEL key VERSION version`. However
often it arrives, it is that one write. Another value under that version would be a lie that replicas can't see through.

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
| redis-py | 5.3.1, 6.4.0, 7.4.1, 8.1.0 | `pipeline(transaction=False)`; 8.1.0 also as `RedisCluster` at four nodes, of which one is killed |
| coredis | 6.9.0 | |
| valkey-glide (Python) | 2.6.0 | batches with `is_atomic=False` |
| ioredis, iovalkey | 6.0.0, 0.4.0 | ioredis also as `Cluster` at four nodes, of which one is killed |
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
| all | a key has at least one byte; an error repeats no bytes that are no text |
| `SET`, `EXPIRE`, `PEXPIRE`, `EXPIREAT`, `PEXPIREAT` | options that need compare-and-set are refused |
| `GETEX` | a wrong expiry is an error also if the key does not exist |
| `UNLINK` | the number of keys that were named: nothing is read |
| `SCAN` | cursors are places on the ring, and a page holds whole tokens; what is no number below 2^63 is an invalid cursor |
| `READONLY`, `READWRITE` | taken and without effect: every node takes reads and writes |
| `CLIENT LIST`, `COMMAND LIST` | options are not offered |
| `CLIENT SETNAME`, `CLIENT SETINFO`, `HELLO` | a name has at most 256 bytes |
| `CLIENT HELP`, `CLUSTER HELP`, `COMMAND HELP`, `CONFIG HELP`, `MEMORY HELP` | other subcommands |
| `CLIENT NO-TOUCH`, `CLIENT SETINFO` | as in Redis 7.2, also beside an older one |
| `COMMAND GETKEYS` | as in Redis 7.2, also beside an older one |
| `DBSIZE` | an estimate |
| `MEMORY USAGE` | an estimate of other memory |
| `HELLO` | the version that is emulated, and the number of the connection |
| `CLIENT ID`, `CLIENT LIST`, `INFO`, `TIME` | another server |
| `CLIENT INFO` | another connection |
| `CONFIG GET` | other settings |
| `COMMAND`, `COMMAND COUNT`, `COMMAND LIST` | other commands |
| `COMMAND INFO` | flags, categories, tips and key specifications are fewer |
| `COMMAND DOCS` | summary, since and group only |
| `TTL`, `PTTL`, `EXPIRETIME`, `PEXPIRETIME` | time goes on between two servers |

## Transactions

`MULTI` is refused, and so is every command behind it, without being executed, until `EXEC` (answered `EXECABORT`), `DISCARD`
(`OK`: nothing was done) or `RESET` ends the transaction that never was. So a client that sends `MULTI`, commands and `EXEC` in
one go is told the truth: nothing of it was written. A client that gives up at the refused `MULTI` and keeps the connection
(in a pool, or for others who share it) is refused with this advice for a second; what it says later is refused, too, and ends the
connection, and the next one is as good as any.

## Browsers

`POST` or `Host:` as a command ends the connection at once, without a reply, as in Redis: a web page may make the browser of
somebody on this machine speak to a port, and what it sends as the body of a request may be commands. The node logs where it
came from and counts it (`quorate_resp_cross_protocol_total`).

## What `INFO` says

`redis_version` is the version whose behaviour clients may expect; `used_memory` and `used_memory_rss` are the resident memory of the
process, `used_memory_dataset` the keys and values that the node holds; `db0:keys` is `DBSIZE`, an estimate, and how many
keys expire nobody counts; `instantaneous_ops_per_sec` is since this connection last asked. These never change, are true,
and are there because clients look for them: `loading:0` (a node that recovers says `LOADING` instead), `role:master` and
`connected_slaves:0` (every node takes writes, none has replicas of its own), `aof_enabled:1` (there is a log),
`maxmemory:0` and `maxmemory_policy:noeviction`. The section `Kv` is about this store.
";

const OFFERED_HEAD: &str = "
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
