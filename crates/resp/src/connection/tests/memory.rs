//! What a client can make the door keep for it.

use std::time::Duration;

use bytes::Bytes;
use quorate_types::{Mono, Now};

use super::node::{Lab, now};
use crate::{Effects, Limits};

fn limits() -> Limits {
    Limits { reads_max: 32, output_pause_bytes: 32 << 10, output_bytes_max: 100_000, ..Limits::default() }
}

fn large(lab: &mut Lab, key: &str, bytes: usize) -> String {
    let value = "v".repeat(bytes);
    lab.sends(Bytes::from(format!("*3\r\n$3\r\nSET\r\n$1\r\n{key}\r\n${bytes}\r\n{value}\r\n")));
    lab.answer_all();
    assert_eq!(lab.output(), "+OK\r\n");
    format!("${bytes}\r\n{value}\r\n")
}

#[test]
fn few_reads_are_begun_before_it_shows_that_values_are_small_and_no_more_than_may_be_after() {
    let mut lab = Lab::with(limits(), None);
    lab.sends("GET k\r\n".repeat(100).into());
    assert_eq!(lab.waiting.len(), 8);
    lab.answer_all();
    assert_eq!(lab.output(), "$-1\r\n".repeat(100));
    lab.sends("GET k\r\n".repeat(32).into());
    assert_eq!(lab.waiting.len(), 32);
    assert!(lab.connection.wants_bytes(), "everything was begun: more is welcome");
    lab.sends("GET k\r\n".into());
    assert_eq!(lab.waiting.len(), 32);
    assert!(!lab.connection.wants_bytes(), "this one waits");
    lab.answer_all();
    assert_eq!(lab.output(), "$-1\r\n".repeat(33));
}

#[test]
fn large_values_that_are_not_taken_stop_the_reads_behind_them() {
    let mut lab = Lab::with(limits(), None);
    let reply = large(&mut lab, "k", 20_000);
    lab.sends("GET k\r\n".repeat(50).into());
    lab.answer_all();
    assert_eq!(lab.asked, 1 + 8, "the first ones were begun before anybody knew");
    let mut replies = String::new();
    while replies.len() < 50 * reply.len() {
        assert!(lab.waiting.len() <= 1, "of such values one is as much as may wait: {}", lab.waiting.len());
        lab.answer_all();
        let sent = lab.output();
        assert!(!sent.is_empty() && sent.len() <= 2 * reply.len());
        replies += &sent;
    }
    assert_eq!(replies, reply.repeat(50));
}

#[test]
fn answers_that_wait_behind_a_slow_one_count_as_those_that_wait_for_the_client() {
    let mut lab = Lab::with(limits(), None);
    let reply = large(&mut lab, "k", 20_000);
    lab.sends(format!("GET slow\r\n{}", "GET k\r\n".repeat(20)).into());
    let before = lab.asked;
    while lab.waiting.len() > 1 {
        lab.answer(1);
    }
    assert_eq!(lab.asked, before);
    assert!(!lab.connection.wants_bytes());
    lab.answer_all();
    let mut replies = String::new();
    while replies.len() < 5 + 20 * reply.len() {
        let sent = lab.output();
        assert!(!sent.is_empty());
        replies += &sent;
        lab.answer_all();
    }
    assert_eq!(replies, format!("$-1\r\n{}", reply.repeat(20)));
}

#[test]
fn many_keys_are_asked_for_as_far_as_reads_and_writes_may_be_under_way() {
    let mut lab = Lab::with(limits(), None);
    let keys: Vec<String> = (0..1_000).map(|k| format!("k{k}")).collect();
    lab.sends(format!("MGET {}\r\nGET behind\r\n", keys.join(" ")).into());
    assert_eq!(lab.waiting.len(), 8);
    lab.answer(0);
    lab.answer(0);
    assert_eq!(lab.waiting.len(), 10, "two more with two small answers, and none but its own");
    lab.answer_all();
    assert_eq!(lab.output(), format!("*1000\r\n{}", "$-1\r\n".repeat(1_001)));
    lab.sends(format!("MSET {} v\r\n", keys.join(" v ")).into());
    assert_eq!(lab.waiting.len(), 256);
    lab.answer_all();
    assert_eq!(lab.output(), "+OK\r\n");
}

#[test]
fn a_command_of_many_keys_goes_on_when_others_have_made_room() {
    let mut lab = Lab::with(limits(), None);
    let reply = large(&mut lab, "k", 30_000);
    lab.sends("GET a\r\nGET b\r\nMGET k c d\r\n".into());
    assert_eq!(lab.waiting.len(), 5);
    let mut lab = Lab::with(Limits { reads_max: 3, ..limits() }, None);
    large(&mut lab, "k", 30_000);
    lab.sends("GET a\r\nGET b\r\nMGET k c d\r\n".into());
    assert_eq!(lab.waiting.len(), 3);
    lab.answer(2);
    assert_eq!(lab.waiting.len(), 2, "after a large value one at a time, and two are under way");
    lab.answer_all();
    assert_eq!(lab.output(), format!("$-1\r\n$-1\r\n*3\r\n{reply}$-1\r\n$-1\r\n"));
}

