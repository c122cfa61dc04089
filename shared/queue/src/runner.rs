use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::hand::InHand;
use crate::pull::Puller;
use crate::{BoxError, Failure, Gate, Log, LogError, RetryPolicy, Route, Worker};
use follow::Followed;
use meters::Meters;

mod conclude;
mod follow;
mod job;
mod meters;
mod probe;

/// How long the first phase of work may take, until the worker names its own.
const FIRST_PHASE_MAX: Duration = Duration::from_secs(120);
/// How long a message that is to be run alone waits for other work to end.
const SOLITUDE_WAIT_MAX: Duration = Duration::from_secs(60);

/// How a runner runs.
#[derive(Debug, Clone)]
pub struct RunnerOptions {
    /// The most work (messages, or batches) at once.
    pub slots: usize,
    /// Retries.
    pub retry: RetryPolicy,
    /// How long work in hand may go on after a stop, before it is handed back.
    pub grace: Duration,
    /// How long work may take until the worker names its first phase.
    pub first_phase_max: Duration,
    /// How long a message that is to be run alone waits for other work of its process to end. New work waits as long.
    pub solitude_wait_max: Duration,
    /// The gates of those routes that are not always open, by the routes' names.
    pub gates: HashMap<String, Gate>,
}

impl RunnerOptions {
    /// The usual retries and grace, with this many slots.
    pub fn slots(slots: usize) -> Self {
        RunnerOptions {
            slots,
            retry: RetryPolicy::default(),
            grace: Duration::from_secs(20),
            first_phase_max: FIRST_PHASE_MAX,
            solitude_wait_max: SOLITUDE_WAIT_MAX,
            gates: HashMap::new(),
        }
    }
}

/// Whether a runner works, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunnerState {
    /// Its routes need not be there yet.
    Starting,
    /// It takes messages.
    Working,
    /// What its worker depends on does not answer; it probes.
    Down(String),
}

impl RunnerState {
    /// Why it does not work; `None` while it does.
    pub fn reason(&self) -> Option<&str> {
        match self {
            RunnerState::Starting => Some("is starting"),
            RunnerState::Working => None,
            RunnerState::Down(reason) => Some(reason),
        }
    }
}

/// Why a runner could not go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A route could not be prepared.
    #[error("could not prepare a route")]
    Route {
        /// Why.
        #[source]
        cause: LogError,
    },
    /// A route was dropped while it was followed.
    #[error(
        "the route {name} is gone from the log: it was dropped, or the log was lost; start again to make it anew"
    )]
    RouteGone {
        /// Which.
        name: String,
    },
    /// A message of a version that this program does not know.
    #[error("a message at {subject} was written by a newer sluice: update this program")]
    NewerVersion {
        /// Where it stands.
        subject: String,
        /// What is newer.
        #[source]
        cause: messages::DecodeError,
    },
}

/// Runs one worker on its routes: pulls no more than it has free slots, leases, publishes, settles.
#[derive(Debug)]
pub struct Runner<W> {
    shared: Arc<Shared<W>>,
    routes: Vec<Route>,
    adder: mpsc::UnboundedSender<Route>,
    added: mpsc::UnboundedReceiver<Route>,
}

/// Gives a runner more routes while it runs.
#[derive(Debug, Clone)]
pub struct RouteAdder(mpsc::UnboundedSender<Route>);

impl RouteAdder {
    /// Has the runner follow this route, too; one that has stopped follows none.
    pub fn add(&self, route: Route) {
        // Who stops needs it no more.
        let _ = self.0.send(route);
    }
}

#[derive(Debug)]
pub(crate) struct Shared<W> {
    log: Log,
    worker: W,
    options: RunnerOptions,
    state: watch::Sender<RunnerState>,
    /// No more pulls.
    stop: CancellationToken,
    /// No more work.
    cut: CancellationToken,
    fatal: Mutex<Option<RunError>>,
    slots: Arc<Semaphore>,
    /// What routes of things asked for again may take of the slots.
    half: Arc<Semaphore>,
    in_hand: Arc<InHand>,
    /// How often a message met a dependency that was down right after it had been probed as up.
    downs: Mutex<HashMap<(String, u64), u32>>,
    meters: Meters,
}

