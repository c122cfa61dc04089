//! What the tests of the queue share: a worker made of closures, facts, and waiting for conditions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer;
use chrono::Utc;
use domain::facts::*;
use domain::{ApplianceTime, ArtifactId, Digest, Family, Kind, Lsid, Particulars, SiteHost};
use futures::FutureExt;
use futures::future::BoxFuture;
use messages::Fact;
use nats_server::NatsServer;
use queue::*;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a condition may take to come true on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// A log of its own on a server that other tests use too.
pub async fn log() -> Log {
    let server = tokio::task::block_in_place(NatsServer::shared);
    log_at(server, &server.fresh_prefix()).await
}

pub async fn log_at(server: &NatsServer, prefix: &str) -> Log {
    let options =
        LogOptions { prefix: prefix.to_owned(), ..LogOptions::plain(&server.url(), "a test") };
    Log::connect(&options).await.expect("the server takes a log")
}

pub fn site() -> SiteHost {
    "support.example.com".parse().expect("a host")
}

pub fn destination() -> DestinationId {
    DestinationId::from_random([7; 16])
}

fn lsid(number: usize) -> Lsid {
    format!("{number:032x}").parse().expect("an id")
}

pub fn report(number: usize) -> ArtifactId {
    ArtifactId::report(site(), Family::Session, lsid(number))
}

/// The end of the session of this number: what a fetch route of session data brings.
pub fn ended(number: usize) -> Fact {
    Fact::SessionEnded(SessionEnded {
        site: site(),
        family: Family::Session,
        lsid: lsid(number),
        end: End::Seen,
        noticed_at: ApplianceTime::read_off(Utc::now()),
    })
}

/// The staged report of the session of this number.
pub fn staged(number: usize, content: &str) -> Fact {
    Fact::ArtifactStaged(ArtifactStaged {
        artifact: report(number),
        claim: ClaimCheck {
            object: format!("{number}/{content}.xml"),
            size: 1,
            digest: Digest::of(content.as_bytes()),
            content: Digest::of(content.as_bytes()),
            extension: "xml".into(),
        },
        particulars: Particulars::default(),
        staged_at: Utc::now(),
        cause: Cause { subject: "a test".into(), sequence: 1 },
        revision: None,
    })
}

/// An asking for the report of the session of this number.
pub fn again(number: usize, ask: &str) -> Fact {
    Fact::Again(Again {
        artifact: report(number),
        to: Asked::Fetch,
        ask: ask.to_owned(),
        mode: AgainMode::IfMissing,
        why: "a test asks".to_owned(),
        asked_by: "a test".to_owned(),
        asked_at: Utc::now(),
        destinations: Vec::new(),
        import: None,
    })
}

/// Announces the ends of sessions 0 to `count`.
pub async fn announce_ends(log: &Log, count: usize) {
    let facts: Vec<Fact> = (0..count).map(ended).collect();
    assert_eq!(log.announce_all(&facts).await.expect("the log takes facts"), count);
}

/// The route that brings the ends of sessions.
pub fn route(log: &Log) -> Route {
    Route::fetch(log, &site(), Kind::SessionData)
}

/// Which session a task is about.
pub fn number(task: &Task) -> usize {
    let lsid = match &task.fact {
        Fact::SessionEnded(ended) => ended.lsid.as_str(),
        Fact::Again(again) => again.artifact.lsid().expect("a report").as_str(),
        other => panic!("not what these routes bring: {other:?}"),
    };
    usize::from_str_radix(lsid, 16).expect("the test's own numbers")
}

type Work = Box<
    dyn for<'a> Fn(&'a [Task], &'a Lease) -> BoxFuture<'a, Result<Vec<Outcome>, Failure>>
        + Send
        + Sync,
>;

/// A worker that does what the test says.
pub struct Scripted {
    work: Work,
    probe: Box<dyn Fn() -> Result<(), Failure> + Send + Sync>,
}

impl Scripted {
    /// Works on a batch as a whole.
    pub fn batches(
        work: impl for<'a> Fn(&'a [Task], &'a Lease) -> BoxFuture<'a, Result<Vec<Outcome>, Failure>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Scripted { work: Box::new(work), probe: Box::new(|| Ok(())) }
    }

