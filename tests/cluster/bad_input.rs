//! Bad input is refused with a sentence that says what was wrong, what became of the data and what to do.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use quorate_client::ClientError;
use quorate_types::{Level, Refusal};

use crate::harness::{Cluster, Spec};

/// Runs a replica that is expected to refuse: its exit code and what it said.
fn refused(cluster: &Cluster, k: usize, args: &[&str]) -> (i32, String) {
    let mut command = cluster.command(k);
    let Output { status, stderr, .. } =
        command.args(args).stderr(std::process::Stdio::piped()).output().expect("replica runs");
    (status.code().expect("it was not killed"), String::from_utf8(stderr).expect("text"))
}

fn with_config(change: impl FnOnce(String) -> String) -> (i32, String) {
    let cluster = Cluster::prepare(&Spec::default());
    let config = std::fs::read_to_string(cluster.config()).expect("written just now");
    std::fs::write(cluster.config(), change(config)).expect("written");
    refused(&cluster, 1, &["--check-config"])
}

#[test]
fn a_config_that_cannot_be_meant_is_refused_with_place_and_remedy() {
    let cases: [(&str, &str, &[&str]); 9] = [
        ("shards = 1", "shard = 1", &["cluster.toml", "shards"]),
        ("shards = 1", "shards = 9", &["shards", "8"]),
        ("n = 3", "n = 5", &["n = 5", "4"]),
        ("id = \"n2\"", "id = \"n1\"", &["n1"]),
        (".2:7381", ".1:7381", &[".1:7381"]),
        ("data_dir = \"data/n2\"", "data_dir = \"data/n2\"\ncapacity = 0", &["capacity"]),
        ("read = \"quorum\"", "read = \"most\"", &["most"]),
        ("n = 3", "n = 3\nconflict = \"siblings\"", &["siblings"]),
        ("n = 3", "n = 3\nsloppy = true", &["sloppy"]),
    ];
    for (good, bad, named) in cases {
        let (code, said) = with_config(|config| config.replacen(good, bad, 1));
        assert_eq!(code, 2, "{bad}: {said}");
        for name in named {
            assert!(said.contains(name), "{bad}: {said:?} does not name {name:?}");
        }
        assert!(said.contains("nothing was started"), "{bad}: {said}");
    }
}

#[test]
fn a_configuration_is_checked_for_all_nodes_without_saying_which_one_this_is() {
    let cluster = Cluster::prepare(&Spec::default());
    let mut check = Command::new(env!("CARGO_BIN_EXE_replica"));
    let checked =
        check.arg("--config").arg(cluster.config()).arg("--check-config").output().expect("it ends");
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let said = String::from_utf8(checked.stdout).expect("text");
    assert!(said.ends_with("is valid: 4 nodes\n"), "{said}");
}

#[test]
fn a_data_directory_is_served_by_one_process_of_its_own_node_and_cluster() {
    let mut cluster = Cluster::prepare(&Spec::default());
    cluster.spawn(1);
    let elsewhere = cluster.addr(4);
    let (code, said) = refused(&cluster, 1, &["--listen", &elsewhere]);
    assert_eq!(code, 11, "a second process on the directory: {said}");
    let (code, said) = refused(&cluster, 2, &["--listen", &cluster.addr(1)]);
    assert_eq!(code, 3, "the port is taken: {said}");
    cluster.kill(1);
    let of_n1 = cluster.data_dir(1);
    let of_n1 = of_n1.to_str().expect("text");
    let (code, said) = refused(&cluster, 2, &["--data-dir", of_n1]);
    assert_eq!(code, 11, "another node's directory: {said}");
    assert!(said.contains("n1") && said.contains("n2"), "{said}");
    let config = std::fs::read_to_string(cluster.config()).expect("there");
    std::fs::write(cluster.config(), config.replace("name = \"test\"", "name = \"other\"")).expect("written");
    let (code, said) = refused(&cluster, 1, &[]);
    assert_eq!(code, 11, "another cluster's directory: {said}");
    assert!(said.contains("test") && said.contains("other"), "{said}");
}

/// The largest file below `dir` whose name ends so.
fn file_ending(dir: &Path, ending: &str) -> PathBuf {
    let entries = std::fs::read_dir(dir).expect("listed").map(|entry| entry.expect("read").path());
    let mut found: Vec<_> = entries.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    found.sort();
    found.pop().unwrap_or_else(|| panic!("no {ending} in {}", dir.display()))
}

/// Flips one bit of `file` and returns the file's bytes.
fn rot(file: &Path, at: usize) -> Vec<u8> {
    let mut bytes = std::fs::read(file).expect("read");
    bytes[at] ^= 1;
    std::fs::write(file, &bytes).expect("written");
    bytes
}

