//! How a replica comes up, one component after the other, wired in one place.
//!
//! Invariant: a start that fails leaves no thread behind, and the data directory as it was but for a new generation.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;
use std::thread::JoinHandle;

use quorate_http::NodeEvent;
use quorate_node::Shard;
use quorate_store::Store;
use quorate_store::disk::{self, Checkpoints, OpenOptions, Opened};
use quorate_store::hints::{HintLogs, HintOptions};
use quorate_types::{NodeId, Timestamp};
use quorate_wal::{Io, Wal};
use quorate_wire::Host;
use tokio::sync::Semaphore;
use tracing::info;

use crate::clock::{Clock, wall_ms};
use crate::common::{About, Common};
use crate::config::{Config, NodeConfig, RespListener};
use crate::connections::bound::Bound;
use crate::connections::door::Door;
use crate::connections::http::thread::HttpListening;
use crate::connections::recovering::Recovering;
use crate::connections::resp::door::RespDoor;
use crate::disk::checkpoints::{CheckpointThread, Triggers};
use crate::disk::hints::{HintQueue, HintThread};
use crate::error::StartError;
use crate::replica::StartOptions;
use crate::settings;
use crate::shard::admission::Admission;
use crate::shard::inbox::{Inbox, InboxLimits};
use crate::shard::log::Inline;
use crate::shard::slow::SlowLog;
use crate::shard::thread::{Listening, Listens, ShardSeed};
use crate::view::overview::Overview;

/// What a running replica is made of.
pub(crate) struct Parts {
    pub(crate) common: Arc<Common>,
    pub(crate) listens: Listens,
    /// Opened last, so that who gets an answer there gets it from a node that serves.
    pub(crate) http: Option<HttpListening>,
    pub(crate) admin: Option<HttpListening>,
    pub(crate) shards: Vec<JoinHandle<()>>,
    pub(crate) hints: JoinHandle<()>,
    pub(crate) checkpoints: CheckpointThread,
    pub(crate) wal: Wal,
}

/// Where and as whom.
struct Place {
    node: NodeId,
    name: String,
    addr: String,
    resp: Vec<RespListener>,
    http: String,
    admin: String,
    data_dir: PathBuf,
}

/// The addresses of clients and operators, taken before the data is read: an address that can't be had leaves no thread
/// behind, and who comes meanwhile is told that the node recovers.
struct Doors {
    resp: Vec<Bound>,
    http: Option<Bound>,
    admin: Option<Bound>,
}

impl Doors {
    fn bind(place: &Place) -> Result<Doors, StartError> {
        let at = |addr: &String| (!addr.is_empty()).then(|| Bound::at(addr)).transpose();
        let resp = place.resp.iter().map(|listener| Bound::at(&listener.addr)).collect::<Result<_, _>>()?;
        Ok(Doors { resp, http: at(&place.http)?, admin: at(&place.admin)? })
    }

    fn recovering(&self, name: &str) -> Result<Recovering, StartError> {
        Recovering::begin(name, self.resp.iter(), self.http.iter().chain(&self.admin))
    }
}

/// What came back from the disk, for the shards.
struct Durable {
    stores: Vec<Store>,
    wal: Wal,
    clock_start: Timestamp,
}