    /// Works on one task after the other, each by its session's number.
    pub fn singly<F>(work: impl Fn(usize) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Outcome> + Send,
    {
        let work = Arc::new(work);
        Self::batches(move |tasks, _| {
            let work = Arc::clone(&work);
            async move {
                let mut outcomes = Vec::new();
                for task in tasks {
                    outcomes.push(work(number(task)).await);
                }
                Ok(outcomes)
            }
            .boxed()
        })
    }

    pub fn probed_by(
        self,
        probe: impl Fn() -> Result<(), Failure> + Send + Sync + 'static,
    ) -> Self {
        Scripted { probe: Box::new(probe), ..self }
    }
}

impl Worker for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn destination(&self) -> Option<DestinationId> {
        None
    }

    async fn work(&self, tasks: &[Task], lease: &Lease) -> Result<Vec<Outcome>, Failure> {
        (self.work)(tasks, lease).await
    }

    async fn probe(&self) -> Result<(), Failure> {
        (self.probe)()
    }
}

/// Retries that don't keep a test waiting.
pub fn quick(slots: usize) -> RunnerOptions {
    RunnerOptions {
        retry: RetryPolicy {
            attempts_max: 3,
            delay_first: Duration::from_millis(20),
            delay_max: Duration::from_millis(50),
        },
        ..RunnerOptions::slots(slots)
    }
}

/// A runner at work.
pub struct Running {
    pub stop: CancellationToken,
    pub state: tokio::sync::watch::Receiver<RunnerState>,
    pub task: JoinHandle<Result<(), RunError>>,
}

pub fn run<W: Worker>(log: &Log, worker: W, routes: Vec<Route>, options: RunnerOptions) -> Running {
    let runner = Runner::new(log.clone(), worker, routes, options);
    let (stop, state) = (CancellationToken::new(), runner.state());
    Running { task: tokio::spawn(runner.run(stop.clone())), stop, state }
}

impl Running {
    pub async fn stopped(self) -> Result<(), RunError> {
        self.stop.cancel();
        self.ended().await
    }

    pub async fn ended(self) -> Result<(), RunError> {
        let ended = tokio::time::timeout(PATIENCE, self.task).await;
        ended.expect("the runner ends").expect("the runner does not panic")
    }

    pub async fn is_down(&mut self) {
        let down = self.state.wait_for(|state| matches!(state, RunnerState::Down(_)));
        tokio::time::timeout(PATIENCE, down).await.expect("it goes down").expect("it runs");
    }
}

/// Waits until something is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until a count reaches a number.
pub async fn until_count(what: &str, count: &AtomicUsize, number: usize) {
    until(what, async || count.load(Ordering::SeqCst) >= number).await;
}

/// Waits until nothing of a route waits or is in hand.
pub async fn until_settled(log: &Log, route: &Route) {
    until("everything of the route is settled", async || {
        // In this order: what comes again late leaves a route drained also while it is in hand, so before it is drained
        // none in hand may mean that none was taken yet.
        if !log.is_drained(route).await.is_ok_and(|drained| drained) {
            return false;
        }
        let state = log.route_state(route).await;
        state.is_ok_and(|state| state.is_some_and(|state| state.in_hand == 0))
    })
    .await;
}

pub async fn until_dead_letters(log: &Log, count: usize) -> Vec<Lying> {
    let letters = log.dead_letters();
    until("dead letters", async || letters.list().await.is_ok_and(|list| list.len() >= count))
        .await;
    letters.list().await.expect("the log answers")
}

pub async fn no_dead_letters(log: &Log) {
    let letters = log.dead_letters().list().await.expect("the log answers");
    assert!(letters.is_empty(), "{letters:#?}");
}

/// What the log remembers of messages that are not settled.
pub async fn remembered(log: &Log) -> Vec<String> {
    let bucket = log.bucket::<serde_json::Value>("attempts").await.expect("a bucket");
    let keys = bucket.keys().await.expect("the log answers");
    keys.into_iter().filter(|key| key != "probe").collect()
}

/// A client beside the log's own, for what no worker does.
pub async fn outsider(server: &NatsServer) -> async_nats::jetstream::Context {
    let client = async_nats::connect(server.url()).await.expect("the server answers");
    async_nats::jetstream::new(client)
}

/// What the server knows of a route.
pub async fn consumer_info(log: &Log, server: &NatsServer, route: &Route) -> consumer::Info {
    let stream = format!("{}-DUE", log.subjects().prefix());
    let stream = outsider(server).await.get_stream(stream).await.expect("the stream is there");
    stream.consumer_info(&route.name).await.expect("the route is there")
}

pub fn failed(text: &str) -> BoxError {
    BoxError::from(text.to_owned())
}
