//! Routes: what a runner takes from them, and what they bring.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use crate::support::*;
use messages::Fact;
use nats_server::NatsServer;
use queue::*;
use tokio::sync::Semaphore;

/// A worker whose tasks wait to be let go; it notes what began.
#[derive(Clone)]
struct Gate {
    began: Arc<Mutex<Vec<usize>>>,
    open: Arc<Semaphore>,
}

impl Gate {
    fn closed() -> Self {
        Gate { began: Arc::default(), open: Arc::new(Semaphore::new(0)) }
    }

    fn worker(&self) -> Scripted {
        let gate = self.clone();
        Scripted::singly(move |number| {
            gate.began.lock().expect("unpoisoned").push(number);
            let open = Arc::clone(&gate.open);
            async move {
                open.acquire().await.expect("the gate stays").forget();
                Ok(Done::nothing())
            }
        })
    }

    fn began(&self) -> Vec<usize> {
        self.began.lock().expect("unpoisoned").clone()
    }

    async fn until_began(&self, count: usize) {
        until("tasks began", async || self.began().len() >= count).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_is_taken_no_more_than_the_slots_and_one() {
    let log = log().await;
    announce_ends(&log, 30).await;
    let (route, gate) = (route(&log), Gate::closed());
    let running = run(&log, gate.worker(), vec![route.clone()], quick(3));
    gate.until_began(3).await;
    let in_hand = async || {
        let state = log.route_state(&route).await.expect("the log answers");
        state.expect("the route is there").in_hand
    };
    until("one waits for its slot", async || in_hand().await == 4).await;
    for let_go in 1..=30 {
        gate.open.add_permits(1);
        let expected = (3 + let_go).min(30);
        until("the next begins", async || {
            assert!(in_hand().await <= 4, "more than the slots and one");
            gate.began().len() >= expected
        })
        .await;
        assert!(gate.began().len() <= expected, "more than the slots at once");
    }
    until_settled(&log, &route).await;
    running.stopped().await.expect("it runs well");
    assert_eq!(consumer_info(&log, NatsServer::shared(), &route).await.num_redelivered, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_again_takes_at_most_half_of_the_slots() {
    let log = log().await;
    let facts: Vec<Fact> = (100..110).map(|number| again(number, "x")).collect();
    log.announce_all(&facts).await.expect("the log takes facts");
    let (often, seldom, gate) = (route(&log), Route::again_fetch(&log, &site()), Gate::closed());
    let running = run(&log, gate.worker(), vec![often.clone(), seldom.clone()], quick(4));
    gate.until_began(2).await;
    announce_ends(&log, 10).await;
    gate.until_began(4).await;
    let again = gate.began().into_iter().filter(|number| *number >= 100).count();
    assert_eq!((again, gate.began().len()), (2, 4));
    gate.open.add_permits(100);
    until_settled(&log, &often).await;
    until_settled(&log, &seldom).await;
    running.stopped().await.expect("it runs well");
    assert_eq!(gate.began().len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_route_does_not_keep_another_from_its_turn() {
    let log = log().await;
    announce_ends(&log, 200).await;
    let (busy, quiet, gate) = (route(&log), Route::again_fetch(&log, &site()), Gate::closed());
    let running = run(&log, gate.worker(), vec![busy.clone(), quiet.clone()], quick(2));
    gate.until_began(2).await;
    log.announce(&again(999, "x")).await.expect("the log takes it");
    let mut let_go = 0;
    until("the other's turn", async || {
        gate.open.add_permits(1);
        let_go += 1;
        gate.began().contains(&999)
    })
    .await;
    assert!(gate.began().len() < 100, "{} went before", gate.began().len());
    gate.open.add_permits(300);
    until_settled(&log, &busy).await;
    running.stopped().await.expect("it runs well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_is_added_later_fills_itself_from_the_start() {
    let log = log().await;
    let later = destination();
    for number in 0..10 {
        log.announce(&staged(number, "content")).await.expect("the log takes it");
    }
    let route = Route::deliver(&log, &later, &site(), domain::Kind::SessionData);
    assert!(log.route_state(&route).await.expect("the log answers").is_none());
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let noted = Arc::clone(&seen);
    let worker = Scripted::batches(move |tasks, _| {
        use futures::FutureExt;
        for task in tasks {
            noted.lock().expect("unpoisoned").insert(task.origin.subject.clone());
        }
        async move { Ok(tasks.iter().map(|_| Ok(Done::nothing())).collect()) }.boxed()
    });
    let running = run(&log, worker, vec![route.clone().batched(4)], quick(2));
    until("all came", async || seen.lock().expect("unpoisoned").len() == 10).await;
    until_settled(&log, &route).await;
    running.stopped().await.expect("it runs well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_starts_new_brings_only_what_comes() {
    let log = log().await;
    announce_ends(&log, 5).await;
    let route = Route { start: Start::New, ..route(&log) };
    log.ensure_route(&route).await.expect("a route");
    log.announce(&ended(5)).await.expect("the log takes it");
    let (gate, mut seen) = (Gate::closed(), BTreeSet::new());
    gate.open.add_permits(10);
    let running = run(&log, gate.worker(), vec![route.clone()], quick(2));
    gate.until_began(1).await;
    until_settled(&log, &route).await;
    running.stopped().await.expect("it runs well");
    seen.extend(gate.began());
    assert_eq!(seen, BTreeSet::from([5]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_of_that_name_with_another_filter_is_told_plainly() {
    let log = log().await;
    log.ensure_route(&route(&log)).await.expect("a route");
    log.ensure_route(&route(&log)).await.expect("the same route again");
    let filter = format!("{}.again.fetch.>", log.subjects().prefix());
    let other = Route { filter, ..route(&log) };
    assert!(matches!(log.ensure_route(&other).await, Err(LogError::RouteDiffers { .. })));
    let worker = Scripted::singly(async |_| Ok(Done::nothing()));
    let ended = run(&log, worker, vec![other], quick(1)).ended().await;
    assert!(matches!(ended, Err(RunError::Route { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_is_dropped_under_its_worker_is_told_plainly() {
    let log = log().await;
    let (route, begun) = (route(&log), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&begun);
    let worker = Scripted::singly(move |_| {
        counted.fetch_add(1, SeqCst);
        async { Ok(Done::nothing()) }
    });
    let running = run(&log, worker, vec![route.clone()], quick(1));
    announce_ends(&log, 1).await;
    until_count("begun", &begun, 1).await;
    let stream = format!("{}-DUE", log.subjects().prefix());
    let jetstream = outsider(NatsServer::shared()).await;
    let stream = jetstream.get_stream(stream).await.expect("it is there");
    stream.delete_consumer(&route.name).await.expect("it is there");
    let ended = running.ended().await;
    assert!(
        matches!(&ended, Err(RunError::RouteGone { name }) if *name == route.name),
        "{ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_routes_are_listed() {
    let log = log().await;
    announce_ends(&log, 3).await;
    let deliver = Route::again_deliver(&log, &destination());
    for route in [&route(&log), &deliver] {
        log.ensure_route(route).await.expect("a route");
    }
    let states = log.routes().await.expect("the log answers");
    let waiting: Vec<_> = states.iter().map(|s| (s.name.as_str(), s.waiting)).collect();
    assert_eq!(waiting, [(route(&log).name.as_str(), 3), (deliver.name.as_str(), 0)]);
}
