//! Dead letters, as people handle them.

use crate::support::*;
use chrono::Utc;
use domain::facts::{DeadLetter, Letter, Verdict};
use messages::Fact;
use nats_server::NatsServer;
use queue::{Log, Lying, Route};

fn letter(number: usize, reason: &str, deliver: bool) -> Fact {
    Fact::DeadLetter(DeadLetter {
        worker: if deliver { "sql-sink" } else { "fetch" }.to_owned(),
        destination: deliver.then(destination),
        artifact: Some(report(number)),
        verdict: Verdict::Rejected,
        reason: reason.to_owned(),
        attempts: 1,
        settled_at: Utc::now(),
        letter: Letter {
            stream: "a stream".to_owned(),
            subject: "a subject".to_owned(),
            sequence: 1,
            payload: vec![1, 2, 3],
        },
    })
}

async fn listed(log: &Log) -> Vec<Lying> {
    log.dead_letters().list().await.expect("the log answers")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_letter_of_an_artifact_wins() {
    let log = log().await;
    assert!(listed(&log).await.is_empty());
    for fact in [letter(1, "a", false), letter(2, "b", false), letter(1, "c", false)] {
        log.publish(&fact).await.expect("the log takes it");
    }
    let reasons: Vec<String> = listed(&log).await.into_iter().map(|l| l.letter.reason).collect();
    assert_eq!(reasons, ["b", "c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_letter_is_asked_for_again_once_and_gone() {
    let log = log().await;
    for (deliver, route) in [
        (false, Route::again_fetch(&log, &site())),
        (true, Route::again_deliver(&log, &destination())),
    ] {
        log.ensure_route(&route).await.expect("a route");
        log.publish(&letter(1, "a", deliver)).await.expect("the log takes it");
        let lying = listed(&log).await.remove(0);
        for _ in 0..2 {
            assert!(log.dead_letters().retry(&lying, "a person").await.expect("it is tried"));
        }
        assert!(listed(&log).await.is_empty());
        let state = log.route_state(&route).await.expect("the log answers").expect("it is there");
        assert_eq!(state.waiting, 1);
    }
}

async fn discarded(log: &Log) -> u64 {
    use futures::TryStreamExt;
    let jetstream = outsider(NatsServer::shared()).await;
    let stream = format!("{}-DEAD", log.subjects().prefix());
    let stream = jetstream.get_stream(stream).await.expect("it is there");
    let filter = format!("{}.discarded.>", log.subjects().prefix());
    let subjects = stream.info_with_subjects(filter).await.expect("an answer");
    subjects.try_collect::<Vec<_>>().await.expect("an answer").len() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discarded_letter_is_gone_but_not_forgotten_until_it_is_retried() {
    let log = log().await;
    log.publish(&letter(1, "a", true)).await.expect("the log takes it");
    let lying = listed(&log).await.remove(0);
    log.dead_letters().discard(&lying, "a person").await.expect("it is given up");
    log.dead_letters().discard(&lying, "a person").await.expect("twice is once");
    assert!(listed(&log).await.is_empty());
    assert_eq!(discarded(&log).await, 1);
    log.publish(&letter(1, "b", true)).await.expect("the log takes it");
    let lying = listed(&log).await.remove(0);
    assert!(log.dead_letters().retry(&lying, "a person").await.expect("it is tried"));
    assert_eq!(discarded(&log).await, 0);
}
