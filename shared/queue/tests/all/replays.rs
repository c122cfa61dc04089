//! Replays: gone through once more, up to where the log stood, beside live delivery, to an end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::*;
use chrono::{DateTime, Utc};
use domain::Kind;
use domain::facts::ArtifactStaged;
use futures::FutureExt;
use messages::Fact;
use queue::*;
use tokio::sync::Semaphore;

/// How often each session was worked on, by the kind of its route.
type Seen = Arc<Mutex<BTreeMap<(bool, String), usize>>>;

/// A worker that notes what it is given; it is let go by these permits.
fn noting(seen: &Seen, permits: &Arc<Semaphore>) -> Scripted {
    let (seen, permits) = (Arc::clone(seen), Arc::clone(permits));
    Scripted::batches(move |tasks, _| {
        let (seen, permits) = (Arc::clone(&seen), Arc::clone(&permits));
        async move {
            let mut outcomes = Vec::new();
            for task in tasks {
                permits.acquire().await.expect("it stays open").forget();
                let Fact::ArtifactStaged(staged) = &task.fact else { panic!("{task:?}") };
                let key = (names::is_replay(&task.origin.route), staged.artifact.to_string());
                *seen.lock().expect("unpoisoned").entry(key).or_default() += 1;
                outcomes.push(Ok(Done::nothing()));
            }
            Ok(outcomes)
        }
        .boxed()
    })
}

fn count(seen: &Seen, replayed: bool) -> usize {
    seen.lock().expect("unpoisoned").keys().filter(|(by_replay, _)| *by_replay == replayed).count()
}

fn day(day: u32) -> DateTime<Utc> {
    format!("2026-11-{day:02}T12:00:00Z").parse().expect("an instant")
}

/// The report of a session that ended on this day.
fn ended_on(number: u32) -> Fact {
    match staged(number as usize, "content") {
        Fact::ArtifactStaged(mut staged) => {
            staged.particulars.ended = Some(day(number));
            Fact::ArtifactStaged(ArtifactStaged { staged_at: day(number), ..staged })
        }
        other => panic!("{other:?}"),
    }
}

/// A runner of the live route, which looks after replays.
fn start(log: &Log, worker: Scripted) -> (Running, tokio::task::AbortHandle) {
    let route = Route::deliver(log, &destination(), &site(), Kind::SessionData);
    // Who is stopped hands back at once what it has in hand.
    let options = RunnerOptions { grace: Duration::from_millis(100), ..quick(4) };
    let runner = Runner::new(log.clone(), worker, vec![route], options);
    let adder = runner.adder();
    let following = log.clone();
    let follows = tokio::spawn(async move {
        following.follow_replays(&destination(), &adder, 5).await;
    });
    let (stop, state) = (tokio_util::sync::CancellationToken::new(), runner.state());
    let running = Running { task: tokio::spawn(runner.run(stop.clone())), stop, state };
    (running, follows.abort_handle())
}

async fn ask(log: &Log, period: Period) -> Replay {
    let of = vec![(site(), Kind::SessionData)];
    log.ask_replay(&destination(), of, period, "a person").await.expect("the log takes it")
}

