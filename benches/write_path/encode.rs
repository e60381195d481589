//! Frames: what a replica sends its peers, and what a client sends.

use std::hint::black_box;

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use quorate_types::Generation;
use quorate_wire::{Encode, FrameWriter, LinkEpoch, Message, PeerMessage, Request, WriteBatch, decode};

use super::samples::{MEASURED_FOR, keys, put, replica_write, value};

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wire");
    group.measurement_time(MEASURED_FOR).warm_up_time(MEASURED_FOR / 4).sample_size(20);
    for writes in [1, 16, 512] {
        let batch = [PeerMessage::Writes(batch(writes))];
        both_ways(&mut group, &format!("batch/writes={writes}/value=100"), writes, &batch);
    }
    for requests in [1, 16] {
        let puts: Vec<Request> = keys()
            .into_iter()
            .take(requests)
            .enumerate()
            .map(|(at, key)| put(at as u64, key, value()))
            .collect();
        both_ways(&mut group, &format!("request/requests={requests}/value=100"), requests, &puts);
    }
    group.finish();
}

fn batch(writes: usize) -> WriteBatch {
    let writes = keys().into_iter().take(writes).zip(1..).map(|(key, at)| replica_write(at, key)).collect();
    let epoch = LinkEpoch { generation: Generation(1), connection: 1 };
    WriteBatch { epoch, batch: 1, ring_hash: 7, writes }
}

/// Encodes `messages` into one frame, and decodes it.
fn both_ways<M>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, elements: usize, messages: &[M])
where
    M: Encode + Clone + PartialEq + std::fmt::Debug + TryFrom<Message, Error: std::fmt::Debug>,
{
    group.throughput(Throughput::Elements(elements as u64));
    let mut writer = FrameWriter::default();
    let mut encoded = || {
        for message in messages {
            writer.push(message).expect("it fits");
        }
        writer.finish()
    };
    let frame = encoded();
    group.bench_function(format!("encode/{name}"), |b| b.iter(|| assert_eq!(encoded().len(), frame.len())));
    group.bench_function(format!("decode/{name}"), |b| {
        b.iter(|| assert_eq!(black_box(decode(frame.clone())).flatten().count(), messages.len()));
    });
    let back: Vec<M> = decode(frame)
        .map(|message| M::try_from(message.expect("it is intact")).expect("it is of its kind"))
        .collect();
    assert_eq!(back, messages, "what was encoded is what is decoded");
}
