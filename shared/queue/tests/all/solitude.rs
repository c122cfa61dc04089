//! Messages that have to be alone in their process, because they may be what kills it, hold up nobody else for long.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::*;
use async_nats::jetstream::{AckKind, consumer};
use futures::StreamExt;
use nats_server::NatsServer;
use queue::*;
use serde_json::json;
use tokio::sync::Semaphore;

const SUSPECT: usize = 9;

type Numbers = Arc<Mutex<BTreeSet<usize>>>;

fn suspects(log: &Log) -> Route {
    Route::again_fetch(log, &site())
}

/// Puts a message into the log whose worker died with it twice, as far as the log knows.
async fn put_a_suspect(server: &NatsServer, log: &Log) {
    let route = suspects(log);
    log.ensure_route(&route).await.expect("it is made");
    log.announce(&again(SUSPECT, "suspect")).await.expect("the log takes it");
    let stream = format!("{}-DUE", log.subjects().prefix());
    let stream = outsider(server).await.get_stream(stream).await.expect("the stream is there");
    let consumer: consumer::PullConsumer =
        stream.get_consumer(&route.name).await.expect("the route is there");
    let mut pulled = consumer.fetch().max_messages(1).messages().await.expect("the server answers");
    let message = pulled.next().await.expect("the message").expect("the message");
    let sequence = message.info().expect("a message of a stream").stream_sequence;
    let attempts = log.bucket::<serde_json::Value>("attempts").await.expect("a bucket");
    let known =
        json!({"failures": 0, "settled_delivery": 0, "unsettled": 2, "lone": 0, "progress": 0});
    attempts.put(&format!("{}.{sequence}", route.name), &known).await.expect("written");
    message.ack_with(AckKind::Nak(None)).await.expect("handed back");
}

/// Notes what it did, once the gate lets it.
fn worker(done: &Numbers, gate: &Arc<Semaphore>) -> Scripted {
    let (done, gate) = (Arc::clone(done), Arc::clone(gate));
    Scripted::singly(move |number| {
        let (done, gate) = (Arc::clone(&done), Arc::clone(&gate));
        async move {
            if number == 0 {
                gate.acquire().await.expect("the gate stays").forget();
            }
            done.lock().expect("unpoisoned").insert(number);
            Ok(Done::nothing())
        }
    })
}

fn open() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(Semaphore::MAX_PERMITS))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_its_dependency_keeps_no_suspect_from_being_alone() {
    let server = NatsServer::start();
    let log = log_at(&server, "waiting").await;
    put_a_suspect(&server, &log).await;
    announce_ends(&log, 3).await;
    let is_down = Arc::new(AtomicBool::new(true));
    let (used, probed) = (Arc::clone(&is_down), Arc::clone(&is_down));
    let answer = |down: &AtomicBool| {
        if down.load(SeqCst) { Err(Failure::Down(failed("no answer"))) } else { Ok(()) }
    };
    let others = Scripted::singly(move |_| {
        let answered = answer(&used);
        async move { answered.map(|()| Done::nothing()) }
    });
    let others = others.probed_by(move || answer(&probed));
    let mut waiting = run(&log, others, vec![route(&log)], quick(3));
    waiting.is_down().await;
    let done = Numbers::default();
    let alone = run(&log, worker(&done, &open()), vec![suspects(&log)], quick(1));
    until_settled(&log, &suspects(&log)).await;
    assert_eq!(*done.lock().expect("unpoisoned"), [SUSPECT].into());
    is_down.store(false, SeqCst);
    until_settled(&log, &route(&log)).await;
    waiting.stopped().await.expect("it runs well");
    alone.stopped().await.expect("it runs well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspect_beside_long_work_is_put_off_and_the_others_go_on() {
    let server = NatsServer::start();
    let log = log_at(&server, "long").await;
    put_a_suspect(&server, &log).await;
    let (done, gate) = (Numbers::default(), Arc::new(Semaphore::new(0)));
    announce_ends(&log, 1).await;
    let busy = run(&log, worker(&done, &gate), vec![route(&log)], quick(4));
    until("the long work is in hand", async || {
        let state = log.route_state(&route(&log)).await.expect("the log answers");
        state.is_some_and(|state| state.in_hand == 1)
    })
    .await;
    let options = RunnerOptions { solitude_wait_max: Duration::from_millis(300), ..quick(1) };
    let alone = run(&log, worker(&done, &open()), vec![suspects(&log)], options);
    until("the suspect was in hand, and is put off", async || {
        let state = consumer_info(&log, &server, &suspects(&log)).await;
        state.num_redelivered > 0
    })
    .await;
    let more: Vec<_> = (1..4).map(ended).collect();
    log.announce_all(&more).await.expect("the log takes them");
    until("the others are done", async || done.lock().expect("unpoisoned").len() == 3).await;
    assert_eq!(*done.lock().expect("unpoisoned"), (1..4).collect());
    assert_eq!(remembered(&log).await.len(), 1, "it stays a suspect");
    gate.add_permits(1);
    until_settled(&log, &route(&log)).await;
    busy.stopped().await.expect("it runs well");
    alone.stopped().await.expect("it runs well");
}