fn refuses_to_start_and_touches_nothing(cluster: &Cluster, file: &Path, rotten: &[u8]) {
    let (code, said) = refused(cluster, 1, &[]);
    assert_eq!(code, 12, "{said}");
    let name = file.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(said.contains(&name) && said.contains("nothing was overwritten"), "{said}");
    assert_eq!(std::fs::read(file).expect("read"), rotten, "{name} was changed");
}

#[test]
fn rotten_acknowledged_data_in_the_log_stops_the_start_with_file_and_offset() {
    let mut cluster = Cluster::start(&Spec { nodes: 1, n: 1, ..Spec::default() });
    for i in 0..50 {
        cluster.put(1, &format!("key-{i}"), "value", Level::One).expect("written");
    }
    cluster.kill(1);
    let wal = cluster.data_dir(1).join("wal");
    let written = std::fs::read_dir(&wal).expect("listed").map(|e| e.expect("read").path());
    let segment = written
        .filter(|path| path.extension().is_some_and(|e| e == "seg"))
        .find(|path| std::fs::read(path).expect("read").windows(6).any(|w| w == b"key-10"))
        .expect("the key is in the log");
    let at = std::fs::read(&segment).expect("read").windows(6).position(|w| w == b"key-10").expect("there");
    let rotten = rot(&segment, at);
    refuses_to_start_and_touches_nothing(&cluster, &segment, &rotten);
}

#[test]
fn a_rotten_checkpoint_stops_the_start_with_its_name() {
    let mut cluster = Cluster::start(&Spec { nodes: 1, n: 1, ..Spec::default() });
    for i in 0..50 {
        cluster.put(1, &format!("key-{i}"), "value", Level::One).expect("written");
    }
    assert_eq!(cluster.terminate(1), Some(0));
    let part = file_ending(&cluster.data_dir(1).join("checkpoints"), ".part");
    let middle = std::fs::metadata(&part).expect("there").len() as usize / 2;
    let rotten = rot(&part, middle);
    refuses_to_start_and_touches_nothing(&cluster, &part, &rotten);
}

#[test]
fn after_sigterm_a_replica_ends_with_zero_and_has_everything_when_it_starts_again() {
    let mut cluster = Cluster::start(&Spec { nodes: 1, n: 1, shards: 2, ..Spec::default() });
    for i in 0..50 {
        cluster.put(1, &format!("key-{i}"), "value", Level::One).expect("written");
    }
    assert_eq!(cluster.terminate(1), Some(0));
    cluster.spawn(1);
    for i in 0..50 {
        assert!(cluster.get(1, &format!("key-{i}"), Level::One).expect("answered").is_some(), "key-{i}");
    }
}

#[test]
fn a_peer_of_another_cluster_is_refused_by_name_and_garbage_on_the_port_disturbs_nobody() {
    let mut cluster = Cluster::prepare(&Spec { nodes: 2, n: 1, ..Spec::default() });
    cluster.spawn(1);
    let config = std::fs::read_to_string(cluster.config()).expect("there");
    std::fs::write(cluster.config(), config.replace("name = \"test\"", "name = \"other\"")).expect("written");
    cluster.spawn(2);
    cluster.await_that("n1 says why it does not talk to n2", || {
        let status = cluster.status(1).expect("it answers");
        status.peers[0].why_down.as_ref().is_some_and(|why| why.contains("belongs to cluster \"other\""))
    });
    let mut stranger = TcpStream::connect(cluster.addr(1)).expect("connected");
    stranger.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
    stranger.write_all(b"GET / HTTP/1.1\r\nHost: quorate\r\n\r\n").expect("sent");
    let mut answer = Vec::new();
    stranger.read_to_end(&mut answer).expect("it is hung up on, not left waiting");
    assert_eq!(cluster.status(1).expect("it still answers").name, "n1");
}

#[test]
fn keys_and_values_out_of_bounds_and_levels_beyond_n_are_rejected_by_name() {
    let cluster = Cluster::start(&Spec::default());
    assert!(matches!(cluster.put(1, "", "v", Level::One), Err(ClientError::Key(_))));
    let long = "k".repeat(40_000);
    assert!(matches!(cluster.put(1, &long, "v", Level::One), Err(ClientError::Key(_))));
    let large = "v".repeat(2 << 20);
    let refused = cluster.put(1, "k", &large, Level::One).expect_err("too large");
    assert!(
        matches!(&refused, ClientError::Rejected { reason: Refusal::ValueTooLarge { .. }, .. }),
        "{refused:?}"
    );
    let refused = cluster.put(1, "k", "v", Level::Exactly(4)).expect_err("n = 3");
    assert!(
        matches!(
            &refused,
            ClientError::Rejected { reason: Refusal::LevelUnmeetable { required: 4, n: 3 }, .. }
        ),
        "{refused:?}"
    );
    assert_eq!(cluster.get(1, "k", Level::Quorum).expect("answered"), None);
}
