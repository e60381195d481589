//! The log between a turn and its sync, and what happens when a disk fails.
//!
//! A batch is written at once and synced later: whoever dies in between finds it on the disk, or not, or in part.
//!
//! Invariants: a shard hears that a record is durable only after a sync said so; after a failed write or sync the log
//! takes nothing any more, and its shards hear it once; what a process without power does has no effect.

use std::time::Duration;

use quorate_node::{Effects, Event};
use quorate_types::NodeId;
use quorate_wal::Lsn;
use quorate_wal::testkit::{Fired, SimIo};

use super::replica::{Appended, HintAppend, Running};
use super::{Action, Cluster};

const SECTOR_BYTES: u64 = 512;

/// What was on a disk.
#[derive(Clone, Debug)]
pub struct DiskImage(Vec<(std::path::PathBuf, Vec<u8>)>);

impl Running {
    /// Up to here the shard has applied everything that it appended: it has *taken* the news that it is durable. What a
    /// checkpoint needs, which would else cut the log of what is in no memory yet.
    pub fn applied_through(&self, shard: usize) -> Lsn {
        match self.outstanding[shard].front() {
            Some(oldest) => Lsn::new(oldest.first.get() - 1),
            None => self.wal.durable_lsn(),
        }
    }

    fn append(&mut self, shard: usize, out: &Effects) -> Result<(), quorate_wal::Error> {
        let Some(through) = out.log.last_sequence() else { return Ok(()) };
        let (mut first, mut last) = (None, Lsn::ZERO);
        for record in out.log.records() {
            last = self.wal.stage(record.kind, &[record.bytes])?;
            first = first.or(Some(last));
        }
        self.outstanding[shard].push_back(Appended { first: first.unwrap_or(last), last, through });
        Ok(())
    }

    /// The last sequence number of the shard's that is durable and was not reported.
    fn newly_durable(&mut self, shard: usize) -> Option<u64> {
        let durable = self.wal.durable_lsn();
        let safe = self.outstanding[shard].iter().take_while(|appended| appended.last <= durable).last()?;
        let news = safe.through > self.reported[shard];
        self.reported[shard] = safe.through;
        news.then_some(safe.through)
    }

    /// The shard was told that its records up to `through` are durable, and has applied them.
    pub fn applied(&mut self, shard: usize, through: u64) {
        while self.outstanding[shard].front().is_some_and(|oldest| oldest.through <= through) {
            self.outstanding[shard].pop_front();
        }
    }

    /// Writes what is staged, without sync; whether a batch is underway now that was not before.
    fn write_batch(&mut self) -> Result<bool, quorate_wal::Error> {
        if self.batch.is_some() {
            return Ok(false);
        }
        let Some(mut batch) = self.wal.begin_batch()? else { return Ok(false) };
        if batch.write().is_err() {
            batch.complete()?;
            return Ok(false);
        }
        self.batch = Some(batch);
        Ok(true)
    }
}

impl Cluster {
    /// The power of replica `k` goes at the `operations`-th thing that its disk does from now.
    pub fn cut_power_after(&mut self, k: usize, operations: u64) {
        self.replica(k).disk.cut_power_after(operations);
    }

    /// The `syncs`-th sync from now fails at replica `k`, and throws the pages away.
    pub fn fail_sync_after(&mut self, k: usize, syncs: u64) {
        self.replica(k).disk.fail_sync_after(syncs);
    }

    /// The `writes`-th write from now fails at replica `k`.
    pub fn fail_write_after(&mut self, k: usize, writes: u64) {
        self.replica(k).disk.fail_write_after(writes);
    }

    /// The `syncs`-th sync of a directory from now fails at replica `k`.
    pub fn fail_dir_sync_after(&mut self, k: usize, syncs: u64) {
        self.replica(k).disk.fail_dir_sync_after(syncs);
    }

    /// The `writes`-th write from now of replica `k` lands elsewhere on its disk.
    pub fn misdirect_write_after(&mut self, k: usize, writes: u64) {
        self.replica(k).disk.misdirect_write_after(writes);
    }

    /// A sector of the disk of replica `k` can't be read: that of this number among those that hold something, counted
    /// round.
    pub fn fail_reads(&mut self, k: usize, sector: u64) {
        let disk = &self.replica(k).disk;
        if let Some((path, offset)) = sector_of(disk, sector) {
            disk.fail_reads_at(path, offset);
        }
    }

