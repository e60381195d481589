//! The README's transcript is what happens.

use std::io::Write as _;
use std::process::{Command, Stdio};

const PROMPT: &str = "demo> ";

/// The lines of the transcript: what is typed, and what is answered.
fn transcript() -> (Vec<String>, Vec<String>) {
    let readme = include_str!("../README.md");
    let (_, from_mark) = readme.split_once("<!-- transcript -->").expect("the README marks its transcript");
    let block = from_mark.split("```").nth(1).expect("a block follows the mark");
    let lines = block.lines().skip(1).map(str::to_owned);
    lines.partition(|line| line.starts_with(PROMPT))
}

/// Whether `line` is `pattern`, where each `…` stands for anything.
fn matches(line: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('…');
    let first = parts.next().expect("split gives one at least");
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let mut open_end = false;
    for part in parts {
        let Some(at) = rest.find(part.trim_end()) else { return false };
        rest = &rest[at + part.trim_end().len()..];
        open_end = part.trim_end().is_empty();
    }
    open_end || rest.is_empty()
}

#[test]
fn the_transcript_in_the_readme_is_what_a_demo_answers() {
    let (typed, expected) = transcript();
    assert!(typed.len() >= 5 && expected.len() >= 10, "the transcript is there: {typed:?} {expected:?}");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_kvctl"))
        .arg("demo")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the demo starts");
    let lines: Vec<&str> = typed.iter().map(|line| line.trim_start_matches(PROMPT)).collect();
    let input = lines.join("\n") + "\n";
    demo.stdin.take().expect("piped").write_all(input.as_bytes()).expect("the demo reads");
    let output = demo.wait_with_output().expect("the demo ends");
    let said = String::from_utf8(output.stdout).expect("text");
    let errors = String::from_utf8(output.stderr).expect("text");
    let mut lines = said.lines().chain(errors.lines());
    for pattern in &expected {
        let found = lines.by_ref().any(|line| matches(line, pattern));
        assert!(found, "not said, or not in this order: {pattern:?}\n--- stdout\n{said}--- stderr\n{errors}");
    }
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_pattern_matches_only_what_it_says() {
    assert!(matches("ok  2/3 acks in 2ms by n3", "ok  2/3 acks in …"));
    assert!(matches("a 1 b 2 c", "a … b … c"));
    assert!(!matches("ok  1/3 acks", "ok  2/3 acks in …"));
    assert!(!matches("world again", "world"));
}
