//! One replica: its disk, its clock, its log, its hint logs and its shards, between a start and a death.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quorate_node::{Effects, Event, HintBacklog, Shard};
use quorate_ring::Ring;
use quorate_store::DiskError;
use quorate_store::disk::{self, Checkpoints, Identity, OpenOptions, RecoveryReport};
use quorate_store::hints::HintLogs;
use quorate_types::{ClusterId, Generation, KeyspaceId, Mono, NodeId, Now, PartitionId};
use quorate_wal::testkit::SimIo;
use quorate_wal::{Chores, Io, Lsn, Options, Underway, Wal};

use super::accounts::Accounts;
use super::checkpoint::Checkpoint;
use super::points::Points;
use super::{Cluster, ClusterSpec, node_id};
use crate::clocks::WallClock;
use crate::random::{Stream, Streams};

const DIR: &str = "/data";

/// A replica, running or not.
pub(super) struct SimReplica {
    pub id: NodeId,
    pub generation: Generation,
    /// Counts its starts.
    pub life: u64,
    /// Of its next start, and of the present one.
    pub shards: usize,
    pub wall: WallClock,
    pub disk: SimIo,
    /// No sync ends before this.
    pub stalled_until: Mono,
    /// Up to where its log was durable when it last stopped.
    pub durable_at_stop: Lsn,
    pub points: Points,
    /// Messages that it heard from a former life of their sender, in its present life.
    pub heard_late: u64,
    /// Hint logs whose tail its last start found torn.
    pub torn_hint_logs: u64,
    /// What the last start found.
    pub report: Option<RecoveryReport>,
    paused: bool,
    inboxes: Vec<Inbox>,
    chance: Stream,
    pub running: Option<Running>,
}

/// What waits for a shard's next turn.
#[derive(Default)]
struct Inbox {
    events: VecDeque<Event>,
    /// A turn is due.
    scheduled: bool,
    /// When the shard wants to be woken.
    timer: Option<Mono>,
}

/// What lives in a process.
pub(super) struct Running {
    /// The batch on its way to the disk. Dropped before the log, which waits for it.
    pub batch: Option<Underway>,
    pub wal: Wal,
    pub shards: Vec<Shard>,
    pub checkpoints: Checkpoints,
    pub checkpoint: Option<Checkpoint>,
    pub hints: HintLogs,
    /// Appends that wait for the hint logs' sync.
    pub unsettled: Vec<HintAppend>,
    /// What each shard appended and has not applied.
    pub outstanding: Vec<VecDeque<Appended>>,
    /// Up to where each shard was told that its records are durable; it may have that before it still.
    pub reported: Vec<u64>,
    pub failed: bool,
    /// Syncs of hint logs that failed.
    pub hint_syncs_failed: u64,
    pub accounts: Accounts,
}

/// What one turn appended to the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Appended {
    pub first: Lsn,
    pub last: Lsn,
    /// The sequence number of the last record.
    pub through: u64,
}

/// One append of a hint.
#[derive(Clone, Copy, Debug)]
pub(super) struct HintAppend {
    pub target: NodeId,
    pub shard: usize,
    pub refused: bool,
}

impl SimReplica {
    pub fn new(k: usize, streams: Streams, spec: &ClusterSpec) -> SimReplica {
        SimReplica {
            id: node_id(k),
            generation: Generation(0),
            life: 0,
            shards: spec.shards,
            wall: WallClock::default(),
            disk: SimIo::new(streams.number("disk", &[k as u64])),
            stalled_until: Mono(0),
            durable_at_stop: Lsn::ZERO,
            points: Points::new(k, streams, spec),
            heard_late: 0,
            torn_hint_logs: 0,
            report: None,
            paused: false,
            inboxes: Vec::new(),
            chance: streams.stream("sync", &[k as u64]),
            running: None,
        }
    }

    pub fn is_paused(&self) -> bool {
        self.paused
    }

    pub fn is_up(&self) -> bool {
        self.running.is_some()
    }

    /// Puts an event into a shard's inbox; whether a turn must be scheduled for it.
    pub fn take_in(&mut self, shard: usize, event: Event) -> bool {
        if self.running.is_none() {
            return false;
        }
        let inbox = &mut self.inboxes[shard];
        inbox.events.push_back(event);
        !self.paused && !std::mem::replace(&mut inbox.scheduled, true)
    }

    /// It has died, and nobody has noticed: it takes no turn by itself any more.
    pub fn fall_silent(&mut self) {
        for inbox in &mut self.inboxes {
            (inbox.timer, inbox.scheduled) = (None, true);
        }
    }

