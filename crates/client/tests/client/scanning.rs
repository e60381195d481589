//! The walk over all records.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use quorate_client::{Client, Cursor, Options, ScanOptions};
use quorate_types::{PARTITIONS, PageStart, PartitionId, Record, Token};
use quorate_wire::{PageOutcome, Request, RequestBody, ResponseBody};

use crate::fake::{Act, Fakes, stamp};

type Keys = BTreeMap<PartitionId, Vec<Bytes>>;

fn keys() -> Keys {
    let mut keys = Keys::new();
    for k in 0..2_000 {
        let key = Bytes::from(format!("key-{k}"));
        keys.entry(Token::of(&key, 5).partition()).or_default().push(key);
    }
    for keys in keys.values_mut() {
        keys.sort_by_key(|key| (Token::of(key, 5), key.clone()));
    }
    keys
}

fn page(keys: &Keys, request: &Request) -> Act {
    let RequestBody::Page { partition, start, limit, .. } = &request.body else { panic!("{request:?}") };
    let all = keys.get(partition).map_or(&[][..], Vec::as_slice);
    let from = match start {
        PageStart::After(after) => all.iter().position(|key| key == after).unwrap() + 1,
        _ => 0,
    };
    let rest = &all[from..];
    let taken = &rest[..rest.len().min(*limit as usize)];
    let next = (taken.len() < rest.len()).then(|| taken[taken.len() - 1].clone());
    let entries = taken.iter().map(|key| (key.clone(), Record::put(stamp(1), key.clone(), None))).collect();
    Act::Answer(ResponseBody::Page(PageOutcome::Page { entries, next }))
}

async fn walked(client: &Client, options: ScanOptions, pages: usize) -> (Vec<Bytes>, Option<Cursor>) {
    let mut scan = client.scan(options, &Options::default());
    let mut walked = Vec::new();
    for _ in 0..pages {
        let Some(page) = scan.next().await else { break };
        walked.extend(page.unwrap().entries.into_iter().map(|(key, _)| key));
    }
    (walked, scan.cursor())
}

#[tokio::test(start_paused = true)]
async fn a_scan_gives_every_key_once_in_the_order_of_the_ring_and_goes_on_from_its_cursor() {
    let fakes = Fakes::new(3).await;
    let keys = Arc::new(keys());
    for node in &fakes.nodes {
        let keys = Arc::clone(&keys);
        node.says(move |request| page(&keys, request));
    }
    let client = fakes.client().await;
    let expected: Vec<Bytes> = keys.values().flatten().cloned().collect();
    let options = || ScanOptions { page_limit: 1, ..ScanOptions::default() };
    let (all, end) = walked(&client, options(), usize::MAX).await;
    assert_eq!((all.len(), end), (2_000, None));
    assert_eq!(all, expected);

    let (first, cursor) = walked(&client, options(), 1_111).await;
    assert!(cursor.is_some());
    let (rest, _) = walked(&client, ScanOptions { from: cursor, ..options() }, usize::MAX).await;
    assert_eq!([first, rest].concat(), expected);
}

#[tokio::test(start_paused = true)]
async fn after_an_error_the_same_page_is_asked_for_again() {
    let fakes = Fakes::new(1).await;
    let failures = Arc::new(Mutex::new(1));
    let keys = keys();
    fakes.nodes[0].says(move |request| {
        let mut failures = failures.lock().unwrap();
        if matches!(request.body, RequestBody::Page { partition: PartitionId(3), .. }) && *failures > 0 {
            *failures -= 1;
            return Act::Answer(ResponseBody::Page(PageOutcome::Unavailable { required: 2, alive: 1 }));
        }
        page(&keys, request)
    });
    let client = fakes.client().await;
    let mut scan = client.scan(ScanOptions::default(), &Options::default().without_retries());
    let (mut found, mut errors) = (0, 0);
    while let Some(page) = scan.next().await {
        match page {
            Ok(page) => found += page.entries.len(),
            Err(_) => errors += 1,
        }
    }
    assert_eq!((found, errors), (2_000, 1));
    assert!(fakes.total_requests() >= PARTITIONS);
}
