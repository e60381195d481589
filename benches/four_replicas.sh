#!/bin/sh
# Four replica processes on this machine under `kvctl bench`, beside Redis under `redis-benchmark`, in one run.
#
#   cargo build --release && benches/four_replicas.sh
#
# Environment: SECONDS_EACH (8), SHARDS (0: as many as the replicas choose), LOADS ("write read"), CONNECTIONS (64),
# IN_FLIGHT ("16 1"), ROUNDS (1), BENCH_ARGS (more for `kvctl bench`, as "--coordinator n1"), WITH_REDIS (1), and what doors.sh
# reads.
# One line per run: operations/s, p50 and p99, CPU microseconds per operation of each process.
set -eu
. "$(dirname "$0")/doors.sh"

seconds=${SECONDS_EACH:-8}

spent_by_all() {
    for pid in "$@"; do spent "$pid"; done | tr '\n' ' '
}

# Microseconds per operation of each process: operations, ticks before, ticks after.
each() {
    echo "$1;$2;$3" | awk -F';' -v t="$ticks" '{
        n = split($2, before, " "); split($3, after, " ")
        for (i = 1; i <= n; i++) printf "%s%.2f", (i > 1 ? " " : ""), (after[i] - before[i]) / t * 1e6 / $1
    }'
}

# The first number called so in a report.
field() {
    printf '%s' "$1" | tr -d ' \n' | grep -o "\"$2\":[0-9.]*" | head -1 | cut -d: -f2
}

measure() { # load, in flight
    before=$(spent_by_all $replicas)
    report=$("$bin/kvctl" bench --config "$work/cluster.toml" --preset "$1" --connections "${CONNECTIONS:-64}" \
        --in-flight "$2" --duration "${seconds}s" --no-load ${BENCH_ARGS:-} -o json)
    after=$(spent_by_all $replicas)
    [ -n "${VERBOSE:-}" ] && printf '%s\n' "$report" >&2
    printf 'quorate %-5s c=%s in_flight=%-2s  %.0f/s  p50 %s us  p99 %s us  failed %s  client %.2f us/op  replicas %s us/op\n' \
        "$1" "${CONNECTIONS:-64}" "$2" "$(field "$report" per_second)" "$(field "$report" p50_us)" \
        "$(field "$report" p99_us)" "$(field "$report" failed)" "$(field "$report" client_cpu_us_per_op)" \
        "$(each "$(field "$report" count)" "$before" "$after")"
}

measure_redis() { # pipelined, operations, connections
    before=$(spent "$redis")
    report=$(redis_load 7799 set "$2" "$3" "$1")
    after=$(spent "$redis")
    printf 'redis   set   c=%s P=%-2s  %.0f/s  p50 %s ms  p99 %s ms  server %s us/op\n' "$3" "$1" \
        "$(echo "$report" | cut -d, -f2)" "$(echo "$report" | cut -d, -f5)" "$(echo "$report" | cut -d, -f7)" \
        "$(each "$2" "$before" "$after")"
}

begin_four_replicas 77
replicas=$servers
redis=""
if [ "${WITH_REDIS:-1}" = 1 ]; then
    begin_redis "$work/redis" always 7799
    redis=${servers##* }
    await answers_ping 7799
fi

for _ in $(seq "${ROUNDS:-1}"); do
    for in_flight in ${IN_FLIGHT:-16 1}; do
        if [ -n "$redis" ]; then
            measure_redis "$in_flight" $((seconds * (in_flight > 1 ? 250000 : 50000))) $((in_flight > 1 ? 50 : 64))
        fi
        for load in ${LOADS:-write read}; do measure "$load" "$in_flight"; done
    done
done
