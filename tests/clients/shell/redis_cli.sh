#!/usr/bin/env bash
# redis-cli: what every client is asked, see ../main.rs. DOOR, LOCKED, PASSWORD and PREFIX come from the environment.
set -u
unset REDISCLI_AUTH

at() { printf '%s\n' -h "${1%:*}" -p "${1##*:}"; }
mapfile -t open < <(at "$DOOR")
mapfile -t locked < <(at "$LOCKED")
cli() { redis-cli "${open[@]}" "$@"; }
k=${PREFIX}k

expect() { # FOUND WANTED
    [ "$1" = "$2" ] || { why="'$1' instead of '$2'"; return 1; }
}
expect_says() { # FOUND WORDS
    [[ $1 == *"$2"* ]] || { why="'$1' does not say '$2'"; return 1; }
}
expect_between() { # FOUND LOW HIGH
    [[ $1 =~ ^-?[0-9]+$ ]] && [ "$1" -ge "$2" ] && [ "$1" -le "$3" ] || { why="'$1' is not from $2 to $3"; return 1; }
}

hello() { cli set "${PREFIX}greeting" hello >/dev/null && expect "$(cli get "${PREFIX}greeting")" hello; }
connect() { expect "$(cli ping)" PONG && expect "$(cli -3 ping)" PONG && expect "$(cli -n 0 ping)" PONG; }
set_() { expect "$(printf 'a\0b\r\n' | cli -x set "$k")" OK && expect "$(cli strlen "$k")" 5; }
get() { expect "$(cli --no-raw get "$k")" '"a\x00b\r\n"' && expect "$(cli --no-raw get "${PREFIX}nobody")" '(nil)'; }
mget() {
    expect "$(cli mset "${PREFIX}a" 1 "${PREFIX}b" 2)" OK &&
        expect "$(cli --csv mget "${PREFIX}a" "${PREFIX}nobody" "${PREFIX}b")" '"1",NULL,"2"'
}
expire() {
    expect "$(cli set "$k" v ex 100)" OK && expect_between "$(cli ttl "$k")" 1 100 &&
        expect "$(cli expire "$k" 1000)" 1 && expect_between "$(cli ttl "$k")" 101 1000 &&
        expect "$(cli persist "$k")" 1 && expect "$(cli ttl "$k")" -1
}
scan() {
    local name
    for name in {1..25}; do echo "set ${PREFIX}scan:$name v"; done | cli >/dev/null
    expect "$(cli --scan --pattern "${PREFIX}scan:*" | sort -u | wc -l)" 25 &&
        expect_says "$(cli --bigkeys 2>&1)" 'Biggest string found' && expect_says "$(cli --memkeys 2>&1)" 'Biggest string'
}
pipeline() {
    local line
    local said
    said=$(for line in {1..100}; do printf 'SET %s %d\r\n' "$k" "$line"; done | cli --pipe 2>&1)
    expect_says "$said" 'errors: 0, replies: 100' && expect "$(cli get "$k")" 100
}
password() {
    expect "$(redis-cli "${locked[@]}" -a "$PASSWORD" --no-auth-warning set "$k" v)" OK &&
        expect "$(redis-cli -3 "${locked[@]}" --user default --pass "$PASSWORD" --no-auth-warning get "$k")" v
}
wrong_password() {
    expect_says "$(redis-cli "${locked[@]}" -a wrong get "$k" 2>&1)" WRONGPASS &&
        expect_says "$(redis-cli "${locked[@]}" get "$k" 2>&1)" NOAUTH
}
quit() { expect "$(cli quit)" OK; }
refused_lock() { expect_says "$(cli set "$k" v nx)" 'ERR SET NX is not offered'; }
refused_counter() {
    expect_says "$(cli incr "$k")" 'ERR INCR is not offered' && ! cli -e incr "$k" >/dev/null 2>&1
}
refused_transaction() { expect_says "$(cli multi)" 'ERR MULTI is not offered'; }

redis-cli --version | sed 's/redis-cli \([^ ]*\).*/version \1/'
if [ "${1:-}" = hello ]; then
    hello
    exit
fi
for case in connect set_ get mget expire scan pipeline password wrong_password quit \
    refused_lock refused_counter refused_transaction; do
    why="a step failed"
    if "$case"; then echo "ok ${case%_}"; else echo "FAILED ${case%_}: $why"; fi
done
