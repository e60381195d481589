//! What a record costs: fills a store and prints resident bytes per record beyond key and value, and the time of
//! an apply and a read. `cargo run --release -p quorate-store --example memory [RECORDS]`
//!
//! Resident memory is the whole process's, from `/proc/self/statm`, so malloc's rounding and the tables' free
//! slots are in it. Keys are 16 bytes, values 100.
#![allow(clippy::disallowed_methods)] // an example measures with the clock

use std::error::Error;
use std::time::{Duration, Instant};

use quorate_store::{Store, StoreConfig};
use quorate_types::{KeyspaceId, NodeId, Record, Timestamp, Token, Version};

const KEY_BYTES: usize = 16;
const VALUE_BYTES: usize = 100;
const PAGE_BYTES: usize = 4096;
const KEYSPACE: KeyspaceId = KeyspaceId(1);

fn main() -> Result<(), Box<dyn Error>> {
    let records: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |n| n.parse())?;
    let mut store = Store::new(StoreConfig { hash_seed: 7, shard: 0, shards: 1 });
    let insert = timed(records, |i| apply(&mut store, i, 1));
    let resident = resident_bytes()?;
    let overhead = resident as f64 / records as f64 - (KEY_BYTES + VALUE_BYTES) as f64;
    println!("{records} records of {KEY_BYTES} + {VALUE_BYTES} bytes: {resident} bytes resident");
    println!("{overhead:.1} bytes per record over key and value");
    println!("insert    {insert:?}");
    println!("overwrite {:?}", timed(records, |i| apply(&mut store, scattered(i, records), 2)));
    println!("stale     {:?}", timed(records, |i| apply(&mut store, scattered(i, records), 1)));
    println!("read      {:?}", timed(records, |i| read(&store, scattered(i, records))));
    let resident = resident_bytes()?;
    let overhead = resident as f64 / records as f64 - (KEY_BYTES + VALUE_BYTES) as f64;
    println!("{overhead:.1} bytes per record over key and value after overwriting all");
    Ok(())
}

fn timed(records: u64, mut each: impl FnMut(u64)) -> Duration {
    let start = Instant::now();
    (0..records).for_each(&mut each);
    start.elapsed() / u32::try_from(records).unwrap_or(u32::MAX)
}

fn apply(store: &mut Store, i: u64, time: u64) {
    let key = key(i);
    let version = Version::new(Timestamp(time), NodeId(1));
    let record = Record::put(version, &VALUE[..], None);
    let _ = store.apply(KEYSPACE, Token::of(&key, 7), &key, &record);
}

fn read(store: &Store, i: u64) {
    let key = key(i);
    let found = store.read(KEYSPACE, Token::of(&key, 7), &key).ready().flatten();
    assert_eq!(found.and_then(|record| record.value).map(|value| value.len()), Some(VALUE_BYTES));
}

static VALUE: [u8; VALUE_BYTES] = [7; VALUE_BYTES];

fn key(i: u64) -> [u8; KEY_BYTES] {
    let mut key = *b"user00000000....";
    key[8..].copy_from_slice(&i.to_be_bytes());
    key
}

/// A walk over `0..records` that no prefetcher follows.
fn scattered(i: u64, records: u64) -> u64 {
    i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % records
}

fn resident_bytes() -> Result<usize, Box<dyn Error>> {
    let statm = String::from_utf8(std::fs::read("/proc/self/statm")?)?;
    let pages = statm.split_whitespace().nth(1).ok_or("no resident column")?;
    Ok(pages.parse::<usize>()? * PAGE_BYTES)
}
