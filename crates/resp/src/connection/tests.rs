//! The machine against a node of one map: replies, order, limits.

mod cluster;
mod memory;
mod node;
mod ordering;
mod sessions;

use bytes::Bytes;

use self::node::Lab;

#[test]
fn values_are_set_read_and_deleted() {
    let mut lab = Lab::new();
    assert_eq!(lab.says("SET k v"), "+OK\r\n");
    assert_eq!(lab.says("GET k"), "$1\r\nv\r\n");
    assert_eq!(lab.says("get nobody"), "$-1\r\n");
    assert_eq!(lab.says("MSET a 1 b 2"), "+OK\r\n");
    assert_eq!(lab.says("MGET a nobody b"), "*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n2\r\n");
    assert_eq!(lab.says("EXISTS a a nobody"), ":2\r\n");
    assert_eq!(lab.says("STRLEN a"), ":1\r\n");
    assert_eq!(lab.says("TYPE a"), "+string\r\n");
    assert_eq!(lab.says("TYPE nobody"), "+none\r\n");
    assert_eq!(lab.says("DEL a nobody"), ":1\r\n");
    assert_eq!(lab.says("UNLINK b nobody"), ":2\r\n");
    assert_eq!(lab.says("EXISTS a b"), ":0\r\n");
}

#[test]
fn expiry_is_set_told_and_taken_away() {
    let mut lab = Lab::new();
    assert_eq!(lab.says("SET k v EX 10"), "+OK\r\n");
    assert_eq!(lab.says("TTL k"), ":10\r\n");
    assert_eq!(lab.says("PERSIST k"), ":1\r\n");
    assert_eq!(lab.says("PERSIST k"), ":0\r\n");
    assert_eq!(lab.says("TTL k"), ":-1\r\n");
    assert_eq!(lab.says("PEXPIRE k 1500"), ":1\r\n");
    assert_eq!(lab.says("PTTL k"), ":1500\r\n");
    assert_eq!(lab.says("SET k w KEEPTTL"), "+OK\r\n");
    assert_eq!(lab.says("PTTL k"), ":1500\r\n");
    assert_eq!(lab.says("GETEX k EXAT 2000000000"), "$1\r\nw\r\n");
    assert_eq!(lab.says("EXPIRETIME k"), ":2000000000\r\n");
    assert_eq!(lab.says("GETEX nobody EX 10"), "$-1\r\n");
    assert_eq!(lab.says("EXPIRE nobody 10"), ":0\r\n");
    assert_eq!(lab.says("SET k w KEEPTTL keepttl"), "+OK\r\n");
    assert_eq!(lab.says("SET twice v EX 10 ex 20"), "+OK\r\n");
    assert_eq!(lab.says("TTL twice"), ":20\r\n", "the last counts");
    assert_eq!(lab.says("PEXPIREAT k 9223372036854775807"), ":1\r\n", "as far as a number goes");
    assert_eq!(lab.says("PEXPIRETIME k"), ":9223372036854775807\r\n");
    assert_eq!(lab.says("GETEX k PERSIST persist"), "$1\r\nw\r\n");
    assert_eq!(lab.says("TTL k"), ":-1\r\n");
    assert_eq!(lab.says("PEXPIRE k -9223372036854775808"), ":1\r\n");
    assert_eq!(lab.says("GET k"), "$-1\r\n", "a time in the past deletes");
    assert_eq!(lab.says("TTL k"), ":-2\r\n");
}

