//! The transcript of docs/http.md is what a real node answers to a real `curl` (the scenario *rest-shapes*), and the README's
//! lines for HTTP and Redis clients are what its four nodes answer. Where a client is missing the test is shown as ignored.

use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

#[path = "harness/one_node.rs"]
mod one_node;

use one_node::{OneNode, shipped};

const PROMPT: &str = "$ ";

fn main() -> ExitCode {
    let there =
        |client: &str| Command::new(client).arg("--version").output().is_ok_and(|said| said.status.success());
    let curl = there("curl");
    let redis = there("redis-cli") && there("redis-benchmark");
    let redis_name = "the_redis_lines_of_the_readme_are_what_its_four_nodes_answer";
    let redis_name =
        if redis { redis_name.to_owned() } else { format!("{redis_name} (no redis-cli and -benchmark)") };
    let name = |name: &str| if curl { name.to_owned() } else { format!("{name} (curl is not installed)") };
    let trials = vec![
        Trial::test(name("rest_shapes_the_transcript_is_what_a_node_answers"), transcript)
            .with_ignored_flag(!curl),
        Trial::test(name("a_node_that_is_terminated_ends_in_order_and_nobody_answers_any_more"), terminated)
            .with_ignored_flag(!curl),
        Trial::test(name("the_http_lines_of_the_readme_are_what_its_four_nodes_answer"), readme_http)
            .with_ignored_flag(!curl),
        Trial::test(redis_name, readme_redis).with_ignored_flag(!redis),
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

/// The lines of the README's block behind `heading`.
fn readme_lines(heading: &str) -> Vec<&'static str> {
    let (_, part) = include_str!("../README.md").split_once(heading).expect("the README has that part");
    let block =
        part.split("```sh").nth(1).and_then(|rest| rest.split("```").next()).expect("a block follows");
    block.lines().filter(|line| !line.is_empty()).collect()
}

/// What bash says to `lines`, with the README's four nodes at `addr`; a line `--` is between what is said to each.
fn said_by_four(addr: &str, lines: &[String]) -> Result<Vec<String>, Failed> {
    let folder = tempfile::tempdir()?;
    std::fs::write(
        folder.path().join("cluster.toml"),
        include_str!("../cluster.toml").replace("127.0.0.1", addr),
    )?;
    // Whatever line is typed, curl says the status behind its answer.
    std::fs::write(folder.path().join(".curlrc"), "silent\nwrite-out = \" %{http_code}\\n\"\n")?;
    let (replica, kvctl) = (env!("CARGO_BIN_EXE_replica"), env!("CARGO_BIN_EXE_kvctl"));
    let script = format!(
        "set -m\ntrap 'kill -9 $(jobs -p) 2>/dev/null' EXIT\n\
         for n in n1 n2 n3 n4; do '{replica}' --config cluster.toml --node $n >$n.out 2>&1 & done\n\
         tries=0; until '{kvctl}' status --exit-code >out 2>&1; do ((++tries < 600)) || exit 99; done\n{}\n",
        lines.join("\necho --\n")
    );
    let mut bash = Command::new("bash");
    let run =
        bash.args(["-c", &script]).current_dir(folder.path()).env("CURL_HOME", folder.path()).output()?;
    let said = String::from_utf8(run.stdout)?;
    if !run.status.success() {
        return Err(format!("{}: {said}{}", run.status, String::from_utf8_lossy(&run.stderr)).into());
    }
    Ok(said.split("--\n").map(str::to_owned).collect())
}

fn addr(host: u8) -> String {
    format!("127.{}.249.{host}", 1 + std::process::id() % 250)
}

/// Each line is answered with what its comment says, or else with any success.
fn readme_http() -> Result<(), Failed> {
    let addr = addr(3);
    let lines = readme_lines("\n## HTTP\n");
    let typed: Vec<String> = lines.iter().map(|line| line.replace("127.0.0.1", &addr)).collect();
    let said = said_by_four(&addr, &typed)?;
    let mut told = 0;
    for (line, said) in lines.iter().zip(&said) {
        let (body, status) = said.trim_end().rsplit_once(' ').ok_or("no status")?;
        let fits = match line.split_once("    # ").and_then(|(_, comment)| comment.trim().split_once(' ')) {
            Some(expected) => {
                told += 1;
                expected == (status, body)
            }
            None => status.starts_with('2'),
        };
        if !fits {
            return Err(format!("{line}\nsaid {said}").into());
        }
    }
    if (lines.len(), said.len(), told) == (4, 4, 2) {
        Ok(())
    } else {
        Err(format!("{told} of {said:?}").into())
    }
}

fn readme_redis() -> Result<(), Failed> {
    let addr = addr(4);
    let at = |line: &&str| {
        let (client, rest) = line.split_once(' ').unwrap_or((line, ""));
        // As many requests as show that it works; the rest of a benchmark is none of a test.
        let few = if client == "redis-benchmark" { "-n 200" } else { "" };
        format!("{client} -h {addr} {rest} {few}")
    };
    let typed: Vec<String> = readme_lines("\n## Redis clients\n").iter().map(at).collect();
    let said = said_by_four(&addr, &typed)?;
    let [set, get, bench] = &said[..] else { return Err(format!("three lines: {said:?}").into()) };
    let benched =
        ["PING_INLINE: ", "SET: ", "GET: ", "MSET (10 keys): "].iter().all(|name| bench.contains(name));
    let fits = set.trim() == "OK" && get.trim() == "world" && benched && !bench.contains("Error");
    if fits { Ok(()) } else { Err(format!("{said:?}").into()) }
}