    /// Forgets what came on a link and was not yet looked at.
    pub fn forget_link(&mut self, shard: usize, gone: quorate_node::LinkId) {
        if let Some(inbox) = self.inboxes.get_mut(shard) {
            inbox.events.retain(|event| !matches!(event, Event::Peer { link, .. } if *link == gone));
        }
    }

    /// When a sync that begins at `now` and takes something within the range (microseconds) ends.
    pub fn sync_ends(&mut self, now: Mono, (least, most): (u64, u64)) -> Mono {
        let takes = Duration::from_micros(least + self.chance.below(most - least + 1));
        (now + takes).max(self.stalled_until)
    }

    /// When a shard without a turn before it wants to be woken.
    pub fn next_timer(&self) -> Option<Mono> {
        if self.paused || self.running.is_none() {
            return None;
        }
        self.inboxes.iter().filter(|inbox| !inbox.scheduled).filter_map(|inbox| inbox.timer).min()
    }

    /// The shards whose timers are due and that have no turn before them.
    pub fn shards_due(&self, now: Mono) -> impl Iterator<Item = usize> {
        let lives = !self.paused && self.running.is_some();
        let due = move |inbox: &Inbox| !inbox.scheduled && inbox.timer.is_some_and(|at| at <= now);
        self.inboxes.iter().enumerate().filter(move |(_, inbox)| lives && due(inbox)).map(|(shard, _)| shard)
    }

    /// One turn: everything that came, the timer if it is due, and the end of the turn. False if there is none, or if
    /// it died in it.
    pub fn turn(&mut self, shard: usize, now: Now, out: &mut Effects) -> bool {
        self.in_scene(|this| this.take_turn(shard, now, out)).unwrap_or(false)
    }

    fn take_turn(&mut self, shard: usize, now: Now, out: &mut Effects) -> bool {
        let Some(running) = self.running.as_mut() else { return false };
        let inbox = &mut self.inboxes[shard];
        inbox.scheduled = false;
        if self.paused {
            return false;
        }
        for event in inbox.events.drain(..) {
            let logged = if let Event::Logged { through } = event { Some(through) } else { None };
            running.shards[shard].on_event(now, event, out);
            if let Some(through) = logged {
                running.applied(shard, through);
            }
        }
        let machine = &mut running.shards[shard];
        if machine.next_timer().is_some_and(|at| at <= now.mono) {
            machine.on_event(now, Event::Tick, out);
        }
        machine.end_turn(now, out);
        inbox.timer = machine.next_timer();
        running.accounts.look(machine);
        true
    }

    /// Its hint logs; it must run.
    pub fn hint_logs(&mut self) -> &mut HintLogs {
        &mut self.running.as_mut().expect("it runs").hints
    }

    /// The digest of a bucket as it is kept, and as it is computed from the records.
    pub fn digests(&self, keyspace: KeyspaceId, partition: PartitionId) -> [u128; 2] {
        let running = self.running.as_ref().expect("convergence is judged with all replicas up");
        let store = running.shards[partition.shard(running.shards.len())].store();
        [store.digest(keyspace, partition), store.recomputed_digest(keyspace, partition)].map(|it| it.0)
    }

    fn start(&mut self, spec: &ClusterSpec, ring: &Arc<Ring>, now: Now) -> Result<(), DiskError> {
        let started = self.in_scene(|this| this.open(spec, ring, now));
        self.falls_now();
        // One that died finds the same disk dark, and says so.
        started.unwrap_or_else(|| self.open(spec, ring, now))
    }

    fn open(&mut self, spec: &ClusterSpec, ring: &Arc<Ring>, now: Now) -> Result<(), DiskError> {
        let dir = Path::new(DIR);
        let io: Arc<dyn Io> = Arc::new(self.disk.clone());
        let identity = Identity {
            cluster: ClusterId::of_name("simulated"),
            cluster_name: "simulated".into(),
            node: self.id,
            node_name: self.id.to_string(),
        };
        let wal = Options::new(disk::wal_dir(dir))
            .segment_bytes(spec.tuning.wal_segment_bytes)
            .record_bytes_max(spec.tuning.record_bytes_max())
            .chores(Chores::Inline);
        let options = OpenOptions { identity, shards: self.shards, hash_seed: ring.seed(), wal };
        let opened = disk::open(Arc::clone(&io), dir, options, now.wall_ms)?;
        let hints = HintLogs::open(io, dir, spec.tuning.hints())?;
        self.report = Some(opened.report);
        (self.heard_late, self.torn_hint_logs) = (0, hints.torn());
        self.generation = opened.generation;
        self.life += 1;
        let shard = |(shard, store)| {
            let config = spec.shard_config(self.id, opened.generation, (shard, self.shards));
            Shard::new(config, Arc::clone(ring), store, opened.clock_start)
        };
        let shards: Vec<Shard> = opened.stores.into_iter().enumerate().map(shard).collect();
        self.inboxes = shards.iter().map(|s| Inbox { timer: s.next_timer(), ..Inbox::default() }).collect();
        let accounts = Accounts::of_life(&hints);
        self.running = Some(Running {
            batch: None,
            wal: opened.wal,
            shards,
            checkpoints: opened.checkpoints,
            checkpoint: None,
            hints,
            unsettled: Vec::new(),
            outstanding: vec![VecDeque::new(); self.shards],
            reported: vec![0; self.shards],
            failed: false,
            hint_syncs_failed: 0,
            accounts,
        });
        Ok(())
    }
}

