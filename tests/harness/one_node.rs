//! A cluster of one `replica` process, for tests of a door.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// A node on a loopback address of its own; killed when dropped.
pub struct OneNode {
    /// The process.
    pub child: Child,
    /// Its address, without a port.
    pub host: String,
    _folder: tempfile::TempDir,
}

impl OneNode {
    /// Starts it at the last two bytes of the address, with what `config` says for that address; it serves by then.
    pub fn start((subnet, host): (u8, u8), config: impl FnOnce(&str) -> String) -> OneNode {
        let host = format!("127.{}.{subnet}.{host}", 1 + std::process::id() % 250);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("cluster.toml");
        std::fs::write(&file, config(&host)).expect("written");
        let mut child = Command::new(env!("CARGO_BIN_EXE_replica"))
            .arg("--config")
            .arg(&file)
            .env("KV__LOG__FILTER", "error")
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the replica starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut line).expect("it says that it is ready");
        assert!(line.contains("ready on"), "{line}");
        OneNode { child, host, _folder: folder }
    }
}

impl Drop for OneNode {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The configuration that is shipped for one node, at `host`.
#[allow(dead_code, reason = "not every test that starts a node wants this one")]
pub fn shipped(host: &str) -> String {
    include_str!("../../docs/configs/single.toml").replace("127.0.0.1", host)
}
