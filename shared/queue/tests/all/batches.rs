//! Batches: one poison message, and what its neighbours don't suffer.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::*;
use domain::facts::Verdict;
use futures::FutureExt;
use nats_server::NatsServer;
use queue::*;

type Seen = Arc<Mutex<Vec<Vec<usize>>>>;

/// Takes a batch as a whole or not at all.
fn all_or_nothing(seen: &Seen, poison: usize, fail: fn(BoxError) -> Failure) -> Scripted {
    let seen = Arc::clone(seen);
    Scripted::batches(move |tasks, _| {
        let numbers: Vec<usize> = tasks.iter().map(number).collect();
        let poisoned = numbers.contains(&poison);
        seen.lock().expect("unpoisoned").push(numbers);
        async move {
            if poisoned {
                Err(fail(failed("the batch was rolled back")))
            } else {
                Ok(tasks.iter().map(|_| Ok(Done::nothing())).collect())
            }
        }
        .boxed()
    })
}

async fn one_poison_among_fifty(fail: fn(BoxError) -> Failure, verdict: Verdict, attempts: u32) {
    let log = log().await;
    announce_ends(&log, 50).await;
    let (route, seen) = (route(&log).batched(64), Seen::default());
    let worker = all_or_nothing(&seen, 31, fail);
    let running = run(&log, worker, vec![route.clone()], quick(1));
    let letters = until_dead_letters(&log, 1).await;
    until_settled(&log, &route).await;
    running.stopped().await.expect("it runs well");
    assert_eq!(letters.len(), 1);
    let letter = &letters[0].letter;
    assert_eq!((letter.artifact.clone(), letter.verdict), (Some(report(31)), verdict));
    assert_eq!(letter.attempts, attempts);
    let seen = seen.lock().expect("unpoisoned");
    assert_eq!(seen[0].len(), 50, "they came as one batch");
    let done: BTreeSet<usize> =
        seen.iter().filter(|b| !b.contains(&31)).flatten().copied().collect();
    assert_eq!(done, (0..50).filter(|number| *number != 31).collect());
    assert!(seen.len() <= 2 * 7 + attempts as usize, "{} halvings", seen.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_with_one_that_can_never_succeed_forty_nine_are_done() {
    one_poison_among_fifty(Failure::Reject, Verdict::Rejected, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_with_one_that_keeps_failing_forty_nine_are_done() {
    one_poison_among_fifty(Failure::Retry, Verdict::AttemptsExhausted, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_forgets_an_answer_is_asked_for_each_message_alone() {
    let log = log().await;
    announce_ends(&log, 4).await;
    let route = route(&log).batched(4);
    let worker = Scripted::batches(|_, _| async { Ok(vec![Ok(Done::nothing())]) }.boxed());
    let running = run(&log, worker, vec![route.clone()], quick(1));
    until("all are settled", async || {
        let state = log.route_state(&route).await.expect("the log answers");
        state.is_some_and(|state| state.settled_to == 4)
    })
    .await;
    running.stopped().await.expect("it runs well");
    no_dead_letters(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_half_that_waits_for_its_turn_is_not_delivered_again() {
    let log = log().await;
    announce_ends(&log, 4).await;
    let ack_wait = Duration::from_millis(600);
    let route = Route { ack_wait, ..route(&log).batched(4) };
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    let worker = Scripted::batches(move |tasks, _| {
        noted.lock().expect("unpoisoned").push(tasks.iter().map(number).collect());
        async move {
            if tasks.len() == 4 {
                return Err(Failure::Retry(failed("the batch was rolled back")));
            }
            // The work itself takes longer than the server waits.
            tokio::time::sleep(2 * ack_wait).await;
            Ok(tasks.iter().map(|_| Ok(Done::nothing())).collect())
        }
        .boxed()
    });
    let running = run(&log, worker, vec![route.clone()], quick(2));
    until("all are settled", async || {
        let state = log.route_state(&route).await.expect("the log answers");
        state.is_some_and(|state| state.settled_to == 4)
    })
    .await;
    running.stopped().await.expect("it runs well");
    assert_eq!(*seen.lock().expect("unpoisoned"), [vec![0, 1, 2, 3], vec![0, 1], vec![2, 3]]);
    assert_eq!(consumer_info(&log, NatsServer::shared(), &route).await.num_redelivered, 0);
}

/// Takes batches, and tells their sizes.
fn counted(sizes: &Arc<Mutex<Vec<usize>>>) -> Scripted {
    let sizes = Arc::clone(sizes);
    Scripted::batches(move |tasks, _| {
        sizes.lock().expect("unpoisoned").push(tasks.len());
        async move { Ok(tasks.iter().map(|_| Ok(Done::nothing())).collect()) }.boxed()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn while_much_comes_a_batch_waits_for_more() {
    let log = log().await;
    announce_ends(&log, 3).await;
    let sizes = Arc::default();
    let route = route(&log).batched(64).lingering(Duration::from_secs(1));
    let running = run(&log, counted(&sizes), vec![route.clone()], quick(1));
    until_settled(&log, &route).await;
    let more: Vec<_> = (3..40).map(ended).collect();
    log.announce_all(&more).await.expect("the log answers");
    until_settled(&log, &route).await;
    running.stopped().await.expect("it runs well");
    assert_eq!(*sizes.lock().expect("unpoisoned"), [3, 37]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_by_itself_waits_for_nothing() {
    let log = log().await;
    let sizes: Arc<Mutex<Vec<usize>>> = Arc::default();
    let route = route(&log).batched(64).lingering(Duration::from_secs(3600));
    let running = run(&log, counted(&sizes), vec![route.clone()], quick(1));
    for number in 0..3 {
        log.announce(&ended(number)).await.expect("the log answers");
        until("it was worked on", async || sizes.lock().expect("unpoisoned").len() > number).await;
    }
    running.stopped().await.expect("it runs well");
    assert_eq!(*sizes.lock().expect("unpoisoned"), [1, 1, 1]);
}