impl Running {
    pub fn backlog(&self, target: NodeId) -> HintBacklog {
        let status = self.hints.status().into_iter().find(|status| status.target == target);
        status.map_or_else(HintBacklog::default, |status| HintBacklog {
            durable: status.durable,
            bytes: status.bytes,
            oldest_wall_ms: status.oldest_wall_ms,
        })
    }
}

impl Cluster {
    /// Starts replica `k` from its disk.
    ///
    /// # Panics
    /// If the disk does not let it: [`Cluster::try_restart`].
    pub fn restart(&mut self, k: usize) {
        self.try_restart(k).expect("the disk is sound");
    }

    /// Starts replica `k` from its disk, if that lets it.
    ///
    /// # Errors
    /// Why the disk does not.
    pub fn try_restart(&mut self, k: usize) -> Result<(), DiskError> {
        let (spec, ring, now) = (self.spec.clone(), Arc::clone(&self.ring), self.now_at(k));
        self.note((k, 0), "start", [self.replicas[k - 1].life, self.replicas[k - 1].disk.operations()]);
        self.replica(k).start(&spec, &ring, now)?;
        let replica = &self.replicas[k - 1];
        let running = replica.running.as_ref().expect("just started");
        let found: Vec<_> = running.hints.targets().into_iter().map(|t| (t, running.backlog(t))).collect();
        self.note((k, 0), "started", [replica.generation.0, running.wal.durable_lsn().get()]);
        for (target, backlog) in found {
            self.tell_all(k, &Event::HintsFound { target, backlog });
        }
        self.dial_all_from(k);
        self.dial_all_to(k);
        Ok(())
    }

    /// Starts replica `k`, but nobody dials it before it has shown life by dialling and asking something itself.
    pub fn restart_unseen(&mut self, k: usize) {
        self.hide(k);
        self.restart(k);
    }

    /// Nobody dials replica `k`, which is down, before it has shown life by dialling and asking something itself.
    pub fn hide(&mut self, k: usize) {
        self.unseen.insert(k);
    }

    /// SIGKILL: the process is gone, what it had written the system still has.
    pub fn kill(&mut self, k: usize) {
        self.note((k, 0), "kill", [0, 0]);
        self.stop(k, SimIo::kill);
    }

    /// The machine loses power: what was not synced is lost, kept or torn.
    pub fn cut_power(&mut self, k: usize) {
        self.note((k, 0), "power cut", [0, 0]);
        self.stop(k, SimIo::cut_power);
    }

    fn stop(&mut self, k: usize, how: impl FnOnce(&SimIo)) {
        let replica = self.replica(k);
        // The disk first: what is torn down with the process reaches it no more.
        how(&replica.disk);
        if let Some(running) = replica.running.take() {
            replica.durable_at_stop = running.wal.durable_lsn();
        }
        replica.paused = false;
        replica.inboxes.clear();
        self.reset_links(k);
    }

    /// SIGSTOP: it hears and says nothing, its links stay.
    pub fn pause(&mut self, k: usize) {
        self.note((k, 0), "pause", [0, 0]);
        self.replica(k).paused = true;
    }

    /// SIGCONT: it hears what came meanwhile.
    pub fn resume(&mut self, k: usize) {
        self.note((k, 0), "resume", [0, 0]);
        let now = self.kernel.now();
        let replica = &mut self.replicas[k - 1];
        replica.paused = false;
        let life = replica.life;
        for (shard, inbox) in replica.inboxes.iter_mut().enumerate() {
            if !inbox.events.is_empty() && !std::mem::replace(&mut inbox.scheduled, true) {
                self.kernel.at(now, super::Action::Turn { k, life, shard });
            }
        }
        self.begin_batch(k);
    }
}
