//! Outages: of what a worker depends on, and of the log's own server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use crate::support::*;
use domain::facts::{DestinationId, Verdict};
use nats_server::NatsServer;
use queue::*;
use tokio::sync::Semaphore;

/// A dependency that the test switches off and on.
#[derive(Clone, Default)]
struct Dependency {
    is_down: Arc<AtomicBool>,
    used: Arc<AtomicUsize>,
    probed: Arc<AtomicUsize>,
}

impl Dependency {
    fn answer(&self) -> Result<(), Failure> {
        if self.is_down.load(SeqCst) {
            Err(Failure::Down(failed("nobody answers")))
        } else {
            Ok(())
        }
    }

    fn worker(&self) -> Scripted {
        let (used, probed) = (self.clone(), self.clone());
        let worker = Scripted::singly(move |_| {
            used.used.fetch_add(1, SeqCst);
            let answer = used.answer();
            async move { answer.map(|()| Done::nothing()) }
        });
        worker.probed_by(move || {
            probed.probed.fetch_add(1, SeqCst);
            probed.answer()
        })
    }
}

/// No failure at all may count.
fn unforgiving(slots: usize) -> RunnerOptions {
    let retry = RetryPolicy { attempts_max: 1, ..quick(slots).retry };
    RunnerOptions { retry, ..quick(slots) }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_outages_cost_no_attempt_and_nothing_is_taken_while_one_lasts() {
    let log = log().await;
    let (route, dependency) = (route(&log), Dependency::default());
    let mut running = run(&log, dependency.worker(), vec![route.clone()], unforgiving(2));
    for cycle in 0..4 {
        dependency.is_down.store(true, SeqCst);
        let numbers = cycle * 10..cycle * 10 + 10;
        let facts: Vec<_> = numbers.map(ended).collect();
        log.announce_all(&facts).await.expect("the log takes facts");
        running.is_down().await;
        let probed = dependency.probed.load(SeqCst);
        until_count("probes", &dependency.probed, probed + 1).await;
        let used = dependency.used.load(SeqCst);
        until_count("more probes", &dependency.probed, probed + 2).await;
        assert_eq!(dependency.used.load(SeqCst), used, "it worked while it was down");
        dependency.is_down.store(false, SeqCst);
        until_settled(&log, &route).await;
    }
    running.stopped().await.expect("it runs well");
    no_dead_letters(&log).await;
    assert_eq!(remembered(&log).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_not_time_that_the_work_took() {
    let log = log().await;
    announce_ends(&log, 2).await;
    let (route, dependency) = (route(&log), Dependency::default());
    let gate = Arc::new(Semaphore::new(0));
    let (used, probed, closed) = (dependency.clone(), dependency.clone(), Arc::clone(&gate));
    let worker = Scripted::singly(move |_| {
        let (used, closed) = (used.clone(), Arc::clone(&closed));
        async move {
            closed.acquire().await.expect("the gate stays").forget();
            used.answer().map(|()| Done::nothing())
        }
    });
    let worker = worker.probed_by(move || {
        probed.probed.fetch_add(1, SeqCst);
        probed.answer()
    });
    let options = RunnerOptions { first_phase_max: Duration::from_millis(400), ..unforgiving(1) };
    let mut running = run(&log, worker, vec![route.clone()], options);
    until("one is worked on, and one waits for its slot", async || {
        let state = log.route_state(&route).await.expect("the log answers");
        state.is_some_and(|state| state.in_hand == 2)
    })
    .await;
    dependency.is_down.store(true, SeqCst);
    gate.add_permits(10);
    running.is_down().await;
    until_count("probes", &dependency.probed, 3).await;
    dependency.is_down.store(false, SeqCst);
    until_settled(&log, &route).await;
    running.stopped().await.expect("it runs well");
    no_dead_letters(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_brings_a_sound_dependency_down_three_times_is_at_fault() {
    let log = log().await;
    announce_ends(&log, 4).await;
    let (route, calls) = (route(&log), Arc::new(AtomicUsize::new(0)));
    let called = Arc::clone(&calls);
    let worker = Scripted::singly(move |number| {
        called.fetch_add(usize::from(number == 1), SeqCst);
        async move {
            if number == 1 {
                Err(Failure::Down(failed("the server closed the connection")))
            } else {
                Ok(Done::nothing())
            }
        }
    });
    let running = run(&log, worker, vec![route.clone()], quick(1));
    let letters = until_dead_letters(&log, 1).await;
    until_settled(&log, &route).await;
    running.stopped().await.expect("it runs well");
    assert_eq!(letters.len(), 1);
    let letter = &letters[0].letter;
    assert_eq!((letter.verdict, letter.attempts), (Verdict::AttemptsExhausted, 3));
    assert_eq!(letter.artifact, Some(report(1)));
    assert_eq!(calls.load(SeqCst), 2 + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_panics_is_a_probe_that_fails() {
    let log = log().await;
    announce_ends(&log, 1).await;
    let (route, dependency) = (route(&log), Dependency::default());
    let probes = Arc::new(AtomicUsize::new(0));
    let (probed, used) = (Arc::clone(&probes), dependency.clone());
    dependency.is_down.store(true, SeqCst);
    let worker = dependency.worker().probed_by(move || {
        assert!(probed.fetch_add(1, SeqCst) > 0, "the first probe");
        used.is_down.store(false, SeqCst);
        Ok(())
    });
    let mut running = run(&log, worker, vec![route.clone()], unforgiving(1));
    running.is_down().await;
    until_count("probes", &probes, 2).await;
    until_settled(&log, &route).await;
    running.stopped().await.expect("it runs well");
}

/// Stages every session once, and recognises what is staged.
struct Stager {
    log: Log,
    recognised: Arc<AtomicUsize>,
    worked: Arc<AtomicUsize>,
}

impl Stager {
    fn new(log: &Log) -> Self {
        Stager { log: log.clone(), recognised: Arc::default(), worked: Arc::default() }
    }
}

impl Worker for Stager {
    fn name(&self) -> &'static str {
        "stager"
    }

    fn destination(&self) -> Option<DestinationId> {
        None
    }

    async fn work(&self, tasks: &[Task], _: &Lease) -> Result<Vec<Outcome>, Failure> {
        let number = number(&tasks[0]);
        let past = self.log.last_staged(&report(number)).await;
        self.worked.fetch_add(1, SeqCst);
        if past.map_err(|error| Failure::Down(error.into()))?.is_some() {
            self.recognised.fetch_add(1, SeqCst);
            return Ok(vec![Ok(Done::nothing())]);
        }
        let closing = Some(Closing { fact: staged(number, "content"), expected_last: 0 });
        Ok(vec![Ok(Done { closing, ..Done::default() })])
    }

    async fn probe(&self) -> Result<(), Failure> {
        Ok(())
    }
}

async fn staged_facts(log: &Log) -> u64 {
    log.streams().await.expect("the log answers")[1].messages
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_before_the_server_was_killed_is_at_most_looked_at_again() {
    let server = NatsServer::start();
    let log = log_at(&server, "killed").await;
    announce_ends(&log, 30).await;
    let route = Route { ack_wait: Duration::from_secs(2), ..route(&log) };
    let running = run(&log, Stager::new(&log), vec![route.clone()], unforgiving(4));
    until_settled(&log, &route).await;
    tokio::task::block_in_place(|| server.restart());
    until("the log is back", async || log.announce(&ended(30)).await.is_ok()).await;
    until("the last one is staged", async || {
        log.last_staged(&report(30)).await.is_ok_and(|last| last.is_some())
    })
    .await;
    until_settled(&log, &route).await;
    running.stopped().await.expect("it runs well");
    assert_eq!(staged_facts(&log).await, 31);
    no_dead_letters(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_goes_on_after_the_server_was_away_for_a_while() {
    let server = NatsServer::start();
    let log = log_at(&server, "away").await;
    announce_ends(&log, 200).await;
    let route = Route { ack_wait: Duration::from_secs(2), ..route(&log) };
    let stager = Stager::new(&log);
    let worked = Arc::clone(&stager.worked);
    let mut running = run(&log, stager, vec![route.clone()], unforgiving(2));
    until_count("worked", &worked, 20).await;
    tokio::task::block_in_place(|| server.kill());
    running.is_down().await;
    tokio::task::block_in_place(|| server.restart());
    until("all are staged", async || staged_facts_now(&log).await == Some(200)).await;
    until_settled(&log, &route).await;
    running.stopped().await.expect("it runs well");
    no_dead_letters(&log).await;
}

async fn staged_facts_now(log: &Log) -> Option<u64> {
    log.streams().await.ok().map(|streams| streams[1].messages)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_although_the_server_is_away() {
    let server = NatsServer::start();
    let log = log_at(&server, "stopped").await;
    let route = route(&log);
    let running = run(&log, Stager::new(&log), vec![route.clone()], unforgiving(2));
    log.announce(&ended(1)).await.expect("the log takes it");
    until_settled_once(&log, &route).await;
    tokio::task::block_in_place(|| server.kill());
    running.stopped().await.expect("it runs well");
}

async fn until_settled_once(log: &Log, route: &Route) {
    until("something is settled", async || {
        let state = log.route_state(route).await.expect("the log answers");
        state.is_some_and(|state| state.settled_to > 0)
    })
    .await;
}