#[test]
fn a_reply_that_would_be_too_large_is_an_error_and_its_values_are_not_kept() {
    let mut lab = Lab::with(limits(), None);
    let reply = large(&mut lab, "k", 20_000);
    assert_eq!(lab.says("MGET k k k k k"), format!("*5\r\n{}", reply.repeat(5)));
    lab.sends(format!("MGET{}\r\nPING\r\n", " k".repeat(500)).into());
    let before = lab.asked;
    lab.answer_all();
    assert!(lab.asked - before < 10, "nothing more is read when it is clear: {}", lab.asked - before);
    assert_eq!(
        lab.output(),
        "-ERR the reply would have more than 100000 bytes (resp.output_bytes_max): nothing of it is sent. Ask for fewer keys\r\n+PONG\r\n"
    );
    assert_eq!(lab.counts.replies_too_large, 1);
    assert_eq!(lab.says(&format!("EXISTS{}", " k".repeat(500))), ":500\r\n", "of these no value is kept");
}

#[test]
fn what_is_large_by_nature_is_asked_for_once_at_a_time() {
    let mut lab = Lab::new();
    lab.sends("DBSIZE\r\nINFO server\r\nDBSIZE\r\nSCAN 0\r\nSCAN 0\r\nCLIENT LIST\r\nPING\r\n".into());
    assert_eq!(lab.waiting.len(), 1);
    lab.answer_all();
    let replies = lab.output();
    assert!(replies.starts_with(":0\r\n$") && replies.ends_with("\r\n+PONG\r\n"), "{replies}");
}

fn tick(lab: &mut Lab, seconds: u64) {
    let now = Now { mono: Mono(seconds * 1_000_000_000), ..now() };
    let mut effects = Effects::default();
    lab.connection.on_tick(now, &mut effects);
    lab.take(effects);
}

#[test]
fn a_command_that_does_not_become_whole_in_time_ends_the_connection_and_its_memory_is_given_back() {
    let limits = Limits { command_timeout: Duration::from_secs(10), ..Limits::default() };
    let mut lab = Lab::with(limits, None);
    tick(&mut lab, 100);
    assert!(lab.connection.wants_bytes(), "nothing was begun");
    lab.sends("GET k\r\n*2\r\n$3\r\nGET\r\n$100000\r\nk".into());
    lab.sends(Bytes::from(vec![b'k'; 50_000]));
    assert!(lab.connection.half_command_bytes() >= 50_000);
    lab.answer_all();
    tick(&mut lab, 9);
    assert_eq!(lab.output(), "$-1\r\n");
    assert!(lab.connection.wants_bytes());
    tick(&mut lab, 10);
    assert_eq!(
        lab.output(),
        "-ERR a command must be whole 10000 ms after its first byte (resp.command_timeout): nothing of it was executed, and the connection is closed\r\n"
    );
    assert!(lab.connection.is_over() && lab.connection.half_command_bytes() == 0);
    assert_eq!(lab.counts.overdue, 1);
}

#[test]
fn a_command_does_not_get_older_while_nothing_is_read_and_each_has_its_own_time() {
    let limits = Limits { command_timeout: Duration::from_secs(10), pipeline_max: 1, ..Limits::default() };
    let mut lab = Lab::with(limits, None);
    lab.sends("GET k\r\nGET".into());
    tick(&mut lab, 30);
    lab.answer_all();
    lab.sends(" k\r\nGET".into());
    assert!(!lab.connection.wants_bytes());
    tick(&mut lab, 40);
    lab.answer_all();
    assert_eq!(lab.output(), "$-1\r\n".repeat(2), "no error");
    lab.sends(" other\r\n".into());
    lab.answer_all();
    assert_eq!(lab.output(), "$-1\r\n");
    tick(&mut lab, 100);
    assert!(lab.connection.wants_bytes(), "all of them are whole");
}

#[test]
fn half_a_command_that_finds_no_room_is_told_so_behind_the_replies_before_it() {
    let mut lab = Lab::with(Limits { commands_bytes_max: 1_000, ..Limits::default() }, None);
    lab.sends("GET k\r\nGET".into());
    let mut effects = Effects::default();
    lab.connection.refuse_half_command(now(), &mut effects);
    lab.take(effects);
    lab.answer_all();
    assert_eq!(
        lab.output(),
        "$-1\r\n-TRYAGAIN commands that are not whole have the 1000 bytes that they may have (resp.commands_bytes_max): nothing of it was executed, and the connection is closed\r\n"
    );
    assert!(lab.connection.is_over());
}
