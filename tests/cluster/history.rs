//! Histories of real processes before the same judge as simulated ones: what they did is fine, and a single
//! acknowledged write that is taken out of sight is convicted.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Cluster, Ran, Spec};

/// Records a bench of reads and writes at `level` during which n2 is killed and comes back.
fn recorded(cluster: &mut Cluster, level: &str) -> PathBuf {
    let file = cluster.folder().join("history.jsonl");
    let mut bench = Command::new(env!("CARGO_BIN_EXE_kvctl"))
        .arg("--config")
        .arg(cluster.config())
        .args(["bench", "--preset", "a", "--duration", "3s", "--keys", "40", "--value-size", "32"])
        .args(["--connections", "8", "--in-flight", "2", "-c", level, "-o", "json", "--history"])
        .arg(&file)
        .env_remove("KV_ENDPOINTS")
        .stdout(Stdio::piped())
        .spawn()
        .expect("kvctl starts");
    cluster.await_that("the bench has begun", || {
        std::fs::metadata(&file).is_ok_and(|file| file.len() > 1 << 20)
            || bench.try_wait().expect("a child").is_some()
    });
    cluster.kill(2);
    cluster.await_peers_up(1, 2);
    cluster.spawn(2);
    let ended = bench.wait_with_output().expect("kvctl ends");
    let told: Value = serde_json::from_slice(&ended.stdout).expect("JSON");
    assert_eq!(ended.status.code(), Some(0), "{told}");
    let lines = std::fs::read_to_string(&file).expect("a history");
    let invoked = lines.lines().filter(|line| line.starts_with("{\"invoke\"")).count();
    assert_eq!(told["history"]["operations"], invoked, "{told}");
    file
}

fn check(cluster: &Cluster, file: &Path) -> Ran {
    cluster.kvctl(&["check", file.to_str().expect("text"), "-o", "json"])
}

fn ruling<'a>(json: &'a Value, invariant: &str) -> &'a Value {
    let verdicts = json["verdicts"].as_array().expect("a list");
    &verdicts.iter().find(|verdict| verdict["invariant"] == invariant).expect("a verdict")["ruling"]
}

/// The lines of a history that can be changed.
struct Lines(Vec<Value>);

/// An operation on a key: where its answer stands.
struct Done {
    key: String,
    writes: bool,
    begun: u64,
    ended: u64,
    version: String,
    at: usize,
}

impl Lines {
    fn of(file: &Path) -> Lines {
        let text = std::fs::read_to_string(file).expect("a history");
        Lines(text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect())
    }

    fn write(&self, file: &Path) {
        let lines: Vec<String> = self.0.iter().map(Value::to_string).collect();
        std::fs::write(file, lines.join("\n") + "\n").expect("written");
    }

    /// All acknowledged puts and all gets that found something, in the order in which they were answered.
    fn done(&self) -> Vec<Done> {
        let mut begun = std::collections::BTreeMap::new();
        let mut done = Vec::new();
        for (at, line) in self.0.iter().enumerate() {
            if let Some(invoke) = line.get("invoke") {
                begun.insert(invoke["id"].as_u64(), invoke);
            }
            let Some(complete) = line.get("complete") else { continue };
            let (asked, outcome) = (begun[&complete["id"].as_u64()], &complete["outcome"]);
            let writes = asked["ask"].get("put").is_some();
            let of = if writes { &asked["ask"]["put"] } else { &asked["ask"]["get"] };
            let told = outcome.get("written").or(outcome.get("found"));
            let Some(version) = told.and_then(|told| told["version"].as_str()) else { continue };
            let time = |of: &Value| of["at_ns"].as_u64().expect("a time");
            let key = of["key"].as_str().expect("a key").to_owned();
            let (begun, ended) = (time(asked), time(complete));
            done.push(Done { key, writes, begun, ended, version: version.to_owned(), at });
        }
        done
    }
}

