//! All replicas are killed at once, under load, again and again.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use quorate_client::{Client, Options, Read, ScanOptions};
use quorate_types::Level;

use crate::harness::{Cluster, Spec};

const ROUNDS: usize = 20;
const WRITERS: usize = 16;
const ACKED_PER_ROUND: usize = 200;

/// What was sent, and what of it was acknowledged.
#[derive(Default)]
struct Ledger {
    sent: BTreeMap<String, String>,
    acked: BTreeSet<String>,
}

/// Unique keys from 16 writers at once, until enough are acknowledged; what is then under way is cut off.
async fn write_some(client: &Client, round: usize, ledger: &RefCell<Ledger>) {
    let goal = ledger.borrow().acked.len() + ACKED_PER_ROUND;
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        writers.push(Box::pin(async move {
            for i in 0.. {
                let (key, value) =
                    (format!("{round}-{writer}-{i}"), format!("value of {round}-{writer}-{i}"));
                ledger.borrow_mut().sent.insert(key.clone(), value.clone());
                let options = Options::default().level(Level::Quorum);
                if client.put(key.clone(), value, &options).await.is_ok() {
                    ledger.borrow_mut().acked.insert(key);
                }
                if ledger.borrow().acked.len() >= goal {
                    return;
                }
            }
        }));
    }
    // The first that sees the goal reached ends the round; the others are in the middle of a write then.
    std::future::poll_fn(|context| {
        let mut done = false;
        for writer in &mut writers {
            done |= writer.as_mut().poll(context).is_ready();
            if done {
                break;
            }
        }
        if done { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

async fn check_all(client: &Client, ledger: &Ledger) {
    let options = Options::default().level(Level::Quorum);
    for key in &ledger.acked {
        let got = client.get(key.clone(), &options).await.expect("answered").value;
        let Read::Found(record) = got else { panic!("the acknowledged {key} is gone: {got:?}") };
        assert_eq!(record.value.as_deref(), Some(ledger.sent[key].as_bytes()), "{key}");
    }
    let mut scan = client.scan(ScanOptions::default(), &options);
    let mut found = 0;
    while let Some(page) = scan.next().await {
        for (key, record) in page.expect("scanned").entries {
            let key = String::from_utf8(key.to_vec()).expect("text");
            let sent = ledger.sent.get(&key).map(String::as_bytes);
            assert_eq!(record.value.as_deref(), sent, "{key} holds what was never sent");
            found += 1;
        }
    }
    assert!(
        found >= ledger.acked.len(),
        "the scan found {found} of {} acknowledged keys",
        ledger.acked.len()
    );
}

fn rounds(shards: usize, rounds: usize) {
    let mut cluster = Cluster::start(&Spec { shards, ..Spec::default() });
    let ledger = RefCell::new(Ledger::default());
    for round in 0..rounds {
        let client = cluster.client_of(&[1, 2, 3, 4]).expect("the cluster answers");
        cluster.block_on(write_some(&client, round, &ledger));
        cluster.kill_all();
        for k in 1..=4 {
            cluster.spawn(k);
        }
        for k in 1..=4 {
            cluster.await_peers_up(k, 3);
        }
    }
    let client = cluster.client_of(&[1, 2, 3, 4]).expect("the cluster answers");
    cluster.block_on(check_all(&client, &ledger.borrow()));
}

#[test]
fn every_acknowledged_write_survives_twenty_kills_of_all_replicas_and_none_appears_that_was_never_sent() {
    rounds(1, ROUNDS / 2);
    rounds(2, ROUNDS / 2);
}
