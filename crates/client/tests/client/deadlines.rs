//! Nobody waits for ever.

use std::time::Duration;

use quorate_client::{ClientError, Options};
use quorate_wire::RequestBody;

use crate::fake::{Act, Fakes};

#[tokio::test(start_paused = true)]
async fn a_read_leaves_time_for_a_second_coordinator_when_the_first_is_silent() {
    let fakes = Fakes::new(2).await;
    let client = fakes.client().await;
    fakes.primary("k").says(|_| Act::Silence);
    let reply = client.get("k", &Options::default().deadline(Duration::from_millis(600))).await.unwrap();
    assert_eq!((reply.coordinator, reply.attempts), (fakes.replica("k", 1).number(), 2));
    let [first] = &fakes.primary("k").requests()[..] else { panic!("one request") };
    assert!(first.time_left_ms <= 300, "{}", first.time_left_ms);
}

#[tokio::test(start_paused = true)]
async fn a_silent_coordinator_of_a_write_is_waited_for_and_the_write_is_not_sent_again() {
    let fakes = Fakes::new(2).await;
    let client = fakes.client().await;
    fakes.nodes.iter().for_each(|node| node.says(|_| Act::Silence));
    let started = tokio::time::Instant::now();
    let error =
        client.put("k", "v", &Options::default().deadline(Duration::from_millis(100))).await.unwrap_err();
    let took = started.elapsed();
    assert!((250..=275).contains(&took.as_millis()), "deadline, grace and at most a tick: {took:?}");
    assert!(matches!(error, ClientError::Unheard { .. }), "{error:?}");
    let [only] = &fakes.primary("k").requests()[..] else { panic!("one request") };
    assert!(matches!(only.body, RequestBody::Put { version: None, .. }));
    assert!((1..=100).contains(&only.time_left_ms));
    assert_eq!(fakes.total_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_leaves_the_connection_in_order() {
    let fakes = Fakes::new(1).await;
    let client = fakes.client().await;
    fakes.nodes[0].says(|_| Act::Silence);
    let options = Options::default();
    let given_up = tokio::time::timeout(Duration::from_millis(50), client.get("a", &options)).await;
    assert!(given_up.is_err());
    fakes.nodes[0].says(|_| Act::Answer(crate::fake::found("w")));
    assert!(client.get("b", &options).await.is_ok());
}
