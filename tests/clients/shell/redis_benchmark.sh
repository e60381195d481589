#!/usr/bin/env bash
# redis-benchmark with the tests that a store of strings has. It stops with exit code 1 at the first error of the server.
set -u
redis-benchmark --version | sed 's/redis-benchmark \([^ ]*\).*/version \1/'
run() { # NAME ARGUMENTS...
    local name=$1 said
    shift
    if said=$(redis-benchmark -h "${DOOR%:*}" -p "${DOOR##*:}" -n 2000 -c 20 --csv "$@" 2>&1) && ! grep -q '^WARN' <<<"$said"; then
        echo "ok $name"
    else
        echo "FAILED $name: $(tail -n 2 <<<"$said" | tr '\n' ' ')"
    fi
}
if [ "${1:-}" = hello ]; then
    exec redis-benchmark -h "${DOOR%:*}" -p "${DOOR##*:}" -n 1 -c 1 -t set,get -q >/dev/null
fi
run unpipelined -t ping,set,get,mset
run pipelined -t ping,set,get,mset -P 16 -r 1000
run resp3 -t ping,set,get,mset -3
