//! A cluster of real `replica` processes on an own loopback network, with their data in a temporary folder.
//!
//! Every cluster gets its own 127.a.b.0/24, so that clusters of tests that run at once never meet. Processes are
//! awaited by their ready line or by polling a condition with a deadline; nothing sleeps for a fixed time.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use quorate_client::{Client, ClientConfig, ClientError, Options, Read};
use quorate_types::{Level, NodeId, Version};
use quorate_wire::{CopyView, Explanation, NodeStatus};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How long a condition may take to become true before the test fails.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The pause between two looks at a condition.
const PACE: Duration = Duration::from_millis(5);

/// What a cluster looks like.
pub struct Spec {
    pub nodes: usize,
    pub n: usize,
    pub shards: usize,
    pub read: &'static str,
    pub write: &'static str,
    pub read_repair: &'static str,
    pub hinted_handoff: bool,
    /// The lines of the section `[wal]`.
    pub wal: &'static str,
    /// Further lines of `cluster.toml`, as whole sections.
    pub more: &'static str,
    /// The first three numbers of the addresses; `None`: a loopback network of its own.
    pub subnet: Option<String>,
}

impl Default for Spec {
    fn default() -> Spec {
        Spec {
            nodes: 4,
            n: 3,
            shards: 1,
            read: "quorum",
            write: "quorum",
            read_repair: "blocking",
            hinted_handoff: true,
            wal: "segment_bytes = \"4MiB\"\n",
            more: "",
            subnet: None,
        }
    }
}

impl Spec {
    fn config(&self, subnet: &str) -> String {
        let mut text = format!(
            "[cluster]\nname = \"test\"\n\n[server]\nshards = {}\n\n[[keyspace]]\nname = \"default\"\nn = {}\n\
             read = \"{}\"\nwrite = \"{}\"\nread_repair = \"{}\"\nhinted_handoff = {}\n\n\
             [wal]\n{}\n{}\n",
            self.shards,
            self.n,
            self.read,
            self.write,
            self.read_repair,
            self.hinted_handoff,
            self.wal,
            self.more
        );
        for k in 1..=self.nodes {
            let _ = write!(
                text,
                "\n[[node]]\nid = \"n{k}\"\naddr = \"{subnet}.{k}:7381\"\ndata_dir = \"data/n{k}\"\n"
            );
        }
        text
    }
}

/// How a replica is started, beside its configuration.
#[derive(Clone, Default)]
pub struct Launch {
    /// A command that becomes the replica when it has prepared its world.
    pub before: Vec<OsString>,
    /// Further arguments.
    pub arguments: Vec<OsString>,
    pub environment: Vec<(OsString, OsString)>,
}

/// The processes; dropped, they are killed and the folder goes.
pub struct Cluster {
    folder: TempDir,
    subnet: String,
    addrs: Vec<String>,
    replicas: Vec<Option<Child>>,
    launches: Vec<Launch>,
    runtime: Runtime,
    client: OnceCell<Client>,
}

impl Cluster {
    /// Starts all replicas of `spec` and waits until each sees all others.
    pub fn start(spec: &Spec) -> Cluster {
        let mut cluster = Cluster::prepare(spec);
        cluster.start_all();
        cluster
    }

    /// Starts a cluster of a shipped config, on addresses of its own.
    pub fn start_config(config: &str, nodes: usize) -> Cluster {
        let mut cluster = Cluster::prepare_config((nodes, None), |subnet| {
            config.replace("127.0.0.1", &format!("{subnet}.1"))
        });
        cluster.addrs = config
            .lines()
            .filter_map(|line| line.strip_prefix("addr = \"127.0.0.1:"))
            .map(|port| format!("{}.1:{}", cluster.subnet, port.trim_end_matches('"')))
            .collect();
        cluster.start_all();
        cluster
    }

    /// Starts all that do not run, and waits until each sees all others.
    pub fn start_all(&mut self) {
        for k in 1..=self.nodes() {
            if self.pid(k).is_none() {
                self.spawn(k);
            }
        }
        self.await_whole();
    }

    /// Waits until each replica sees all others.
    pub fn await_whole(&self) {
        for k in 1..=self.nodes() {
            self.await_peers_up(k, self.nodes() - 1);
        }
    }

    pub fn nodes(&self) -> usize {
        self.replicas.len()
    }

    /// Writes the config; no process runs yet.
    pub fn prepare(spec: &Spec) -> Cluster {
        Cluster::prepare_config((spec.nodes, spec.subnet.clone()), |subnet| spec.config(subnet))
    }

