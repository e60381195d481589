//! One replica of the lab: its disk, its log, its hint logs and its shards, between a start and a crash.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quorate_coordinator::{CoordinatorConfig, Origin};
use quorate_node::{Effects, Event, HintBacklog, HintCommand, Shard, ShardConfig};
use quorate_ring::Ring;
use quorate_store::DiskError;
use quorate_store::disk::{self, Checkpoints, Identity, OpenOptions, RecoveryReport};
use quorate_store::hints::HintLogs;
use quorate_types::{ClusterId, Generation, Mono, NodeId, Now, PartitionId};
use quorate_wal::testkit::{SimIo, SplitMix};
use quorate_wal::{Chores, Io, Lsn, Options, Wal};
use quorate_wire::Response;

use super::checkpoint::Checkpoint;
use super::{Action, Heard, Lab, LabSpec, enveloped, keyspace, node_id};

const DIR: &str = "/data";

/// A replica, running or not.
pub struct LabReplica {
    pub id: NodeId,
    pub generation: Generation,
    /// Counts its starts.
    pub life: u64,
    /// Of its next start, and of the present one.
    pub shards: usize,
    pub wall_ahead_ms: i64,
    pub(super) disk: SimIo,
    /// What the last start found.
    pub report: Option<RecoveryReport>,
    paused: bool,
    /// What waits for it to go on.
    held: Vec<(usize, Event)>,
    chance: SplitMix,
    pub(super) running: Option<Running>,
}

pub(super) struct Running {
    pub shards: Vec<Shard>,
    pub wal: Wal,
    pub checkpoints: Checkpoints,
    pub checkpoint: Option<Checkpoint>,
    pub hints: HintLogs,
    /// Appends that wait for the hint logs' sync.
    pub unsettled: Vec<HintAppend>,
    /// What each shard appended and was not told to be durable.
    pub outstanding: Vec<VecDeque<Appended>>,
    pub failed: bool,
    /// Syncs of hint logs that failed.
    pub hint_syncs_failed: u64,
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
    target: NodeId,
    shard: usize,
    refused: bool,
}

impl LabReplica {
    pub fn new(k: usize, spec: &LabSpec) -> LabReplica {
        let disk = SimIo::new(spec.seed ^ (k as u64) << 32);
        LabReplica {
            id: node_id(k),
            generation: Generation(0),
            life: 0,
            shards: spec.shards,
            wall_ahead_ms: 0,
            disk,
            report: None,
            paused: false,
            held: Vec::new(),
            chance: SplitMix::new(spec.seed.wrapping_mul(31) ^ k as u64),
            running: None,
        }
    }

    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Gives the event back, unless the replica is paused and keeps it for later.
    pub fn hold(&mut self, shard: usize, event: Event) -> Option<Event> {
        if !self.paused || self.running.is_none() {
            return Some(event);
        }
        self.held.push((shard, event));
        None
    }

    /// What a sync takes now.
    pub(super) fn sync_takes(&mut self, tuning: &super::Tuning) -> Duration {
        let spread = tuning.sync_most.saturating_sub(tuning.sync_least).as_micros() as u64;
        tuning.sync_least + Duration::from_micros(self.chance.below(spread + 1))
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

    fn start(&mut self, spec: &LabSpec, ring: &Arc<Ring>, now: Now) -> Result<(), DiskError> {
        let dir = Path::new(DIR);
        let io: Arc<dyn Io> = Arc::new(self.disk.clone());
        let identity = Identity {
            cluster: ClusterId::of_name("lab"),
            cluster_name: "lab".into(),
            node: self.id,
            node_name: self.id.to_string(),
        };
        let wal = Options::new(disk::wal_dir(dir))
            .segment_bytes(spec.tuning.wal_segment_bytes)
            .record_bytes_max(spec.tuning.wal_segment_bytes / 8)
            .chores(Chores::Inline);
        let options = OpenOptions { identity, shards: self.shards, hash_seed: spec.seed, wal };
        let opened = disk::open(Arc::clone(&io), dir, options, now.wall_ms)?;
        let hints = HintLogs::open(io, dir, spec.tuning.hints)?;
        self.report = Some(opened.report);
        self.generation = opened.generation;
        self.life += 1;
        let shard = |(shard, store)| {
            let mut coordinator = CoordinatorConfig::new(self.id);
            coordinator.keyspaces.insert(keyspace(), spec.policy);
            let config = ShardConfig::new(coordinator, self.generation, shard, self.shards);
            let config = ShardConfig { limits: spec.tuning.limits, clock: spec.tuning.clock, ..config };
            Shard::new(config, Arc::clone(ring), store, opened.clock_start)
        };
        self.running = Some(Running {
            shards: opened.stores.into_iter().enumerate().map(shard).collect(),
            wal: opened.wal,
            checkpoints: opened.checkpoints,
            checkpoint: None,
            hints,
            unsettled: Vec::new(),
            outstanding: vec![VecDeque::new(); self.shards],
            failed: false,
            hint_syncs_failed: 0,
        });
        Ok(())
    }
}

impl Running {
    pub(super) fn backlog(&self, target: NodeId) -> HintBacklog {
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
        self.try_restart(k).expect("the disk is sound");
    }

