//! One replica of the lab: its disk, its log, its hint logs and its shards, between a start and a crash.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quorate_coordinator::CoordinatorConfig;
use quorate_node::{Effects, Event, HintBacklog, HintCommand, Shard, ShardConfig};
use quorate_ring::Ring;
use quorate_store::disk::{self, Checkpoints, Identity, OpenOptions};
use quorate_store::hints::{HintLogs, HintOptions};
use quorate_types::{ClusterId, Generation, Mono, NodeId, Now, PartitionId};
use quorate_wal::testkit::SimIo;
use quorate_wal::{Chores, Io, Lsn, Options, Wal};

use super::{Action, Lab, LabSpec, enveloped, keyspace, node_id};

const DIR: &str = "/data";
/// What a sync takes.
const SYNC: Duration = Duration::from_micros(200);

/// A replica, running or not.
pub struct LabReplica {
    pub id: NodeId,
    pub generation: Generation,
    life: u64,
    disk: SimIo,
    paused: bool,
    running: Option<Running>,
}

struct Running {
    shards: Vec<Shard>,
    wal: Wal,
    checkpoints: Checkpoints,
    hints: HintLogs,
    /// Appends of each shard that wait for the hint logs' sync: (target, shard) for each.
    unsettled: Vec<(NodeId, usize)>,
    /// Each shard's last record in the log.
    logged: Vec<Lsn>,
}

impl LabReplica {
    pub fn new(k: usize, spec: &LabSpec) -> LabReplica {
        let disk = SimIo::new(spec.seed ^ (k as u64) << 32);
        LabReplica { id: node_id(k), generation: Generation(0), life: 0, disk, paused: false, running: None }
    }

    pub fn is_up(&self) -> bool {
        self.running.is_some()
    }

    pub fn next_timer(&self) -> Option<Mono> {
        if self.paused {
            return None;
        }
        self.running.as_ref()?.shards.iter().filter_map(Shard::next_timer).min()
    }

    pub fn timer_due(&self, shard: usize, now: Mono) -> bool {
        let running = self.running.as_ref().filter(|_| !self.paused);
        running.and_then(|r| r.shards[shard].next_timer()).is_some_and(|at| at <= now)
    }

    /// One turn of one shard; false if the replica does not run.
    pub fn turn(&mut self, shard: usize, now: Now, event: Event, out: &mut Effects) -> bool {
        let Some(running) = self.running.as_mut().filter(|_| !self.paused) else { return false };
        running.shards[shard].on_event(now, event, out);
        running.shards[shard].end_turn(now, out);
        true
    }

    /// The digest of a bucket, after checking it against one computed from the records.
    pub fn digest(&self, partition: PartitionId) -> u128 {
        let running = self.running.as_ref().expect("convergence is judged with all replicas up");
        let store = running.shards[partition.shard(running.shards.len())].store();
        let digest = store.digest(keyspace(), partition);
        assert_eq!(digest, store.recomputed_digest(keyspace(), partition), "the kept digest of {partition}");
        digest.0
    }

    fn start(&mut self, spec: &LabSpec, ring: &Arc<Ring>, now: Now) {
        let dir = Path::new(DIR);
        let io: Arc<dyn Io> = Arc::new(self.disk.clone());
        let identity = Identity {
            cluster: ClusterId::of_name("lab"),
            cluster_name: "lab".into(),
            node: self.id,
            node_name: self.id.to_string(),
        };
        let wal = Options::new(disk::wal_dir(dir))
            .segment_bytes(1 << 20)
            .record_bytes_max(128 << 10)
            .chores(Chores::Inline);
        let options = OpenOptions { identity, shards: spec.shards, hash_seed: spec.seed, wal };
        let opened = disk::open(Arc::clone(&io), dir, options, now.wall_ms).expect("the disk is sound");
        let hints =
            HintLogs::open(io, dir, HintOptions { segment_bytes: 256 << 10, ..HintOptions::default() });
        self.generation = opened.generation;
        self.life += 1;
        let shard = |(shard, store)| {
            let mut coordinator = CoordinatorConfig::new(self.id);
            coordinator.keyspaces.insert(keyspace(), spec.policy);
            let config = ShardConfig::new(coordinator, self.generation, shard, spec.shards);
            Shard::new(config, Arc::clone(ring), store, opened.clock_start)
        };
        self.running = Some(Running {
            shards: opened.stores.into_iter().enumerate().map(shard).collect(),
            wal: opened.wal,
            checkpoints: opened.checkpoints,
            hints: hints.expect("the hint logs are sound"),
            unsettled: Vec::new(),
            logged: vec![Lsn::ZERO; spec.shards],
        });
    }
}

