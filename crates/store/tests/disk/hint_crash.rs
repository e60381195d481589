//! Power cuts while hints are taken, handed out and delivered: every synced hint that was not delivered is there, in
//! order, and none that was never taken.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_store::hints::{HintLogs, HintOptions};
use quorate_store::{DiskError, Hint, HintNumber};
use quorate_types::NodeId;
use quorate_wal::testkit::{SimIo, SplitMix};

use crate::support::*;

const SEEDS: u64 = 150;
const OPTIONS: HintOptions = HintOptions { segment_bytes: 8 << 10, bytes_per_target_max: 1 << 20 };

struct World {
    seed: u64,
    sim: SimIo,
    disk: Disk,
    chance: SplitMix,
    targets: BTreeMap<NodeId, Target>,
    taken: u64,
    survived: u64,
}

#[derive(Default)]
struct Target {
    /// Every hint ever taken, by number; a number that was lost is taken again.
    taken: BTreeMap<HintNumber, Hint>,
    synced: HintNumber,
    delivered: HintNumber,
}

impl World {
    fn new(seed: u64) -> World {
        let sim = SimIo::new(seed);
        let disk = Disk::on(Arc::new(sim.clone()));
        let targets = [NodeId(1), NodeId(0xffff_ffff)].map(|target| (target, Target::default()));
        let chance = SplitMix::new(!seed);
        World { seed, disk, sim, chance, targets: targets.into(), taken: 0, survived: 0 }
    }

    fn open(&self) -> Result<HintLogs, DiskError> {
        HintLogs::open(self.disk.io.clone(), &self.disk.dir, OPTIONS)
    }

    fn live(&mut self) {
        self.sim.cut_power_after(1 + self.chance.below(300));
        let lived = self.open().and_then(|mut hints| {
            self.check(&mut hints)?;
            (0..self.chance.below(60)).try_for_each(|_| self.step(&mut hints))
        });
        if let Err(error) = lived {
            assert!(self.sim.is_dark(), "seed {}: {error}", self.seed);
        }
        if self.sim.is_dark() || self.chance.one_in(2) { self.sim.cut_power() } else { self.sim.kill() }
    }

    fn check(&mut self, hints: &mut HintLogs) -> Result<(), DiskError> {
        for (&id, target) in &mut self.targets {
            let found = all(hints, id, self.chance.below(2000) as usize)?;
            for (number, hint) in &found {
                assert_eq!(target.taken.get(number), Some(hint), "seed {}: never taken", self.seed);
            }
            let due = (target.delivered.0 + 1)..=target.synced.0;
            for number in due.map(HintNumber).filter(|number| target.taken.contains_key(number)) {
                assert!(found.iter().any(|(n, _)| *n == number), "seed {}: {number:?} is lost", self.seed);
                self.survived += 1;
            }
            let status = hints.status().into_iter().find(|status| status.target == id);
            assert_eq!(status.map_or(0, |status| status.durable), found.len() as u64, "seed {}", self.seed);
            // What was found is durable; what was not never comes, its numbers are used again.
            let last = found.last().map_or(target.synced, |(number, _)| *number).max(target.synced);
            target.taken.retain(|number, _| *number <= last);
            target.synced = last;
        }
        Ok(())
    }

    fn step(&mut self, hints: &mut HintLogs) -> Result<(), DiskError> {
        let id = if self.chance.one_in(2) { NodeId(1) } else { NodeId(0xffff_ffff) };
        let target = self.targets.get_mut(&id).unwrap();
        match self.chance.below(8) {
            0 | 1 => {
                for (id, synced) in hints.sync() {
                    let target = self.targets.get_mut(&id).unwrap();
                    target.synced = target.synced.max(synced?);
                }
            }
            2 => {
                let page = hints.page(id, target.delivered, self.chance.below(3000) as usize)?;
                if let Some((last, _)) = page.last() {
                    target.delivered = *last;
                    hints.delivered(id, *last)?;
                }
            }
            _ => {
                self.taken += 1;
                let hint = Hint {
                    keyspace: KEYSPACE,
                    key: self.taken.to_be_bytes().to_vec().into(),
                    record: put(self.taken, &"v".repeat(self.chance.below(900) as usize)),
                    created_wall_ms: self.taken,
                };
                target.taken.insert(hints.append(id, &hint)?, hint);
            }
        }
        Ok(())
    }
}

fn all(hints: &mut HintLogs, target: NodeId, bytes_max: usize) -> Result<Vec<(HintNumber, Hint)>, DiskError> {
    let mut found: Vec<(HintNumber, Hint)> = Vec::new();
    loop {
        let after = found.last().map_or(HintNumber(0), |(number, _)| *number);
        let page = hints.page(target, after, bytes_max)?;
        if page.is_empty() {
            return Ok(found);
        }
        assert!(page[0].0 > after);
        found.extend(page);
    }
}

#[test]
fn synced_hints_survive_power_cuts_until_they_are_delivered() {
    let mut survived = 0;
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        (0..8).for_each(|_| world.live());
        survived += world.survived;
    }
    assert!(survived > 10 * SEEDS, "only {survived} hints ever survived");
}