    fn prepare_config(
        (nodes, subnet): (usize, Option<String>),
        config: impl FnOnce(&str) -> String,
    ) -> Cluster {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let process = 1 + std::process::id() % 250;
        let own = || format!("127.{process}.{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let subnet = subnet.unwrap_or_else(own);
        std::fs::write(folder.path().join("cluster.toml"), config(&subnet)).expect("cluster.toml written");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let replicas = (0..nodes).map(|_| None).collect();
        let launches = vec![Launch::default(); nodes];
        let addrs = (1..=nodes).map(|k| format!("{subnet}.{k}:7381")).collect();
        Cluster { folder, subnet, addrs, replicas, launches, runtime, client: OnceCell::new() }
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("cluster.toml")
    }

    pub fn data_dir(&self, k: usize) -> PathBuf {
        self.folder.path().join("data").join(format!("n{k}"))
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn addr(&self, k: usize) -> String {
        self.addrs[k - 1].clone()
    }

    pub fn subnet(&self) -> &str {
        &self.subnet
    }

    /// How replica `k` is started the next time.
    pub fn launch(&mut self, k: usize) -> &mut Launch {
        &mut self.launches[k - 1]
    }

    /// The process of replica `k`, if it was started and not ended by its cluster.
    pub fn pid(&self, k: usize) -> Option<u32> {
        self.replicas[k - 1].as_ref().map(Child::id)
    }

    /// Starts replica `k` and returns when it says that it is ready.
    pub fn spawn(&mut self, k: usize) {
        let mut child = self.command(k).stdout(Stdio::piped()).spawn().expect("replica starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (said, heard) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = stdout.read_line(&mut line).map(|_| said.send(line));
            std::io::copy(&mut stdout, &mut std::io::sink())
        });
        let line = heard.recv_timeout(PATIENCE).unwrap_or_default();
        if !line.contains("ready") {
            // It may live on, deaf: nobody else would end it.
            let _ = child.kill().and_then(|()| child.wait());
            panic!("n{k} said {line:?} instead of being ready\n{}", self.logs());
        }
        self.replicas[k - 1] = Some(child);
    }

    /// The command that runs replica `k`.
    pub fn command(&self, k: usize) -> Command {
        let Launch { before, arguments, environment } = &self.launches[k - 1];
        let replica = OsString::from(env!("CARGO_BIN_EXE_replica"));
        let mut line = before.iter().cloned().chain([replica]);
        let mut command = Command::new(line.next().expect("the replica at least"));
        command.args(line).arg("--config").arg(self.config()).args(["--node", &format!("n{k}")]);
        command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log(k));
        command.stderr(Stdio::from(log.expect("log")));
        command
    }

    /// What replica `k` logs, over all its lives.
    pub fn log(&self, k: usize) -> PathBuf {
        self.folder.path().join(format!("n{k}.log"))
    }

    /// SIGKILL: nothing is flushed.
    pub fn kill(&mut self, k: usize) {
        let mut child = self.replicas[k - 1].take().expect("the replica runs");
        child.kill().expect("SIGKILL");
        child.wait().expect("reaped");
    }

    /// SIGKILL to all, as close together as possible.
    pub fn kill_all(&mut self) {
        for child in self.replicas.iter_mut().flatten() {
            child.kill().expect("SIGKILL");
        }
        for child in self.replicas.iter_mut().filter_map(Option::take) {
            let mut child = child;
            child.wait().expect("reaped");
        }
    }

    /// Sends a signal by name: TERM, STOP, CONT.
    pub fn signal(&self, k: usize, name: &str) {
        let pid = self.replicas[k - 1].as_ref().expect("the replica runs").id();
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().expect("sh runs");
        assert!(sent.success(), "kill -{name} {pid}");
    }

    /// SIGTERM, and the exit code it ends with.
    pub fn terminate(&mut self, k: usize) -> Option<i32> {
        self.signal(k, "TERM");
        self.replicas[k - 1].take().expect("the replica runs").wait().expect("reaped").code()
    }

    /// How replica `k` ended, if it has by itself since it was started.
    pub fn ended(&mut self, k: usize) -> Option<ExitStatus> {
        let status = self.replicas[k - 1].as_mut()?.try_wait().expect("a child")?;
        self.replicas[k - 1] = None;
        Some(status)
    }

    /// Runs `kvctl` with this cluster's config; `stdin` is given to it.
    pub fn kvctl_in(&self, args: &[&str], stdin: &[u8]) -> Output {
        // What needs no cluster takes no configuration.
        let is_offline = ["check", "wal"].contains(&args[0]);
        let config =
            if is_offline { Vec::new() } else { vec![OsString::from("--config"), self.config().into()] };
        let mut child = Command::new(env!("CARGO_BIN_EXE_kvctl"))
            .args(config)
            .args(args)
            .env_remove("KV_ENDPOINTS")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kvctl starts");
        child.stdin.take().expect("stdin is piped").write_all(stdin).expect("kvctl reads");
        child.wait_with_output().expect("kvctl ends")
    }

