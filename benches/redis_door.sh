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

. "$(dirname "$0")/doors.sh"

seconds=${SECONDS_EACH:-6}
connections=${CONNECTIONS:-50}
port=7798

quorate() { # sync policy
    lines="addr = \"127.0.0.1:$((port - 1))\"
resp_addr = \"127.0.0.1:$port\""
    begin_replica "$bin/replica" "$work/n1" "$1" "$lines"
}

redis() { # appendfsync
    begin_redis "$work/redis" "$1" $port
}

bare() {
    begin_bare_loop $port
}

measure() { # name, test, pipeline
    trial=$(redis_load $port "$2" 50000 "$connections" "$3")
    operations=$(echo "$trial" | awk -F, -v s="$seconds" '{ n = $2 * s; print int(n > 50000 ? n : 50000) }')
    before=$(spent)
    report=$(redis_load $port "$2" "$operations" "$connections" "$3")
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
        await answers_ping $port
        for pipeline in ${PIPELINES:-1 16 64}; do
            measure "$1${2:+-$2}" set "$pipeline"
            measure "$1${2:+-$2}" get "$pipeline"
        done
        stop
    done
    round=$((round + 1))
done