pub(crate) fn start(
    config: &Config,
    node: &str,
    options: &StartOptions,
    io: &Arc<dyn Io>,
) -> Result<Parts, StartError> {
    let place = place(config, node, options)?;
    let doors = Doors::bind(&place);
    let recovering = doors.as_ref().ok().map(|doors| doors.recovering(&place.name)).transpose()?;
    let Opened { stores, wal, checkpoints, generation, clock_start, .. } = open(config, &place, io)?;
    let hints = hint_logs(config, &place, io)?;
    // Now, and not at once: of a node that runs already the directory's lock says more than an address does.
    let Doors { resp, http, admin } = doors?;
    let about = About {
        node: place.node,
        name: place.name.clone(),
        cluster: config.cluster_id(),
        cluster_name: config.cluster.name.clone(),
        generation,
    };
    let ring = config.ring();
    let overview = Overview::new(config, &ring, wal.clone());
    overview.checkpointed(checkpoints.manifest());
    let inboxes = stores.iter().map(|_| Arc::new(Inbox::new(inbox_limits(config)))).collect();
    let mut common = Common::new(about, Clock::start(), ring, inboxes, overview);
    common.give_back = options.give_back;
    let common = Arc::new(common);
    let (hints, queue) = HintThread::new(Arc::clone(&common), hints);
    let durable = Durable { stores, wal: wal.clone(), clock_start };
    let seeds = shard_seeds(config, &common, durable, &queue);
    // The shards have their own: when the last of them ends, so does the hint thread.
    drop(queue);
    let hints = spawn(format!("{}-hints", place.name), move || hints.run())?;
    drop(recovering);
    let begun = start_shards(config, &common, (&place, resp), seeds).and_then(|(shards, listens)| {
        match start_checkpoints(config, &common, &wal, checkpoints) {
            Ok(checkpoints) => Ok((shards, listens, checkpoints)),
            Err(failure) => Err(end_shards(&common, shards, failure)),
        }
    });
    let (shards, listens, checkpoints) = match begun {
        Ok(begun) => begun,
        Err(failure) => {
            // It holds the log, and the log the directory's lock; the shards, which ended, held its queue.
            drop(hints.join());
            return Err(failure);
        }
    };
    common.news.announce(&NodeEvent::Started);
    let http = http.map(|bound| settings::http(config, &common.about, bound));
    let admin = admin.map(|bound| settings::admin(config, &common.about, bound));
    Ok(Parts { common, listens, http, admin, shards, hints, checkpoints, wal })
}

fn place(config: &Config, node: &str, options: &StartOptions) -> Result<Place, StartError> {
    let unknown = || StartError::NoSuchNode {
        node: node.to_owned(),
        known: config.nodes.iter().map(|known| known.id.clone()).collect(),
    };
    let found = config.node(node).ok_or_else(unknown)?;
    Ok(Place {
        node: found.number(),
        name: found.id.clone(),
        addr: options.listen.clone().unwrap_or_else(|| found.addr.clone()),
        resp: match &options.resp_listen {
            Some(addr) => vec![RespListener { addr: addr.clone(), ..RespListener::default() }],
            None => found.resp_addr.0.clone(),
        },
        http: options.http_listen.clone().unwrap_or_else(|| found.http_addr.clone()),
        admin: options.admin_listen.clone().unwrap_or_else(|| found.admin_addr.clone()),
        data_dir: options.data_dir.clone().unwrap_or_else(|| found.data_dir.clone()),
    })
}

fn open(config: &Config, place: &Place, io: &Arc<dyn Io>) -> Result<Opened, StartError> {
    let options = OpenOptions {
        identity: settings::identity(config, place.node, &place.name),
        shards: config.shards(),
        hash_seed: config.cluster_id().0,
        wal: settings::wal(config, disk::wal_dir(&place.data_dir)),
    };
    let opened = disk::open(Arc::clone(io), &place.data_dir, options, wall_ms())?;
    let report = &opened.report;
    info!(
        node = place.name,
        generation = opened.generation.0,
        checkpoint = report.checkpoint,
        checkpoint_records = report.checkpoint_records,
        log_records = report.log_records,
        tail = ?report.tail,
        "recovered"
    );
    Ok(opened)
}

fn hint_logs(config: &Config, place: &Place, io: &Arc<dyn Io>) -> Result<HintLogs, StartError> {
    let options = HintOptions {
        segment_bytes: config.hints.hint_segment_bytes.0,
        bytes_per_target_max: config.hints.hints_bytes_per_target_max.0,
    };
    Ok(HintLogs::open(Arc::clone(io), &place.data_dir, options)?)
}

fn inbox_limits(config: &Config) -> InboxLimits {
    InboxLimits {
        frame_bytes_max: config.limits.link_queue_bytes_max.0 as usize,
        batches_max: config.limits.shard_queue_max,
    }
}