    /// Runs `kvctl` with nothing on stdin.
    pub fn kvctl(&self, args: &[&str]) -> Ran {
        let output = self.kvctl_in(args, b"");
        Ran {
            code: output.status.code().expect("kvctl was not killed"),
            stdout: String::from_utf8(output.stdout).expect("text"),
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// Waits until replica `k` itself sees `up` peers as alive.
    pub fn await_peers_up(&self, k: usize, up: usize) {
        self.await_that(&format!("n{k} sees {up} peers up"), || {
            self.status(k).is_some_and(|status| status.peers.iter().filter(|peer| peer.alive).count() == up)
        });
    }

    /// How replica `k` says that it is; `None` if it does not answer.
    pub fn status(&self, k: usize) -> Option<NodeStatus> {
        let client = self.client_of(&[k])?;
        let options = Options::default().coordinator(node_id(k)).without_retries();
        self.runtime.block_on(client.status(&options)).ok().map(|reply| reply.value)
    }

    /// Hints on disk at replica `k`, for all targets.
    pub fn hints_at(&self, k: usize) -> Option<u64> {
        self.status(k).map(|status| status.hints.iter().map(|hints| hints.durable).sum())
    }

    /// A client that begins with these replicas.
    pub fn client_of(&self, ks: &[usize]) -> Option<Client> {
        let config = ClientConfig {
            deadline: Duration::from_secs(5),
            ..ClientConfig::new(ks.iter().map(|k| self.addr(*k)))
        };
        self.runtime.block_on(Client::connect(config)).ok()
    }

    /// Runs one future to its end.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Puts through replica `k`.
    pub fn put(&self, k: usize, key: &str, value: &str, level: Level) -> Result<Version, ClientError> {
        let options = Options::default().level(level).coordinator(node_id(k));
        let client = self.client();
        let put = client.put(key.to_owned(), value.to_owned(), &options);
        self.runtime.block_on(put).map(|reply| reply.value.version)
    }

    /// The value that replica `k` finds for `key`; `None` if it finds none.
    pub fn get(&self, k: usize, key: &str, level: Level) -> Result<Option<String>, ClientError> {
        let options = Options::default().level(level).coordinator(node_id(k));
        let got = self.runtime.block_on(self.client().get(key.to_owned(), &options))?;
        Ok(match got.value {
            Read::Found(record) => record.value.map(|value| String::from_utf8_lossy(&value).into_owned()),
            _ => None,
        })
    }

    /// What replica `k` says of every copy of `key`.
    pub fn explain(&self, k: usize, key: &str) -> Explanation {
        let options = Options::default().coordinator(node_id(k));
        self.runtime.block_on(self.client().explain(key.to_owned(), &options)).expect("explained").value
    }

    fn client(&self) -> &Client {
        self.client.get_or_init(|| {
            let all: Vec<usize> = (1..=self.replicas.len()).collect();
            self.client_of(&all).expect("some replica answers")
        })
    }

    /// Polls `condition` until it holds; fails the test after [`PATIENCE`], with the replicas' logs.
    pub fn await_that(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}\n{}", self.logs());
            std::thread::park_timeout(PACE);
        }
    }

    fn logs(&self) -> String {
        let mut text = String::new();
        for k in 1..=self.replicas.len() {
            let log = std::fs::read_to_string(self.log(k)).unwrap_or_default();
            let tail = log.lines().rev().take(15).collect::<Vec<_>>();
            for line in tail.into_iter().rev() {
                let _ = writeln!(text, "n{k}| {line}");
            }
        }
        text
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.replicas.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What a `kvctl` said.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// The number of node `k`.
pub fn node_id(k: usize) -> NodeId {
    NodeId::of_name(&format!("n{k}"))
}

/// The version that replica `k` holds, as an explanation shows it; `None` if it is no replica or has no copy.
pub fn copy_at(explanation: &Explanation, k: usize) -> Option<Version> {
    let view = explanation.replicas.iter().find(|view| view.node == node_id(k))?;
    match view.copy {
        CopyView::Present { version, .. } | CopyView::Tombstone { version } => Some(version),
        _ => None,
    }
}

/// Whether replica `k` said what it holds.
pub fn answers(explanation: &Explanation, k: usize) -> bool {
    let of_k = explanation.replicas.iter().find(|view| view.node == node_id(k));
    of_k.is_some_and(|view| !matches!(view.copy, CopyView::Refused(_) | CopyView::Silent))
}

/// Whether replica `k` is one of the key's.
pub fn is_replica(explanation: &Explanation, k: usize) -> bool {
    explanation.replicas.iter().any(|view| view.node == node_id(k))
}
