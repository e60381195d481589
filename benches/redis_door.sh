#!/bin/sh
# The door for Redis clients under `redis-benchmark`, beside Redis itself and a bare loop, in turn in one run.
#
#   cargo build --release && (cd benches/peers && cargo build --release --bin echo) && benches/redis_door.sh
#
# One replica with n = 1: `sync = "always"` beside `appendfsync always`, `os` beside `everysec`, and the bare loop, which keeps
# nothing on disk. Environment: SECONDS_EACH (about; 6), PIPELINES ("1 16 64"), CONNECTIONS (50), ROUNDS (2), SHARDS (1),
# BIN (target/release), ECHO (benches/peers/target/release/echo), REDIS (redis-server), WORK (a fresh folder, on the disk
# that is measured).
# One line per run: operations/s, p50 and p99, CPU microseconds of the server per operation.
set -eu

seconds=${SECONDS_EACH:-6}
connections=${CONNECTIONS:-50}
bin=${BIN:-target/release}
echo_bin=${ECHO:-benches/peers/target/release/echo}
redis_bin=${REDIS:-redis-server}
work=${WORK:-$(mktemp -d)}
ticks=$(getconf CLK_TCK)
server=""

stop() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    [ -z "$server" ] || wait "$server" 2>/dev/null || true
    server=""
}
cleanup() {
    stop
    [ -n "${WORK:-}" ] || rm -rf "$work"
}
trap cleanup EXIT INT TERM

# CPU time of the server so far, clock ticks.
spent() {
    sed 's/.*) //' "/proc/$server/stat" | awk '{ print $12 + $13 }'
}

# Until it answers.
await() {
    tries=0
    until [ "$(redis-cli -p 7798 ping 2>/dev/null)" = PONG ]; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || { echo "the server on port 7798 does not answer" >&2; exit 1; }
        sleep 0.1
    done
}

quorate() { # sync policy
    rm -rf "$work/data"
    cat >"$work/cluster.toml" <<TOML
[cluster]
name = "bench"
[server]
shards = ${SHARDS:-1}
[wal]
sync = "$1"
[[keyspace]]
name = "default"
n = 1
read = "ONE"
write = "ONE"
[[node]]
id = "n1"
addr = "127.0.0.1:7797"
resp_addr = "127.0.0.1:7798"
data_dir = "data"
TOML
    "$bin/replica" --config "$work/cluster.toml" --node n1 >"$work/n1.log" 2>&1 &
    server=$!
    await
}

redis() { # appendfsync
    rm -rf "$work/redis"
    mkdir -p "$work/redis"
    "$redis_bin" --port 7798 --bind 127.0.0.1 --dir "$work/redis" --save "" --appendonly yes --appendfsync "$1" \
        >"$work/redis.log" 2>&1 &
    server=$!
    await
}

bare() {
    "$echo_bin" 127.0.0.1:7798 >"$work/echo.log" 2>&1 &
    server=$!
    await
}

load() { # test, pipeline, operations
    redis-benchmark -p 7798 -c "$connections" -P "$2" -d 100 -r 1000000 -n "$3" -t "$1" --csv 2>/dev/null | tail -1 | tr -d '"'
}

measure() { # name, test, pipeline
    trial=$(load "$2" "$3" 50000)
    operations=$(echo "$trial" | awk -F, -v s="$seconds" '{ n = $2 * s; print int(n > 50000 ? n : 50000) }')
    before=$(spent)
    report=$(load "$2" "$3" "$operations")
    after=$(spent)
    echo "$1,$2,$3,$operations,$before,$after,$report" | awk -F, -v t="$ticks" '{
        printf "%-16s %-4s P=%-3s %9.0f/s  p50 %s ms  p99 %s ms  server %.2f us/op\n", \
            $1, toupper($2), $3, $8, $11, $13, ($6 - $5) / t * 1e6 / $4 }'
}

round=1
while [ $round -le "${ROUNDS:-2}" ]; do
    echo "round $round"
    for pair in "quorate always" "redis always" "quorate os" "redis everysec" "bare"; do
        set -- $pair
        "$1" "${2:-}"
        for pipeline in ${PIPELINES:-1 16 64}; do
            measure "$1${2:+-$2}" set "$pipeline"
            measure "$1${2:+-$2}" get "$pipeline"
        done
        stop
    done
    round=$((round + 1))
done
