//! A real `redis-server` for the time of a test, in memory only. That it is not installed is a reason to go without it;
//! that it does not run is a failure.

use std::fs::{self, File};
use std::io;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use tempfile::TempDir;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);
const PACE: Duration = Duration::from_millis(5);
const PORT: u16 = 6379;
/// Why there is none.
pub const NOT_INSTALLED: &str = "redis-server is not installed";

/// The process; dropped, it is gone.
pub struct Peer {
    child: Child,
    pub addr: String,
    pub version: String,
    folder: TempDir,
}

impl Peer {
    /// Starts it on a loopback address of its own, the `at`-th of this process, with further settings; `None`: it is not
    /// installed.
    pub fn start(at: u8, more: &[(&str, &str)]) -> Result<Option<Peer>, Failed> {
        let said = match Command::new("redis-server").arg("--version").output() {
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            said => said.map_err(|why| format!("redis-server: {why}"))?,
        };
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let version =
            said.split_once("v=").and_then(|(_, rest)| rest.split(' ').next()).unwrap_or("?").to_owned();
        let host = format!("127.{}.248.{at}", 1 + std::process::id() % 250);
        let settings = [
            ("--bind", host.as_str()),
            ("--port", &PORT.to_string()),
            ("--save", ""),
            ("--appendonly", "no"),
            ("--databases", "1"),
        ];
        let folder = tempfile::tempdir()?;
        let mut command = Command::new("redis-server");
        command.args(settings.iter().chain(more).flat_map(|(name, value)| [name, value]));
        let log = File::create(folder.path().join("log"))?;
        command.current_dir(&folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().map_err(|why| format!("redis-server: {why}"))?;
        Peer { child, addr: format!("{host}:{PORT}"), version, folder }.listening().map(Some)
    }

    fn listening(mut self) -> Result<Peer, Failed> {
        let start = Instant::now();
        while TcpStream::connect(&self.addr).is_err() {
            let ended = self.child.try_wait()?;
            if ended.is_some() || start.elapsed() > PATIENCE {
                let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                let how =
                    ended.map_or(format!("did not listen within {PATIENCE:?}"), |status| status.to_string());
                return Err(format!("redis-server at {}: {how}\n{log}", self.addr).into());
            }
            std::thread::park_timeout(PACE);
        }
        Ok(self)
    }
}

impl Peer {
    /// Whether its version is below `major.minor`.
    pub fn is_before(&self, major: u32, minor: u32) -> bool {
        let mut numbers = self.version.split('.').map(|number| number.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < (major, minor)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
