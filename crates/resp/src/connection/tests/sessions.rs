//! What a connection says of itself.

use std::time::Duration;

use super::node::Lab;
use crate::Limits;

#[test]
fn hello_chooses_the_protocol_and_says_what_this_is() {
    let mut lab = Lab::new();
    assert_eq!(
        lab.says("HELLO 3"),
        "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.2.0\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:5\r\n\
         $4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n"
    );
    assert_eq!(lab.says("GET nobody"), "_\r\n");
    assert_eq!(lab.says("HELLO 4"), "-NOPROTO unsupported protocol version\r\n");
    assert_eq!(lab.says("HELLO x"), "-ERR Protocol version is not an integer or out of range\r\n");
    assert!(lab.says("HELLO 2").starts_with("*14\r\n"));
    assert_eq!(lab.says("GET nobody"), "$-1\r\n");
}

#[test]
fn a_stranger_is_told_so_until_it_says_the_password() {
    let mut lab = Lab::with(Limits::default(), Some("secret"));
    for said in ["GET k", "PING", "FOO", "CLIENT ID", "SETNX k v"] {
        assert_eq!(lab.says(said), "-NOAUTH Authentication required.\r\n", "{said}");
    }
    assert!(lab.says("HELLO 3").starts_with("-NOAUTH HELLO must be called"));
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    for said in ["AUTH secre", "AUTH secrets", "AUTH other secret", "HELLO 3 AUTH default nope", "AUTH \"\""]
    {
        assert_eq!(lab.says(said), wrong, "{said}");
    }
    assert!(lab.says("HELLO 3 AUTH default secret SETNAME me").starts_with("%7\r\n"));
    assert_eq!(lab.says("CLIENT GETNAME"), "$2\r\nme\r\n");
    assert_eq!(lab.says("RESET"), "+RESET\r\n");
    assert_eq!(lab.says("PING"), "-NOAUTH Authentication required.\r\n");
    assert_eq!(lab.says("AUTH secret"), "+OK\r\n");
    assert_eq!(lab.says("PING"), "+PONG\r\n");
    assert_eq!(lab.asked, 0);
}

#[test]
fn a_stranger_may_not_send_much() {
    let mut lab = Lab::with(Limits::default(), Some("secret"));
    assert!(lab.says("*11").starts_with("-ERR Protocol error: unauthenticated multibulk length"));
    assert!(lab.connection.is_over());
    let mut lab = Lab::with(Limits::default(), Some("secret"));
    lab.says("AUTH secret");
    assert_eq!(lab.says("*11"), "");
}

#[test]
fn what_libraries_say_at_connect_is_taken() {
    let mut lab = Lab::new();
    for said in [
        "CLIENT SETINFO LIB-NAME redis-py",
        "CLIENT SETINFO LIB-VER 8.1.0",
        "CLIENT SETNAME app",
        "SELECT 0",
        "READONLY",
        "CLIENT NO-EVICT ON",
        "CLIENT NO-TOUCH ON",
    ] {
        assert_eq!(lab.says(said), "+OK\r\n", "{said}");
    }
    assert!(lab.says("CLIENT MAINT_NOTIFICATIONS ON").starts_with("-ERR unknown subcommand"));
    assert_eq!(lab.says("CLIENT SETNAME \"a b\"").get(..4), Some("-ERR"));
    assert_eq!(lab.says("CLIENT ID"), ":5\r\n");
    let line = lab.says("CLIENT LIST");
    assert!(line.contains("id=5 addr=10.0.0.1:9 laddr=10.0.0.2:7379 name=app"), "{line}");
    assert!(line.contains("lib-name=redis-py lib-ver=8.1.0"), "{line}");
    assert_eq!(lab.says("CLIENT KILL 10.0.0.9:1"), "-ERR No such client\r\n");
    assert_eq!(lab.says("CLIENT KILL 10.0.0.1:9"), "+OK\r\n");
    assert_eq!(lab.says("CLIENT KILL ID 6"), ":0\r\n");
    assert_eq!(lab.says("AUTH x").get(..43), Some("-ERR AUTH <password> called without any pas"));
}

#[test]
fn a_connection_given_back_after_a_refused_multi_is_closed_by_the_first_command_a_second_later() {
    let mut lab = Lab::new();
    assert!(lab.says("MULTI").starts_with("-ERR MULTI is not offered"));
    assert!(lab.says("SET k v").contains("EXEC, DISCARD or RESET end that"));
    assert!(
        lab.says("MULTI").starts_with("-ERR MULTI is not offered"),
        "which does not begin the second anew"
    );
    lab.passed = Duration::from_secs(1);
    let said = lab.says("SET k v\r\nSET k w");
    assert!(said.starts_with("-ERR SET was not executed") && said.ends_with("connect again.\r\n"), "{said}");
    assert_eq!(said.lines().count(), 1, "what comes behind it is not heard: {said}");
    assert!(lab.connection.is_over());
    lab.reconnect();
    assert_eq!(lab.says("GET k"), "$-1\r\n", "nothing was written");
}

#[test]
fn what_follows_a_refused_multi_is_not_executed_until_it_ends() {
    let mut lab = Lab::new();
    let said = lab.says("MULTI\r\nSET k v\r\nNOSUCH\r\nPING\r\nEXEC\r\nGET k");
    let replies: Vec<&str> = said.lines().collect();
    assert!(replies[0].starts_with("-ERR MULTI is not offered"), "{said}");
    for (reply, name) in replies[1..4].iter().zip(["SET", "NOSUCH", "PING"]) {
        assert!(reply.starts_with(&format!("-ERR {name} was not executed: it follows a MULTI")), "{said}");
    }
    assert!(replies[4].starts_with("-EXECABORT Transaction discarded"), "{said}");
    assert_eq!(&replies[5..], ["$-1"], "the end is the end, and nothing was written");
    assert!(lab.says("MULTI\r\nSET k v\r\nDISCARD\r\nGET k").ends_with("+OK\r\n$-1\r\n"));
    assert!(lab.says("MULTI\r\nMULTI\r\nSET k v\r\nRESET\r\nGET k").ends_with("+RESET\r\n$-1\r\n"));
    assert!(lab.says("EXEC").starts_with("-ERR EXEC is not offered"), "there is no transaction");
    assert!(lab.says("MULTI\r\nQUIT\r\nSET k v").ends_with("+OK\r\n"));
    assert!(lab.connection.is_over());
}

#[test]
fn a_browser_is_cut_off_before_anything_of_its_page_is_executed() {
    for said in [
        "POST / HTTP/1.1\r\n\r\nSET k v",
        "GET / HTTP/1.1\r\nhost: here\r\n\r\nSET k v",
        "MULTI\r\npost /\r\nSET k v",
    ] {
        for password in [None, Some("secret")] {
            let mut lab = Lab::with(Limits::default(), password);
            let reply = lab.says(said);
            assert!(!reply.contains("OK") && lab.connection.is_over(), "{said}: {reply}");
            assert_eq!((lab.asked, lab.counts.cross_protocol), (0, 1), "{said}");
        }
    }
}

#[test]
fn a_client_that_wants_no_replies_gets_none() {
    let mut lab = Lab::new();
    assert_eq!(lab.says("CLIENT REPLY OFF"), "");
    assert_eq!(lab.says("SET k v"), "");
    assert_eq!(lab.says("CLIENT REPLY ON"), "+OK\r\n");
    assert_eq!(lab.says("CLIENT REPLY SKIP"), "");
    assert_eq!(lab.says("GET k"), "");
    assert_eq!(lab.says("GET k"), "$1\r\nv\r\n");
}
