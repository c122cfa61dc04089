//! Promises about what is fetched again.

use std::collections::BTreeSet;

use crate::house::House;
use appliance_simulator::{Fault, Options};
use chrono::Utc;
use domain::facts::{Again, AgainMode, Asked, DeadLetter, Letter, Verdict};
use domain::{DestinationId, Kind};
use messages::Fact;
use queue::{Done, Published};

/// A house with one session, whose addresses differ in every answer, and its id.
async fn house() -> (House, String) {
    let house = House::new(Options { sessions: 1, recordings: 1.0, ..Options::default() }).await;
    let lsid = house.lsids().remove(0);
    (house, lsid)
}

fn incomplete(house: &House) -> Fault {
    Fault::Incomplete { lsids: BTreeSet::new(), until: house.site.now() + 600 }
}

fn look(house: &House, lsid: &str, ask: &str) -> Fact {
    Fact::Again(house.again(house.report(lsid), ask, AgainMode::EvenIfDone))
}

fn object(done: &Done) -> String {
    match &done.closing.as_ref().expect("something is published").fact {
        Fact::ArtifactStaged(staged) => staged.claim.object.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_look_publishes_a_change_and_nothing_else() {
    let (house, lsid) = house().await;
    house.site.add_fault(incomplete(&house));
    let first = house.fetched(house.ended(&lsid)).await;
    assert!(first.announce.is_empty(), "half a report names no recordings");
    let unchanged = house.fetched(look(&house, &lsid, "look-1h")).await;
    assert!(unchanged.closing.is_none(), "only the links differ");
    house.site.advance_clock(600);
    let changed = house.fetched(look(&house, &lsid, "look-24h")).await;
    assert!(!changed.announce.is_empty(), "the recording has been announced");
    let staged = house.staged(&house.report(&lsid)).await.expect("it is staged");
    assert_eq!(staged.claim.object, object(&changed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_look_that_died_is_still_one_when_a_person_retries_it() {
    let (house, lsid) = house().await;
    house.site.add_fault(incomplete(&house));
    let first = house.fetched(house.ended(&lsid)).await;
    house.site.advance_clock(600);
    let fact = look(&house, &lsid, "look-24h");
    let letter = Letter {
        stream: "DUE".to_owned(),
        subject: house.log.subjects().of(&fact),
        sequence: 7,
        payload: messages::encode(&fact).expect("it can be written"),
    };
    let letter = Fact::DeadLetter(DeadLetter {
        worker: "fetch".to_owned(),
        destination: None,
        artifact: Some(house.report(&lsid)),
        verdict: Verdict::AttemptsExhausted,
        reason: "a test's".to_owned(),
        attempts: 10,
        settled_at: Utc::now(),
        letter,
    });
    house.log.publish(&letter).await.expect("the server runs");
    let letters = house.log.dead_letters();
    let lying = letters.list().await.expect("the server runs").remove(0);
    assert!(letters.retry(&lying, "ann").await.expect("the server runs"));
    let running = house.run(&[], crate::house::quick(3)).await;
    house.drained().await;
    running.ended().await;
    let staged = house.staged(&house.report(&lsid)).await.expect("it is staged");
    assert_ne!(staged.claim.object, object(&first), "the change was seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_gets_a_new_fact_also_for_what_came_unchanged_and_only_once() {
    let (house, lsid) = house().await;
    let first = house.fetched(house.ended(&lsid)).await;
    let task = house.task(look(&house, &lsid, "by-ann-1")).await;
    let asked = house.work(std::slice::from_ref(&task)).await.remove(0).expect("it can be had");
    house.conclude(&asked).await;
    assert_ne!(object(&asked), object(&first));
    let repeated = house.work(&[task]).await.remove(0).expect("it is done");
    assert!(repeated.closing.is_none(), "a fact names this asking as its cause");
    assert_eq!(house.requests("SupportSession"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_fetched_again_and_what_is_there_is_not_asked_for() {
    let (house, lsid) = house().await;
    let first = house.fetched(house.ended(&lsid)).await;
    let ask = |ask| Fact::Again(house.again(house.report(&lsid), ask, AgainMode::IfMissing));
    let there = house.fetched(ask("gone-1")).await;
    assert!(there.closing.is_none());
    assert_eq!(house.requests("SupportSession"), 1);
    house.staging.remove(&object(&first)).await.expect("a folder of ours");
    let gone = house.fetched(ask("gone-2")).await;
    let staged = house.staged(&house.report(&lsid)).await.expect("it is staged");
    assert_eq!(staged.claim.object, object(&gone));
    assert!(house.staging.holds(&staged.claim).await.expect("a folder of ours"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_fetchers_that_race_the_older_content_never_comes_last() {
    let (house, lsid) = house().await;
    house.fetched(house.ended(&lsid)).await;
    house.site.add_fault(incomplete(&house));
    let slow = house.task(look(&house, &lsid, "look-1h")).await;
    let older = house.work(std::slice::from_ref(&slow)).await.remove(0).expect("it can be had");
    house.site.clear_faults();
    let newer = house.fetched(look(&house, &lsid, "by-ann-2")).await;
    assert_eq!(house.conclude(&older).await, Some(Published::Overtaken));
    let looked_again = house.work(&[slow]).await.remove(0).expect("it can be had");
    assert!(looked_again.closing.is_none(), "what it finds now is what stands there");
    let staged = house.staged(&house.report(&lsid)).await.expect("it is staged");
    assert_eq!(staged.claim.object, object(&newer));
}

#[tokio::test(flavor = "multi_thread")]
async fn destinations_that_an_asking_names_are_asked_to_deliver_once_it_is_staged() {
    let (house, lsid) = house().await;
    house.fetched(house.ended(&lsid)).await;
    let destination = DestinationId::from_random([7; 16]);
    for (ask, mode) in [("a", AgainMode::EvenIfDone), ("b", AgainMode::IfMissing)] {
        let destinations = vec![destination.clone()];
        let again = Again { destinations, ..house.again(house.report(&lsid), ask, mode) };
        let done = house.fetched(Fact::Again(again)).await;
        let Some(Fact::Again(deliver)) = done.afterwards.first() else {
            panic!("{:?}", done.afterwards)
        };
        assert_eq!(deliver.to, Asked::Deliver(destination.clone()));
        assert!(deliver.destinations.is_empty() && deliver.ask == ask);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_and_recordings_that_are_asked_for_again_come_by_one_route() {
    let options = Options { sessions: 20, recordings: 1.0, shells: 0.0, ..Options::default() };
    let house = House::new(Options { show_my_screen: 0.0, ..options }).await;
    let mut asked = Vec::new();
    for lsid in house.lsids() {
        let recording = house.recording(&lsid, Kind::SessionRecording, None);
        for (fact, artifact) in
            [(house.ended(&lsid), house.report(&lsid)), (house.due(recording.clone()), recording)]
        {
            house.log.announce(&fact).await.expect("the server runs");
            asked.push(house.again(artifact, "by-ann", AgainMode::EvenIfDone));
        }
    }
    let asked: Vec<Fact> = asked.into_iter().map(Fact::Again).collect();
    house.log.announce_all(&asked).await.expect("the server runs");
    let running = house.run(&[], crate::house::quick(3)).await;
    house.drained().await;
    running.ended().await;
    assert_eq!(house.dead().await, [""; 0]);
    assert_eq!(house.objects().await, 40);
    assert_eq!(house.requests("SupportSession"), 1, "the reports share a request");
    assert_eq!(house.requests("SupportSessionRecording"), 20);
}