#[test]
fn bad_arguments_are_refused_in_the_words_of_redis_and_reach_no_node() {
    let mut lab = Lab::new();
    let cases = [
        ("GET", "-ERR wrong number of arguments for 'get' command\r\n"),
        ("SET k v EX 0", "-ERR invalid expire time in 'set' command\r\n"),
        ("SET k v EX x", "-ERR value is not an integer or out of range\r\n"),
        ("SET k v EX 10 PX 10", "-ERR syntax error\r\n"),
        ("SET k v EX 10 EX x", "-ERR value is not an integer or out of range\r\n"),
        ("SET k v EX 10 EX", "-ERR syntax error\r\n"),
        ("SET k v NX XX", "-ERR syntax error\r\n"),
        ("SET k v NX EX 0", "-ERR invalid expire time in 'set' command\r\n"),
        ("SET k v EX NX", "-ERR value is not an integer or out of range\r\n"),
        ("EXPIRE k abc NX", "-ERR value is not an integer or out of range\r\n"),
        ("EXPIRE k 10 NX GT", "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"),
        ("EXPIRE k 10 lt gt", "-ERR GT and LT options at the same time are not compatible\r\n"),
        (
            "HELLO 2 SETNAME \"a b\"",
            "-ERR Client names cannot contain spaces, newlines or special characters.\r\n",
        ),
        (
            "KV.PUT k v EX 10 VERSION 1.0@00000001",
            "-ERR VERSION repeats a write, which expires when the first attempt does: use PXAT with the expires_at_ms of \
             its answer, not EX or PX\r\n",
        ),
        ("KV.DEL k EX 10", "-ERR syntax error\r\n"),
        ("KV.GET k VERSION 1.0@00000001", "-ERR syntax error\r\n"),
        ("SET k v BOGUS", "-ERR syntax error\r\n"),
        ("SETEX k -1 v", "-ERR invalid expire time in 'setex' command\r\n"),
        ("EXPIRE k 9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n"),
        ("MSET a", "-ERR wrong number of arguments for 'mset' command\r\n"),
        ("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command\r\n"),
        ("SELECT 1", "-ERR DB index is out of range\r\n"),
        ("SELECT x", "-ERR value is not an integer or out of range\r\n"),
        ("MEMORY USAGE k SAMPLES x", "-ERR value is not an integer or out of range\r\n"),
        ("MEMORY USAGE k SAMPLES -1", "-ERR syntax error\r\n"),
        ("EXPIRE k x BOGUS", "-ERR Unsupported option BOGUS\r\n"),
        ("EXPIRE k 9223372036854775", "-ERR invalid expire time in 'expire' command\r\n"),
        ("SCAN x", "-ERR invalid cursor\r\n"),
        ("SCAN 0 COUNT 0", "-ERR syntax error\r\n"),
        ("CLIENT BOGUS", "-ERR unknown subcommand 'BOGUS'. Try CLIENT HELP.\r\n"),
        ("CLIENT SETNAME", "-ERR wrong number of arguments for 'client|setname' command\r\n"),
        ("FOO a b", "-ERR unknown command 'FOO', with args beginning with: 'a' 'b' \r\n"),
        ("CLUSTER SLOTS", "-ERR This instance has cluster support disabled\r\n"),
    ];
    for (said, reply) in cases {
        assert_eq!(lab.says(said), reply, "{said}");
    }
    let long = "n".repeat(257);
    assert_eq!(
        lab.says(&format!("CLIENT SETNAME {long}")),
        "-ERR Client names can have 256 bytes at most.\r\n"
    );
    assert!(lab.says("KV.PUT k v VERSION x").starts_with("-ERR \"x\" is no version; one looks like"));
    assert!(lab.says("KV.GET k LEVEL most").starts_with("-ERR unknown level \"most\"; levels are one, two"));
    assert_eq!(lab.asked, 0);
}

#[test]
fn what_needs_compare_and_set_is_refused_with_a_reason() {
    let mut lab = Lab::new();
    for said in ["SETNX k v", "SET k v NX PX 100", "INCR k", "GETDEL k", "EXPIRE k 10 NX"] {
        let reply = lab.says(said);
        assert!(reply.starts_with("-ERR ") && reply.contains("compare-and-set"), "{said}: {reply}");
    }
    for said in ["GETBIT k 1", "LCS a b", "DIGEST k"] {
        assert!(lab.says(said).contains("GET it and look at it in the client"), "{said}");
    }
    assert!(lab.says("SLOWLOG GET").contains("log.slow_request"));
    assert!(lab.says("MULTI").contains("pipeline(transaction=False)"));
    assert_eq!((lab.asked, lab.counts.refused), (0, 10));
}

#[test]
fn outcomes_that_may_have_been_applied_are_told_apart_from_those_that_were_not() {
    let mut lab = Lab::new();
    lab.fail_writes(node::Failure::Indeterminate);
    let unknown = lab.says("SET k v");
    assert!(unknown.starts_with("-WRITETIMEOUT acks=1 needed=2 version="), "{unknown}");
    let (_, rest) = unknown.split_once("version=").unwrap();
    let (version, _) = rest.split_once(':').unwrap();
    assert_eq!(lab.last_write_version(), None);
    assert!(lab.says(&format!("KV.PUT k v VERSION {version}")).starts_with("-WRITETIMEOUT"));
    assert_eq!(lab.last_write_version(), version.parse().ok(), "the same write once more");
    lab.fail_writes(node::Failure::Unavailable);
    assert!(lab.says("SET k v").starts_with("-NOREPLICAS the write needs 2 replicas and 1 are alive"));
    assert!(lab.says("MSET a 1 b 2").starts_with("-NOREPLICAS"), "nothing of it was sent");
    lab.fail_writes(node::Failure::UnavailableFor("b"));
    let partial = lab.says("MSET a 1 b 2 c 3");
    assert!(
        partial.starts_with("-PARTIAL 2 of 3 keys were written; not, or not for sure: 'b': NOREPLICAS"),
        "{partial}"
    );
    assert_eq!(lab.says("MGET a c"), "*2\r\n$1\r\n1\r\n$1\r\n3\r\n");
}

