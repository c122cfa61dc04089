//! One route: taking messages while there are slots.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::Message;
use async_nats::jetstream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{RunError, Shared};
use crate::hand::{Lost, Raw, renewing};
use crate::pull::{PullError, Puller};
use crate::{Gate, Log, Route, Worker};

/// How long to wait after a pull that failed.
const PULL_FAILED_PAUSE: Duration = Duration::from_secs(1);

/// A route is busy for so long after a batch of several.
const BUSY: Duration = Duration::from_secs(5);

/// How often in a row the server has to say that it has no such route before that is believed: while a cluster elects
/// a leader it says many things.
const GONE_MAX: u32 = 3;

/// A route that is being followed.
#[derive(Debug)]
pub(crate) struct Followed {
    pub route: Route,
    /// Where it is not always open.
    gate: Option<Gate>,
    /// Its worker was asked for patience until then.
    patient_until: Mutex<Option<Instant>>,
    /// Where it is a replay's: that it is known to have brought something.
    has_begun: AtomicBool,
    /// That it was one which ends, and is gone.
    ended: CancellationToken,
}

/// A slot, and where the route may take only half of them, its part of that half.
pub(crate) type Permits = Vec<OwnedSemaphorePermit>;

/// Why there is no slot.
enum NoSlot {
    /// The runner stops.
    Stopping,
    /// The message is no longer this runner's.
    Lost,
}

impl Followed {
    /// Notes that it brought something, where that is of interest; what could not be noted is with the next.
    pub(super) async fn brought(&self, log: &Log) {
        if self.route.bounds.is_none() || self.has_begun.load(Ordering::Relaxed) {
            return;
        }
        match log.replay_has_begun(&self.route.name).await {
            Ok(()) => self.has_begun.store(true, Ordering::Relaxed),
            Err(error) => tracing::debug!(%error, "could not note that a replay has begun"),
        }
    }

    pub fn new(route: Route, gates: &HashMap<String, Gate>) -> Self {
        let gate = gates.get(&route.name).cloned();
        let (patient_until, ended) = (Mutex::new(None), CancellationToken::new());
        Followed { route, gate, patient_until, has_begun: AtomicBool::new(false), ended }
    }

    fn is_open(&self) -> bool {
        self.gate.as_ref().is_none_or(Gate::is_open)
    }

    async fn opened(&self) {
        if let Some(gate) = &self.gate {
            gate.opened().await;
        }
    }

    /// How often a lease is renewed; a third of the time after which the server would deliver again.
    pub fn renew_every(&self) -> Duration {
        self.route.ack_wait / 3
    }

    /// Takes no more for this long.
    pub fn be_patient(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut patient = self.patient_until.lock().expect("no holder of this lock panics");
        *patient = Some(patient.map_or(until, |already| already.max(until)));
    }

    async fn patience_ends(&self) {
        let until = *self.patient_until.lock().expect("no holder of this lock panics");
        if let Some(until) = until {
            tokio::time::sleep_until(until).await;
        }
    }
}

