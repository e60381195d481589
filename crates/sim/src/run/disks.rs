//! Faults of disks, and whether what a replica lost is its disk's fault.
//!
//! Invariants: a replica that finds its disk rotten and refuses to start is given an empty one; a log that ends before
//! what was durable is a lost disk if its disk was rotten or showed the past, and a violation if it was not.

use std::time::Duration;

use quorate_wal::TailState;

use super::Run;
use super::faults::End;
use crate::history::What;
use crate::plan::{Act, Fault};

/// What is wrong with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rot {
    /// Whoever reads it finds it.
    Shows,
    /// The page cache hides it until the power goes.
    Hidden,
}

/// Why a replica did not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The power went.
    ByDarkness,
    /// Its disk fails, and may not the next time.
    ForNow,
    /// What is on its disk is not what it wrote there.
    ForGood,
    /// Nothing is wrong with its disk.
    Wrongly,
}

/// What was seen of a disk so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Writes that landed elsewhere.
    misdirected: u64,
    /// Reads that showed the past.
    stale: u64,
}

impl Run<'_> {
    pub(super) fn disk_fault(&mut self, fault: &Fault) {
        match fault {
            Fault::CutPowerAfter { node, operations, back } => {
                self.pending.insert(*node, *back);
                self.cluster.cut_power_after(*node, *operations);
            }
            Fault::CrashAt { node, point, nth, moment, back } => {
                self.pending.insert(*node, *back);
                self.cluster.crash_at(*node, *point, *nth, *moment);
            }
            Fault::FailSync { node, syncs, back } => {
                self.pending.insert(*node, *back);
                self.cluster.fail_sync_after(*node, *syncs);
            }
            Fault::FailDirSync { node, syncs, back } => {
                self.pending.insert(*node, *back);
                self.cluster.fail_dir_sync_after(*node, *syncs);
            }
            Fault::FailWrite { node, writes, back } => {
                self.pending.insert(*node, *back);
                self.cluster.fail_write_after(*node, *writes);
            }
            Fault::MisdirectWrite { node, writes } => self.cluster.misdirect_write_after(*node, *writes),
            _ => self.lasting_disk_fault(fault),
        }
    }

    fn lasting_disk_fault(&mut self, fault: &Fault) {
        match fault {
            Fault::ShortWrites { node, one_in, ms } => {
                self.cluster.short_writes(*node, *one_in);
                self.ends.push((self.after(*ms), End::ShortWrites(*node)));
            }
            Fault::Full { node, room_bytes, ms } => {
                self.cluster.set_room(*node, Some(*room_bytes));
                self.ends.push((self.after(*ms), End::Full(*node)));
            }
            Fault::FailReads { node, sector, ms } => {
                self.cluster.fail_reads(*node, *sector);
                self.ends.push((self.after(*ms), End::Reads(fault.name(), *node)));
            }
            Fault::StaleReads { node, sector, sectors, reads, ms } => {
                self.cluster.stale_reads(*node, (*sector, *sectors), *reads);
                self.ends.push((self.after(*ms), End::Reads(fault.name(), *node)));
            }
            Fault::Stall { node, ms } => {
                self.cluster.stall_disk(*node, Duration::from_millis(*ms));
                self.ends.push((self.after(*ms), End::Stall(*node)));
            }
            _ => {}
        }
    }

    /// The disk is not what it was any more; most often the replica dies first.
    pub(super) fn lose_disk(&mut self, fault: &Fault) {
        match fault {
            Fault::SaveDisk { node } => {
                let image = self.cluster.disk_image(*node);
                self.images.insert(*node, image);
            }
            Fault::Wipe { node, back } => {
                self.kill(*node, *back);
                self.wipe(*node);
            }
            Fault::OldDisk { node, back } => {
                let Some(image) = self.images.remove(node) else { return };
                self.kill(*node, *back);
                self.cluster.put_disk_back(*node, &image);
                self.disk_lost(*node, What::OldDisk);
            }
            Fault::Rot { node, bits, back } => {
                self.kill(*node, *back);
                self.rot(*node, *bits);
            }
            Fault::RotAlive { node, bits } => self.rot(*node, *bits),
            _ => {}
        }
    }

    fn rot(&mut self, k: usize, bits: u64) {
        self.cluster.rot_disk(k, bits);
        // The last batch of a hint log may have gone with it: the hole that the log's documents name.
        self.died[k] = None;
        self.rotten.insert(k, Rot::Shows);
    }

    pub(super) fn wipe(&mut self, k: usize) {
        self.cluster.wipe_disk(k);
        self.rotten.remove(&k);
        self.disk_lost(k, What::Wipe);
    }

    fn disk_lost(&mut self, k: usize, how: What) {
        self.tell_of(k, how);
        self.recorder.forget_copies(k);
        self.died[k] = None;
    }

    /// Notes a write that went elsewhere, and what was read wrongly so far: that says nothing of the next start.
    pub(super) fn look_at_disk(&mut self, k: usize) {
        let fired = self.cluster.fired(k);
        if fired.writes_misdirected > self.seen[k].misdirected {
            self.rotten.entry(k).or_insert(Rot::Hidden);
        }
        self.seen[k] = Seen { misdirected: fired.writes_misdirected, stale: fired.reads_stale };
        if self.rotten.contains_key(&k) {
            self.died[k] = None;
        }
    }

    /// The power of node `k` went: what its page cache hid shows now.
    pub(super) fn power_went(&mut self, k: usize) {
        self.look_at_disk(k);
        self.rotten.entry(k).and_modify(|rot| *rot = Rot::Shows);
    }

    /// Whether whoever starts node `k` may find rot, and refuse.
    pub(super) fn shows_rot(&self, k: usize) -> bool {
        self.rotten.get(&k) == Some(&Rot::Shows)
    }

    /// Why node `k`, which has power, did not start. In peace no disk fails any more, and what one that showed the past
    /// made a recovery write stays.
    pub(super) fn refused(&self, k: usize) -> Refused {
        match (self.shows_rot(k), self.peace) {
            (true, _) => Refused::ForGood,
            (false, true) if self.is_untrue(k) => Refused::ForGood,
            (false, false) if self.may_fail_to_start(k) => Refused::ForNow,
            (false, _) => Refused::Wrongly,
        }
    }

    /// Whether the disk of node `k` ever showed something else than what was written to it: its hints can't be counted.
    pub(super) fn is_untrue(&self, k: usize) -> bool {
        let fired = self.cluster.fired(k);
        fired.reads_stale > 0 || fired.writes_misdirected > 0
    }

    /// Node `k` has started: does its log, which had ended so, hold all that was durable?
    pub(super) fn judge_tail(&mut self, k: usize, tail: TailState) {
        let was_stale = self.cluster.fired(k).reads_stale > self.seen[k].stale;
        let was_rotten = self.shows_rot(k);
        if was_rotten {
            self.rotten.remove(&k);
        }
        let is_short = self.cluster.lost_its_tail(k);
        if (was_rotten || was_stale) && (matches!(tail, TailState::Torn { .. }) || is_short) {
            // What is wrong with the very last batch passes for a torn one: the hole that the log's documents name.
            self.count("tail lost with a bad disk");
            self.disk_lost(k, What::OldDisk);
        } else if is_short {
            self.complain(None, format!("the log of n{k} ends before what was durable when it stopped"));
        }
        self.look_at_disk(k);
    }

    /// Writes down what became of the hints of node `k`, which runs, if that can be known.
    pub(super) fn balance_hints(&mut self, k: usize) {
        self.look_at_disk(k);
        if !self.rotten.contains_key(&k) {
            self.recorder.balance_hints(&self.cluster, k);
        }
    }

    /// Whether a failing disk was planned for it at some time.
    pub(super) fn may_fail_to_start(&self, k: usize) -> bool {
        self.plan.steps.iter().any(|step| match &step.act {
            Act::Fault(
                Fault::FailSync { node, .. }
                | Fault::FailWrite { node, .. }
                | Fault::Full { node, .. }
                | Fault::FailReads { node, .. }
                | Fault::StaleReads { node, .. }
                | Fault::FailDirSync { node, .. },
            ) => *node == k,
            _ => false,
        })
    }

    /// In peace, whoever runs on a bad disk is started once more, from what is really on it: as its operator would.
    pub(super) fn restart_the_rotten(&mut self) {
        for k in 1..=self.plan.cluster.nodes {
            self.look_at_disk(k);
            if self.rotten.contains_key(&k) && self.cluster.is_up(k) {
                let back = crate::plan::Return { shards: self.cluster.shards(k), ..Default::default() };
                self.cut_power(k, back);
            }
        }
    }

    /// The faults of disks that came about, by name.
    pub(super) fn count_disk_faults(&mut self) {
        for k in 1..=self.plan.cluster.nodes {
            let fired = self.cluster.fired(k);
            for (name, count) in [
                ("sync failed", fired.syncs_failed),
                ("write failed", fired.writes_failed),
                ("directory sync failed", fired.dir_syncs_failed),
                ("write misdirected", fired.writes_misdirected),
                ("read failed", fired.reads_failed),
                ("read stale", fired.reads_stale),
            ] {
                *self.tally.entry(name).or_default() += count;
            }
        }
    }
}
