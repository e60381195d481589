//! The log between a turn and its sync, and what happens when a disk fails.
//!
//! Invariants: a shard hears that a record is durable only after a sync said so, and maybe long after another shard's
//! sync has made it so; after a failed sync the log takes nothing any more, and its shards hear it once.

use quorate_node::{Effects, Event};
use quorate_wal::Lsn;

use super::replica::{Appended, Running};
use super::{Action, Lab};

impl Running {
    /// Up to here everything that the shard appended has been reported durable to it.
    pub fn applied_through(&self, shard: usize) -> Lsn {
        match self.outstanding[shard].front() {
            Some(oldest) => Lsn::new(oldest.first.get() - 1),
            None => self.wal.durable_lsn(),
        }
    }

    fn append(&mut self, shard: usize, out: &Effects) -> Result<Option<Lsn>, quorate_wal::Error> {
        let Some(through) = out.log.last_sequence() else { return Ok(None) };
        let (mut first, mut last) = (None, Lsn::ZERO);
        for record in out.log.records() {
            last = self.wal.stage(record.kind, &[record.bytes])?;
            first = first.or(Some(last));
        }
        self.outstanding[shard].push_back(Appended { first: first.unwrap_or(last), last, through });
        Ok(Some(last))
    }

    /// The last sequence number of the shard's that is durable and was not reported.
    fn newly_durable(&mut self, shard: usize) -> Option<u64> {
        let (durable, mut through) = (self.wal.durable_lsn(), None);
        while let Some(oldest) = self.outstanding[shard].front().filter(|oldest| oldest.last <= durable) {
            through = Some(oldest.through);
            self.outstanding[shard].pop_front();
        }
        through
    }
}

impl Lab {
    /// The power of replica `k` goes at the `operations`-th thing that its disk does from now.
    pub fn cut_power_after(&mut self, k: usize, operations: u64) {
        self.replica(k).disk.cut_power_after(operations);
    }

    /// The `syncs`-th sync from now fails at replica `k`.
    pub fn fail_sync_after(&mut self, k: usize, syncs: u64) {
        self.replica(k).disk.fail_sync_after(syncs);
    }

    /// A start that failed because the power went: it comes back. Whether that was so.
    pub fn lose_power_if_dark(&mut self, k: usize) -> bool {
        let disk = &self.replica(k).disk;
        let dark = disk.is_dark();
        if dark {
            disk.cut_power();
        } else {
            disk.kill();
        }
        dark
    }

    /// No fault that was planned for this disk happens any more. Power that is gone already is noticed now, and not
    /// when an idle replica next writes.
    pub fn forget_disk_faults(&mut self, k: usize) {
        self.goes_dark(k);
        let disk = &self.replica(k).disk;
        disk.fail_sync_after(u64::MAX);
        disk.cut_power_after(u64::MAX);
    }

    /// Replicas that lost their power in the middle of something, since this was last asked.
    pub fn take_dark(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.dark)
    }

    pub(super) fn append_log(&mut self, k: usize, shard: usize, out: &Effects) {
        let replica = &mut self.replicas[k - 1];
        let life = replica.life;
        let running = replica.running.as_mut().expect("it had a turn just now");
        if running.failed {
            return;
        }
        match running.append(shard, out) {
            Ok(None) => {}
            Ok(Some(last)) => {
                let at = self.now + replica.sync_takes(&self.spec.tuning);
                self.agenda.at(at, Action::Synced { k, life, shard, last });
            }
            Err(_) => self.agenda.at(self.now, Action::LogFailed { k, life }),
        }
    }

    pub(super) fn log_synced(&mut self, k: usize, life: u64, shard: usize, last: Lsn) {
        let replica = &mut self.replicas[k - 1];
        let Some(running) = replica.running.as_mut().filter(|r| replica.life == life && !r.failed) else {
            return;
        };
        let synced = running.wal.sync_to(last);
        if let Some(through) = running.newly_durable(shard) {
            self.feed(k, shard, Event::Logged { through });
        }
        if synced.is_err() {
            self.log_failed(k, life);
        }
    }

    pub(super) fn log_failed(&mut self, k: usize, life: u64) {
        if self.goes_dark(k) {
            return;
        }
        let replica = &mut self.replicas[k - 1];
        let Some(running) = replica.running.as_mut().filter(|r| replica.life == life && !r.failed) else {
            return;
        };
        running.failed = true;
        self.tell_all(k, &Event::LogFailed);
    }

    /// Whether the power of replica `k` is gone; then the replica will be, before anything else happens to it.
    pub(super) fn goes_dark(&mut self, k: usize) -> bool {
        let replica = &self.replicas[k - 1];
        let life = replica.life;
        let dark = replica.disk.is_dark();
        if dark {
            self.agenda.at(self.now, Action::WentDark { k, life });
        }
        dark
    }

    pub(super) fn went_dark(&mut self, k: usize, life: u64) {
        let replica = &self.replicas[k - 1];
        if replica.life == life && replica.is_up() {
            self.cut_power(k);
            self.dark.push(k);
        }
    }
}
