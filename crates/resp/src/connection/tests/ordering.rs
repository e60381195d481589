//! The order of replies and of commands on one key.

use bytes::Bytes;
use proptest::prelude::*;

use super::node::Lab;
use crate::Limits;

#[test]
fn a_get_behind_a_set_in_one_pipeline_sees_it_and_others_go_on() {
    let mut lab = Lab::new();
    lab.sends("SET k 1\r\nGET k\r\nGET other\r\nSET k 2\r\nGET k\r\n".into());
    assert_eq!(lab.waiting.len(), 2, "the set, and the get of the other key");
    lab.answer_all();
    assert_eq!(lab.output(), "+OK\r\n$1\r\n1\r\n$-1\r\n+OK\r\n$1\r\n2\r\n");
}

#[test]
fn a_command_of_two_requests_keeps_its_key_from_the_first_to_the_last() {
    let mut lab = Lab::new();
    lab.says("SET k v");
    lab.sends("DEL k\r\nGET k\r\n".into());
    assert_eq!(lab.waiting.len(), 1);
    lab.answer(0);
    assert_eq!(lab.waiting.len(), 1, "the delete follows the read, the get still waits");
    lab.answer_all();
    assert_eq!(lab.output(), ":1\r\n$-1\r\n");
}

#[test]
fn a_reply_that_is_known_at_once_waits_for_those_before_it() {
    let mut lab = Lab::new();
    lab.sends("GET k\r\nPING\r\nHELLO 3\r\nGET k\r\nQUIT\r\nPING\r\n".into());
    assert_eq!(lab.output(), "");
    assert!(!lab.connection.wants_bytes(), "nothing is executed behind QUIT");
    lab.answer_all();
    let output = lab.output();
    assert!(output.starts_with("$-1\r\n+PONG\r\n%7\r\n"), "the first in RESP2: {output}");
    assert!(output.ends_with("_\r\n+OK\r\n"), "the last in RESP3, and no PONG behind QUIT: {output}");
    assert!(lab.connection.is_over());
}

#[test]
fn a_full_pipeline_takes_nothing_more_until_something_is_answered() {
    let mut lab = Lab::with(Limits { pipeline_max: 3, ..Limits::default() }, None);
    lab.sends("GET a\r\nGET b\r\nGET c\r\nGET d\r\nGET e\r\n".into());
    assert_eq!(lab.waiting.len(), 3);
    assert!(!lab.connection.wants_bytes());
    lab.answer(0);
    assert_eq!(lab.waiting.len(), 3, "the fourth has begun");
    lab.sends("GET f\r\n".into());
    lab.answer_all();
    assert_eq!(lab.output(), "$-1\r\n".repeat(6));
    assert!(lab.connection.wants_bytes());
}

#[test]
fn a_client_that_sends_no_more_gets_all_replies_and_then_the_end() {
    let mut lab = Lab::with(Limits { pipeline_max: 2, ..Limits::default() }, None);
    lab.sends("SET k 1\r\nGET k\r\nSET k 2\r\nGET k\r\nGET half".into());
    lab.finishes();
    assert!(!lab.connection.wants_bytes() && !lab.connection.is_over());
    lab.answer_all();
    assert_eq!(lab.output(), "+OK\r\n$1\r\n1\r\n+OK\r\n$1\r\n2\r\n", "half a command is none");
    assert!(lab.connection.is_over());
    let mut silent = Lab::new();
    silent.finishes();
    assert!(silent.connection.is_over(), "there is nothing to wait for");
}

#[test]
fn replies_that_are_not_taken_stop_the_commands_behind_them() {
    let mut lab = Lab::with(Limits { output_pause_bytes: 10, ..Limits::default() }, None);
    lab.sends(Bytes::from("PING\r\n".repeat(5)));
    assert_eq!(lab.output(), "+PONG\r\n".repeat(2), "two are more than ten bytes");
    assert_eq!(lab.output(), "+PONG\r\n".repeat(2));
    assert_eq!(lab.output(), "+PONG\r\n");
}

proptest! {
    /// Whatever the order of the answers, each connection sees its own writes, in order.
    #[test]
    fn replies_are_those_of_a_map_that_is_asked_one_by_one(
        commands in prop::collection::vec((0u8..3, 0u8..4, 0u8..10), 1..60),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 400),
        cuts in prop::collection::vec(1usize..40, 1..40),
    ) {
        let said: Vec<String> = commands.iter().map(|(what, key, value)| match what {
            0 => format!("SET k{key} {value}\r\n"),
            1 => format!("GET k{key}\r\n"),
            _ => format!("DEL k{key} k{}\r\n", (key + 1) % 4),
        }).collect();
        let mut expected = Lab::new();
        let expected: String = said.iter().map(|line| expected.says(line.trim_end())).collect();

        let (mut lab, mut picks, mut output) = (Lab::new(), picks.iter(), String::new());
        let (all, mut at, mut cuts) = (Bytes::from(said.concat()), 0, cuts.iter().cycle());
        while at < all.len() || !lab.waiting.is_empty() {
            let end = (at + cuts.next().unwrap()).min(all.len());
            lab.sends(all.slice(at..end));
            at = end;
            if !lab.waiting.is_empty() {
                let pick = picks.next().map_or(0, |pick| pick.index(lab.waiting.len()));
                lab.answer(pick);
            }
            output += &lab.output();
        }
        output += &lab.output();
        prop_assert_eq!(output, expected);
    }
}
