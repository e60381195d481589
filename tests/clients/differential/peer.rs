//! A real `redis-server` for the time of a test, in memory only.

use std::io;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);
const PACE: Duration = Duration::from_millis(5);
const PORT: u16 = 6379;

/// The process; dropped, it is gone.
pub struct Peer {
    child: Child,
    pub addr: String,
    pub version: String,
}

impl Peer {
    /// Starts it on a loopback address of its own; `Err`: why there is none.
    pub fn start() -> Result<Peer, String> {
        let said =
            Command::new("redis-server").arg("--version").output().map_err(|why| match why.kind() {
                io::ErrorKind::NotFound => "redis-server is not installed".to_owned(),
                _ => format!("redis-server: {why}"),
            })?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let version =
            said.split_once("v=").and_then(|(_, rest)| rest.split(' ').next()).unwrap_or("?").to_owned();
        let host = format!("127.{}.248.1", 1 + std::process::id() % 250);
        let settings = [
            ("--bind", host.as_str()),
            ("--port", &PORT.to_string()),
            ("--save", ""),
            ("--appendonly", "no"),
            ("--databases", "1"),
        ];
        let mut command = Command::new("redis-server");
        command.args(settings.iter().flat_map(|(name, value)| [name, value]));
        let null = || Stdio::null();
        let child = command.stdin(null()).stdout(null()).stderr(null()).spawn();
        let child = child.map_err(|why| format!("redis-server: {why}"))?;
        Peer { child, addr: format!("{host}:{PORT}"), version }.listening()
    }

    fn listening(self) -> Result<Peer, String> {
        let start = Instant::now();
        while TcpStream::connect(&self.addr).is_err() {
            if start.elapsed() > PATIENCE {
                return Err(format!("redis-server did not listen on {} within {PATIENCE:?}", self.addr));
            }
            std::thread::park_timeout(PACE);
        }
        Ok(self)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
