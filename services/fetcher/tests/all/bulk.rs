//! Promises about reports that are asked for together.

use std::collections::BTreeSet;

use crate::house::{House, is_not_yet, quick};
use appliance_simulator::{Asked, ErrorPlace, Fault, Options, Speech};
use domain::facts::End;
use domain::{Family, Kind, Lsid};
use futures::TryStreamExt;
use messages::Fact;
use queue::{Failure, Outcome, Task, Worker as _};

async fn house(sessions: u64) -> House {
    let options = Options { sessions, events_mean: 8, stable_urls: true, ..Options::default() };
    House::new(options).await
}

async fn tasks(house: &House) -> Vec<Task> {
    let mut tasks = Vec::new();
    for lsid in house.lsids() {
        tasks.push(house.task(house.ended(&lsid)).await);
    }
    tasks
}

fn only(lsid: &str) -> BTreeSet<String> {
    BTreeSet::from([lsid.to_owned()])
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_wait_together_are_asked_for_together_and_staged_each_by_itself() {
    let house = house(250).await;
    let facts: Vec<Fact> = house.lsids().iter().map(|lsid| house.ended(lsid)).collect();
    house.log.announce_all(&facts).await.expect("the server runs");
    let running = house.run(&[Kind::SessionData], quick(3)).await;
    house.drained().await;
    running.ended().await;
    assert_eq!(house.staged_reports().await.len(), 250);
    assert_eq!(house.objects().await, 250);
    assert_eq!(house.requests("SupportSession"), 5);
    let named: usize = house.site.sessions().iter().map(|one| one.recordings.len()).sum();
    let recordings = house.log.streams().await.expect("the server runs")[0].messages - 250;
    assert_eq!(recordings, named as u64, "each recording is announced once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_the_same_file_whether_it_came_alone_or_among_many() {
    let house = house(30).await;
    for (done, lsid) in house.work(&tasks(&house).await).await.iter().zip(house.lsids()) {
        house.conclude(done.as_ref().expect("it came")).await;
        let id: Lsid = lsid.parse().expect("an LSID");
        let alone = house.client().reports(Family::Session, &[id]).await.expect("it is there");
        let alone: Vec<u8> =
            alone.into_stream().map_ok(Vec::from).try_concat().await.expect("it is whole");
        let alone = session_report::Documents::new(alone.as_slice()).next();
        let alone = alone.expect("it holds a session").expect("it can be read");
        let staged = house.staged(&house.report(&lsid)).await.expect("it was staged");
        assert_eq!(house.content(&staged.claim).await, alone.xml);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_sessions_cost_their_neighbours_nothing_but_a_few_requests() {
    let house = house(100).await;
    let lsids = house.lsids();
    house.site.add_fault(Fault::NotXml { lsids: only(&lsids[3]) });
    house.site.add_fault(Fault::Error { lsids: only(&lsids[50]), place: ErrorPlace::Root });
    house.site.add_fault(Fault::CutReport { lsids: only(&lsids[97]) });
    let outcomes = house.work(&tasks(&house).await).await;
    let bad: Vec<usize> = (0..100).filter(|place| outcomes[*place].is_err()).collect();
    assert_eq!(bad, [3, 50, 97]);
    assert!(matches!(&outcomes[3], Err(Failure::Reject(_))), "it is no XML");
    assert!(matches!(&outcomes[50], Err(Failure::Retry(_))), "an error may pass");
    assert!(matches!(&outcomes[97], Err(Failure::Retry(_))), "a cut may pass");
    let requests = house.requests("SupportSession");
    assert!((4..=42).contains(&requests), "{requests} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_a_whole_answer_lacks_is_asked_for_alone_and_waited_for() {
    let house = house(40).await;
    let late = house.lsids().remove(7);
    let until = house.site.now() + 600;
    house.site.add_fault(Fault::Late { lsids: only(&late), until });
    let tasks = tasks(&house).await;
    let outcomes = house.work(&tasks).await;
    assert!(is_not_yet(&outcomes[7]), "{:?}", outcomes[7]);
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 39);
    assert_eq!(house.requests("SupportSession"), 2);
    house.site.advance_clock(600);
    assert!(house.work(&tasks[7..8]).await[0].is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_was_purged_before_it_was_fetched_is_unavailable() {
    let house = house(1).await;
    let mut task = house.task(house.ended("00000000000000000000000000000000")).await;
    assert!(is_not_yet(&house.work(std::slice::from_ref(&task)).await[0]), "it may come yet");
    task.origin.published_at -= chrono::TimeDelta::days(3);
    let done = house.work(&[task]).await.remove(0).expect("that is nobody's failure");
    let closing = done.closing.expect("somebody has to be told").fact;
    assert!(matches!(closing, Fact::ArtifactUnavailable(_)), "{closing:?}");
}

fn all_down(outcomes: &[Outcome]) -> bool {
    outcomes.iter().all(|outcome| matches!(outcome, Err(Failure::Down(_))))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_gives_no_reports_is_down_whatever_it_says_and_no_session_is_blamed() {
    let house = house(60).await;
    let tasks = tasks(&house).await;
    for speech in [Speech::Words, Speech::ManyWords, Speech::Xml, Speech::OtherXml, Speech::Json] {
        for of in [Asked::Report, Asked::Listing] {
            house.site.add_fault(Fault::Instead { of, speech });
        }
        let before = house.requests("SupportSession");
        let outcomes = house.work(&tasks).await;
        assert!(all_down(&outcomes), "{speech:?}: {:?}", outcomes[0]);
        let requests = house.requests("SupportSession") - before;
        assert!(requests <= 9, "{speech:?}: {requests} requests");
        assert!(all_down(&house.work(&tasks[..1]).await), "{speech:?}: one that waits alone");
        assert!(house.fetcher().probe().await.is_err(), "{speech:?}: its command API is well");
        house.site.clear_faults();
    }
    house.fetcher().probe().await.expect("it is well again");
    assert!(house.work(&tasks).await.iter().all(Outcome::is_ok));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_fails_is_not_asked_for_each_session() {
    let house = house(100).await;
    let tasks = tasks(&house).await;
    house.site.add_fault(Fault::FailNext { requests: 10_000, status: 503 });
    assert!(all_down(&house.work(&tasks).await));
    let failed = house.site.counters().answers[&503];
    assert!(failed <= 9, "{failed} requests");
    house.site.add_fault(Fault::Down { seconds: None });
    assert!(all_down(&house.work(&tasks).await));
    assert_eq!(house.objects().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_fetched_already_is_asked_for_no_more_and_its_recordings_are_announced_again() {
    let options = Options { sessions: 5, recordings: 1.0, ..Options::default() };
    let house = House::new(options).await;
    let tasks = tasks(&house).await;
    let first = house.work(&tasks).await;
    // A process that died before it published the third one, and before it laid the fact of the second.
    for (place, done) in first.into_iter().enumerate().filter(|(place, _)| *place != 2) {
        let done = done.expect("it came");
        match place {
            1 => {
                let closing = done.closing.as_ref().expect("it is new");
                house.log.publish_after(&closing.fact, 0).await.expect("the server runs");
            }
            _ => drop(house.conclude(&done).await),
        }
    }
    let again = house.work(&tasks).await;
    assert_eq!(house.requests("SupportSession"), 2, "one for all, one for the third");
    for (place, done) in again.iter().enumerate() {
        let done = done.as_ref().expect("it came");
        assert_eq!(done.closing.is_some(), place == 2);
        assert!(!done.announce.is_empty(), "each has a recording");
        house.conclude(done).await;
    }
    assert_eq!(house.staged_reports().await.len(), 5, "all facts are laid");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_session_is_staged_without_an_end_and_an_ended_one_is_not() {
    let house = House::new(Options { sessions: 0, open: 1, ..Options::default() }).await;
    let lsid = house.lsids().remove(0);
    let ended = house.work_one(house.ended(&lsid)).await;
    assert!(is_not_yet(&ended), "{ended:?}");
    house.fetched(house.over(Family::Session, &lsid, End::Abandoned)).await;
    let staged = house.staged(&house.report(&lsid)).await.expect("it was staged");
    assert_eq!(staged.particulars.ended, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_never_gets_the_end_that_is_listed_is_staged_as_it_stands() {
    let house = House::new(Options { sessions: 0, open: 1, ..Options::default() }).await;
    let lsid = house.lsids().remove(0);
    let mut task = house.task(house.ended(&lsid)).await;
    task.origin.published_at -= chrono::TimeDelta::hours(23);
    assert!(is_not_yet(&house.work(std::slice::from_ref(&task)).await[0]), "it may come yet");
    task.origin.published_at -= chrono::TimeDelta::hours(2);
    let done = house.work(&[task]).await.remove(0).expect("it is delivered as it stands");
    house.conclude(&done).await;
    assert!(house.staged(&house.report(&lsid)).await.is_some());
}
