//! What becomes of one message, by what its worker said.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::*;
use domain::Revision;
use domain::facts::{DestinationId, Verdict};
use futures::FutureExt;
use messages::Fact;
use nats_server::NatsServer;
use queue::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_is_acknowledged_and_leaves_nothing_behind() {
    let log = log().await;
    announce_ends(&log, 20).await;
    let route = route(&log);
    let worker = Scripted::singly(async |_| Ok(Done::nothing()));
    let running = run(&log, worker, vec![route.clone()], quick(4));
    until_settled_all(&log, &route, 20).await;
    running.stopped().await.expect("it runs well");
    let info = consumer_info(&log, NatsServer::shared(), &route).await;
    assert_eq!((info.num_redelivered, info.ack_floor.stream_sequence), (0, 20));
    assert_eq!(remembered(&log).await, Vec::<String>::new());
    no_dead_letters(&log).await;
}

async fn until_settled_all(log: &Log, route: &Route, settled_to: u64) {
    until("everything is settled", async || {
        let state = log.route_state(route).await.expect("the log answers");
        state.is_some_and(|state| state.settled_to >= settled_to)
    })
    .await;
}

/// Stages what it is told of, unless that is done; somebody else is quicker the first time.
struct Overtaken {
    log: Log,
    calls: Arc<AtomicUsize>,
}

impl Worker for Overtaken {
    fn name(&self) -> &'static str {
        "overtaken"
    }

    fn destination(&self) -> Option<DestinationId> {
        None
    }

    async fn work(&self, _: &[Task], _: &Lease) -> Result<Vec<Outcome>, Failure> {
        let past = self.log.last_staged(&report(0)).await;
        self.calls.fetch_add(1, SeqCst);
        if past.expect("the log answers").is_some() {
            return Ok(vec![Ok(Done::nothing())]);
        }
        self.log.publish(&staged(0, "quicker")).await.expect("the log takes it");
        let closing = Some(Closing { fact: staged(0, "slower"), expected_last: 0 });
        Ok(vec![Ok(Done { closing, ..Done::default() })])
    }

    async fn closed(&self, _: &Fact, _: Revision) -> Result<(), Failure> {
        panic!("its closing fact never stood in the log");
    }

    async fn probe(&self) -> Result<(), Failure> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_closing_fact_was_overtaken_is_looked_at_again() {
    let log = log().await;
    announce_ends(&log, 1).await;
    let (route, calls) = (route(&log), Arc::new(AtomicUsize::new(0)));
    let worker = Overtaken { log: log.clone(), calls: Arc::clone(&calls) };
    let running = run(&log, worker, vec![route.clone()], quick(1));
    until_count("calls", &calls, 2).await;
    until_settled(&log, &route).await;
    running.stopped().await.expect("it runs well");
    let last = log.last_staged(&report(0)).await.expect("the log answers").expect("it stands");
    assert_eq!(last.fact.claim.object, "0/quicker.xml");
    assert_eq!(consumer_info(&log, NatsServer::shared(), &route).await.num_redelivered, 0);
}

/// Publishes all that a task can lead to, and looks what stands in the log when it is told that its fact does.
struct InOrder {
    log: Log,
    closed: Arc<Mutex<Vec<(Revision, bool, bool)>>>,
}

impl InOrder {
    async fn stands(&self, number: usize) -> bool {
        self.log.last_staged(&report(number)).await.expect("the log answers").is_some()
    }
}