    /// From that sector on, `sectors` of one file of the disk of replica `k` read as they were before their last write, in
    /// the next `reads` reads.
    pub fn stale_reads(&mut self, k: usize, (sector, sectors): (u64, u64), reads: u64) {
        let disk = &self.replica(k).disk;
        if let Some((path, offset)) = sector_of(disk, sector) {
            disk.stale_reads(path, offset..offset + sectors * SECTOR_BYTES, reads);
        }
    }

    /// The disk of replica `k` can be read again, and as it is.
    pub fn end_read_faults(&mut self, k: usize) {
        self.replica(k).disk.end_read_faults();
    }

    /// Which faults of the disk of replica `k` came about so far.
    pub fn fired(&self, k: usize) -> Fired {
        self.replicas[k - 1].disk.fired()
    }

    /// Whether the log of replica `k`, which has started, ends before what was durable when it stopped.
    pub fn lost_its_tail(&self, k: usize) -> bool {
        let replica = &self.replicas[k - 1];
        replica.report.is_some_and(|report| report.last_lsn < replica.durable_at_stop)
    }

    /// When the last stall of a disk ends.
    pub fn stalled_until(&self) -> quorate_types::Mono {
        self.replicas.iter().map(|replica| replica.stalled_until).max().unwrap_or(quorate_types::Mono(0))
    }

    /// One write in `one_in` of replica `k` is short, one in `one_in` interrupted; 0: none.
    pub fn short_writes(&mut self, k: usize, one_in: u64) {
        self.replica(k).disk.short_writes(one_in);
    }

    /// The disk of replica `k` has room for `more_bytes` beyond what it holds; `None`: for everything.
    pub fn set_room(&mut self, k: usize, more_bytes: Option<u64>) {
        let disk = &self.replica(k).disk;
        let held: u64 =
            disk.paths().iter().filter_map(|path| disk.contents(path)).map(|c| c.len() as u64).sum();
        disk.set_capacity(more_bytes.map(|more| held + more));
    }

    /// No sync of replica `k` ends before so much time has passed.
    pub fn stall_disk(&mut self, k: usize, time: Duration) {
        let until = self.kernel.now() + time;
        self.replica(k).stalled_until = until;
    }

    /// Replica `k`, which is down, gets an empty disk.
    pub fn wipe_disk(&mut self, k: usize) {
        self.replica(k).durable_at_stop = Lsn::ZERO;
        let disk = &self.replica(k).disk;
        // Names that are gone and not yet for good would come back with the next power cut.
        disk.cut_power();
        disk.paths().iter().for_each(|path| disk.vanish(path));
    }

    /// What is on the disk of replica `k`: a copy made while it runs.
    pub fn disk_image(&self, k: usize) -> DiskImage {
        let disk = &self.replicas[k - 1].disk;
        DiskImage(
            disk.paths().into_iter().filter_map(|path| Some((path.clone(), disk.contents(&path)?))).collect(),
        )
    }

    /// Replica `k`, which is down, has this on its disk.
    pub fn put_disk_back(&mut self, k: usize, image: &DiskImage) {
        self.wipe_disk(k);
        let disk = &self.replica(k).disk;
        for (path, bytes) in &image.0 {
            disk.set_contents(path, bytes.clone());
        }
    }

    /// So many bits of what is on the disk of replica `k` flip; how many did.
    pub fn rot_disk(&mut self, k: usize, bits: u64) -> usize {
        self.replica(k).disk.rot(bits).len()
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
        self.notices_darkness(k);
        let replica = self.replica(k);
        replica.forget_points();
        replica.stalled_until = quorate_types::Mono(0);
        replica.disk.end_faults();
    }