async fn until_ended(log: &Log, replay: &Replay) {
    until("the replay has ended", async || {
        let found = log.replay(replay).await.expect("the log answers");
        found.is_some_and(|replay| replay.ended_at.is_some())
    })
    .await;
    until("its routes are gone", async || {
        let routes = log.routes().await.expect("the log answers");
        !routes.iter().any(|route| route.name.contains(&replay.id))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_has_brought_something_is_told_from_one_that_has_not() {
    let log = log().await;
    for number in 1..=20 {
        log.publish(&ended_on(number)).await.expect("the log takes it");
    }
    let (seen, permits) = (Seen::default(), Arc::new(Semaphore::new(20)));
    let (_running, _follows) = start(&log, noting(&seen, &permits));
    until("all came live", async || count(&seen, false) == 20).await;
    let replay = [ask(&log, Period::default()).await];
    let is_untouched = async || log.is_any_not_begun(&replay).await.expect("the log answers");
    assert!(is_untouched().await && !log.is_any_not_begun(&[]).await.expect("the log answers"));
    // More than a batch of it.
    permits.add_permits(12);
    until("some of it was brought", async || !is_untouched().await).await;
    assert!(count(&seen, true) >= 1);
    let another = ask(&log, Period::default()).await;
    let both = [replay[0].clone(), another];
    assert!(log.is_any_not_begun(&both).await.expect("the log answers"));
}

#[tokio::test(flavor = "multi_thread")]
async fn replays_go_through_their_period_up_to_where_the_log_stood_and_end() {
    let log = log().await;
    for number in 1..=20 {
        log.publish(&ended_on(number)).await.expect("the log takes it");
    }
    let (seen, permits) = (Seen::default(), Arc::new(Semaphore::new(1_000)));
    let (running, follows) = start(&log, noting(&seen, &permits));
    until("all came live", async || count(&seen, false) == 20).await;
    let period = Period { since: Some(day(5)), until: Some(day(9)) };
    let (some, all) = (ask(&log, period).await, ask(&log, Period::default()).await);
    assert_eq!((all.facts, some.up_to), (20, 20));
    log.publish(&ended_on(21)).await.expect("the log takes it");
    until_ended(&log, &some).await;
    until_ended(&log, &all).await;
    until("what came meanwhile came live", async || count(&seen, false) == 21).await;
    let twice = seen.lock().expect("unpoisoned").clone();
    let replayed: Vec<usize> =
        twice.iter().filter(|((by_replay, _), _)| *by_replay).map(|(_, count)| *count).collect();
    assert_eq!(replayed.len(), 20, "what came after it was asked for is not replayed");
    assert_eq!(replayed.iter().filter(|count| **count == 2).count(), 4, "{twice:?}");
    follows.abort();
    running.stopped().await.expect("a route that ended is no failure");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_leaves_half_of_the_slots_to_live_delivery_and_outlives_its_runner() {
    let log = log().await;
    for number in 1..=20 {
        log.publish(&ended_on(number)).await.expect("the log takes it");
    }
    let (seen, permits) = (Seen::default(), Arc::new(Semaphore::new(20)));
    let (running, follows) = start(&log, noting(&seen, &permits));
    until("all came live", async || count(&seen, false) == 20).await;
    let replay = ask(&log, Period::default()).await;
    // It holds half of the slots and goes no further; what comes live does.
    let route = log.routes().await.expect("the log answers");
    let name = route.into_iter().find(|route| route.name.contains(&replay.id));
    let name = name.expect("its route is there").name;
    let in_hand = async || {
        let routes = log.routes().await.expect("the log answers");
        routes.into_iter().find(|route| route.name == name).map_or(0, |route| route.in_hand)
    };
    until("it has taken what it may", async || in_hand().await >= 10).await;
    log.publish(&ended_on(21)).await.expect("the log takes it");
    let live_went_on = AtomicBool::new(false);
    until("live delivery has a slot", async || {
        permits.add_permits(1);
        live_went_on.store(count(&seen, false) == 21, SeqCst);
        live_went_on.load(SeqCst) || count(&seen, true) == 20
    })
    .await;
    assert!(live_went_on.load(SeqCst), "it waited for the whole replay");

    follows.abort();
    running.stopped().await.expect("it hands back what it has");
    permits.add_permits(1_000);
    let (running, follows) = start(&log, noting(&seen, &permits));
    until_ended(&log, &replay).await;
    assert_eq!(count(&seen, true), 20);
    follows.abort();
    running.stopped().await.expect("it runs well");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replay_brings_is_delivered_even_if_it_is_there() {
    let log = log().await;
    let sequence = log.publish(&staged(1, "content")).await.expect("the log takes it");
    for (route, even_if_done) in [
        (names::deliver(&destination(), &site(), Kind::SessionData), false),
        (names::replay(&destination(), "1", &site(), Kind::SessionData), true),
    ] {
        let origin = Origin {
            stream: "x".to_owned(),
            subject: "x".to_owned(),
            sequence,
            published_at: Utc::now(),
            route,
        };
        let task = Task { fact: staged(1, "content"), origin };
        let delivery = log.delivery(&task).await.expect("the log answers").expect("it is staged");
        assert_eq!(delivery.even_if_done, even_if_done);
    }
}
