//! `demo`: a whole cluster inside this process, on real TCP and real disks, with a shell.

mod cluster;
mod places;
mod shell;
mod words;

use std::io;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use quorate_client::{Client, ClientConfig};
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::answer::{Answer, Screen};
use crate::cli::{Demo, Global};
use crate::demo::cluster::Cluster;
use crate::demo::places::Folder;
use crate::exit::Exit;
use crate::session::Session;
use crate::verbs::runtime;

/// How long the nodes have to find each other.
const CONVERGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts the cluster, runs the shell, ends the cluster.
pub fn run(args: &Demo, global: &Global, screen: &mut Screen<'_>) -> io::Result<Exit> {
    let folder = match Folder::open(args.dir.as_deref()) {
        Ok(folder) => folder,
        Err(error) => return screen.show(&failed(&format!("can't make a folder for the data: {error}"))),
    };
    let where_to = if folder.is_kept() {
        folder.path().display().to_string()
    } else {
        "a temporary folder, removed at the end; use --dir D to keep it".to_owned()
    };
    writeln!(screen.out, "starting {} replicas in this process (data: {where_to})", args.nodes)?;
    screen.out.flush()?;
    let mut cluster = match Cluster::start(folder.path(), args.nodes) {
        Ok(cluster) => cluster,
        Err(why) => return screen.show(&failed(&why)),
    };
    let background = Background::start(&folder)?;
    let outcome = background.handle.block_on(meet(&cluster, global));
    let exit = match outcome {
        Ok((session, took)) => {
            greet(&cluster, took, screen)?;
            shell::run(&mut cluster, &session, &background.handle, screen)
        }
        Err(answer) => screen.show(&answer),
    };
    background.end();
    cluster.end();
    exit
}

fn failed(why: &str) -> Answer {
    let note = format!("error: {why}\n  state: nothing was started\n");
    let fields = serde_json::json!({ "verb": "demo", "result": "failed", "error": why });
    Answer::new(Exit::Usage, "", fields).with_note(note)
}

/// A session, once all nodes see each other; and how long that took.
async fn meet(cluster: &Cluster, global: &Global) -> Result<(Session, Duration), Answer> {
    let started = Instant::now();
    let not_connected = |why: String| failed(&format!("the cluster does not answer: {why}"));
    let mut config = ClientConfig::new(cluster.addrs());
    config.deadline = global.timeout;
    let client = Client::connect(config).await.map_err(|error| not_connected(error.to_string()))?;
    let session = Session::of(client, global.timeout).await;
    for name in cluster.names() {
        if shell::seen_as(&session, &name, shell::Wanted::Up, CONVERGE_TIMEOUT).await.is_none() {
            return Err(not_connected(format!("{name} is not seen by the others")));
        }
    }
    Ok((session, started.elapsed()))
}

fn greet(cluster: &Cluster, took: Duration, screen: &mut Screen<'_>) -> io::Result<()> {
    let started: Vec<String> =
        cluster.started().map(|(name, took)| format!("{name} ok {}ms", took.as_millis())).collect();
    writeln!(
        screen.out,
        "  {}   all see each other after {}ms, n = {}",
        started.join("   "),
        took.as_millis(),
        cluster.n()
    )?;
    if let Some((host, port)) = cluster.resp_addr().and_then(|addr| addr.rsplit_once(':')) {
        writeln!(screen.out, "Redis clients   redis-cli -h {host} -p {port}")?;
    }
    if let Some(addr) = cluster.http_addr() {
        writeln!(screen.out, "HTTP            curl -X PUT -d world http://{addr}/api/v1/store/hello")?;
    }
    writeln!(screen.out, "another shell   kvctl --config {} status", cluster.config_file().display())?;
    writeln!(
        screen.out,
        "try             put hello world | fault kill n3 | get hello -r quorum | explain hello | help"
    )?;
    screen.out.flush()
}

/// A thread that runs the client's connections all the time, so that a reset is noticed before the next request; and
/// that ends the demo on SIGINT or SIGTERM, its temporary folder with it.
struct Background {
    handle: Handle,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Background {
    fn start(folder: &Folder) -> io::Result<Background> {
        let runtime = runtime()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let mut signals = runtime.block_on(async { Signals::listen() })?;
        let temporary = (!folder.is_kept()).then(|| folder.path().to_owned());
        let thread = std::thread::Builder::new().name("client".to_owned()).spawn(move || {
            let signal = runtime.block_on(async {
                tokio::select! {
                    _ = stopped => None,
                    code = signals.next() => Some(code),
                }
            });
            if let Some(code) = signal {
                // What is acknowledged is on disk: a folder that is kept needs no more than that.
                temporary.map(std::fs::remove_dir_all);
                std::process::exit(code);
            }
        })?;
        Ok(Background { handle, stop, thread })
    }

    fn end(self) {
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

/// The signals that ask a process to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The exit code that the next of them asks for.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => 128 + SignalKind::interrupt().as_raw_value(),
            _ = self.terminate.recv() => 128 + SignalKind::terminate().as_raw_value(),
        }
    }
}
