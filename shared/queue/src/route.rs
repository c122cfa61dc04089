use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, ReplayPolicy, pull};
use async_nats::jetstream::context::ConsumerInfoErrorKind;
use async_nats::jetstream::stream::{ConsumerCreateStrictErrorKind, Stream};
use domain::{DestinationId, Kind, SiteHost};
use futures::TryStreamExt;

use crate::{BoxError, Log, LogError};

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
}

/// Where a route starts, when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the start of the log.
    All,
    /// With what is published from now on.
    New,
}

/// How far a route is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteState {
    /// Its name.
    pub name: String,
    /// Messages that nobody has taken yet.
    pub waiting: u64,
    /// Messages in hand, or waiting for their retry.
    pub in_hand: u64,
    /// The stream position up to which everything is settled.
    pub settled_to: u64,
}

/// Names of routes.
pub mod names {
    use super::{DestinationId, Kind, SiteHost};
    use messages::escape;

    /// The route that fetches one kind of one site.
    pub fn fetch(site: &SiteHost, kind: Kind) -> String {
        format!("fetch-{}-{kind}", escape(site.as_str()))
    }

    /// The route that fetches what is asked for again of one site.
    pub fn again_fetch(site: &SiteHost) -> String {
        format!("again-fetch-{}", escape(site.as_str()))
    }

    /// The route that delivers one kind of one site to one destination.
    pub fn deliver(destination: &DestinationId, site: &SiteHost, kind: Kind) -> String {
        format!("deliver-{destination}-{}-{kind}", escape(site.as_str()))
    }

    /// The route that delivers what is asked for again of one destination.
    pub fn again_deliver(destination: &DestinationId) -> String {
        format!("again-deliver-{destination}")
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

    /// The same route, with batches of up to this many.
    #[must_use]
    pub fn batched(self, batch_max: usize) -> Self {
        Route { batch_max, ..self }
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
        let consumer = match stream.create_consumer_strict(config(route)).await {
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

    /// The state of a route; `None` where there is no such route yet.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn route_state(&self, route: &Route) -> Result<Option<RouteState>, LogError> {
        let stream = if route.on_due { &self.due } else { &self.artifacts };
        match stream.consumer_info(&route.name).await {
            Ok(info) => Ok(Some(state(&info))),
            Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => Ok(None),
            Err(error) => Err(LogError::Route { name: route.name.clone(), cause: error.into() }),
        }
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

    /// All routes of both streams.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn routes(&self) -> Result<Vec<RouteState>, LogError> {
        let mut states = Vec::new();
        for stream in [&self.due, &self.artifacts] {
            states.extend(routes_of(stream).await?);
        }
        Ok(states)
    }
}

async fn routes_of(stream: &Stream) -> Result<Vec<RouteState>, LogError> {
    let name = stream.cached_info().config.name.clone();
    // Those that are not durable are no routes: somebody reads through the stream.
    stream
        .consumers()
        .try_filter(|info| std::future::ready(info.config.durable_name.is_some()))
        .map_ok(|info| state(&info))
        .try_collect()
        .await
        .map_err(|cause| LogError::Stream { name, cause: cause.into() })
}

fn state(info: &async_nats::jetstream::consumer::Info) -> RouteState {
    RouteState {
        name: info.name.clone(),
        waiting: info.num_pending,
        in_hand: info.num_ack_pending as u64,
        settled_to: info.ack_floor.stream_sequence,
    }
}

fn config(route: &Route) -> pull::Config {
    pull::Config {
        durable_name: Some(route.name.clone()),
        deliver_policy: match route.start {
            Start::All => DeliverPolicy::All,
            Start::New => DeliverPolicy::New,
        },
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
