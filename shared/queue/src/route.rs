use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, ReplayPolicy, pull};
use async_nats::jetstream::context::ConsumerInfoErrorKind;
use async_nats::jetstream::stream::{
    ConsumerCreateStrictErrorKind, LastRawMessageErrorKind, Stream,
};
use chrono::{DateTime, Utc};
use domain::{DestinationId, Kind, SiteHost};
use messages::Fact;
use settings::Begin;

pub mod names;
mod state;

pub use state::RouteState;
use state::routes_of;

use crate::{BoxError, Log, LogError, Period, Task};

/// How long the server waits for an acknowledgement or a sign of progress before it delivers again, where nothing else
/// is asked.
const ACK_WAIT: Duration = Duration::from_secs(30);

/// A wide bound: a message that waits for its retry keeps its place in it.
const ACK_PENDING_MAX: i64 = 20_000;

/// One site, one kind, one destination (or the fetchers): a durable consumer of the log.
///
/// It starts at the start of the log unless told otherwise, so a route that is added later fills itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The consumer's name: the route's identity.
    pub name: String,
    /// Whether it reads the stream of what is due, rather than that of artifacts.
    pub on_due: bool,
    /// Which subjects.
    pub filter: String,
    /// Where it starts.
    pub start: Start,
    /// The most messages that its worker takes at once.
    pub batch_max: usize,
    /// How long a batch that is not full waits for more, where the one before it was soon before and brought several:
    /// while much is announced, few large batches cost less than many small ones. A message that comes by itself
    /// never waits.
    pub linger: Duration,
    /// Whether it may take at most half of the slots, as what is asked for again may.
    pub half: bool,
    /// How long the server waits for an acknowledgement or a sign of progress before it delivers again. The runner
    /// gives a sign three times as often.
    pub ack_wait: Duration,
    /// What of its messages is worked on, where that is not all. Such a route ends: it may be dropped while it is followed.
    pub bounds: Option<Bounds>,
}

/// What of a route's messages is worked on; the rest is acknowledged as it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// By the end of the session.
    pub period: Period,
    /// The last position.
    pub up_to: u64,
}

impl Bounds {
    pub(crate) fn hold(&self, task: &Task) -> bool {
        let ended = match &task.fact {
            Fact::ArtifactStaged(staged) => staged.particulars.ended.unwrap_or(staged.staged_at),
            _ => return true,
        };
        task.origin.sequence <= self.up_to && self.period.holds(ended)
    }
}

/// Where a route starts, when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the start of the log.
    All,
    /// With what is published from now on.
    New,
    /// With what was published at that time or later, by the server's clock.
    Since(DateTime<Utc>),
    /// At this position.
    At(u64),
}

impl From<Begin> for Start {
    fn from(begin: Begin) -> Self {
        match begin {
            Begin::All => Start::All,
            Begin::Now => Start::New,
            Begin::Since(instant) => Start::Since(instant),
        }
    }
}

impl Route {
    fn of(name: String, on_due: bool, filter: String) -> Self {
        Route {
            name,
            on_due,
            filter,
            start: Start::All,
            batch_max: 1,
            linger: Duration::ZERO,
            half: false,
            ack_wait: ACK_WAIT,
            bounds: None,
        }
    }

    /// Fetches one kind of one site.
    pub fn fetch(log: &Log, site: &SiteHost, kind: Kind) -> Self {
        Route::of(names::fetch(site, kind), true, log.subjects().due_of(site, kind))
    }

    /// Fetches what is asked for again of one site.
    pub fn again_fetch(log: &Log, site: &SiteHost) -> Self {
        let route = Route::of(names::again_fetch(site), true, log.subjects().again_fetch_of(site));
        Route { half: true, ..route }
    }

    /// Delivers one kind of one site to one destination.
    pub fn deliver(log: &Log, destination: &DestinationId, site: &SiteHost, kind: Kind) -> Self {
        let name = names::deliver(destination, site, kind);
        Route::of(name, false, log.subjects().staged_of(site, kind))
    }

    /// Delivers what is asked for again of one destination.
    pub fn again_deliver(log: &Log, destination: &DestinationId) -> Self {
        let filter = log.subjects().again_deliver_of(destination);
        Route { half: true, ..Route::of(names::again_deliver(destination), false, filter) }
    }

    /// Goes through one kind of one site once more.
    pub(crate) fn replay(
        log: &Log,
        name: String,
        site: &SiteHost,
        kind: Kind,
        bounds: Bounds,
    ) -> Self {
        let route = Route::of(name, false, log.subjects().staged_of(site, kind));
        Route { half: true, bounds: Some(bounds), ..route }
    }

    /// The same route, with batches of up to this many.
    #[must_use]
    pub fn batched(self, batch_max: usize) -> Self {
        Route { batch_max, ..self }
    }

    /// The same route, begun there if it is not there yet.
    #[must_use]
    pub fn starting(self, start: Start) -> Self {
        Route { start, ..self }
    }

    /// The same route, with batches that wait for more while much comes.
    #[must_use]
    pub fn lingering(self, linger: Duration) -> Self {
        Route { linger, ..self }
    }
}

impl Log {
    /// Makes sure that the route is there, and reads back what the server made of it.
    ///
    /// # Errors
    /// When the server does not answer, or has a route of that name with another filter.
    pub async fn ensure_route(&self, route: &Route) -> Result<(), LogError> {
        self.route_consumer(route).await.map(drop)
    }

