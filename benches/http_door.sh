#!/bin/sh
# The door for HTTP clients under `wrk`, beside etcd's JSON gateway, in turn in one run.
#
#   cargo build --release && benches/http_door.sh
#
# One node each: ours with n = 1 and `sync = "always"`, etcd as it comes (an fsync per batch). 100 B values, 1,000,000 keys in
# scattered order; reads ask for keys that were written, at random. `put` and `get` speak JSON on both sides: ours
# `POST /api/v1/store` with {"key","value"} and `GET /api/v1/store/KEY`, etcd's /v3/kv/put and /v3/kv/range with base64.
# `put-raw` and `get-raw` are ours without JSON: the value as the body, 204 with no body; the value's bytes.
# Environment: SECONDS_EACH (6), ROUNDS (2), CONNECTIONS (64), THREADS (2, of wrk), SHARDS (1), BIN (target/release),
# ETCD (etcd), PORT (7798; the two below it are taken too), WORK (a fresh folder, on the disk that is measured).
# One line per run: requests/s, p50 and p99, CPU microseconds of the server per request, answers that are not 2xx, and
# connections that failed. Exits 1 if there was any of either: what was refused is not what was to be measured.
set -eu
. "$(dirname "$0")/doors.sh"

connections=${CONNECTIONS:-64}
threads=${THREADS:-2}
etcd_bin=${ETCD:-etcd}
port=${PORT:-7798}
url=http://127.0.0.1:$port

for tool in wrk curl "$etcd_bin" "$bin/replica"; do
    command -v "$tool" >/dev/null || give_up "$tool is not there: nothing was measured. wrk, curl and etcd are packages of \
Debian (wrk, curl, etcd-server), the replica is made by cargo build --release"
done

are_ports_free() {
    for taken in "$port" $((port - 1)) $((port - 2)); do
        code=0
        curl -s -o /dev/null --max-time 2 "http://127.0.0.1:$taken/" || code=$?
        [ $code -eq 7 ] || give_up "port $taken is in use by another program: nothing was measured; set PORT"
    done
}

answers() { # path
    curl -sf -o /dev/null --max-time 2 "$url$1"
}

start_quorate() {
    lines="addr = \"127.0.0.1:$((port - 1))\"
http_addr = \"127.0.0.1:$port\""
    begin_replica "$bin/replica" "$work/n1" always "$lines"
    await answers /health/ready
}

start_etcd() {
    peers=http://127.0.0.1:$((port - 2))
    rm -rf "$work/etcd"
    log=$work/etcd.log
    begin "$etcd_bin" --name n1 --data-dir "$work/etcd" --listen-client-urls "$url" --advertise-client-urls "$url" \
        --listen-peer-urls "$peers" --initial-advertise-peer-urls "$peers" --initial-cluster "n1=$peers"
    await answers /health
}

# Threads write rows of keys, one key each; a row's key is scattered over all of them by a factor that has none in common
# with their number. `written` keys are there from the third row on: wrk asks for one request that it never sends, and what
# was under way at the end may not have been answered.
cat >"$work/door.lua" <<'LUA'
local KEYS, FACTOR = 1000000, 611953
local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

-- Of a text whose length three divides.
local function in_base64(text)
    return (text:gsub("...", function(three)
        local a, b, c = three:byte(1, 3)
        local bits, letters = a * 65536 + b * 256 + c, ""
        for _ = 1, 4 do
            local at = bits % 64 + 1
            letters, bits = alphabet:sub(at, at) .. letters, (bits - at + 1) / 64
        end
        return letters
    end))
end

local value = ("0123456789abcdef"):rep(6) .. "ghij"
local value64 = in_base64(value:sub(1, 99)) .. "ag=="
local threes, threes64 = {}, {}
for n = 0, 999 do
    threes[n] = ("%03d"):format(n)
    threes64[n] = in_base64(threes[n])
end

local function key(n)
    return "key:00" .. threes[math.floor(n / 1000)] .. threes[n % 1000]
end
local prefix64 = in_base64("key:00")
local function key64(n)
    return prefix64 .. threes64[math.floor(n / 1000)] .. threes64[n % 1000]
end