impl Worker for InOrder {
    fn name(&self) -> &'static str {
        "in-order"
    }

    fn destination(&self) -> Option<DestinationId> {
        None
    }

    async fn work(&self, _: &[Task], _: &Lease) -> Result<Vec<Outcome>, Failure> {
        Ok(vec![Ok(Done {
            announce: vec![staged(1, "before")],
            closing: Some(Closing { fact: staged(2, "closing"), expected_last: 0 }),
            afterwards: vec![staged(3, "after")],
            activity: Vec::new(),
        })])
    }

    async fn closed(&self, _: &Fact, revision: Revision) -> Result<(), Failure> {
        let seen = (revision, self.stands(1).await, self.stands(3).await);
        self.closed.lock().expect("unpoisoned").push(seen);
        Ok(())
    }

    async fn probe(&self) -> Result<(), Failure> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_is_published_in_order_around_the_closing_fact() {
    let log = log().await;
    announce_ends(&log, 1).await;
    let (route, closed) = (route(&log), Arc::default());
    let worker = InOrder { log: log.clone(), closed: Arc::clone(&closed) };
    let running = run(&log, worker, vec![route.clone()], quick(1));
    until_settled_all(&log, &route, 1).await;
    running.stopped().await.expect("it runs well");
    let last = log.last_staged(&report(2)).await.expect("the log answers").expect("it stands");
    let revision = log.revision_at(last.sequence).await.expect("the log answers");
    assert_eq!(*closed.lock().expect("unpoisoned"), [(revision, true, false)]);
    assert!(log.last_staged(&report(3)).await.expect("the log answers").is_some());
}

