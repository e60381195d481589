//! The workers: each does one operation after the other.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use quorate_client::{Client, ClientError, Options, Read};
use quorate_types::Level;

use crate::bench::draw::{Chance, Keys, Zipfian};
use crate::bench::events::Events;
use crate::bench::mixed::{Drawn, How, Mixed};
use crate::bench::pace::Pace;
use crate::bench::record::Recorder;
use crate::bench::tally::{Op, Tally};
use crate::cli::{Bench, Preset};

/// Values are slices of one random buffer, this much longer than a value.
const VALUE_OFFSETS: u64 = 4096;

/// One client and how many workers share it.
pub struct Lane {
    pub client: Client,
    pub read: Options,
    pub write: Options,
    pub workers: usize,
}

/// What is the same for all workers.
pub struct Plan {
    keys: Keys,
    value_bytes: usize,
    values: Bytes,
    seed: u64,
    mixed: Mixed,
    /// Levels that were asked for: (of reads, of writes). The mix draws the others.
    given: (Option<Level>, Option<Level>),
    recorder: Option<Arc<Recorder>>,
    events: Option<Events>,
    /// The keys that were written, if a recorder writes down what becomes of them.
    written: Mutex<BTreeSet<u64>>,
}

impl Plan {
    /// The plan that `args` ask for.
    pub fn new(args: &Bench, recorder: Option<Arc<Recorder>>, events: Option<Events>) -> Plan {
        let uniform = matches!(args.preset, Preset::Write | Preset::Read);
        let keys = if uniform { Keys::Uniform(args.keys) } else { Keys::Zipfian(Zipfian::new(args.keys)) };
        let value_bytes = args.value_size as usize;
        let mut values = vec![0; value_bytes + VALUE_OFFSETS as usize];
        Chance::new(args.seed, u64::MAX).fill(&mut values);
        Plan {
            keys,
            value_bytes,
            values: values.into(),
            seed: args.seed,
            mixed: Mixed::new(args.keys),
            given: (args.manner.read_level(), args.manner.write_level()),
            recorder,
            events,
            written: Mutex::new(BTreeSet::new()),
        }
    }

    /// What is recorded of it, if anything.
    pub fn recorder(&self) -> Option<&Recorder> {
        self.recorder.as_deref()
    }

    /// What is told of the nodes, if anything.
    pub fn events(&self) -> Option<&Events> {
        self.events.as_ref()
    }

    /// The keys that were written so far, in order.
    pub fn written(&self) -> Vec<u64> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    fn note_written(&self, key: u64) {
        if self.recorder.is_some() {
            self.written.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        }
    }

    fn draw_mixed(&self, chance: &mut Chance) -> Drawn {
        let mut drawn = self.mixed.draw(chance);
        let given = if drawn.op == Op::Get { self.given.0 } else { self.given.1 };
        drawn.how.level = given.or(drawn.how.level);
        drawn
    }

    fn key(&self, number: u64) -> Bytes {
        self.recorder.as_ref().map_or_else(|| key(number), |recorder| recorder.key(number))
    }

    fn value(&self, chance: &mut Chance) -> Bytes {
        let at = chance.below(VALUE_OFFSETS) as usize;
        self.values.slice(at..at + self.value_bytes)
    }
}

