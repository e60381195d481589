//! Each adapter does what it claims: what it acknowledged is replayed.

use std::sync::{Arc, Mutex};

use quorate_peers::contender::{Contender, Ending, Numbered, Scale, SharedSink, Sink};
use quorate_peers::contenders::everyone;

#[derive(Default)]
struct Numbers {
    numbers: Vec<u64>,
    altered: usize,
}

impl Sink for Numbers {
    fn record(&mut self, _id: u64, payload: &[u8]) {
        let number = Numbered::number(payload).expect("each payload begins with its number");
        self.altered += usize::from(Numbered::new(payload.len()).stamp(number) != payload);
        self.numbers.push(number);
    }
}

fn replayed(contender: &dyn Contender, dir: &std::path::Path, scale: Scale) -> (Vec<u64>, Ending) {
    let numbers = Arc::new(Mutex::new(Numbers::default()));
    let sink: SharedSink = Arc::clone(&numbers) as SharedSink;
    let ending = contender.replay(dir, scale, &sink).expect("what was not damaged opens");
    drop(sink);
    let numbers = std::mem::take(&mut *numbers.lock().expect("no panic while it is held"));
    assert_eq!(numbers.altered, 0, "{}", contender.name());
    (numbers.numbers, ending)
}

#[test]
fn what_eight_writers_were_told_is_durable_is_replayed_once_each_in_each_writers_order() {
    for contender in everyone() {
        let dir = tempfile::tempdir().unwrap();
        let log = contender.open(dir.path(), Scale::Small).unwrap();
        std::thread::scope(|scope| {
            for writer in 0..8_u64 {
                let log = &log;
                scope.spawn(move || {
                    let mut payload = Numbered::new(100);
                    for turn in 0..20 {
                        log.append_durable(payload.stamp(writer << 32 | turn)).unwrap();
                    }
                });
            }
        });
        drop(log);
        let (mut numbers, ending) = replayed(&*contender, dir.path(), Scale::Small);
        for writer in 0..8 {
            let own: Vec<u64> = numbers.iter().copied().filter(|number| number >> 32 == writer).collect();
            assert!(own.is_sorted(), "{}: {own:?}", contender.name());
        }
        numbers.sort_unstable();
        let expected: Vec<u64> = (0..8).flat_map(|w| (0..20).map(move |t| w << 32 | t)).collect();
        assert_eq!(numbers, expected, "{}", contender.name());
        assert!(!ending.torn, "{}: nothing was torn", contender.name());
    }
}

#[test]
fn what_was_buffered_and_synced_once_is_replayed_in_order() {
    let scale = Scale::Keep(1 << 20);
    for contender in everyone().into_iter().filter(|contender| contender.buffers()) {
        let dir = tempfile::tempdir().unwrap();
        let log = contender.open(dir.path(), scale).unwrap();
        log.append_range(0..3000, &mut Numbered::new(128)).unwrap();
        log.append_range(3000..4000, &mut Numbered::new(128)).unwrap();
        log.close().unwrap();
        drop(log);
        let (numbers, _) = replayed(&*contender, dir.path(), scale);
        assert!(numbers.iter().copied().eq(0..4000), "{}: {} records", contender.name(), numbers.len());
    }
}

#[test]
fn what_was_awaited_is_replayed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    for contender in everyone().into_iter().filter(|contender| contender.async_way().is_some()) {
        let dir = tempfile::tempdir().unwrap();
        let log: Arc<dyn quorate_peers::contender::Log> =
            contender.open(dir.path(), Scale::Small).unwrap().into();
        let tasks: Vec<_> = (0..50)
            .map(|number| {
                let log = Arc::clone(&log);
                runtime.spawn(async move { log.append_async(Numbered::new(64).stamp(number)).await })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).unwrap().unwrap();
        }
        drop(log);
        let (mut numbers, _) = replayed(&*contender, dir.path(), Scale::Small);
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(0..50), "{}: {numbers:?}", contender.name());
    }
}

#[test]
fn no_two_adapters_have_the_same_name() {
    let mut names: Vec<_> = everyone().iter().map(|contender| contender.name()).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}
