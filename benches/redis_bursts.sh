#!/bin/sh
# The door for Redis clients in short bursts: several replicas (of before and of after a change), Redis and a bare loop, all up
# at the same time, each asked in turn.
#
#   cargo build --release && (cd benches/peers && cargo build --release --bin echo)
#   benches/redis_bursts.sh before=/tmp/before/replica now=target/release/replica redis bare
#
# On a machine whose speed changes from second to second only what is measured within the same second can be compared: a burst
# takes one, a round asks everybody, and the medians of many rounds are what counts. `benches/redis_door.sh` measures one server
# at a time, for longer.
# Contenders: NAME=REPLICA (any number), `redis`, `bare` (which keeps nothing on disk).
# Environment: ROUNDS (8), TESTS ("get:16 set:16", each a test of redis-benchmark and its pipeline), BURST (operations; 300000, a
# tenth of it unpipelined), FILL (SETs before the first burst; 1200000), CONNECTIONS (50), SYNC (of replicas; always) and FSYNC (of
# Redis; always), SHARDS (1), WAL (lines for [wal]), PORT (9100 and upwards, two each), REDIS, ECHO, WORK (see doors.sh).
# One line per test and contender: thousand operations/s (median, most), CPU microseconds of the server per operation (least,
# median).
set -eu
. "$(dirname "$0")/doors.sh"

[ $# -gt 0 ] || give_up "who is to be asked? $0 NAME=REPLICA… redis bare"
connections=${CONNECTIONS:-50}
wal_lines=${WAL:-}
port=${PORT:-9100}
asked="" # NAME:PORT:PROCESS of each

for contender in "$@"; do
    ! answers_ping "$port" || give_up "port $port is in use by another program: nothing was measured; set PORT"
    case $contender in
    redis) begin_redis "$work/redis" "${FSYNC:-always}" "$port" ;;
    bare) begin_bare_loop "$port" ;;
    *=*)
        lines="addr = \"127.0.0.1:$((port + 1))\"
resp_addr = \"127.0.0.1:$port\""
        begin_replica "${contender#*=}" "$work/${contender%%=*}" "${SYNC:-always}" "$lines"
        ;;
    *) give_up "$contender is neither NAME=REPLICA nor redis nor bare" ;;
    esac
    await answers_ping "$port"
    asked="$asked ${contender%%=*}:$port:${servers##* }"
    port=$((port + 2))
done

for one in $asked; do
    at=${one#*:}
    redis_load "${at%:*}" set "${FILL:-1200000}" "$connections" 64 >/dev/null
done

burst() { # NAME:PORT:PROCESS, test:pipeline
    at=${1#*:} operations=${BURST:-300000}
    [ "${2#*:}" -gt 1 ] || operations=$((operations / 10))
    before=$(spent "${at#*:}")
    rate=$(redis_load "${at%:*}" "${2%:*}" "$operations" "$connections" "${2#*:}" | cut -d, -f2)
    [ -n "$rate" ] || give_up "${1%%:*} did not take a burst of $2"
    echo "$2 ${1%%:*} $rate $operations $(($(spent "${at#*:}") - before))" >>"$work/bursts"
}

: >"$work/bursts"
for _ in $(seq "${ROUNDS:-8}"); do
    for test in ${TESTS:-get:16 set:16}; do
        for one in $asked; do burst "$one" "$test"; done
    done
done

awk -v t="$ticks" '{ printf "%s %s %.1f %.3f\n", $1, $2, $3 / 1e3, $5 / t * 1e6 / $4 }' "$work/bursts" >"$work/figures"
for test in ${TESTS:-get:16 set:16}; do
    for one in $asked; do
        name=${one%%:*}
        for column in 3 4; do
            awk -v test="$test" -v name="$name" -v c=$column '$1 == test && $2 == name { print $c }' "$work/figures" | sort -n |
                awk '{ of[NR] = $1 } END { print of[1], of[int((NR + 1) / 2)], of[NR] }'
        done | paste -s -d ' ' | awk -v test="$test" -v name="$name" '{
            printf "%-8s %-12s k/s median %7.1f most %7.1f   us/op least %6.2f median %6.2f\n", test, name, $2, $3, $4, $5 }'
    done
done