    /// Starts replica `k` from its disk, if that lets it.
    pub fn try_restart(&mut self, k: usize) -> Result<(), DiskError> {
        let (spec, ring, now) = (self.spec.clone(), Arc::clone(&self.ring), self.now_at(k));
        self.replica(k).start(&spec, &ring, now)?;
        let running = self.replicas[k - 1].running.as_ref().expect("just started");
        let found: Vec<_> = running.hints.targets().into_iter().map(|t| (t, running.backlog(t))).collect();
        for (target, backlog) in found {
            self.tell_all(k, &Event::HintsFound { target, backlog });
        }
        self.dial_all_from(k);
        self.dial_all_to(k);
        Ok(())
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
        replica.held.clear();
        how(&replica.disk);
        self.reset_links(k);
    }

    /// SIGSTOP: it hears and says nothing, its links stay.
    pub fn pause(&mut self, k: usize) {
        self.replica(k).paused = true;
    }

    /// SIGCONT: it hears what came meanwhile.
    pub fn resume(&mut self, k: usize) {
        let replica = self.replica(k);
        replica.paused = false;
        for (shard, event) in std::mem::take(&mut replica.held) {
            self.feed(k, shard, event);
        }
    }

    pub(super) fn tell_all(&mut self, k: usize, event: &Event) {
        for shard in 0..self.replicas[k - 1].shards {
            self.feed(k, shard, event.clone());
        }
    }

    /// Carries out what a shard wants done: frames first, then the log, as the driver of a replica does.
    pub(super) fn carry_out(&mut self, k: usize, shard: usize, out: &mut Effects) {
        self.send_frames(k, shard, out);
        self.append_log(k, shard, out);
        for (origin, response) in out.answers.drain(..) {
            self.hear(origin, Some(response.clone()));
            self.answers.insert((origin.session.0, origin.number), response);
        }
        for origin in out.unanswered.drain(..) {
            self.hear(origin, None);
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

    fn hear(&mut self, origin: Origin, response: Option<Response>) {
        let (session, number) = (origin.session.0, origin.number);
        self.heard.push(Heard { at: self.now, session, number, response });
    }

    fn run_hint_command(&mut self, k: usize, shard: usize, command: HintCommand) {
        let replica = &mut self.replicas[k - 1];
        let life = replica.life;
        let running = replica.running.as_mut().expect("it had a turn just now");
        match command {
            HintCommand::Append { target, hint } => {
                let refused = running.hints.append(target, &hint).is_err();
                running.unsettled.push(HintAppend { target, shard, refused });
                let at = self.now + replica.sync_takes(&self.spec.tuning);
                self.agenda.at(at, Action::HintsSynced { k, life, target });
            }
            HintCommand::ReadPage { target, after, bytes_max } => {
                let hints = running.hints.page(target, after, bytes_max as usize).unwrap_or_default();
                if self.goes_dark(k) {
                    return;
                }
                self.feed(k, shard, Event::HintPage { target, hints });
            }
            HintCommand::Delivered { target, through } => {
                // If the disk fails, they are delivered again.
                let _ = running.hints.delivered(target, through);
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
            Action::Synced { k, life, shard, last } => self.log_synced(k, life, shard, last),
            Action::LogFailed { k, life } => self.log_failed(k, life),
            Action::WentDark { k, life } => self.went_dark(k, life),
            Action::Checkpoint { k, life } => self.checkpoint_on(k, life),
            Action::HintsSynced { k, life, target } => self.sync_hints(k, life, target),
        }
    }

    fn sync_hints(&mut self, k: usize, life: u64, target: NodeId) {
        let replica = &mut self.replicas[k - 1];
        let Some(running) = replica.running.as_mut().filter(|_| replica.life == life) else { return };
        let failed: Vec<_> =
            running.hints.sync().into_iter().filter(|(_, r)| r.is_err()).map(|(t, _)| t).collect();
        running.hint_syncs_failed += failed.len() as u64;
        for append in running.unsettled.iter_mut().filter(|append| failed.contains(&append.target)) {
            append.refused = true;
        }
        let settled = std::mem::take(&mut running.unsettled);
        let (mine, others): (Vec<_>, _) = settled.into_iter().partition(|append| append.target == target);
        running.unsettled = others;
        let (backlog, shards) = (running.backlog(target), replica.shards);
        if self.goes_dark(k) {
            return;
        }
        for shard in 0..shards {
            let here = mine.iter().filter(|append| append.shard == shard);
            let settled = here.clone().count() as u64;
            let refused = here.filter(|append| append.refused).count() as u64;
            self.feed(k, shard, Event::HintsStored { target, settled, refused, backlog });
        }
    }
}
