//! Values in a log: what comes back, and what is told apart.

use quorate_wal::testkit::SimIo;
use quorate_wal::typed::{Entry, TypedError, TypedWal, decode};
use quorate_wal::{Durability, Error, Lsn, Record};
use serde::{Deserialize, Serialize};

use crate::{append, open};

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct Moved {
    who: String,
    steps: u32,
}

impl Entry for Moved {
    const KIND: u8 = 9;
    const VERSION: u8 = 3;
}

fn moved(who: &str, steps: u32) -> Moved {
    Moved { who: who.to_owned(), steps }
}

#[test]
fn values_come_back_in_order_after_a_crash_and_other_kinds_are_passed_over() {
    let disk = SimIo::new(1);
    let (wal, _) = open(&disk).unwrap();
    let log = TypedWal::new(wal.clone());
    log.append(&moved("ann", 1)).unwrap().wait().unwrap();
    append(&wal, b"of kind 1");
    log.append_batch(&[moved("bob", 2), moved("cid", 300)]).unwrap().wait().unwrap();
    log.append_with(Durability::Written, &moved("dan", 4)).unwrap().wait().unwrap();
    assert!(matches!(log.append_batch(&[]), Err(TypedError::Wal(Error::EmptyBatch))));
    wal.sync_to(wal.last_lsn()).unwrap();
    drop((wal, log));
    disk.cut_power();
    let (_wal, recovery) = open(&disk).unwrap();
    let mut found = Vec::new();
    TypedWal::<Moved>::replay::<TypedError>(&recovery, Lsn::new(1), |lsn, value| {
        found.push((lsn.get(), value));
        Ok(())
    })
    .unwrap();
    assert_eq!(
        found,
        [(1, moved("ann", 1)), (3, moved("bob", 2)), (4, moved("cid", 300)), (5, moved("dan", 4))]
    );
}

#[test]
fn the_payload_is_a_version_byte_and_postcard() {
    let disk = SimIo::new(2);
    let (wal, _) = open(&disk).unwrap();
    TypedWal::new(wal.clone()).append(&moved("ann", 300)).unwrap().wait().unwrap();
    let mut tail = wal.tail(Lsn::ZERO).unwrap();
    let record = tail.try_next().unwrap().unwrap();
    assert_eq!((record.kind, record.payload), (9, &[3, 3, b'a', b'n', b'n', 0xac, 0x02][..]));
}

#[test]
fn another_kind_another_version_and_bytes_that_do_not_fit_are_told_apart() {
    let of = |kind, payload| decode::<Moved>(&Record { lsn: Lsn::new(4), kind, payload });
    assert_eq!(of(9, &[3, 1, b'x', 7]).unwrap(), moved("x", 7));
    assert!(matches!(of(8, &[3, 1, b'x', 7]), Err(TypedError::Kind { found: 8, expected: 9, .. })));
    assert!(matches!(of(9, &[2, 1, b'x', 7]), Err(TypedError::Version { found: Some(2), newest: 3, .. })));
    assert!(matches!(of(9, &[]), Err(TypedError::Version { found: None, .. })));
    assert!(matches!(of(9, &[3, 1, b'x']), Err(TypedError::Decode { source: Some(_), .. })));
    assert!(matches!(of(9, &[3, 1, b'x', 7, 0]), Err(TypedError::Decode { source: None, .. })));
    let unknown = of(9, &[2]).unwrap_err().to_string();
    assert_eq!(unknown, "record 4 has version 2, this build reads 3");
}