local json = { ["Content-Type"] = "application/json" }
local minimal = { ["Content-Type"] = "application/octet-stream", ["Prefer"] = "return=minimal" }
local bytes = { ["Accept"] = "application/octet-stream" }
local store = "/api/v1/store"
local ways = {
    ["quorate put"] = function(n)
        return wrk.format("POST", store, json, '{"key":"' .. key(n) .. '","value":"' .. value .. '"}')
    end,
    ["quorate put-raw"] = function(n) return wrk.format("POST", store .. "/" .. key(n), minimal, value) end,
    ["quorate get"] = function(n) return wrk.format("GET", store .. "/" .. key(n), {}) end,
    ["quorate get-raw"] = function(n) return wrk.format("GET", store .. "/" .. key(n), bytes) end,
    ["etcd put"] = function(n)
        return wrk.format("POST", "/v3/kv/put", json, '{"key":"' .. key64(n) .. '","value":"' .. value64 .. '"}')
    end,
    ["etcd get"] = function(n)
        return wrk.format("POST", "/v3/kv/range", json, '{"key":"' .. key64(n) .. '"}')
    end,
}

local all, threads = {}, 0
function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
    table.insert(all, thread)
end

function init(arguments)
    way, width, written = ways[arguments[1]], tonumber(arguments[2]), tonumber(arguments[3])
    reads = arguments[1]:find("get") ~= nil
    rows = 0
    math.randomseed(number + 1)
end

function request()
    local at
    if reads then
        at = math.random(2 * width, written - 1)
    else
        at = rows * width + number
        rows = rows + 1
    end
    return way(at % KEYS * FACTOR % KEYS)
end

-- requests, microseconds, not 2xx, failed connections, p50 and p99 in microseconds, keys that are there.
function done(summary, latency)
    local least = math.huge
    for _, thread in ipairs(all) do
        least = math.min(least, thread:get("rows"))
    end
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.timeout
    print(("result %d %d %d %d %d %d %d"):format(summary.requests, summary.duration, errors.status, failed,
        latency:percentile(50), latency:percentile(99), least * #all))
end
LUA

# Runs wrk; sets `requests`, `us`, `refused`, `failed`, `p50`, `p99` and `made`.
load() { # server, what, seconds, keys written
    result=$(wrk -t "$threads" -c "$connections" -d "$3s" --timeout 10s -s "$work/door.lua" "$url" \
        -- "$1 $2" "$threads" "$4" 2>&1) || give_up "wrk failed: $result"
    set -- $(echo "$result" | sed -n 's/^result //p')
    [ $# -eq 7 ] || give_up "wrk said nothing that is understood: $result"
    requests=$1 us=$2 refused=$3 failed=$4 p50=$5 p99=$6 made=$7
}

measure() { # server, what
    before=$(spent)
    load "$1" "$2" "${SECONDS_EACH:-6}" "$written"
    after=$(spent)
    is_alive || lost "ended under load"
    line="$1 $2 $requests $us $p50 $p99 $((after - before)) $refused $failed"
    echo "$line" >>"$work/round"
    echo "$line" | awk -v t="$ticks" '{
        printf "%-8s %-8s %8.0f/s  p50 %6.2f ms  p99 %6.2f ms  server %6.2f us/request  not 2xx %d  failed %d\n", \
            $1, $2, $3 / $4 * 1e6, $5 / 1e3, $6 / 1e3, $7 / t * 1e6 / $3, $8, $9 }'
}

puts() { # server, what
    measure "$1" "$2"
    written=$((made - connections))
    [ $written -gt $((3 * threads)) ] || give_up "$1 took only $made writes: too few to read from"
    [ $written -lt 1000000 ] || written=1000000
}

ratios() {
    awk '{ rate[$1, $2] = $3 / $4; cpu[$1, $2] = $7 / $3 }
        END { for (i = split("put get", what, " "); i > 0; i--) { w = what[i]
            printf "ours over etcd, %s: %.2f of the requests/s, %.2f of the CPU per request\n", \
                w, rate["quorate", w] / rate["etcd", w], cpu["quorate", w] / cpu["etcd", w] } }' "$work/round"
}

errors=0
round=1
while [ $round -le "${ROUNDS:-2}" ]; do
    echo "round $round"
    : >"$work/round"
    for door in quorate etcd; do
        are_ports_free
        written=0
        "start_$door"
        puts "$door" put
        measure "$door" get
        if [ "$door" = quorate ]; then
            measure "$door" get-raw
            puts "$door" put-raw
        fi
        stop
    done
    ratios
    errors=$((errors + $(awk '{ n += $8 + $9 } END { print n + 0 }' "$work/round")))
    round=$((round + 1))
done
[ $errors -eq 0 ] || { echo "$errors requests were refused or failed: these are no figures" >&2; exit 1; }