#[derive(Debug, thiserror::Error)]
#[error("the report can't be parsed")]
struct Unparsed(#[source] std::num::ParseIntError);

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_failing_is_a_dead_letter_after_the_last_attempt_with_its_whole_reason() {
    let log = log().await;
    announce_ends(&log, 1).await;
    let (route, calls) = (route(&log), Arc::new(Mutex::new(Vec::new())));
    let called = Arc::clone(&calls);
    let worker = Scripted::singly(move |_| {
        called.lock().expect("unpoisoned").push(Instant::now());
        async {
            let cause = "x".parse::<u8>().expect_err("no number");
            Err(Failure::Retry(Unparsed(cause).into()))
        }
    });
    let running = run(&log, worker, vec![route.clone()], quick(1));
    let letters = until_dead_letters(&log, 1).await;
    until_settled(&log, &route).await;
    running.stopped().await.expect("it runs well");
    let calls = calls.lock().expect("unpoisoned").clone();
    assert_eq!(calls.len(), 3);
    assert!(calls[1] - calls[0] >= Duration::from_millis(15), "our delay was not kept");
    let letter = &letters[0].letter;
    assert_eq!((letter.verdict, letter.attempts), (Verdict::AttemptsExhausted, 3));
    assert_eq!(letter.reason, "the report can't be parsed: invalid digit found in string");
    assert_eq!(letter.artifact, Some(report(0)));
    assert_eq!(
        messages::decode(&letter.letter.payload).expect("the fact itself").name(),
        "session-ended"
    );
    assert_eq!(remembered(&log).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_succeed_is_a_dead_letter_at_once_and_harms_no_neighbour() {
    let log = log().await;
    announce_ends(&log, 10).await;
    let (route, calls) = (route(&log), Arc::new(AtomicUsize::new(0)));
    let called = Arc::clone(&calls);
    let worker = Scripted::singly(move |number| {
        called.fetch_add(1, SeqCst);
        async move {
            if number == 4 { Err(Failure::Reject(failed("never"))) } else { Ok(Done::nothing()) }
        }
    });
    let running = run(&log, worker, vec![route.clone()], quick(2));
    until_settled_all(&log, &route, 10).await;
    running.stopped().await.expect("it runs well");
    let letters = log.dead_letters().list().await.expect("the log answers");
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].letter.verdict, letters[0].letter.attempts), (Verdict::Rejected, 1));
    assert_eq!(calls.load(SeqCst), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cant_be_decoded_is_a_dead_letter_alone_however_large() {
    let server = NatsServer::configured("max_payload: 100KB");
    let log = log_at(&server, "garbage").await;
    let jetstream = outsider(&server).await;
    let subject = |last| format!("garbage.session.ended.support=2Eexample=2Ecom.{last}");
    for (last, size) in [("a", 9), ("b", 99_000)] {
        let garbage = vec![0xc1_u8; size];
        let sent = jetstream.publish(subject(last), garbage.into()).await.expect("it is sent");
        sent.await.expect("it is stored");
    }
    log.announce(&ended(1)).await.expect("the log takes it");
    let (route, calls) = (route(&log).batched(10), Arc::new(AtomicUsize::new(0)));
    let called = Arc::clone(&calls);
    let worker = Scripted::singly(move |_| {
        called.fetch_add(1, SeqCst);
        async { Ok(Done::nothing()) }
    });
    let running = run(&log, worker, vec![route.clone()], quick(1));
    until_settled_all(&log, &route, 3).await;
    running.stopped().await.expect("it runs well");
    let letters = log.dead_letters().list().await.expect("the log answers");
    assert_eq!(letters.len(), 2);
    assert!(letters.iter().all(|lying| lying.letter.verdict == Verdict::Undecodable));
    assert_eq!(letters[0].letter.letter.payload, [0xc1; 9]);
    assert_eq!(calls.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_a_newer_version_stops_the_runner_and_stays() {
    #[derive(serde::Serialize)]
    struct Future {
        fact: &'static str,
        version: u16,
        body: u8,
    }
    let log = log().await;
    let future = Future { fact: "session-ended", version: messages::VERSION + 1, body: 0 };
    let bytes = rmp_serde::to_vec_named(&future).expect("a map encodes");
    let subject = log.subjects().of(&ended(1));
    let jetstream = outsider(NatsServer::shared()).await;
    let sent = jetstream.publish(subject.clone(), bytes.into()).await.expect("it is sent");
    sent.await.expect("it is stored");
    let route = route(&log);
    let worker = Scripted::singly(async |_| panic!("nobody can read it"));
    let error = run(&log, worker, vec![route.clone()], quick(1)).ended().await;
    assert!(matches!(error, Err(RunError::NewerVersion { subject: at, .. }) if at == subject));
    let state = log.route_state(&route).await.expect("the log answers").expect("it is there");
    assert_eq!((state.in_hand, state.settled_to), (1, 0));
    no_dead_letters(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_retry() {
    let log = log().await;
    announce_ends(&log, 5).await;
    let (route, panicked) = (route(&log), Arc::new(AtomicBool::new(false)));
    let once = Arc::clone(&panicked);
    // Not even in its future: as it is made.
    let worker = Scripted::batches(move |tasks, _| {
        let number = number(&tasks[0]);
        assert!(number != 2 || once.swap(true, SeqCst), "the first look at session 2");
        async move {
            assert!(number != 3, "every look at session 3");
            Ok(vec![Ok(Done::nothing())])
        }
        .boxed()
    });
    let running = run(&log, worker, vec![route.clone()], quick(2));
    until_settled_all(&log, &route, 5).await;
    running.stopped().await.expect("it runs well");
    let letters = log.dead_letters().list().await.expect("the log answers");
    assert_eq!(letters.len(), 1);
    let reason = &letters[0].letter.reason;
    assert!(reason.contains("panicked") && reason.contains("every look at session 3"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_worker_waits_as_long_as_it_was_told() {
    const WAIT: Duration = Duration::from_millis(800);
    let log = log().await;
    announce_ends(&log, 4).await;
    let (route, calls) = (route(&log), Arc::new(Mutex::new(Vec::new())));
    let called = Arc::clone(&calls);
    let worker = Scripted::singly(move |_| {
        let mut calls = called.lock().expect("unpoisoned");
        calls.push(Instant::now());
        let first = calls.len() == 1;
        async move {
            if first {
                Err(Failure::Throttled { wait: WAIT, cause: failed("too many requests") })
            } else {
                Ok(Done::nothing())
            }
        }
    });
    let options =
        RunnerOptions { retry: RetryPolicy { attempts_max: 1, ..quick(1).retry }, ..quick(1) };
    let running = run(&log, worker, vec![route.clone()], options);
    until_settled_all(&log, &route, 4).await;
    running.stopped().await.expect("it runs well");
    let calls = calls.lock().expect("unpoisoned").clone();
    let at_once = calls.iter().filter(|call| **call - calls[0] < WAIT).count();
    // The message that was taken already when the word came is the most that may still be tried.
    assert!(at_once <= 2, "{at_once} tries at one that asked for patience");
    assert_eq!(calls.len(), 5);
    no_dead_letters(&log).await;
}
