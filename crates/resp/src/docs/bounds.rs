//! docs/redis.md: what bounds a client, and what it sees of the node's beginning and end. No row of it can be read off
//! the table of commands; the names and defaults are held against [`crate::Limits`].

pub(super) const SECTION: &str = "
## Limits

Names are those of `[resp]` in the configuration, counters those of `kvctl status` (in `/metrics` as
`quorate_limit_hits_total`, by the limit's name).

| limit | default | what happens | counter |
|---|---|---|---|
| `connections_max` | 10,000 | `ERR max number of clients reached`, closed | `resp_connections_max_hit` |
| `arguments_max` | 16,384 (10 before `AUTH`) | `ERR Protocol error`, closed | `resp_garbled` |
| `command_bytes_max` | 64 MiB | `ERR Protocol error`, closed | `resp_garbled` |
| `commands_bytes_max` | 256 MiB | of all clients, commands whose rest has not come: `TRYAGAIN`, closed; smaller ones than 4 KiB do not count | `resp_commands_bytes_max_hit` |
| `command_timeout` | 120 s | a command is not whole by then: `ERR`, closed; the time in which the node reads nothing does not count | `resp_command_timeout_hit` |
| `pipeline_max` | 1,024 | commands of one client under way: no more is read from it | |
| `reads_max` | 64 | reads of one client under way: no further command is begun. Eight at first; one more with each small value; after a large one only as many as come to `output_pause_bytes` | |
| `output_pause_bytes` | 1 MiB | answers that wait for one client, or for their turn: no further command is begun | |
| `output_bytes_max` | 256 MiB | values of one reply: `ERR` instead of the reply, before its first byte; ask for fewer keys | `resp_output_bytes_max_hit` |
| `write_timeout` | 60 s | a client takes nothing of its replies: closed | `resp_write_timeout_hit` |
| `status_requests_max` (fixed) | 16,384 | requests that wait for the node's next status (`INFO`, `DBSIZE`): `TRYAGAIN` | `status_requests_max_hit` |

So a client makes a node keep at most `output_pause_bytes` of answers, `reads_max` values whose sizes were not known, and
one reply; in its usual course a few values more than the sockets hold. A client that reads slowly slows only itself: it
is closed when it takes nothing at all for `write_timeout`. `INFO`, `DBSIZE`, `SCAN`, `CLIENT LIST` and a command on more
keys than may be under way let nothing behind them begin until they are answered or all of it has begun. All who ask for
a status while one is put together share the next one.

## The end of a connection, and of a node

A client that shuts its sending side still gets the replies to all whole commands that it has sent; then the node closes.
While a node drains, clients that are connected get `TRYAGAIN` for commands on keys, and new ones are told
`TRYAGAIN the node is draining and takes no new clients` and closed (`resp_refused_draining`). A node that starts says
`LOADING` until its data is recovered.
";

#[cfg(test)]
mod tests {
    use crate::Limits;
    use crate::limits::STRANGER_ARGUMENTS_MAX;

    fn grouped(number: usize) -> String {
        if number < 1_000 {
            number.to_string()
        } else {
            format!("{},{:03}", grouped(number / 1_000), number % 1_000)
        }
    }

    #[test]
    fn the_defaults_of_the_page_are_those_of_the_code() {
        let limits = Limits::default();
        let mib = |bytes: usize| format!("{} MiB", bytes >> 20);
        let seconds = |time: std::time::Duration| format!("{} s", time.as_secs());
        let arguments = grouped(limits.arguments_max as usize);
        for (name, default) in [
            ("arguments_max", format!("{arguments} ({STRANGER_ARGUMENTS_MAX} before `AUTH`)")),
            ("command_bytes_max", mib(limits.command_bytes_max as usize)),
            ("commands_bytes_max", mib(limits.commands_bytes_max)),
            ("command_timeout", seconds(limits.command_timeout)),
            ("pipeline_max", grouped(limits.pipeline_max)),
            ("reads_max", grouped(limits.reads_max)),
            ("output_pause_bytes", mib(limits.output_pause_bytes)),
            ("output_bytes_max", mib(limits.output_bytes_max)),
            ("write_timeout", seconds(limits.write_timeout)),
        ] {
            let row = format!("| `{name}` | {default} |");
            assert!(super::SECTION.contains(&row), "there is no {row}");
        }
    }
}
