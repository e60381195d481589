//! What is sent again, and how.

use quorate_client::{Aftermath, ClientError, Options};
use quorate_types::{ReadOutcome, Refusal, WriteOutcome};
use quorate_wire::{ExpiryRequest, RequestBody, ResponseBody};

use crate::fake::{Act, Fakes, stamp};

fn unavailable() -> Act {
    Act::Answer(ResponseBody::Write(WriteOutcome::Unavailable { required: 3, alive: 2 }))
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_not_sent_gets_one_second_opinion() {
    let fakes = Fakes::new(3).await;
    let client = fakes.client().await;
    fakes.primary("k").says(|_| unavailable());
    let reply = client.put("k", "v", &Options::default()).await.unwrap();
    assert_eq!((reply.coordinator, reply.attempts), (fakes.replica("k", 1).number(), 2));

    fakes.nodes.iter().for_each(|node| node.says(|_| unavailable()));
    let before = fakes.total_requests();
    let error = client.put("k", "v", &Options::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unavailable { required: 3, alive: 2, .. }), "{error:?}");
    assert_eq!(error.aftermath(), Aftermath::NothingSent);
    assert_eq!(fakes.total_requests() - before, 2);
}

#[tokio::test(start_paused = true)]
async fn without_retries_the_first_outcome_is_the_answer() {
    let fakes = Fakes::new(3).await;
    let client = fakes.client().await;
    fakes.primary("k").says(|_| unavailable());
    let error = client.put("k", "v", &Options::default().without_retries()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unavailable { .. }));
    assert_eq!(fakes.total_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_indeterminate_write_goes_again_with_its_version_and_its_absolute_expiry() {
    let fakes = Fakes::new(3).await;
    let client = fakes.client().await;
    fakes.primary("k").says(|_| {
        Act::Answer(ResponseBody::Write(WriteOutcome::Indeterminate {
            acked: 1,
            required: 2,
            version: Some(stamp(70)),
            expires_at_ms: Some(9_000),
        }))
    });
    let options = Options::default().ttl(std::time::Duration::from_secs(5));
    let reply = client.put("k", "v", &options).await.unwrap();
    assert_eq!(reply.attempts, 2);
    let [first] = &fakes.primary("k").requests()[..] else { panic!("one request") };
    let [second] = &fakes.replica("k", 1).requests()[..] else { panic!("one request") };
    let stamped = |body: &RequestBody| match body {
        RequestBody::Put { version, expiry, .. } => (*version, *expiry),
        other => panic!("{other:?}"),
    };
    assert_eq!(stamped(&first.body), (None, ExpiryRequest::TtlMs(5_000)));
    assert_eq!(stamped(&second.body), (Some(stamp(70)), ExpiryRequest::AtMs(9_000)));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_stays_indeterminate_ends_with_the_version_to_send_it_again() {
    let fakes = Fakes::new(3).await;
    let client = fakes.client().await;
    let outcome =
        WriteOutcome::Indeterminate { acked: 1, required: 2, version: Some(stamp(70)), expires_at_ms: None };
    for node in &fakes.nodes {
        let outcome = outcome.clone();
        node.says(move |_| Act::Answer(ResponseBody::Write(outcome.clone())));
    }
    let error = client.delete("k", &Options::default()).await.unwrap_err();
    let ClientError::Indeterminate { acked: 1, required: 2, version: Some(version), trail, .. } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!((*version, error.aftermath()), (stamp(70), Aftermath::Unknown));
    assert_eq!(trail.attempts.len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_coordinator_died_unheard_is_never_sent_again() {
    let fakes = Fakes::new(3).await;
    let client = fakes.client().await;
    fakes.nodes.iter().for_each(|node| node.says(|_| Act::HangUp));
    let error = client.put("k", "v", &Options::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unheard { .. }), "{error:?}");
    assert_eq!((error.aftermath(), fakes.total_requests()), (Aftermath::Unknown, 1));

    let error = client.put("k", "v", &Options::default().version(stamp(3))).await.unwrap_err();
    let ClientError::Indeterminate { version: Some(version), .. } = error else { panic!("{error:?}") };
    assert_eq!(version, stamp(3));
    assert!(fakes.total_requests() > 2, "with a version it may be sent again");
}

#[tokio::test(start_paused = true)]
async fn a_read_goes_elsewhere_when_its_coordinator_dies() {
    let fakes = Fakes::new(3).await;
    let client = fakes.client().await;
    fakes.primary("k").says(|_| Act::HangUp);
    let reply = client.get("k", &Options::default()).await.unwrap();
    assert_eq!((reply.coordinator, reply.attempts), (fakes.replica("k", 1).number(), 2));
    // The dead one is avoided for a while.
    assert_eq!(client.get("k", &Options::default()).await.unwrap().attempts, 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_request_is_wrong_about_is_not_tried_twice_and_an_overload_is() {
    let fakes = Fakes::new(2).await;
    let client = fakes.client().await;
    let refuse = |refusal: Refusal| move |_: &_| Act::Answer(ResponseBody::Refused(refusal.clone()));
    fakes.nodes.iter().for_each(|node| node.says(refuse(Refusal::UnknownKeyspace)));
    let error = client.get("k", &Options::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Rejected { reason: Refusal::UnknownKeyspace, .. }), "{error:?}");
    assert_eq!(fakes.total_requests(), 1);

    let full = Refusal::Overloaded { limit: "requests_max".into() };
    fakes.nodes.iter().for_each(|node| node.says(refuse(full.clone())));
    let error = client.put("k", "v", &Options::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Overloaded { .. }), "{error:?}");
    assert_eq!((error.aftermath(), fakes.total_requests()), (Aftermath::NothingSent, 9));
}

#[tokio::test(start_paused = true)]
async fn a_read_with_too_few_answers_says_that_nothing_has_changed() {
    let fakes = Fakes::new(2).await;
    let client = fakes.client().await;
    let outcome = ResponseBody::Read(ReadOutcome::TimedOut { answered: 1, required: 2 });
    for node in &fakes.nodes {
        let outcome = outcome.clone();
        node.says(move |_| Act::Answer(outcome.clone()));
    }
    let error = client.get("k", &Options::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::ReadTimedOut { answered: 1, required: 2, .. }), "{error:?}");
    assert_eq!(error.aftermath(), Aftermath::NothingChanged);
}