impl Running {
    fn backlog(&self, target: NodeId) -> HintBacklog {
        let status = self.hints.status().into_iter().find(|status| status.target == target);
        status.map_or_else(HintBacklog::default, |status| HintBacklog {
            durable: status.durable,
            bytes: status.bytes,
            oldest_wall_ms: status.oldest_wall_ms,
        })
    }
}

impl Lab {
    /// Starts replica `k` from its disk.
    pub fn restart(&mut self, k: usize) {
        let (spec, ring, now) = (self.spec.clone(), Arc::clone(&self.ring), self.now());
        self.replica(k).start(&spec, &ring, now);
        let running = self.replicas[k - 1].running.as_ref().expect("just started");
        let found: Vec<_> = running.hints.targets().into_iter().map(|t| (t, running.backlog(t))).collect();
        for (target, backlog) in found {
            self.tell_all(k, &Event::HintsFound { target, backlog });
        }
        self.dial_all_from(k);
    }

    /// Starts replica `k`, but nobody dials it before it has shown life by dialling and asking something itself.
    pub fn restart_unseen(&mut self, k: usize) {
        self.unseen.insert(k);
        self.restart(k);
    }

    /// SIGKILL: the process is gone, what it had written the system still has.
    pub fn kill(&mut self, k: usize) {
        self.stop(k, SimIo::kill);
    }

    /// The machine loses power: what was not synced is lost, kept or torn.
    pub fn cut_power(&mut self, k: usize) {
        self.stop(k, SimIo::cut_power);
    }

    fn stop(&mut self, k: usize, how: impl FnOnce(&SimIo)) {
        let replica = self.replica(k);
        replica.running = None;
        replica.paused = false;
        how(&replica.disk);
        self.reset_links(k);
    }

    /// SIGSTOP: it hears and says nothing, its links stay.
    pub fn pause(&mut self, k: usize) {
        self.replica(k).paused = true;
    }

    /// Takes a full checkpoint of replica `k` and cuts its log.
    pub fn checkpoint(&mut self, k: usize) {
        let running = self.replicas[k - 1].running.as_mut().expect("it runs");
        let run = running.checkpoints.begin(running.shards.len()).expect("a checkpoint begins");
        let applied = running.wal.durable_lsn();
        let mut parts = Vec::new();
        for (at, shard) in running.shards.iter().enumerate() {
            let mut part = run.part(at, applied).expect("a part is made");
            let (mut walk, mut slice) = (shard.store().begin_walk(), Vec::new());
            let mut more = true;
            while more {
                slice.clear();
                more = walk.next_slice(shard.store(), &mut slice, 4 << 10);
                part.write(&slice).expect("a slice is written");
            }
            parts.push(part.finish().expect("a part is finished"));
        }
        let ceiling = running.shards.iter().map(Shard::clock_ceiling).max().expect("a shard");
        running.checkpoints.publish(run, parts, &running.wal, ceiling).expect("a checkpoint is published");
    }

    fn tell_all(&mut self, k: usize, event: &Event) {
        for shard in 0..self.spec.shards {
            self.feed(k, shard, event.clone());
        }
    }

