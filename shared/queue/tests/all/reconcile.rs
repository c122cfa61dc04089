//! What should have followed from the log and did not is asked for again, once.

use crate::support::*;
use domain::facts::{DeadLetter, Letter, Verdict};
use domain::{Held, Kind, Revision};
use messages::Fact;
use queue::{Counts, Deliveries, Done, Failure, Ledger, Log, Period, Route};

/// A destination whose route has dealt with the reports of sessions 1 to `count`.
async fn delivered(log: &Log, count: usize) {
    for number in 1..=count {
        log.publish(&staged(number, "a")).await.expect("the log takes it");
    }
    let route = Route::deliver(log, &destination(), &site(), Kind::SessionData);
    let done = Scripted::batches(|tasks, _| {
        let outcomes = tasks.iter().map(|_| Ok(Done::nothing())).collect();
        Box::pin(async move { Ok(outcomes) })
    });
    let running = run(log, done, vec![route.clone()], quick(4));
    until_settled(log, &route).await;
    running.stopped().await.expect("it runs well");
}

async fn ledger_of(log: &Log, numbers: impl IntoIterator<Item = usize>) -> Ledger {
    let mut ledger = Ledger::default();
    for number in numbers {
        let last = log.last_staged(&report(number)).await.expect("an answer").expect("it stands");
        let revision = log.revision_at(last.sequence).await.expect("an answer");
        ledger.note(&report(number), Held::Revision(revision));
    }
    ledger
}

async fn compare(log: &Log, ledger: &Ledger) -> Counts {
    let routes = [(site(), Kind::SessionData)];
    let begun = Deliveries::begin(log, &destination(), routes).await.expect("the log answers");
    begun.against(ledger, Period::default()).await.expect("the log answers")
}

fn counts(checked: u64, complete: u64, settled: u64, waiting: u64, missing: u64) -> Counts {
    Counts { checked, complete, settled, waiting, missing, asked: missing }
}

async fn agains(log: &Log) -> u64 {
    let route = Route::again_deliver(log, &destination());
    let state = log.route_state(&route).await.expect("the log answers");
    state.map_or(0, |state| state.waiting)
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_good_day_nothing_is_missing_and_nothing_asked_for() {
    let log = log().await;
    delivered(&log, 3).await;
    let all = ledger_of(&log, 1..=3).await;
    assert_eq!(compare(&log, &all).await, counts(3, 3, 0, 0, 0));
    log.publish(&staged(4, "a")).await.expect("the log takes it");
    assert_eq!(compare(&log, &all).await, counts(4, 3, 0, 1, 0), "what merely waits");
    assert_eq!(agains(&log).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_ledger_lost_is_asked_for_once_and_what_was_given_up_is_not() {
    let log = log().await;
    delivered(&log, 4).await;
    let mut ledger = ledger_of(&log, [1]).await;
    ledger.note(&report(2), Held::Settled);
    let given_up = log.last_staged(&report(3)).await.expect("an answer").expect("it stands");
    let letter = DeadLetter {
        worker: "sql-sink".into(),
        destination: Some(destination()),
        artifact: Some(report(3)),
        verdict: Verdict::Rejected,
        reason: "a test".into(),
        attempts: 1,
        settled_at: chrono::Utc::now(),
        letter: Letter {
            stream: "ARTIFACTS".into(),
            subject: log.subjects().staged(&report(3)),
            sequence: given_up.sequence,
            payload: Vec::new(),
        },
    };
    log.publish(&Fact::DeadLetter(letter)).await.expect("the log takes it");
    assert_eq!(compare(&log, &ledger).await, counts(4, 1, 2, 0, 1));
    let again = compare(&log, &ledger).await;
    assert_eq!(again, counts(4, 1, 2, 1, 0), "asked for, and not answered yet");
    assert_eq!(agains(&log).await, 1);
    // Given up for good is given up still.
    let dead = log.dead_letters();
    let lying = dead.list().await.expect("an answer");
    dead.discard(&lying[0], "a person").await.expect("it is discarded");
    assert_eq!(compare(&log, &ledger).await, counts(4, 1, 2, 1, 0));
    // Its revision is replaced: what was given up is not this one.
    let newer = staged(3, "b");
    log.publish_after(&newer, given_up.sequence).await.expect("the log takes it");
    delivered_up_to_now(&log).await;
    assert_eq!(compare(&log, &ledger).await, counts(4, 1, 1, 1, 1));
}

async fn delivered_up_to_now(log: &Log) {
    delivered(log, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_revision_in_the_ledger_is_a_missing_one() {
    let log = log().await;
    delivered(&log, 1).await;
    let mut ledger = Ledger::default();
    ledger.note(&report(1), Held::Revision(Revision { epoch: 1, position: 9 }));
    assert_eq!(compare(&log, &ledger).await, counts(1, 0, 0, 0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_due_and_came_to_nothing_is_fetched_again_once() {
    let log = log().await;
    announce_ends(&log, 4).await;
    let route = route(&log);
    let worker = Scripted::singly(|number| async move {
        match number {
            3 => Err(Failure::Reject(failed("a test"))),
            _ => Ok(Done::nothing()),
        }
    });
    let running = run(&log, worker, vec![route.clone()], quick(1));
    until_settled(&log, &route).await;
    until_dead_letters(&log, 1).await;
    running.stopped().await.expect("it runs well");
    log.publish(&staged(1, "a")).await.expect("the log takes it");
    announce_ends_from(&log, 4).await;
    let fetches = async || {
        let compared = log.reconcile_fetches(&site(), Kind::SessionData, Period::default()).await;
        compared.expect("the log answers")
    };
    assert_eq!(fetches().await, counts(5, 1, 1, 1, 2));
    assert_eq!(fetches().await, counts(5, 1, 1, 3, 0), "asked for, and not answered yet");
    let asked = Route::again_fetch(&log, &site());
    let state = log.route_state(&asked).await.expect("an answer").expect("it was made");
    assert_eq!(state.waiting, 2);
}

/// One more end.
async fn announce_ends_from(log: &Log, number: usize) {
    log.announce(&ended(number)).await.expect("the log takes it");
}
