//! How long work may take, and what a stop makes of it.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use crate::support::*;
use futures::FutureExt;
use nats_server::NatsServer;
use queue::*;
use tokio::sync::Semaphore;

/// Counts when it is dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_takes_longer_than_the_server_waits_is_not_delivered_again() {
    let log = log().await;
    announce_ends(&log, 2).await;
    let ack_wait = Duration::from_millis(600);
    let route = Route { ack_wait, ..route(&log) };
    let calls = Arc::new(AtomicUsize::new(0));
    let called = Arc::clone(&calls);
    let worker = Scripted::batches(move |_, lease| {
        called.fetch_add(1, SeqCst);
        async move {
            for _ in 0..4 {
                lease.phase("a block", ack_wait);
                tokio::time::sleep(ack_wait / 2).await;
            }
            Ok(vec![Ok(Done::nothing())])
        }
        .boxed()
    });
    // The second message waits for the only slot for just as long.
    let running = run(&log, worker, vec![route.clone()], quick(1));
    until_count("calls", &calls, 2).await;
    until_settled(&log, &route).await;
    running.stopped().await.expect("it runs well");
    assert_eq!(calls.load(SeqCst), 2);
    assert_eq!(consumer_info(&log, NatsServer::shared(), &route).await.num_redelivered, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_whose_phase_takes_too_long_is_cancelled_and_retried() {
    let log = log().await;
    announce_ends(&log, 1).await;
    let route = route(&log);
    let (calls, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (called, drops) = (Arc::clone(&calls), Arc::clone(&dropped));
    let worker = Scripted::batches(move |_, lease| {
        let guard = Dropped(Arc::clone(&drops));
        let call = called.fetch_add(1, SeqCst);
        async move {
            let _guard = guard;
            lease.phase("the sync", Duration::from_millis(50));
            if call < 2 {
                pending::<()>().await;
            }
            Ok(vec![Ok(Done::nothing())])
        }
        .boxed()
    });
    let running = run(&log, worker, vec![route.clone()], quick(1));
    until_count("calls", &calls, 3).await;
    until_settled(&log, &route).await;
    running.stopped().await.expect("it runs well");
    assert_eq!((calls.load(SeqCst), dropped.load(SeqCst)), (3, 3));
    no_dead_letters(&log).await;
}

/// A worker that begins and does not end before it is let.
fn held(begun: &Arc<AtomicUsize>, gate: &Arc<Semaphore>) -> Scripted {
    let (begun, gate) = (Arc::clone(begun), Arc::clone(gate));
    Scripted::singly(move |_| {
        begun.fetch_add(1, SeqCst);
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.expect("the gate stays").forget();
            Ok(Done::nothing())
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_work_in_hand_finish() {
    let log = log().await;
    announce_ends(&log, 5).await;
    let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let route = route(&log);
    let running = run(&log, held(&begun, &gate), vec![route.clone()], quick(2));
    until_count("begun", &begun, 2).await;
    running.stop.cancel();
    gate.add_permits(100);
    running.ended().await.expect("it runs well");
    let state = log.route_state(&route).await.expect("the log answers").expect("it is there");
    // One more may have begun before the stop was heard of; it ends as well.
    let begun = begun.load(SeqCst) as u64;
    assert!((2..5).contains(&begun), "{begun}");
    assert_eq!(state.settled_to, begun);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_delivered_again_while_in_hand_is_worked_on_once() {
    let log = log().await;
    announce_ends(&log, 1).await;
    let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let route = route(&log);
    let running = run(&log, held(&begun, &gate), vec![route.clone()], quick(3));
    until_count("begun", &begun, 1).await;
    // As if the lease had run out: somebody gives the message back in the runner's name.
    let prefix = log.subjects().prefix();
    let lease = format!("$JS.ACK.{prefix}-DUE.{}.1.1.1.1.0", route.name);
    let client = async_nats::connect(NatsServer::shared().url()).await.expect("the server answers");
    client.publish(lease, "-NAK".into()).await.expect("it is sent");
    client.flush().await.expect("it is sent");
    until("it is delivered again", async || {
        consumer_info(&log, NatsServer::shared(), &route).await.num_redelivered == 1
    })
    .await;
    gate.add_permits(10);
    until_settled(&log, &route).await;
    running.stopped().await.expect("it runs well");
    assert_eq!(begun.load(SeqCst), 1);
    no_dead_letters(&log).await;
}

/// Another runner gets everything, and long before the server would deliver again by itself.
async fn everything_is_taken_over(log: &Log, route: &Route, count: usize) {
    let done = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&done);
    let worker = Scripted::singly(move |_| {
        counted.fetch_add(1, SeqCst);
        async { Ok(Done::nothing()) }
    });
    let running = run(log, worker, vec![route.clone()], quick(2));
    until_count("taken over", &done, count).await;
    until_settled(log, route).await;
    running.stopped().await.expect("it runs well");
    assert_eq!(done.load(SeqCst), count);
    assert_eq!(remembered(log).await, Vec::<String>::new());
    no_dead_letters(log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_hands_back_what_does_not_finish_in_time() {
    let log = log().await;
    announce_ends(&log, 6).await;
    let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let route = route(&log);
    let options = RunnerOptions { grace: Duration::from_millis(50), ..quick(2) };
    let running = run(&log, held(&begun, &gate), vec![route.clone()], options);
    until_count("begun", &begun, 2).await;
    running.stopped().await.expect("it runs well");
    everything_is_taken_over(&log, &route, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_is_dropped_hands_back_what_it_has() {
    let log = log().await;
    announce_ends(&log, 6).await;
    let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let route = Route { ack_wait: Duration::from_secs(5), ..route(&log) };
    let running = run(&log, held(&begun, &gate), vec![route.clone()], quick(2));
    until_count("begun", &begun, 2).await;
    running.task.abort();
    everything_is_taken_over(&log, &route, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_during_an_outage_waits_for_nothing() {
    let log = log().await;
    announce_ends(&log, 4).await;
    let route = route(&log);
    let down = || Failure::Down(failed("nobody answers"));
    let worker =
        Scripted::singly(move |_| async move { Err(down()) }).probed_by(move || Err(down()));
    let options = RunnerOptions { grace: Duration::from_secs(3_600), ..quick(2) };
    let mut running = run(&log, worker, vec![route.clone()], options);
    running.is_down().await;
    running.stopped().await.expect("it runs well");
    everything_is_taken_over(&log, &route, 4).await;
}