impl<W: Worker> Runner<W> {
    /// A runner that is not running yet.
    pub fn new(log: Log, worker: W, routes: Vec<Route>, options: RunnerOptions) -> Self {
        let slots = options.slots.max(1);
        let meters = Meters::new(worker.name());
        let shared = Shared {
            log,
            worker,
            state: watch::Sender::new(RunnerState::Starting),
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
            fatal: Mutex::new(None),
            slots: Arc::new(Semaphore::new(slots)),
            half: Arc::new(Semaphore::new((slots / 2).max(1))),
            in_hand: Arc::default(),
            downs: Mutex::new(HashMap::new()),
            meters,
            options,
        };
        let (adder, added) = mpsc::unbounded_channel();
        Runner { shared: Arc::new(shared), routes, adder, added }
    }

    /// What gives it more routes.
    pub fn adder(&self) -> RouteAdder {
        RouteAdder(self.adder.clone())
    }

    /// Whether it works, as it changes.
    pub fn state(&self) -> watch::Receiver<RunnerState> {
        self.shared.state.subscribe()
    }

    /// Runs until told to stop: then it pulls no more, finishes what is in hand or hands it back, and returns. Where
    /// it is dropped instead, work in hand is handed back at once.
    ///
    /// # Errors
    /// When a route can't be prepared, or a message was written by a newer sluice.
    pub async fn run(self, stop: CancellationToken) -> Result<(), RunError> {
        // Its own adder stays with it: the channel is open for as long as it runs.
        let Runner { shared, routes, adder: _open, mut added } = self;
        let mut pullers = Vec::with_capacity(routes.len());
        for route in routes {
            let puller = shared.log.puller(&route).await;
            pullers.push((route, puller.map_err(|cause| RunError::Route { cause })?));
        }
        shared.state.send_replace(RunnerState::Working);
        let _when_dropped = (shared.stop.clone().drop_guard(), shared.cut.clone().drop_guard());
        let jobs = TaskTracker::new();
        let mut loops = JoinSet::new();
        for (route, puller) in pullers {
            loops.spawn(Arc::clone(&shared).follow(
                Followed::new(route, &shared.options.gates),
                puller,
                jobs.clone(),
            ));
        }
        let mut prober = JoinSet::new();
        prober.spawn(Arc::clone(&shared).probe_when_down());
        loop {
            tokio::select! {
                () = stop.cancelled() => shared.stop.cancel(),
                () = shared.stop.cancelled() => {}
                Some(ended) = loops.join_next() => {
                    if let Err(panicked) = ended {
                        std::panic::resume_unwind(panicked.into_panic());
                    }
                    continue;
                }
                Some(route) = added.recv() => {
                    loops.spawn(Arc::clone(&shared).follow_added(route, jobs.clone()));
                    continue;
                }
            }
            break;
        }
        while loops.join_next().await.is_some() {}
        jobs.close();
        if tokio::time::timeout(shared.options.grace, jobs.wait()).await.is_err() {
            shared.cut.cancel();
            jobs.wait().await;
        }
        shared.log.flush().await;
        match shared.fatal.lock().expect("no holder of this lock panics").take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

impl<W> Shared<W> {
    /// Stops the whole runner for a reason that only a person can remove.
    fn stop_for(&self, error: RunError) {
        self.fatal.lock().expect("no holder of this lock panics").get_or_insert(error);
        self.stop.cancel();
    }
}

impl Log {
    async fn puller(&self, route: &Route) -> Result<Puller, LogError> {
        // One that ends is made by whoever began it: a follower who comes late must not make it anew.
        let consumer = match route.bounds {
            Some(_) => self.existing_consumer(route).await?,
            None => self.route_consumer(route).await?,
        };
        Puller::new(self.client.clone(), consumer)
            .await
            .map_err(|cause| LogError::Route { name: route.name.clone(), cause })
    }
}

/// What a method of the worker comes to; a panic, in making its future or in that, is a failure to be retried.
///
/// Boxed futures, because the compiler can't see through an async block around such a method that it is `Send`.
fn unwinding<'a, T: Send + 'a>(
    make: impl FnOnce() -> BoxFuture<'a, Result<T, Failure>>,
) -> BoxFuture<'a, Result<T, Failure>> {
    let made = catch_unwind(AssertUnwindSafe(make));
    match made {
        Ok(future) => AssertUnwindSafe(future)
            .catch_unwind()
            .map(|done| done.unwrap_or_else(|panic| Err(panicked(panic.as_ref()))))
            .boxed(),
        Err(panic) => futures::future::err(panicked(panic.as_ref())).boxed(),
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Failure {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Failure::Retry(BoxError::from(format!("the worker panicked: {text}")))
}
