# What the scripts of the doors have in common, sourced by them: a folder to work in, servers that are started, awaited, weighed
# and ended.
#
# Reads BIN (target/release) and WORK (a fresh folder, removed at the end; on the disk that is measured) from the environment.
# Sets `bin`, `work`, `ticks` (clock ticks of a second) and `servers` (the processes that run, the newest last).
#
# No function here has the name of a program.

bin=${BIN:-target/release}
work=${WORK:-$(mktemp -d)}
ticks=$(getconf CLK_TCK)
servers=""

give_up() { # why
    echo "$1" >&2
    exit 2
}

# Starts `$@` in the background, as one of the servers; what it says goes to the file `$log`.
begin() {
    "$@" >"$log" 2>&1 &
    servers="$servers $!"
}

stop() {
    for pid in $servers; do kill "$pid" 2>/dev/null || true; done
    for pid in $servers; do wait "$pid" 2>/dev/null || true; done
    servers=""
}

cleanup() {
    stop
    [ -n "${WORK:-}" ] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# CPU time so far, in clock ticks, of these processes; of all servers, if none is named.
spent() {
    # shellcheck disable=SC2086
    for pid in ${*:-$servers}; do sed 's/.*) //' "/proc/$pid/stat"; done | awk '{ sum += $12 + $13 } END { print sum }'
}

# Whether the newest server runs. One that has ended is there, too, until it is waited for.
is_alive() {
    state=$(sed 's/.*) \(.\).*/\1/' "/proc/${servers##* }/stat" 2>/dev/null) && [ "$state" != Z ]
}

lost() { # what became of the newest server
    tail -5 "$log" >&2
    give_up "the server that says so in $log $1"
}

# Until `$@` succeeds, for ten seconds at most and while the newest server runs.
await() {
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        { [ $tries -lt 100 ] && is_alive; } || lost "does not answer"
        sleep 0.1
    done
}

answers_ping() { # port of Redis clients
    [ "$(redis-cli -p "$1" ping 2>/dev/null)" = PONG ]
}

# Starts a replica that is a cluster by itself, n = 1, from a folder that is emptied. Lines for [server] and [wal] come from
# `server_lines` and `wal_lines`, if they are set.
begin_replica() { # program, folder, sync policy, lines for its [[node]]
    rm -rf "$2"
    mkdir -p "$2"
    cat >"$2/cluster.toml" <<TOML
[cluster]
name = "bench"
[server]
shards = ${SHARDS:-1}
${server_lines:-}
[wal]
sync = "$3"
${wal_lines:-}
[[keyspace]]
name = "default"
n = 1
read = "ONE"
write = "ONE"
[[node]]
id = "n1"
data_dir = "data"
$4
TOML
    log=$2/log
    begin "$1" --config "$2/cluster.toml" --node n1
}

# Four replicas, three copies, QUORUM, every write durable before it is answered; $work/cluster.toml names them. Node i listens
# at ports FIRSTi1, and for clients of Redis and HTTP at FIRSTi2 and FIRSTi3.
begin_four_replicas() { # FIRST: two digits
    rm -rf "$work"/n?
    {
        printf '[cluster]\nname = "bench"\n[server]\nshards = %s\n[wal]\nsync = "always"\n' "${SHARDS:-0}"
        printf '[[keyspace]]\nname = "default"\nn = 3\nread = "QUORUM"\nwrite = "QUORUM"\n'
        for i in 1 2 3 4; do
            printf '[[node]]\nid = "n%s"\naddr = "127.0.0.1:%s1"\nresp_addr = "127.0.0.1:%s2"\n' $i "$1$i" "$1$i"
            printf 'http_addr = "127.0.0.1:%s3"\ndata_dir = "n%s"\n' "$1$i" $i
        done
    } >"$work/cluster.toml"
    for i in 1 2 3 4; do
        log=$work/n$i.log
        begin "$bin/replica" --config "$work/cluster.toml" --node "n$i"
    done
    await "$bin/kvctl" --timeout 1s status --config "$work/cluster.toml"
    sleep 1
}

begin_redis() { # folder, appendfsync, port
    rm -rf "$1"
    mkdir -p "$1"
    log=$1/log
    begin "${REDIS:-redis-server}" --port "$3" --bind 127.0.0.1 --dir "$1" --save "" --appendonly yes --appendfsync "$2"
}

begin_bare_loop() { # port
    log=$work/echo.log
    begin "${ECHO:-benches/peers/target/release/echo}" "127.0.0.1:$1"
}

# One line of `redis-benchmark --csv`, without quotes: test, operations/s, average, min, p50, p95, p99, max in milliseconds.
redis_load() { # port, test, operations, connections, pipeline
    redis-benchmark -p "$1" -t "$2" -n "$3" -c "$4" -P "$5" -d 100 -r 1000000 --csv 2>/dev/null | tail -1 | tr -d '"'
}