/// The key of this number: 16 bytes.
pub fn key(number: u64) -> Bytes {
    let mut key = *b"bench-0000000000";
    let mut rest = number;
    for digit in key[6..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    Bytes::copy_from_slice(&key)
}

/// What the workers do.
pub enum Work {
    /// Put each key once.
    Load { keys: u64 },
    /// Draw operations until the time is over.
    Preset { preset: Preset, pace: Option<Pace> },
    /// Read each of these keys once, at ALL.
    ReadBack { keys: Vec<u64> },
}

/// What the workers write down.
pub struct Shared {
    tally: Mutex<Tally>,
    stopped: AtomicBool,
}

impl Shared {
    pub fn new() -> Shared {
        Shared { tally: Mutex::new(Tally::new()), stopped: AtomicBool::new(false) }
    }

    pub fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn take(&self) -> Tally {
        std::mem::replace(&mut self.tally(), Tally::new())
    }

    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// One worker.
pub struct Worker {
    client: Client,
    read: Options,
    write: Options,
    plan: Arc<Plan>,
    shared: Arc<Shared>,
    chance: Chance,
    /// Its number and how many there are.
    place: (u64, u64),
}

impl Worker {
    pub fn new(lane: &Lane, plan: &Arc<Plan>, shared: &Arc<Shared>, (number, all): (usize, usize)) -> Worker {
        Worker {
            client: lane.client.clone(),
            read: lane.read.clone(),
            write: lane.write.clone(),
            plan: Arc::clone(plan),
            shared: Arc::clone(shared),
            chance: Chance::new(plan.seed, number as u64),
            place: (number as u64, all as u64),
        }
    }

    pub async fn run(mut self, work: Arc<Work>) {
        match &*work {
            Work::Load { keys } => self.load(*keys).await,
            Work::Preset { preset, pace } => self.operate(*preset, pace.as_ref()).await,
            Work::ReadBack { keys } => self.read_back(keys).await,
        }
    }

    /// Every so-manieth key is this worker's.
    async fn load(&mut self, keys: u64) {
        let (mut number, step) = self.place;
        while number < keys && !self.shared.is_stopped() {
            let started = Instant::now();
            self.plan.note_written(number);
            let outcome = self.put(self.plan.key(number), How::default()).await;
            self.note(Op::Put, started, outcome);
            number += step;
        }
    }

    /// Every so-manieth of `keys` is this worker's.
    async fn read_back(&mut self, keys: &[u64]) {
        let (number, step) = self.place;
        let at_all = How { level: Some(Level::All), ttl: None };
        for key in keys.iter().skip(number as usize).step_by(step as usize) {
            if self.shared.is_stopped() {
                return;
            }
            let started = Instant::now();
            let outcome = self.get(self.plan.key(*key), at_all).await;
            self.note(Op::Get, started, outcome);
        }
    }

    async fn operate(&mut self, preset: Preset, pace: Option<&Pace>) {
        while !self.shared.is_stopped() {
            let due = match pace {
                None => Instant::now(),
                Some(pace) => match pace.next_due().await {
                    Some(due) => due,
                    None => return,
                },
            };
            let drawn = self.draw(preset);
            let outcome = self.perform(drawn).await;
            self.note(drawn.op, due, outcome);
        }
    }

    fn draw(&mut self, preset: Preset) -> Drawn {
        if preset == Preset::Mixed {
            return self.plan.draw_mixed(&mut self.chance);
        }
        let op = self.op(preset);
        Drawn { op, key: self.plan.keys.draw(&mut self.chance), how: How::default() }
    }

    fn op(&mut self, preset: Preset) -> Op {
        let percent = self.chance.below(100);
        match preset {
            Preset::Write => Op::Put,
            Preset::Read | Preset::C => Op::Get,
            // The mix draws operations with their keys.
            Preset::A | Preset::Mixed => {
                if percent < 50 {
                    Op::Get
                } else {
                    Op::Put
                }
            }
            Preset::B => {
                if percent < 95 {
                    Op::Get
                } else {
                    Op::Put
                }
            }
            Preset::F => {
                if percent < 50 {
                    Op::Get
                } else {
                    Op::Modify
                }
            }
        }
    }

    async fn perform(&mut self, Drawn { op, key, how }: Drawn) -> Result<&'static str, ClientError> {
        if op != Op::Get {
            self.plan.note_written(key);
        }
        let key = self.plan.key(key);
        match op {
            Op::Get => self.get(key, how).await,
            Op::Put => self.put(key, how).await,
            Op::Delete => self.delete(key, how).await,
            Op::Modify => {
                self.get(key.clone(), how).await?;
                self.put(key, how).await.map(|_| "modified")
            }
        }
    }

    async fn get(&self, key: Bytes, how: How) -> Result<&'static str, ClientError> {
        let recorded = self.plan.recorder().map(|recorder| (recorder, recorder.get(self.place.0, &key, how)));
        let reply = self.client.get(key, &asked(&self.read, how)).await;
        if let Some((recorder, id)) = recorded {
            recorder.got(id, &reply);
        }
        Ok(match reply?.value {
            Read::Found(_) => "found",
            Read::Deleted { .. } => "deleted",
            Read::NotFound { .. } => "not_found",
        })
    }

    async fn put(&mut self, key: Bytes, how: How) -> Result<&'static str, ClientError> {
        let value = self.plan.value(&mut self.chance);
        let options = asked(&self.write, how);
        let Some(recorder) = self.plan.recorder() else {
            return self.client.put(key, value, &options).await.map(|_| "written");
        };
        let (id, value) = recorder.put(self.place.0, &key, &value, how);
        let reply = self.client.put(key, value, &options).await;
        recorder.write_done(id, &reply);
        reply.map(|_| "written")
    }

    async fn delete(&self, key: Bytes, how: How) -> Result<&'static str, ClientError> {
        let recorded =
            self.plan.recorder().map(|recorder| (recorder, recorder.delete(self.place.0, &key, how)));
        let reply = self.client.delete(key, &asked(&self.write, how)).await;
        if let Some((recorder, id)) = recorded {
            recorder.write_done(id, &reply);
        }
        reply.map(|_| "removed")
    }

    fn note(&self, op: Op, since: Instant, outcome: Result<&'static str, ClientError>) {
        let latency = since.elapsed();
        let mut tally = self.shared.tally();
        match outcome {
            Ok(outcome) => tally.done(op, latency, outcome),
            Err(error) => tally.failed_with(&error),
        }
    }
}

/// The options of one request.
fn asked(options: &Options, how: How) -> Options {
    let options = options.clone();
    let options = how.level.into_iter().fold(options, Options::level);
    how.ttl.into_iter().fold(options, Options::ttl)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_16_bytes_and_are_distinct() {
        assert_eq!(&key(42)[..], b"bench-0000000042");
        assert_eq!(&key(9_999_999_999)[..], b"bench-9999999999");
    }
}