#[test]
fn the_history_of_real_replicas_one_of_which_dies_is_fine_and_one_dropped_acknowledged_write_is_convicted() {
    let mut cluster = Cluster::start(&Spec::default());
    let file = recorded(&mut cluster, "quorum");
    let fine = check(&cluster, &file);
    assert_eq!(fine.code, 0, "{fine:?}");
    for invariant in ["phantoms", "stamps", "durability", "freshness", "monotonic_reads", "replies"] {
        assert_eq!(ruling(&fine.json(), invariant), "holds", "{invariant}: {}", fine.stdout);
    }

    // The last read of a key shows the write before the one that had been acknowledged when it began.
    let mut lines = Lines::of(&file);
    let done = lines.done();
    let planted = done.iter().rev().filter(|read| !read.writes).find_map(|read| {
        let is_last =
            !done.iter().any(|later| !later.writes && later.key == read.key && later.begun > read.begun);
        let newest =
            done.iter().rfind(|put| put.writes && put.version == read.version && put.ended < read.begun)?;
        let first = done.iter().find(|put| put.writes && put.key == read.key && put.ended < newest.begun)?;
        is_last.then_some((read, newest, first))
    });
    let (read, dropped, older) = planted.expect("some key was written twice and read");
    let earlier = done.iter().find(|seen| !seen.writes && seen.version == older.version);
    let shown = earlier.map_or_else(
        || serde_json::json!({ "deleted": { "version": older.version } }),
        |seen| lines.0[seen.at]["complete"]["outcome"].clone(),
    );
    let (read_id, dropped_id) =
        (lines.0[read.at]["complete"]["id"].clone(), lines.0[dropped.at]["complete"]["id"].clone());
    lines.0[read.at]["complete"]["outcome"] = shown;
    lines.write(&file);
    let convicted = check(&cluster, &file);
    assert_eq!(convicted.code, 13, "{convicted:?}");
    let json = convicted.json();
    assert_eq!(
        (ruling(&json, "freshness"), ruling(&json, "durability")),
        (&"violated".into(), &"violated".into())
    );
    assert_eq!(json["figures"]["writes"]["lost"], 1, "{json:#}");
    let text = cluster.kvctl(&["check", file.to_str().expect("text")]).stdout;
    assert!(text.contains(&format!("#{dropped_id} was acknowledged as {}", dropped.version)), "{text}");
    assert!(
        text.contains(&format!("the last read that must show it, #{read_id}, does not (key {})", read.key)),
        "{text}"
    );
    assert!(text.ends_with("VIOLATED: the history breaks a promise\n"), "{text}");
}

#[test]
fn real_replicas_keep_what_linearizable_promises_and_a_write_that_was_read_and_is_said_to_be_refused_is_convicted()
 {
    let mut cluster = Cluster::start(&Spec { shards: 2, ..Spec::default() });
    let file = recorded(&mut cluster, "linearizable");
    let fine = check(&cluster, &file);
    assert_eq!((fine.code, ruling(&fine.json(), "linearizability")), (0, &"holds".into()), "{fine:?}");

    let mut lines = Lines::of(&file);
    let done = lines.done();
    let was_read =
        |put: &&Done| put.writes && done.iter().any(|read| !read.writes && read.version == put.version);
    let put = done.iter().find(was_read).expect("some write was read");
    lines.0[put.at]["complete"]["outcome"] = serde_json::json!({ "rejected": { "reason": "planted" } });
    lines.write(&file);
    let convicted = check(&cluster, &file);
    assert_eq!(
        (convicted.code, ruling(&convicted.json(), "phantoms")),
        (13, &"violated".into()),
        "{convicted:?}"
    );
}

#[test]
fn what_is_told_of_nodes_stands_in_the_history_and_the_end_of_it_ends_the_bench() {
    let cluster = Cluster::start(&Spec { nodes: 1, n: 1, ..Spec::default() });
    let bench = |file: &Path, told: &[u8]| {
        let file = file.to_str().expect("text");
        let args = ["bench", "--preset", "mixed", "--duration", "24h", "--keys", "4", "--connections", "1"];
        cluster.kvctl_in(&[&args[..], &["--history", file, "--events"]].concat(), told)
    };
    let file = cluster.folder().join("told.jsonl");
    let ended = bench(&file, b"n1 pause\n\nn1 resume\n");
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    let happened: Vec<Value> =
        Lines::of(&file).0.iter().filter_map(|line| Some(line.get("node")?["what"].clone())).collect();
    assert_eq!(happened, ["pause", "resume"]);

    for (told, wrong) in [
        ("n1 sneezes", "line 2, \"n1 sneezes\": nothing called \"sneezes\" happens to nodes"),
        ("n9 crash", "line 2, \"n9 crash\": the cluster has no node \"n9\""),
        ("n1", "line 2, \"n1\": it is not `NODE WHAT`"),
    ] {
        let ended = bench(&cluster.folder().join(told), format!("n1 pause\n{told}\n").as_bytes());
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{said}");
        assert!(said.contains(wrong) && said.contains("the run ended there"), "{said}");
    }
}