    /// Carries out what a shard wants done: frames first, then the log, as the driver of a replica does.
    pub(super) fn carry_out(&mut self, k: usize, shard: usize, out: &mut Effects) {
        self.send_frames(k, shard, out);
        self.append_log(k, shard, out);
        for (origin, response) in out.answers.drain(..) {
            self.answers.insert((origin.session.0, origin.number), response);
        }
        for command in out.hints.drain(..) {
            self.run_hint_command(k, shard, command);
        }
        for peer in out.urge.drain(..) {
            self.urge((k, shard), peer);
        }
        for link in out.close.drain(..) {
            self.close(link, (k, shard));
        }
    }

    fn send_frames(&mut self, k: usize, shard: usize, out: &mut Effects) {
        for (link, message) in out.sends.drain(..) {
            let Some((to, to_shard)) = self.links.other_end(link, (k, shard)) else { continue };
            let frame = quorate_wire::frame_of(&message).expect("within the frame's limit");
            let (from, to) = (super::place(k, shard), super::place(to, to_shard));
            self.network.send(self.now, from, to, enveloped(link, &frame));
        }
    }

    fn append_log(&mut self, k: usize, shard: usize, out: &Effects) {
        let Some(through) = out.log.last_sequence() else { return };
        let replica = &mut self.replicas[k - 1];
        let running = replica.running.as_mut().expect("it had a turn just now");
        for record in out.log.records() {
            running.logged[shard] =
                running.wal.stage(record.kind, &[record.bytes]).expect("the log takes it");
        }
        let action = Action::Synced { k, life: replica.life, shard, through };
        self.agenda.at(self.now + SYNC, action);
    }

    fn run_hint_command(&mut self, k: usize, shard: usize, command: HintCommand) {
        let replica = &mut self.replicas[k - 1];
        let life = replica.life;
        let running = replica.running.as_mut().expect("it had a turn just now");
        match command {
            HintCommand::Append { target, hint } => {
                running.hints.append(target, &hint).expect("the hint log takes it");
                running.unsettled.push((target, shard));
                self.agenda.at(self.now + SYNC, Action::HintsSynced { k, life, target });
            }
            HintCommand::ReadPage { target, after, bytes_max } => {
                let hints =
                    running.hints.page(target, after, bytes_max as usize).expect("the hints are sound");
                self.feed(k, shard, Event::HintPage { target, hints });
            }
            HintCommand::Delivered { target, through } => {
                running.hints.delivered(target, through).expect("the hint log takes it");
                let backlog = running.backlog(target);
                self.tell_all(k, &Event::HintsStored { target, settled: 0, refused: 0, backlog });
            }
        }
    }

    /// Something is due.
    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::Nothing => {}
            Action::Dial { from, to } => self.dial(from, to),
            Action::Synced { k, life, shard, through } => {
                let replica = &self.replicas[k - 1];
                let Some(running) = replica.running.as_ref().filter(|_| replica.life == life) else { return };
                running.wal.sync_to(running.logged[shard]).expect("the disk syncs");
                self.feed(k, shard, Event::Logged { through });
            }
            Action::HintsSynced { k, life, target } => self.sync_hints(k, life, target),
        }
    }

    fn sync_hints(&mut self, k: usize, life: u64, target: NodeId) {
        let replica = &mut self.replicas[k - 1];
        let Some(running) = replica.running.as_mut().filter(|_| replica.life == life) else { return };
        for (_, synced) in running.hints.sync() {
            synced.expect("the disk syncs");
        }
        let settled = std::mem::take(&mut running.unsettled);
        let (mine, others) = settled.into_iter().partition(|(to, _)| *to == target);
        let mine: Vec<(NodeId, usize)> = mine;
        running.unsettled = others;
        let backlog = running.backlog(target);
        for shard in 0..self.spec.shards {
            let settled = mine.iter().filter(|(_, by)| *by == shard).count() as u64;
            self.feed(k, shard, Event::HintsStored { target, settled, refused: 0, backlog });
        }
    }

    /// Hints on disk and not yet delivered at replica `k`, for all targets.
    pub fn hints_at(&self, k: usize) -> u64 {
        let running = self.replicas[k - 1].running.as_ref().expect("it runs");
        running.hints.status().iter().map(|status| status.durable).sum()
    }
}