    /// Replicas that lost their power in the middle of something, since this was last asked.
    pub fn take_dark(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.dark)
    }

    /// Replicas whose log has failed, since this was last asked.
    pub fn take_failed(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.failed)
    }

    /// Takes the records of a turn. A log that is full fails like one whose disk does.
    pub(super) fn append_log(&mut self, k: usize, shard: usize, out: &Effects) {
        let running = self.replica(k).running.as_mut().expect("it had a turn just now");
        if running.failed || out.log.is_empty() {
            return;
        }
        if running.append(shard, out).is_err() {
            return self.log_failed(k);
        }
        self.begin_batch(k);
    }

    /// Writes what is staged, if nothing is underway; its sync ends later.
    pub(super) fn begin_batch(&mut self, k: usize) {
        let Some(running) = self.replica(k).running.as_mut().filter(|running| !running.failed) else {
            return;
        };
        match running.write_batch() {
            Ok(false) => {}
            Ok(true) => {
                let (at, life) = (self.sync_ends(k), self.replicas[k - 1].life);
                self.kernel.at(at, Action::Synced { k, life });
            }
            Err(_) => self.log_failed(k),
        }
    }

    pub(super) fn log_synced(&mut self, k: usize, life: u64) {
        let replica = self.replica(k);
        let Some(running) = replica.running.as_mut().filter(|r| replica.life == life && !r.failed) else {
            return;
        };
        let Some(batch) = running.batch.take() else { return };
        let synced = batch.complete();
        let durable = running.wal.durable_lsn();
        let news: Vec<_> = (0..running.shards.len())
            .filter_map(|shard| Some((shard, running.newly_durable(shard)?)))
            .collect();
        self.note((k, 0), "synced", [durable.get(), u64::from(synced.is_ok())]);
        if self.notices_darkness(k) {
            return;
        }
        for (shard, through) in news {
            self.feed(k, shard, Event::Logged { through });
        }
        if synced.is_err() {
            self.log_failed(k);
        } else if !self.replicas[k - 1].is_paused() {
            self.begin_batch(k);
        }
    }

    fn log_failed(&mut self, k: usize) {
        if self.notices_darkness(k) {
            return;
        }
        if let Some(running) = self.replica(k).running.as_mut().filter(|running| !running.failed) {
            running.failed = true;
            running.batch = None;
            self.failed.push(k);
            self.tell_all(k, &Event::LogFailed);
        }
    }

    pub(super) fn sync_hints(&mut self, k: usize, life: u64, target: NodeId) {
        let replica = &mut self.replicas[k - 1];
        if !replica.is_up() || replica.life != life {
            return;
        }
        let synced = replica.in_scene(|this| this.hint_logs().sync());
        replica.falls_now();
        let Some((synced, running)) = synced.zip(replica.running.as_mut()) else {
            self.notices_darkness(k);
            return;
        };
        let failed: Vec<_> = synced.into_iter().filter(|(_, r)| r.is_err()).map(|(t, _)| t).collect();
        running.hint_syncs_failed += failed.len() as u64;
        running.accounts.hint_log_failed |= !failed.is_empty();
        for append in running.unsettled.iter_mut().filter(|append| failed.contains(&append.target)) {
            append.refused = true;
        }
        let settled = std::mem::take(&mut running.unsettled);
        let (mine, others): (Vec<_>, _) = settled.into_iter().partition(|append| append.target == target);
        running.unsettled = others;
        let (backlog, shards) = (running.backlog(target), replica.shards);
        if self.notices_darkness(k) {
            return;
        }
        for shard in 0..shards {
            let here = |append: &&HintAppend| append.shard == shard;
            let settled = mine.iter().filter(here).count() as u64;
            let refused = mine.iter().filter(here).filter(|append| append.refused).count() as u64;
            self.feed(k, shard, Event::HintsStored { target, settled, refused, backlog });
        }
    }

    /// Whether the power of replica `k` is gone; then so is the replica, before anything else happens to it.
    pub(super) fn notices_darkness(&mut self, k: usize) -> bool {
        let replica = &self.replicas[k - 1];
        let (dark, up) = (replica.disk.is_dark(), replica.is_up());
        if dark && up {
            self.cut_power(k);
            self.dark.push(k);
        }
        dark
    }
}

/// Where the sector of this number is, of those that hold something, counted round; `None`: none does.
fn sector_of(disk: &SimIo, number: u64) -> Option<(std::path::PathBuf, u64)> {
    let mut places = Vec::new();
    for path in disk.paths() {
        let contents = disk.contents(&path).unwrap_or_default();
        let sectors = contents.chunks(SECTOR_BYTES as usize).zip((0..).step_by(SECTOR_BYTES as usize));
        let full = sectors.filter(|(bytes, _)| bytes.iter().any(|byte| *byte != 0));
        places.extend(full.map(|(_, offset)| (path.clone(), offset)));
    }
    let at = number.checked_rem(places.len() as u64)?;
    Some(places.swap_remove(at as usize))
}