#[test]
fn a_scan_returns_every_key_once_and_its_cursor_is_a_place_on_the_ring() {
    let mut lab = Lab::new();
    for k in 0..300 {
        lab.says(&format!("SET key:{k} v"));
    }
    lab.says("SET other v");
    let (mut cursor, mut found, mut calls) = ("0".to_owned(), Vec::new(), 0);
    loop {
        // Another connection of another node each time: nothing but the cursor is known.
        lab.reconnect();
        let reply = lab.says(&format!("SCAN {cursor} MATCH key:* COUNT 7"));
        let mut lines = reply.split("\r\n").filter(|line| !line.starts_with(['*', '$']) && !line.is_empty());
        cursor = lines.next().unwrap().to_owned();
        found.extend(lines.map(str::to_owned));
        calls += 1;
        assert!(calls < 1_000, "the cursor stands still at {cursor}");
        if cursor == "0" {
            break;
        }
    }
    found.sort_unstable();
    let mut expected: Vec<String> = (0..300).map(|k| format!("key:{k}")).collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert!(calls > 30, "{calls}");
    assert_eq!(lab.says("SCAN 0 TYPE list COUNT 1000").lines().last(), Some("*0"));
}

#[test]
fn clients_learn_what_there_is_from_the_table() {
    let mut lab = Lab::new();
    let count = lab.says("COMMAND COUNT");
    assert_eq!(count, format!(":{}\r\n", crate::table::OFFERED.len()));
    let about = "*1\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n*1\r\n+@read\r\n*0\r\n*0\r\n*0\r\n";
    assert_eq!(lab.says("COMMAND INFO get"), about);
    assert_eq!(lab.says("COMMAND INFO nope"), "*1\r\n$-1\r\n");
    assert_eq!(lab.says("COMMAND GETKEYS MSET a 1 b 2"), "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    assert_eq!(lab.says("COMMAND GETKEYS PING"), "-ERR The command has no key arguments\r\n");
    assert!(lab.says("COMMAND DOCS client|id").contains("The number of this connection."));
    let help = lab.says("CONFIG HELP");
    assert!(
        help.starts_with(
            "*5\r\n+CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n+GET pattern"
        ),
        "{help}"
    );
    assert_eq!(lab.says("CONFIG GET save"), "*2\r\n$4\r\nsave\r\n$0\r\n\r\n");
}

#[test]
fn own_commands_say_what_redis_has_no_words_for() {
    let mut lab = Lab::new();
    let written = lab.says("KV.PUT k v LEVEL all EX 10 META");
    assert!(
        written.contains("$5\r\nacked\r\n:2\r\n") && written.contains("$13\r\nexpires_at_ms\r\n:"),
        "{written}"
    );
    assert!(lab.last_write_level().is_some_and(|level| level == quorate_types::Level::All));
    let read = lab.says("KV.GET k META");
    assert!(read.contains("$6\r\nresult\r\n$5\r\nfound\r\n$5\r\nvalue\r\n$1\r\nv\r\n"), "{read}");
    assert_eq!(lab.says("KV.DEL k"), "+OK\r\n");
    assert!(lab.says("KV.GET k META").contains("$7\r\ndeleted\r\n"));
    assert_eq!(lab.says("WAIT 1 100"), ":1\r\n", "one copy beside the first");
    assert_eq!(lab.says("KV.CONSISTENCY READ one WRITE all"), "+OK\r\n");
    assert_eq!(lab.says("KV.CONSISTENCY"), "*4\r\n$4\r\nread\r\n$3\r\nONE\r\n$5\r\nwrite\r\n$3\r\nALL\r\n");
    lab.says("SET k v");
    assert!(lab.last_write_level().is_some_and(|level| level == quorate_types::Level::All));
}

#[test]
fn info_and_dbsize_come_from_the_status_of_the_node() {
    let mut lab = Lab::new();
    lab.says("MSET a 1 b 2 c 3");
    assert_eq!(lab.says("DBSIZE"), ":3\r\n");
    let info = lab.says("INFO");
    for field in ["redis_version:7.2.0", "role:master", "loading:0", "db0:keys=3\r\n", "kv_node:n1"] {
        assert!(info.contains(&format!("\r\n{field}")), "{field} in {info}");
    }
    for field in ["used_memory:4096", "used_memory_rss:4096", "used_memory_dataset:10"] {
        assert!(info.contains(&format!("\r\n{field}\r\n")), "{field} in {info}");
    }
    assert!(!info.contains("bgsave") && !info.contains("expires="), "what nobody counts is not told: {info}");
    let some = lab.says("INFO replication");
    assert!(some.contains("role:master") && !some.contains("redis_version"), "{some}");
}

#[test]
fn any_bytes_are_survived() {
    for garbage in
        [&b"\0\xff*1\r\n$99999999999999999999\r\n"[..], b"*3\r\n$3\r\nSET\r\n$1\r\n\r\n\r\n", b"*1\r\n:1\r\n"]
    {
        let mut lab = Lab::new();
        lab.sends(Bytes::copy_from_slice(garbage));
        assert!(lab.output().starts_with("-ERR "), "{:?}", lab.output());
    }
}
