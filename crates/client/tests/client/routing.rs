//! Who is asked, and in how many frames.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quorate_client::{ClientError, Options, Read};
use quorate_types::{ClusterId, NodeId};

use crate::fake::{Act, Fakes, found, written};

#[tokio::test(start_paused = true)]
async fn a_key_is_asked_for_at_its_first_replica() {
    let fakes = Fakes::new(4).await;
    let client = fakes.client().await;
    for key in ["a", "b", "c", "d", "e", "f"] {
        let reply = client.get(key, &Options::default()).await.unwrap();
        assert_eq!(reply.coordinator, fakes.primary(key).number(), "{key}");
        let Read::Found(record) = reply.value else { panic!("found") };
        assert_eq!(record.value.as_deref(), Some(&b"v"[..]));
    }
}

#[tokio::test(start_paused = true)]
async fn the_coordinator_can_be_chosen_and_an_unknown_one_is_refused_before_anything_is_sent() {
    let fakes = Fakes::new(3).await;
    let client = fakes.client().await;
    for node in &fakes.nodes {
        let options = Options::default().coordinator(node.number());
        assert_eq!(client.put("k", "v", &options).await.unwrap().coordinator, node.number());
    }
    let error = client.get("k", &Options::default().coordinator(NodeId(1))).await.unwrap_err();
    assert!(matches!(error, ClientError::UnknownCoordinator { node: NodeId(1) }));
    assert_eq!(fakes.total_requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_submitted_together_leave_in_one_frame() {
    let fakes = Fakes::new(1).await;
    let client = fakes.client().await;
    let options = Options::default();
    let all = tokio::join!(
        client.put("a", "1", &options),
        client.put("b", "2", &options),
        client.delete("c", &options),
    );
    assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok());
    assert_eq!(fakes.nodes[0].seen.lock().unwrap().frames, [3]);
}

#[tokio::test(start_paused = true)]
async fn no_more_requests_are_under_way_on_a_connection_than_may_be() {
    let fakes = Fakes::new(1).await;
    let mut config = fakes.config();
    config.in_flight_max = 2;
    let client = fakes.connect(config).await.unwrap();
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    fakes.nodes[0]
        .says(move |_| if gate.load(Ordering::Relaxed) { Act::Answer(found("v")) } else { Act::Silence });
    let options = Options::default().deadline(std::time::Duration::from_millis(200)).without_retries();
    let (a, b, c) =
        tokio::join!(client.get("a", &options), client.get("b", &options), client.get("c", &options),);
    assert!(a.is_err() && b.is_err());
    // The third found no room before its deadline: nothing of it was sent.
    assert!(matches!(c, Err(ClientError::NotConnected { .. })), "{c:?}");
    assert_eq!(fakes.total_requests(), 2);
    open.store(true, Ordering::Relaxed);
    assert!(client.get("d", &Options::default()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn another_cluster_is_refused_by_name_and_dead_endpoints_are_skipped() {
    let fakes = Fakes::new(1).await;
    let mut config = fakes.config();
    config.cluster = Some((ClusterId::of_name("other"), "other".into()));
    let error = fakes.connect(config).await.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("belongs to cluster \"fake\""), "{error}");

    let mut config = fakes.config();
    config.endpoints.insert(0, "nowhere:1".into());
    fakes.nodes[0].says(|_| Act::Answer(written()));
    let client = fakes.connect(config).await.unwrap();
    assert!(client.put("k", "v", &Options::default()).await.is_ok());
    client.close().await;
    assert!(client.put("k", "v", &Options::default()).await.is_ok(), "a closed client dials again");
}

#[tokio::test(start_paused = true)]
async fn an_empty_or_too_long_key_is_refused_before_anything_is_sent() {
    let fakes = Fakes::new(1).await;
    let client = fakes.client().await;
    assert!(matches!(client.get("", &Options::default()).await, Err(ClientError::Key(_))));
    let long = vec![b'k'; 32_769];
    assert!(matches!(client.put(long, "v", &Options::default()).await, Err(ClientError::Key(_))));
    assert_eq!(fakes.total_requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_the_cluster_believes_down_is_asked_last() {
    let fakes = Fakes::with_down(3, "n2").await;
    let client = fakes.client().await;
    for k in 0..20 {
        let reply = client.get(format!("key-{k}"), &Options::default()).await.unwrap();
        assert_ne!(reply.coordinator, NodeId::of_name("n2"));
    }
    assert_eq!(fakes.total_requests(), 20);
    // It may be up all the same: who asks for it gets it.
    let options = Options::default().coordinator(NodeId::of_name("n2"));
    assert!(client.get("k", &options).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_requests_of_a_session_are_numbered_one_after_the_other() {
    let fakes = Fakes::new(1).await;
    let client = fakes.client().await;
    for _ in 0..100 {
        client.put("k", "v", &Options::default()).await.unwrap();
    }
    let numbers: Vec<u64> = fakes.nodes[0].requests().iter().map(|request| request.number).collect();
    // The first was the question for the ring.
    assert_eq!(numbers, (2..=101).collect::<Vec<_>>());
}
