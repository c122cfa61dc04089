//! Routes that are open only while a run lasts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::*;
use domain::{Kind, Slot};
use queue::*;
use settings::Opening;

fn slot() -> Slot {
    Slot::at(chrono::DateTime::UNIX_EPOCH)
}

/// Options with which this route is open during the runs of the schedule `night`.
fn at_night(log: &Log, route: &Route) -> RunnerOptions {
    let opening = Opening::During(["night".to_owned()].into());
    let gate = log.follow_open_runs().gate(&opening, &site()).expect("it is not always open");
    RunnerOptions { gates: HashMap::from([(route.name.clone(), gate)]), ..quick(4) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_route_is_left_alone_while_others_go_on_and_opens_with_its_run() {
    let log = log().await;
    announce_ends(&log, 5).await;
    let (gated, open) = (route(&log), Route::again_fetch(&log, &site()));
    let worked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&worked);
    let worker = Scripted::singly(move |number| {
        seen.lock().expect("unpoisoned").push(number);
        async { Ok(Done::nothing()) }
    });
    let routes = vec![gated.clone(), open.clone()];
    let running = run(&log, worker, routes, at_night(&log, &gated));
    for number in 100..105 {
        log.announce(&again(number, "test")).await.expect("the log answers");
    }
    let numbers = || {
        let mut numbers = worked.lock().expect("unpoisoned").clone();
        numbers.sort_unstable();
        numbers
    };
    until("the open route is worked off", async || numbers().len() == 5).await;
    assert_eq!(numbers(), [100, 101, 102, 103, 104]);
    let runs = log.runs_held_open().await.expect("the log answers");
    runs.open("night", &site(), slot()).await.expect("the log answers");
    until_settled(&log, &gated).await;
    assert_eq!(numbers().len(), 10);
    running.stopped().await.expect("it stops well");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_a_route_was_closed_is_handed_back_and_taken_when_it_opens() {
    let log = log().await;
    let gated = route(&log);
    let runs = log.runs_held_open().await.expect("the log answers");
    runs.open("night", &site(), slot()).await.expect("the log answers");
    let done = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&done);
    let worker = Scripted::singly(move |_| {
        count.fetch_add(1, SeqCst);
        async { Ok(Done::nothing()) }
    });
    let running = run(&log, worker, vec![gated.clone()], at_night(&log, &gated));
    announce_ends(&log, 2).await;
    until_settled(&log, &gated).await;

    let read = runs.of("night", &site()).await.expect("the log answers").expect("it is open");
    assert!(matches!(runs.close("night", &site(), &read).await, Ok(Stored::At(_))));
    let mut follower = log.follow_open_runs();
    until("it is known to be closed", async || !is_open(&mut follower)).await;
    log.announce_all(&[ended(2), ended(3)]).await.expect("the log answers");
    runs.open("night", &site(), slot()).await.expect("the log answers");
    until_settled(&log, &gated).await;
    assert_eq!(done.load(SeqCst), 4);
    running.stopped().await.expect("it stops well");
}

/// Whether the run of `night` is open in this process.
fn is_open(follower: &mut OpenRuns) -> bool {
    let opening = Opening::During(["night".to_owned()].into());
    follower.gate(&opening, &site()).is_some_and(|gate| gate.is_open())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_opened_anew_is_not_closed_by_who_read_the_one_before() {
    let log = log().await;
    let runs = log.runs_held_open().await.expect("the log answers");
    runs.open("night", &site(), slot()).await.expect("the log answers");
    let read = runs.of("night", &site()).await.expect("the log answers").expect("it is open");
    runs.open("night", &site(), slot()).await.expect("the log answers");
    assert_eq!(runs.close("night", &site(), &read).await.expect("it answers"), Stored::Overtaken);
    let kept = runs.of("night", &site()).await.expect("the log answers").expect("it is there");
    assert!(kept.value.open);
}

/// Whether a route is drained whose one message failed and comes again after this long.
async fn is_drained_with_a_wait_of(wait: Duration) -> bool {
    let log = log().await;
    announce_ends(&log, 1).await;
    let route = route(&log);
    assert!(!log.is_drained(&route).await.expect("it answers"), "it is not there yet");
    let worker = Scripted::singly(|_| async { Err(Failure::Retry(failed("not today"))) });
    let retry = RetryPolicy { delay_first: wait, delay_max: wait, ..RetryPolicy::default() };
    let running = run(&log, worker, vec![route.clone()], RunnerOptions { retry, ..quick(1) });
    until("it has failed", async || !remembered(&log).await.is_empty()).await;
    let state = async || log.route_state(&route).await.expect("it answers").expect("it is there");
    assert_eq!((state().await.waiting, state().await.in_hand), (0, 1));
    running.stopped().await.expect("it stops well");
    log.is_drained(&route).await.expect("it answers")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_waits_for_more_than_an_hour_holds_no_run_open() {
    assert!(is_drained_with_a_wait_of(Duration::from_secs(3 * 3_600)).await);
    assert!(!is_drained_with_a_wait_of(Duration::from_secs(600)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_message_waits_long_is_forgotten_when_it_is_settled() {
    let log = log().await;
    announce_ends(&log, 1).await;
    let route = route(&log);
    let key = format!("{}.1", route.name);
    let (now, later) = (chrono::Utc::now(), chrono::Utc::now() + chrono::TimeDelta::hours(1));
    let waits = log.bucket::<serde_json::Value>("waits").await.expect("the log answers");
    waits.put(&key, &serde_json::json!({ "until": later })).await.expect("the log answers");
    // It has been too early for two hours.
    let attempts = log.bucket::<serde_json::Value>("attempts").await.expect("the log answers");
    let early = serde_json::json!({ "failures": 0, "settled_delivery": 0, "unsettled": 0, "lone": 0, "progress": 0,
        "early_since": now.timestamp() - 7_200 });
    attempts.put(&key, &early).await.expect("the log answers");
    let calls = AtomicUsize::new(0);
    let worker = Scripted::singly(move |_| {
        let first = calls.fetch_add(1, SeqCst) == 0;
        async move {
            match first {
                true => Err(Failure::Throttled {
                    wait: Duration::from_millis(5),
                    cause: failed("later"),
                }),
                false => Ok(Done::nothing()),
            }
        }
    });
    let running = run(&log, worker, vec![route.clone()], quick(1));
    until_settled(&log, &route).await;
    running.stopped().await.expect("it stops well");
    assert_eq!(waits.keys().await.expect("the log answers"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_has_just_been_made_or_published_to_is_not_drained() {
    let log = log().await;
    let route = Route::deliver(&log, &destination(), &site(), Kind::SessionData);
    log.publish(&staged(0, "a")).await.expect("the log takes it");
    let making = async {
        for _ in 0..200 {
            log.ensure_route(&route).await.expect("it is made");
            log.drop_routes_to(&destination()).await.expect("it is dropped");
        }
        log.ensure_route(&route).await.expect("it is made");
        for number in 1..1_000 {
            log.publish(&staged(number, "a")).await.expect("the log takes it");
        }
    };
    // Somebody else looks all the while. Each time something is left that nobody has taken.
    let looking = async {
        loop {
            assert!(!log.is_drained(&route).await.expect("it answers"));
        }
    };
    tokio::select! {
        () = making => {}
        () = looking => {}
    }
}
