//! Any bytes in any file: recovery answers, never panics, and asks for no more memory than the files justify.

use proptest::prelude::*;
use quorate_wal::inspect;
use quorate_wal::testkit::SimIo;

use crate::{DIR, append, open, records, segment, shared};

/// Bytes that look like a log here and there: zeros, pieces of a real one, noise.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let real = {
        let disk = SimIo::new(1);
        let (wal, _) = open(&disk).unwrap();
        (0..30_u8).for_each(|n| {
            append(&wal, &[n; 50]);
        });
        disk.contents(segment(1)).unwrap()
    };
    prop_oneof![
        (1..600_usize).prop_map(|n| vec![0; n]),
        (0..4000_usize, 1..2000_usize)
            .prop_map(move |(from, n)| real[from..(from + n).min(real.len())].to_vec()),
        prop::collection::vec(any::<u8>(), 0..300),
        // Lengths that promise more than there is.
        Just([0xff, 0xff, 0xff, 0x7f].repeat(20)),
    ]
}

fn file() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(piece(), 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn recovery_of_any_bytes_answers(files in prop::collection::vec(file(), 1..4)) {
        let disk = SimIo::new(2);
        for (index, bytes) in (1..).zip(&files) {
            disk.set_contents(segment(index), bytes.clone());
        }
        drop(inspect::segments(&disk, DIR.as_ref()));
        drop(inspect::verify(&disk, DIR.as_ref()));
        if let Ok((_wal, recovery)) = open(&disk) {
            drop(records(&recovery));
        }
    }

    /// A real log with one piece overwritten: what is delivered is a prefix of what was appended, unaltered.
    #[test]
    fn what_is_delivered_from_a_damaged_log_was_appended(
        damage in piece(), at in 0..4000_usize, index in 1..4_u64,
    ) {
        let disk = SimIo::new(3);
        let (wal, _) = open(&disk).unwrap();
        for n in 0..100_u8 {
            append(&wal, &[n; 90]);
        }
        drop(wal);
        disk.kill();
        let mut bytes = disk.contents(segment(index)).unwrap();
        let end = (at + damage.len()).min(bytes.len());
        bytes[at..end].copy_from_slice(&damage[..end - at]);
        disk.set_contents(segment(index), bytes);
        let Ok((_wal, recovery)) = open(&disk) else { return Ok(()) };
        let mut replay = recovery.replay(recovery.oldest_lsn()).unwrap();
        let mut expected = 0;
        while let Ok(Some(record)) = replay.next_record() {
            prop_assert_eq!(record.payload, &[expected as u8; 90][..]);
            expected += 1;
            prop_assert_eq!(record.lsn.get(), expected);
        }
    }

    /// Whatever is appended comes back, through any number of segments and batches.
    #[test]
    fn appended_is_replayed(
        all in prop::collection::vec(prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..300)), 1..5), 1..40),
        seed in any::<u64>(),
    ) {
        let disk = SimIo::new(seed);
        let (wal, _) = open(&disk).unwrap();
        let mut expected = Vec::new();
        for batch in &all {
            let parts: Vec<_> = batch.iter().map(|(kind, payload)| (*kind, [&payload[..]])).collect();
            wal.append_batch(parts.iter().map(|(kind, parts)| (*kind, &parts[..]))).unwrap().wait().unwrap();
            for (kind, payload) in batch {
                expected.push((expected.len() as u64 + 1, *kind, payload.clone()));
            }
        }
        drop(wal);
        disk.cut_power();
        let (_wal, recovery) = open(&disk).unwrap();
        prop_assert_eq!(records(&recovery).unwrap(), expected);
        drop(shared(&disk));
    }
}
