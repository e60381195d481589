//! Checkpoints of replicas: slice by slice, with writes in between, as the driver's thread takes them.

use std::time::Duration;

use quorate_node::Shard;
use quorate_store::disk::{CheckpointRun, PartDone, PartWriter};
use quorate_store::{DiskError, Walk};
use quorate_types::Timestamp;

use super::replica::{Running, SimReplica};
use super::{Action, Cluster};

/// A checkpoint in the making.
pub(super) struct Checkpoint {
    run: CheckpointRun,
    parts: Vec<PartDone>,
    part: Option<(PartWriter, Walk)>,
    ceiling: Timestamp,
}

impl Running {
    fn begin_checkpoint(&mut self) -> Result<(), DiskError> {
        let run = self.checkpoints.begin(self.shards.len())?;
        self.checkpoint = Some(Checkpoint { run, parts: Vec::new(), part: None, ceiling: Timestamp(0) });
        Ok(())
    }

    /// One slice more; true once it is published.
    fn go_on(&mut self, slice_bytes: usize) -> Result<bool, DiskError> {
        let Some(mut checkpoint) = self.checkpoint.take() else { return Ok(true) };
        let at = checkpoint.parts.len();
        if at == self.shards.len() {
            let Checkpoint { run, parts, ceiling, .. } = checkpoint;
            self.checkpoints.publish(run, parts, &self.wal, ceiling)?;
            return Ok(true);
        }
        let shard: &Shard = &self.shards[at];
        let (mut part, mut walk) = if let Some(begun) = checkpoint.part.take() {
            begun
        } else {
            checkpoint.ceiling = checkpoint.ceiling.max(shard.clock_ceiling());
            (checkpoint.run.part(at, self.applied_through(at))?, shard.store().begin_walk())
        };
        let mut slice = Vec::new();
        let more = walk.next_slice(shard.store(), &mut slice, slice_bytes);
        part.write(&slice)?;
        if more {
            checkpoint.part = Some((part, walk));
        } else {
            checkpoint.parts.push(part.finish()?);
        }
        self.checkpoint = Some(checkpoint);
        Ok(false)
    }
}

impl SimReplica {
    fn checkpoint_step<R>(&mut self, step: impl FnOnce(&mut Running) -> R) -> R {
        step(self.running.as_mut().expect("it runs"))
    }
}

impl Cluster {
    /// Takes a full checkpoint of replica `k`, which must run, and cuts its log, all at once.
    ///
    /// # Panics
    /// If the disk fails it.
    pub fn checkpoint(&mut self, k: usize) {
        let slice_bytes = self.spec.tuning.slice_bytes;
        let running = self.replicas[k - 1].running.as_mut().expect("it runs");
        running.begin_checkpoint().expect("a checkpoint begins");
        while !running.go_on(slice_bytes).expect("a checkpoint is written") {}
    }

    /// Begins a checkpoint of replica `k`, which is written while other things happen; not while one is under way.
    pub fn begin_checkpoint(&mut self, k: usize) {
        let replica = &mut self.replicas[k - 1];
        let life = replica.life;
        if replica.running.as_ref().is_none_or(|running| running.checkpoint.is_some()) {
            return;
        }
        let begun = replica.in_scene(|this| this.checkpoint_step(super::replica::Running::begin_checkpoint));
        replica.falls_now();
        match begun {
            Some(Ok(())) => self.kernel.at(self.kernel.now(), Action::Checkpoint { k, life }),
            _ => drop(self.notices_darkness(k)),
        }
    }

    /// The next slice. A checkpoint that fails leaves the last one and the whole log in place.
    pub(super) fn checkpoint_on(&mut self, k: usize, life: u64) {
        let replica = &mut self.replicas[k - 1];
        if replica.is_paused() {
            let at = self.kernel.now() + super::links::REDIAL;
            return self.kernel.at(at, Action::Checkpoint { k, life });
        }
        if !replica.is_up() || replica.life != life {
            return;
        }
        let slice_bytes = self.spec.tuning.slice_bytes;
        let gone_on = replica.in_scene(|this| this.checkpoint_step(|running| running.go_on(slice_bytes)));
        replica.falls_now();
        match gone_on {
            Some(Ok(true)) => {}
            Some(Ok(false)) => {
                let at = self.kernel.now() + Duration::from_micros(self.spec.tuning.slice_us);
                self.kernel.at(at, Action::Checkpoint { k, life });
            }
            _ => drop(self.notices_darkness(k)),
        }
    }
}