impl<W: Worker> Shared<W> {
    /// Takes messages of one route while there are slots, and starts a job for each or for each batch.
    pub(super) async fn follow(
        self: Arc<Self>,
        followed: Followed,
        mut puller: Puller,
        jobs: TaskTracker,
    ) {
        let followed = Arc::new(followed);
        let route = &followed.route;
        let mut last_several: Option<Instant> = None;
        loop {
            let first = tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                () = followed.ended.cancelled() => break,
                first = self.next(&followed, &mut puller) => first,
            };
            let Some(first) = first.map(Arc::new) else { continue };
            let permits = match self.permits(&followed, &first).await {
                Ok(permits) => permits,
                Err(NoSlot::Lost) => continue,
                Err(NoSlot::Stopping) => {
                    self.hand_back(&first, Duration::ZERO).await;
                    break;
                }
            };
            let Some(first) = Arc::into_inner(first) else { continue };
            if route.batch_max > 1 {
                let busy = last_several.is_some_and(|last| last.elapsed() < BUSY);
                let taken = self.batch(route, first, busy, &mut puller).await;
                last_several = (taken.len() > 1).then(Instant::now);
                self.start(&followed, &jobs, taken, permits);
            } else {
                self.start(&followed, &jobs, vec![first], permits);
                let free = self.free_permits(route);
                let more = puller.at_hand(free.len()).await;
                for (raw, permits) in self.taken(route, more).zip(free) {
                    self.start(&followed, &jobs, vec![raw], permits);
                }
            }
        }
        for raw in self.taken(route, puller.close().await) {
            self.hand_back(&raw, Duration::ZERO).await;
        }
    }

    /// Follows a route that came while the runner runs. It is tried until it is there, or the runner stops: whoever added
    /// it sees that it is not worked off.
    pub(super) async fn follow_added(self: Arc<Self>, route: Route, jobs: TaskTracker) {
        loop {
            match self.log.puller(&route).await {
                Ok(puller) => {
                    let followed = Followed::new(route, &self.options.gates);
                    return self.follow(followed, puller, jobs).await;
                }
                Err(_) if route.bounds.is_some() && self.is_gone(&route).await => return,
                Err(error) => {
                    tracing::debug!(route = route.name, %error, "a route can't be followed yet");
                }
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(PULL_FAILED_PAUSE) => {}
            }
        }
    }

    /// The messages of a batch that begins with this one.
    async fn batch(&self, route: &Route, first: Raw, busy: bool, puller: &mut Puller) -> Vec<Raw> {
        let mut taken = vec![first];
        taken.extend(self.taken(route, puller.at_hand(route.batch_max - 1).await));
        if busy && taken.len() < route.batch_max && !route.linger.is_zero() {
            tokio::select! {
                () = self.stop.cancelled() => return taken,
                () = tokio::time::sleep(route.linger) => {}
            }
            let room = route.batch_max - taken.len();
            taken.extend(self.taken(route, puller.at_hand(room).await));
        }
        taken
    }

    fn start(
        self: &Arc<Self>,
        followed: &Arc<Followed>,
        jobs: &TaskTracker,
        taken: Vec<Raw>,
        permits: Permits,
    ) {
        let (shared, followed) = (Arc::clone(self), Arc::clone(followed));
        jobs.spawn(async move {
            shared.job(&followed, taken).await;
            drop(permits);
        });
    }

    fn taken(&self, route: &Route, messages: Vec<Message>) -> impl Iterator<Item = Raw> {
        messages.into_iter().filter_map(|message| self.take(message, route))
    }

    fn take(&self, message: Message, route: &Route) -> Option<Raw> {
        let context = self.log.jetstream.clone();
        self.in_hand.take(jetstream::Message { message, context }, &route.name)
    }

    /// Waits, without a slot, for one message. It is the only one of its route that may wait for its slot.
    async fn next(&self, followed: &Followed, puller: &mut Puller) -> Option<Raw> {
        followed.opened().await;
        self.up().await;
        followed.patience_ends().await;
        match puller.one().await {
            Ok(message) => {
                let taken = self.take(message?, &followed.route)?;
                if followed.is_open() {
                    return Some(taken);
                }
                // It came for a pull of before the route was closed.
                self.hand_back(&taken, Duration::ZERO).await;
                None
            }
            Err(error) => {
                let name = &followed.route.name;
                tracing::debug!(route = name, error = %error, "could not pull");
                if matches!(error, PullError::Refused { .. }) && self.is_gone(&followed.route).await
                {
                    match followed.route.bounds {
                        Some(_) => followed.ended.cancel(),
                        None => self.stop_for(RunError::RouteGone { name: name.clone() }),
                    }
                }
                tokio::time::sleep(PULL_FAILED_PAUSE).await;
                None
            }
        }
    }

    /// Whether the server says, and goes on saying, that it has no such route.
    async fn is_gone(&self, route: &Route) -> bool {
        for _ in 0..GONE_MAX {
            if !matches!(self.log.is_route_gone(route).await, Ok(true)) {
                return false;
            }
            tokio::time::sleep(PULL_FAILED_PAUSE / 2).await;
        }
        true
    }

    /// Waits for a slot, and keeps the message meanwhile.
    async fn permits(&self, followed: &Followed, first: &Arc<Raw>) -> Result<Permits, NoSlot> {
        let kinds = self.semaphores(&followed.route);
        let acquire = async {
            let mut permits = Vec::with_capacity(kinds.len());
            for kind in kinds {
                let permit = Arc::clone(kind).acquire_owned().await;
                permits.push(permit.expect("these semaphores are never closed"));
            }
            permits
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(NoSlot::Stopping),
            permits = acquire => Ok(permits),
            Lost = renewing(&self.log.client, std::slice::from_ref(first), followed.renew_every()) => {
                Err(NoSlot::Lost)
            }
        }
    }

    /// The slots that are free, and that no other route waits for.
    fn free_permits(&self, route: &Route) -> Vec<Permits> {
        let kinds = self.semaphores(route);
        let free = || {
            kinds
                .iter()
                .map(|kind| Arc::clone(kind).try_acquire_owned().ok())
                .collect::<Option<Permits>>()
        };
        std::iter::from_fn(free).take(self.options.slots).collect()
    }

    fn semaphores(&self, route: &Route) -> Vec<&Arc<Semaphore>> {
        if route.half { vec![&self.half, &self.slots] } else { vec![&self.slots] }
    }
}
