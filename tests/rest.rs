//! The transcript of docs/http.md is what a real node answers to a real `curl` (the scenario *rest-shapes*). Where curl is
//! missing the test is shown as ignored.

use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

#[path = "harness/one_node.rs"]
mod one_node;

use one_node::{OneNode, shipped};

const PROMPT: &str = "$ ";

fn main() -> ExitCode {
    let curl = Command::new("curl").arg("--version").output().is_ok_and(|output| output.status.success());
    let name = |name: &str| if curl { name.to_owned() } else { format!("{name} (curl is not installed)") };
    let trials = vec![
        Trial::test(name("rest_shapes_the_transcript_is_what_a_node_answers"), transcript)
            .with_ignored_flag(!curl),
        Trial::test(name("a_node_that_is_terminated_ends_in_order_and_nobody_answers_any_more"), terminated)
            .with_ignored_flag(!curl),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// One line of the transcript, and what is answered.
struct Exchange {
    typed: String,
    expected: Vec<String>,
}

fn exchanges(text: &str) -> Vec<Exchange> {
    let (_, from_mark) = text.split_once("<!-- transcript -->").expect("the page marks its transcript");
    let block = from_mark.split("```").nth(1).expect("a block follows the mark");
    let mut exchanges: Vec<Exchange> = Vec::new();
    for line in block.lines().skip(1) {
        match (line.strip_prefix(PROMPT), exchanges.last_mut()) {
            (Some(typed), _) => exchanges.push(Exchange { typed: typed.to_owned(), expected: Vec::new() }),
            (None, Some(last)) => last.expected.push(line.to_owned()),
            (None, None) => panic!("an answer before any question: {line}"),
        }
    }
    exchanges
}

/// Whether `line` is `pattern`, where each `…` stands for anything.
fn matches(line: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        let at = if parts.peek().is_none() { rest.rfind(part) } else { rest.find(part) };
        let Some(at) = at else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

fn says(node: &OneNode, typed: &str) -> String {
    let line = typed.replace("127.0.0.1", &node.host);
    let output = Command::new("sh").args(["-c", &line]).output().expect("sh runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn transcript() -> Result<(), Failed> {
    let node = OneNode::start((249, 1), shipped);
    let exchanges = exchanges(include_str!("../docs/http.md"));
    if exchanges.len() < 15 {
        return Err(format!("only {} exchanges are in the transcript", exchanges.len()).into());
    }
    for Exchange { typed, expected } in exchanges {
        let said = says(&node, &typed);
        let lines: Vec<&str> = said.lines().collect();
        let fits = lines.len() == expected.len()
            && lines.iter().zip(&expected).all(|(line, pattern)| matches(line, pattern));
        if !fits {
            return Err(format!("{typed}\nexpected {expected:?}\nsaid     {lines:?}").into());
        }
    }
    Ok(())
}

fn terminated() -> Result<(), Failed> {
    let mut node = OneNode::start((249, 2), shipped);
    let put = "curl -s -o /dev/null -w '%{http_code}' -X PUT -d v http://127.0.0.1:7380/api/v1/store/k";
    if says(&node, put) != "201" {
        return Err("the put was not answered".into());
    }
    let signalled = Command::new("kill").args(["-TERM", &node.child.id().to_string()]).status();
    assert!(signalled.expect("kill runs").success());
    let ended = node.child.wait().expect("it ends");
    if !ended.success() {
        return Err(format!("it ended with {ended}").into());
    }
    match says(&node, put).as_str() {
        "000" => Ok(()),
        other => Err(format!("somebody still answers: {other}").into()),
    }
}
