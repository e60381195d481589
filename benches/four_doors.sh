#!/bin/sh
# Four replicas, three copies, QUORUM, every write durable before it is answered, asked through the door for Redis clients by
# unpipelined connections; beside three members of etcd and three nodes of Cassandra, in turn in one run.
#
#   cargo build --release
#   mvn -q -f benches/peers/cassandra/pom.xml dependency:copy-dependencies -DoutputDirectory=/tmp/cassandra
#   CASSANDRA=/tmp/cassandra benches/four_doors.sh
#
# Needs redis-benchmark; etcd is left out, and that is said, where there is no `etcd` or no Go, and Cassandra where CASSANDRA does
# not name a folder with its packages (Java 17, 8 GiB of memory).
# Environment: SECONDS_EACH (about; 8), ROUNDS (2), CONNECTIONS (64), SHARDS (0: as many as the replicas choose),
# WARM_SECONDS (120; of Cassandra, whose code gets fast by being used), ETCD (etcd), and what doors.sh reads.
# One line per run: operations/s, p50 and p99, failed, CPU microseconds of all servers together per operation. Clients and
# servers share the machine.
set -eu
. "$(dirname "$0")/doors.sh"

seconds=${SECONDS_EACH:-8}
connections=${CONNECTIONS:-64}
jars=${CASSANDRA:-}
etcd_bin=${ETCD:-etcd}
peers=$(cd "$(dirname "$0")/peers" && pwd)

show() { # who, load, operations/s, p50 ms, p99 ms, failed, operations, ticks
    awk -v who="$1" -v load="$2" -v rate="$3" -v p50="$4" -v p99="$5" -v failed="$6" -v n="$7" -v used="$8" -v t="$ticks" \
        'BEGIN { printf "%-8s %-22s %7.0f/s  p50 %6.2f ms  p99 %7.2f ms  failed %s  servers %6.1f us/op\n",
                 who, load, rate, p50, p99, failed, used / t * 1e6 / n }'
}

# Requests of Redis clients that were not answered as asked: redis-benchmark counts none, the replicas do.
failed() {
    for i in 1 2 3 4; do curl -s "127.0.0.1:78${i}3/metrics"; done |
        awk '/^quorate_requests_total\{/ && /door="resp"/ && !/outcome="(found|deleted|not_found|written|answered)"/ { sum += $2 } END { print sum + 0 }'
}

one_door() { # test, operations
    failed=$(failed)
    before=$(spent)
    line=$(redis_load 7812 "$1" "$2" "$connections" 1)
    show quorate "$1, one coordinator" "$(echo "$line" | cut -d, -f2)" "$(echo "$line" | cut -d, -f5)" \
        "$(echo "$line" | cut -d, -f7)" $(($(failed) - failed)) "$2" $(($(spent) - before))
}

# A quarter of the connections at each node: the rates added up, the worst p50 and p99 of the four.
four_doors() { # test, operations
    failed=$(failed)
    before=$(spent)
    loads=""
    for i in 1 2 3 4; do
        redis_load "78${i}2" "$1" $(($2 / 4)) $((connections / 4)) 1 >"$work/load.$i" &
        loads="$loads $!"
    done
    for pid in $loads; do wait "$pid"; done
    sum=$(cat "$work"/load.? | awk -F, '{ rate += $2; if ($5 > p50) p50 = $5; if ($7 > p99) p99 = $7 }
        END { print rate, p50, p99 }')
    # shellcheck disable=SC2086
    set -- "$1" "$2" $sum
    show quorate "$1, four coordinators" "$3" "$4" "$5" $(($(failed) - failed)) "$2" $(($(spent) - before))
}

quorate() {
    begin_four_replicas 78
    redis_load 7812 set 20000 "$connections" 1 >/dev/null
    for test in set get; do
        rate=$(redis_load 7812 $test 20000 "$connections" 1 | cut -d, -f2 | cut -d. -f1)
        one_door $test $((rate * seconds))
        four_doors $test $((rate * seconds))
    done
    stop
}

start_etcd() {
    rm -rf "$work"/e?
    cluster="e1=http://127.0.0.1:7911,e2=http://127.0.0.1:7921,e3=http://127.0.0.1:7931"
    for i in 1 2 3; do
        log=$work/e$i.log
        begin "$etcd_bin" --name "e$i" --data-dir "$work/e$i" --initial-cluster "$cluster" --initial-cluster-state new \
            --listen-peer-urls "http://127.0.0.1:79${i}1" --initial-advertise-peer-urls "http://127.0.0.1:79${i}1" \
            --listen-client-urls "http://127.0.0.1:79${i}2" --advertise-client-urls "http://127.0.0.1:79${i}2" \
            --quota-backend-bytes 8589934592 --log-level error
    done
    await "$work/load" -store etcd -endpoints "$etcd_doors" -clients 3 -duration 200ms
}

start_cassandra() {
    rm -rf "$work"/c?
    for i in 1 2 3; do
        log=$work/c$i.log
        begin "$peers/cassandra/node.sh" "$jars" "$work/c$i" "127.0.42.$i" 127.0.42.1
        # One joins after the other, as it asks for.
        for _ in $(seq 120); do
            ! grep -aq "Startup complete" "$log" || break
            is_alive || lost "does not start"
            sleep 1
        done
    done
    "$work/load" -store cassandra -endpoints "$cassandra_doors" -clients "$connections" -duration "${WARM_SECONDS:-120}s" >/dev/null
    "$work/load" -store cassandra -endpoints "$cassandra_doors" -clients "$connections" -load get -duration 20s >/dev/null
}

# Of clients of their own, which `load` has.
others() { # store, its doors, load…
    store=$1 doors=$2
    shift 2
    for load in "$@"; do
        before=$(spent)
        line=$("$work/load" -store "$store" -endpoints "$doors" -clients "$connections" -duration "${seconds}s" -load "$load")
        # shellcheck disable=SC2086
        set -- $line
        show "$store" "$load" "$1" "$2" "$3" "$4" "$(($1 * seconds))" $(($(spent) - before))
    done
}

etcd_doors=127.0.0.1:7912,127.0.0.1:7922,127.0.0.1:7932
cassandra_doors=127.0.42.1:9042,127.0.42.2:9042,127.0.42.3:9042
beside=""
if ! command -v go >/dev/null; then
    echo "nothing beside it: the clients of the others need Go" >&2
else
    (cd "$peers/load" && go build -o "$work/load" .)
    if command -v "$etcd_bin" >/dev/null; then
        beside=etcd
    else
        echo "no etcd beside it (Debian: etcd-server)" >&2
    fi
    if [ -n "$jars" ]; then
        beside="$beside cassandra"
    else
        echo "no Cassandra beside it: CASSANDRA names no folder with its packages" >&2
    fi
fi
for _ in $(seq "${ROUNDS:-2}"); do
    quorate
    for store in $beside; do
        "start_$store"
        case $store in
        etcd) others etcd "$etcd_doors" put get get-serializable ;;
        cassandra) others cassandra "$cassandra_doors" put get ;;
        esac
        stop
    done
done
