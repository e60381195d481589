//! The doors that clients are sent to: real replicas on loopback addresses of their own.

use std::fmt::Write as _;
use std::path::Path;

use crate::harness::Cluster;

/// What the door with a password wants to hear.
pub const PASSWORD: &str = "open, sesame";

/// Where the doors are, `host:port`.
#[derive(Clone, Debug)]
pub struct Doors {
    /// Three replicas, every key on all of them; the first one's door.
    pub open: String,
    /// One replica with a password.
    pub locked: String,
    /// One replica for those who want the keyspace for themselves.
    pub own: String,
}

impl Doors {
    /// Where nobody opens: for those who want to know the names of the cases only.
    pub fn nowhere() -> Doors {
        Doors { open: String::new(), locked: String::new(), own: String::new() }
    }
}

/// The replicas; dropped, they are gone.
pub struct Processes {
    _clusters: [Cluster; 3],
    _folder: tempfile::TempDir,
}

/// Starts them all.
pub fn open() -> (Doors, Processes) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let password = folder.path().join("password");
    std::fs::write(&password, format!("{PASSWORD}\n")).expect("the password is written");
    let (open, at_open) = start(3, None);
    let (locked, at_locked) = start(1, Some(&password));
    let (own, at_own) = start(1, None);
    let doors = Doors { open: at_open, locked: at_locked, own: at_own };
    (doors, Processes { _clusters: [open, locked, own], _folder: folder })
}

/// A cluster of `nodes`, each key on all of them, and the door of the first. Its deadline is no shorter than what the
/// differential test waits: a machine that is busy elsewhere makes no reply differ.
fn start(nodes: usize, password: Option<&Path>) -> (Cluster, String) {
    let resp = password.map_or_else(String::new, |file| format!("password_file = \"{}\"\n", file.display()));
    let mut config = format!(
        "[cluster]\nname = \"clients\"\n\n[[keyspace]]\nname = \"default\"\nn = {nodes}\nread = \"quorum\"\n\
         write = \"quorum\"\n\n[wal]\nsegment_bytes = \"4MiB\"\nsync = \"os\"\n\n[limits]\nrequest_deadline = \"1m\"\n\n[resp]\n{resp}\n"
    );
    for k in 1..=nodes {
        let _ = write!(
            config,
            "[[node]]\nid = \"n{k}\"\naddr = \"127.0.0.1:{}\"\nresp_addr = \"127.0.0.1:{}\"\ndata_dir = \"data/n{k}\"\n\n",
            7400 + k,
            7500 + k
        );
    }
    let cluster = Cluster::start_config(&config, nodes);
    let door = format!("{}.1:7501", cluster.subnet());
    (cluster, door)
}