/// What each shard's thread begins with.
fn shard_seeds(config: &Config, common: &Arc<Common>, opened: Durable, hints: &HintQueue) -> Vec<ShardSeed> {
    let Durable { stores, wal, clock_start } = opened;
    let shards = stores.len();
    let seed = |(index, store): (usize, Store)| {
        let about = &common.about;
        let shard = settings::shard_config(config, about.node, about.generation, (index, shards));
        ShardSeed {
            index,
            common: Arc::clone(common),
            shard: Shard::new(shard, Arc::clone(&common.ring), store, clock_start),
            wal: wal.clone(),
            inline: Inline::of(&config.wal),
            slice_bytes: config.checkpoint.checkpoint_slice_bytes.0 as usize,
            outstanding_max: config.limits.requests_max,
            admission: Admission::new(config),
            slow_log: SlowLog::default(),
            hints: hints.clone(),
            transport: settings::transport(config),
            peers: settings::peers(config, about.node),
            listening: None,
        }
    };
    stores.into_iter().enumerate().map(seed).collect()
}

/// Starts the threads of the shards; shard 0 listens.
fn start_shards(
    config: &Config,
    common: &Arc<Common>,
    (place, resp): (&Place, Vec<Bound>),
    mut seeds: Vec<ShardSeed>,
) -> Result<(Vec<JoinHandle<()>>, Listens), StartError> {
    let (report, reports) = mpsc::channel();
    let about = &common.about;
    let resp = place.resp.iter().zip(resp);
    let resp = resp.map(|listening| settings::resp(config, about, &common.ring, listening));
    seeds[0].listening = Some(Listening {
        addr: place.addr.clone(),
        door: door(config, common),
        resp: resp.collect::<Result<_, _>>()?,
        resp_door: RespDoor {
            common: Arc::clone(common),
            clients: Arc::new(Semaphore::new(config.resp.connections_max)),
            next: Arc::default(),
        },
    });
    let mut threads = Vec::with_capacity(seeds.len());
    let mut started = Ok(());
    for seed in seeds {
        let report = report.clone();
        let name = format!("{}-shard-{}", place.name, seed.index);
        match spawn(name, move || seed.run(&report)) {
            Ok(thread) => threads.push(thread),
            Err(failure) => started = Err(failure),
        }
    }
    drop(report);
    match started.and_then(|()| all_ready(&reports, threads.len())) {
        Ok(listens) => Ok((threads, listens)),
        Err(failure) => Err(end_shards(common, threads, failure)),
    }
}

/// Gives a start up for `failure`.
fn end_shards(common: &Common, threads: Vec<JoinHandle<()>>, failure: StartError) -> StartError {
    common.kill();
    for thread in threads {
        drop(thread.join());
    }
    failure
}

/// Where shard 0 listens, once every shard has reported.
fn all_ready(
    reports: &mpsc::Receiver<Result<Option<Listens>, StartError>>,
    shards: usize,
) -> Result<Listens, StartError> {
    let mut listens = None;
    for _ in 0..shards {
        let report = reports.recv().map_err(|_| StartError::Thread(std::io::ErrorKind::BrokenPipe.into()))?;
        listens = report?.or(listens);
    }
    listens.ok_or_else(|| StartError::Thread(std::io::ErrorKind::NotConnected.into()))
}

fn door(config: &Config, common: &Arc<Common>) -> Door {
    let about = &common.about;
    let connections_max = config.limits.connections_max;
    Door {
        common: Arc::clone(common),
        host: Host {
            node: about.node,
            generation: about.generation,
            shards: common.inboxes.len() as u16,
            cluster: about.cluster,
            cluster_name: about.cluster_name.clone(),
            ring_hash: common.ring.hash(),
            nodes: config.nodes.iter().map(NodeConfig::number).collect(),
        },
        clients: Arc::new(Semaphore::new(connections_max)),
        connections_max,
        next_client: AtomicUsize::new(0),
        told: std::sync::Mutex::default(),
    }
}

fn start_checkpoints(
    config: &Config,
    common: &Arc<Common>,
    wal: &Wal,
    checkpoints: Checkpoints,
) -> Result<CheckpointThread, StartError> {
    let triggers = Triggers {
        interval: config.checkpoint.checkpoint_interval,
        wal_bytes_max: config.wal.wal_bytes_max.0,
    };
    CheckpointThread::start(Arc::clone(common), wal.clone(), checkpoints, triggers)
        .map_err(StartError::Thread)
}

pub(crate) fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    std::thread::Builder::new().name(name).spawn(run).map_err(StartError::Thread)
}