    pub(crate) async fn route_consumer(
        &self,
        route: &Route,
    ) -> Result<Consumer<pull::Config>, LogError> {
        let stream = if route.on_due { &self.due } else { &self.artifacts };
        let failed = |cause: BoxError| LogError::Route { name: route.name.clone(), cause };
        let begins = self.begins(stream, route).await?;
        let consumer = match stream.create_consumer_strict(config(route, begins)).await {
            Ok(consumer) => consumer,
            // It is there from before; a start can't be changed, so it is not asked for.
            Err(error) if error.kind() == ConsumerCreateStrictErrorKind::AlreadyExists => {
                stream.get_consumer(&route.name).await.map_err(failed)?
            }
            Err(error) => return Err(failed(error.into())),
        };
        let has = &consumer.cached_info().config;
        let filters_match = has.filter_subject == route.filter
            || has.filter_subjects.as_slice() == std::slice::from_ref(&route.filter);
        if filters_match && has.ack_wait == route.ack_wait && has.max_deliver <= 0 {
            Ok(consumer)
        } else {
            Err(LogError::RouteDiffers { name: route.name.clone() })
        }
    }

    pub(crate) async fn existing_consumer(
        &self,
        route: &Route,
    ) -> Result<Consumer<pull::Config>, LogError> {
        let stream = if route.on_due { &self.due } else { &self.artifacts };
        let found = stream.get_consumer(&route.name).await;
        found.map_err(|cause| LogError::Route { name: route.name.clone(), cause })
    }

    /// Where a route begins that may have to be made. The start is kept as a position, so that whoever makes the route
    /// anew can begin where it began.
    async fn begins(&self, stream: &Stream, route: &Route) -> Result<DeliverPolicy, LogError> {
        let position = match route.start {
            Start::All => return Ok(DeliverPolicy::All),
            Start::At(position) => position,
            Start::New => last(stream).await? + 1,
            Start::Since(instant) => self.position_since(stream, instant).await?,
        };
        Ok(match position {
            0 | 1 => DeliverPolicy::All,
            start_sequence => DeliverPolicy::ByStartSequence { start_sequence },
        })
    }

    /// The position of the first message that was published at an instant or later. Positions are in the order of time,
    /// so about twenty are looked at.
    async fn position_since(
        &self,
        stream: &Stream,
        instant: DateTime<Utc>,
    ) -> Result<u64, LogError> {
        let all = format!("{}.>", self.subjects.prefix());
        let (mut from, mut to) = (1, last(stream).await? + 1);
        while from < to {
            let middle = from + (to - from) / 2;
            let message = match stream.get_first_raw_message_by_subject(&all, middle).await {
                Ok(message) => message,
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                    to = middle;
                    continue;
                }
                Err(error) => {
                    return Err(LogError::Read { subject: all, cause: error.into() });
                }
            };
            let stored = i64::try_from(message.time.unix_timestamp_nanos()).unwrap_or(0);
            if DateTime::from_timestamp_nanos(stored) < instant {
                from = message.sequence + 1;
            } else {
                to = middle;
            }
        }
        Ok(from)
    }

    /// Removes every route that delivers to this destination: it has another identity now.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn drop_routes_to(&self, destination: &DestinationId) -> Result<usize, LogError> {
        let mut dropped = 0;
        for route in routes_of(&self.artifacts, false).await? {
            if names::delivers_to(&route.name, destination) {
                self.drop_route(&route.name).await?;
                dropped += 1;
            }
        }
        Ok(dropped)
    }

    /// Removes a route of the stream of artifacts; one that is gone already is as good as removed.
    pub(crate) async fn drop_route(&self, name: &str) -> Result<(), LogError> {
        match self.artifacts.delete_consumer(name).await {
            Ok(_) => Ok(()),
            Err(_) if self.is_consumer_gone(name).await => Ok(()),
            Err(cause) => Err(LogError::Route { name: name.to_owned(), cause: cause.into() }),
        }
    }

    async fn is_consumer_gone(&self, name: &str) -> bool {
        let info = self.artifacts.consumer_info(name).await;
        info.is_err_and(|error| error.kind() == ConsumerInfoErrorKind::NotFound)
    }

    /// Whether the server says that there is no such route, or not even its stream.
    pub(crate) async fn is_route_gone(&self, route: &Route) -> Result<bool, LogError> {
        let stream = if route.on_due { &self.due } else { &self.artifacts };
        match stream.consumer_info(&route.name).await {
            Ok(_) => Ok(false),
            Err(error) => match error.kind() {
                ConsumerInfoErrorKind::NotFound | ConsumerInfoErrorKind::StreamNotFound => Ok(true),
                _ => Err(LogError::Route { name: route.name.clone(), cause: error.into() }),
            },
        }
    }
}

async fn last(stream: &Stream) -> Result<u64, LogError> {
    let name = stream.cached_info().config.name.clone();
    let info = stream.get_info().await;
    let info = info.map_err(|cause| LogError::Stream { name, cause: cause.into() })?;
    Ok(info.state.last_sequence)
}

fn config(route: &Route, deliver_policy: DeliverPolicy) -> pull::Config {
    pull::Config {
        durable_name: Some(route.name.clone()),
        deliver_policy,
        ack_policy: AckPolicy::Explicit,
        ack_wait: route.ack_wait,
        // Unlimited: a message that reached a limit would never come again and be counted nowhere.
        max_deliver: -1,
        filter_subject: route.filter.clone(),
        replay_policy: ReplayPolicy::Instant,
        max_ack_pending: ACK_PENDING_MAX,
        ..pull::Config::default()
    }
}
