//! Power cuts at every kind of moment, on the simulated disk: what was acknowledged is there, what was never sent is
//! not, the clock and the generation never fall.
//!
//! A seed decides everything; a failing one is named in the panic. `STORE_CRASH_SEEDS=n` runs more.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_store::DiskError;
use quorate_store::disk::{CheckpointRun, Opened, PartDone};
use quorate_store::log;
use quorate_types::{Generation, KeyspaceId, Record, Timestamp};
use quorate_wal::testkit::{SimIo, SplitMix};

use crate::support::*;

fn seeds() -> u64 {
    std::env::var("STORE_CRASH_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(60)
}

type Place = (KeyspaceId, Vec<u8>);

/// One node over many lives.
struct World {
    seed: u64,
    sim: SimIo,
    disk: Disk,
    chance: SplitMix,
    /// All writes ever begun.
    sent: BTreeMap<Place, Vec<Record>>,
    /// The merge of all acknowledged ones.
    acked: Contents,
    acked_ceiling: Timestamp,
    generation: Generation,
    time: u64,
    /// Whether memory follows the log before it is synced, as under `sync = "os"`.
    relaxed: bool,
    completed: Completed,
}

/// What happened at all, so that a run that tests nothing is noticed.
#[derive(Default, Debug)]
struct Completed {
    opens: u64,
    checkpoints: u64,
    cuts: u64,
}

impl World {
    fn new(seed: u64) -> World {
        let sim = SimIo::new(seed);
        let mut chance = SplitMix::new(seed ^ 0x5707e);
        World {
            seed,
            disk: Disk::on(Arc::new(sim.clone())),
            sim,
            relaxed: chance.one_in(2),
            chance,
            sent: BTreeMap::new(),
            acked: Contents::new(),
            acked_ceiling: Timestamp(0),
            generation: Generation(0),
            time: 0,
            completed: Completed::default(),
        }
    }

    /// One life: start, check, work until the power goes or the work is done.
    fn live(&mut self) {
        if !self.chance.one_in(4) {
            let operations = if self.chance.one_in(3) { 40 } else { 1500 };
            self.sim.cut_power_after(1 + self.chance.below(operations));
        }
        let shards = 1 + self.chance.below(2) as usize;
        match self.disk.try_open(shards) {
            Ok(mut node) => {
                self.check(&node);
                let steps = self.chance.below(30);
                if let Err(error) = (0..steps).try_for_each(|_| self.step(&mut node)) {
                    assert!(self.sim.is_dark(), "seed {}: {error}", self.seed);
                }
            }
            Err(error) => assert!(self.sim.is_dark(), "seed {}: {error}", self.seed),
        }
        self.completed.cuts += u64::from(self.sim.is_dark());
        if self.sim.is_dark() || self.chance.one_in(2) { self.sim.cut_power() } else { self.sim.kill() }
    }

    fn check(&mut self, node: &Opened) {
        let found = contents(&node.stores);
        for (place, acked) in &self.acked {
            let there = found.get(place).unwrap_or_else(|| panic!("seed {}: {place:?} is lost", self.seed));
            assert_eq!(&there.clone().merged(acked), there, "seed {}: {place:?} is old", self.seed);
        }
        for (place, record) in &found {
            let sent = self.sent.get(place).map_or(&[][..], Vec::as_slice);
            assert!(sent.contains(record), "seed {}: {place:?} was never sent as {record:?}", self.seed);
        }
        assert!(node.clock_start >= self.acked_ceiling, "seed {}", self.seed);
        assert!(node.generation > self.generation, "seed {}", self.seed);
        self.generation = node.generation;
        // What was found is from now on acknowledged: readers saw it.
        self.acked = found;
        self.completed.opens += 1;
    }

    fn step(&mut self, node: &mut Opened) -> Result<(), DiskError> {
        match self.chance.below(8) {
            0 => self.checkpoint(node),
            1 => self.raise_ceiling(node),
            _ => self.write_some(node),
        }
    }

    /// A group commit: several records, one sync, then memory, then the acknowledgement.
    fn write_some(&mut self, node: &mut Opened) -> Result<(), DiskError> {
        let count = 1 + self.chance.below(6);
        let writes: Vec<(Place, Record)> = (0..count).map(|_| self.draw()).collect();
        for ((keyspace, key), record) in &writes {
            stage(node, *keyspace, key, record)?;
            if self.relaxed {
                apply(&mut node.stores, *keyspace, key, record);
            }
        }
        if self.relaxed && self.chance.one_in(2) {
            return Ok(());
        }
        node.wal.sync_to(node.wal.last_lsn())?;
        for ((keyspace, key), record) in writes {
            apply(&mut node.stores, keyspace, &key, &record);
            let acked = self.acked.entry((keyspace, key)).or_insert_with(|| record.clone());
            acked.merge(&record);
        }
        Ok(())
    }

    fn draw(&mut self) -> (Place, Record) {
        self.time += 1;
        let keyspace = if self.chance.one_in(5) { REMOVED } else { KEYSPACE };
        let key = format!("key-{}", self.chance.below(60)).into_bytes();
        let value = "v".repeat(self.chance.below(400) as usize);
        let record = if self.chance.one_in(6) {
            Record::tombstone(version(self.time))
        } else {
            put(self.time, &value)
        };
        let place = (keyspace, key);
        self.sent.entry(place.clone()).or_default().push(record.clone());
        (place, record)
    }

    fn raise_ceiling(&mut self, node: &mut Opened) -> Result<(), DiskError> {
        let ceiling = Timestamp(self.acked_ceiling.0.max(node.clock_start.0) + 1 + self.chance.below(50));
        let mut payload = Vec::new();
        log::encode_ceiling(&mut payload, ceiling);
        node.wal.append(log::KIND_CLOCK_CEILING, &[&payload])?.wait()?;
        self.acked_ceiling = ceiling;
        Ok(())
    }

    /// A fuzzy checkpoint: writes go on between the slices.
    fn checkpoint(&mut self, node: &mut Opened) -> Result<(), DiskError> {
        let shards = node.stores.len();
        let run = node.checkpoints.begin(shards)?;
        let ceiling = self.acked_ceiling.max(node.clock_start);
        let mut done = Vec::new();
        for shard in 0..shards {
            done.push(self.part(node, &run, shard)?);
        }
        if self.chance.one_in(4) {
            return Ok(());
        }
        node.checkpoints.publish(run, done, &node.wal, ceiling)?;
        self.completed.checkpoints += 1;
        Ok(())
    }

    fn part(&mut self, node: &mut Opened, run: &CheckpointRun, shard: usize) -> Result<PartDone, DiskError> {
        let applied = if self.relaxed { node.wal.last_lsn() } else { node.wal.durable_lsn() };
        let mut writer = run.part(shard, applied)?;
        let mut walk = node.stores[shard].begin_walk();
        loop {
            let mut slice = Vec::new();
            let more = walk.next_slice(&node.stores[shard], &mut slice, 2000);
            writer.write(&slice)?;
            if !more {
                return writer.finish();
            }
            if self.chance.one_in(2) {
                self.write_some(node)?;
            }
        }
    }
}

#[test]
fn every_acknowledged_write_survives_power_cuts_around_checkpoints() {
    let mut all = Completed::default();
    for seed in 0..seeds() {
        let mut world = World::new(seed);
        (0..8).for_each(|_| world.live());
        world.sim.cut_power();
        world.check(&world.disk.open(1));
        all.opens += world.completed.opens;
        all.checkpoints += world.completed.checkpoints;
        all.cuts += world.completed.cuts;
    }
    assert!(all.checkpoints > seeds() && all.cuts > seeds() && all.opens > 3 * seeds(), "{all:?}");
}

#[test]
fn a_first_start_cut_off_at_any_step_is_finished_by_the_next() {
    for seed in 0..20 {
        let mut operations = 0;
        loop {
            operations += 1;
            let sim = SimIo::new(seed);
            let disk = Disk::on(Arc::new(sim.clone()));
            sim.cut_power_after(operations);
            let first = disk.try_open(2).map(drop);
            let done = !sim.is_dark();
            assert_eq!(first.is_ok(), done, "seed {seed}, cut at {operations}: {first:?}");
            sim.cut_power();
            let mut node = disk.open(1);
            assert_eq!((contents(&node.stores), node.report.log_records), (Contents::new(), 0));
            write(&mut node, KEYSPACE, b"k", &put(1, "v"));
            drop(node);
            assert_eq!(contents(&disk.open(1).stores).len(), 1);
            if done {
                assert!(operations > 10, "only {operations} operations");
                break;
            }
        }
    }
}

#[test]
fn a_checkpoint_cut_off_at_any_step_loses_nothing() {
    for shards in [1, 2] {
        let base = SimIo::new(9);
        let disk = Disk::on(Arc::new(base.clone()));
        let mut node = disk.open(shards);
        (0..80u8).for_each(|i| write(&mut node, KEYSPACE, &[i], &put(1, &"v".repeat(500))));
        checkpoint(&mut node, Timestamp(0)).unwrap();
        (40..120u8).for_each(|i| write(&mut node, KEYSPACE, &[i], &put(2, &"w".repeat(500))));
        let expected = contents(&node.stores);
        drop(node);
        let mut done = false;
        let mut operations = 0;
        while !done {
            operations += 1;
            for seed in 0..6 {
                let sim = base.fork(seed);
                let disk = Disk::on(Arc::new(sim.clone()));
                let mut node = disk.open(shards);
                sim.cut_power_after(operations);
                done = checkpoint(&mut node, Timestamp(5)).is_ok();
                assert_eq!(done, !sim.is_dark());
                drop(node);
                sim.cut_power();
                let node = disk.open(3 - shards);
                assert_eq!(contents(&node.stores), expected, "cut at {operations}, seed {seed}");
                assert!(!done || node.report.checkpoint == 2);
            }
        }
        assert!(operations > 8, "only {operations} operations");
    }
}

#[test]
fn a_failed_sync_leaves_the_old_checkpoint_or_the_new_and_the_node_can_try_again() {
    // Two parts and the manifest are synced; the log already is.
    for syncs in 1..=3 {
        let sim = SimIo::new(syncs);
        let disk = Disk::on(Arc::new(sim.clone()));
        let mut node = disk.open(2);
        (0..60u8).for_each(|i| write(&mut node, KEYSPACE, &[i], &put(1, "v")));
        checkpoint(&mut node, Timestamp(0)).unwrap();
        (30..90u8).for_each(|i| write(&mut node, KEYSPACE, &[i], &put(2, "w")));
        let expected = contents(&node.stores);
        sim.fail_sync_after(syncs);
        checkpoint(&mut node, Timestamp(0)).unwrap_err();
        checkpoint(&mut node, Timestamp(0)).unwrap();
        drop(node);
        sim.cut_power();
        assert_eq!(contents(&disk.open(1).stores), expected);
    }
}

#[test]
fn replaying_twice_is_replaying_once() {
    let sim = SimIo::new(3);
    let disk = Disk::on(Arc::new(sim.clone()));
    let mut node = disk.open(2);
    for i in 0..100u8 {
        write(&mut node, KEYSPACE, &[i % 20], &put(u64::from(i.reverse_bits()) + 1, &i.to_string()));
    }
    let once = contents(&node.stores);
    drop(node);
    let mut node = disk.open(2);
    assert_eq!(contents(&node.stores), once);
    for i in 0..100u8 {
        apply(&mut node.stores, KEYSPACE, &[i % 20], &put(u64::from(i.reverse_bits()) + 1, &i.to_string()));
    }
    assert_eq!(contents(&node.stores), once);
}
