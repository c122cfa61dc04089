//! The appliances' outbound events: heard over HTTP, and never believed.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{Method, Request, StatusCode};
use domain::Lsid;
use service::Door;
use settings::{Events, Settings, UnresolvedSecret};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::waker::Waker;

/// An event is a short form.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long an event's body may take.
const BODY_MAX: Duration = Duration::from_secs(5);
/// How often it is tried to take over the address of another poller.
const TAKE_OVER_EVERY: Duration = Duration::from_secs(2);
/// How often those are told of who are not allowed to send.
const REFUSALS_TOLD_EVERY: Duration = Duration::from_secs(60);

/// Why events can't be taken.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// The secret path was not read.
    #[error("the secret path of [events] was not read")]
    Path(#[source] UnresolvedSecret),
    /// The address can't be listened on.
    #[error("could not listen on {listen}: check `listen` in [events]")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// What a request meets.
struct House {
    path: String,
    wakers: Vec<Waker>,
}

/// What an event says, as far as it matters.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    /// A session has ended, perhaps this one.
    Ended(Option<Lsid>),
    /// Something else.
    Other,
}

/// Takes events until told to stop; returns at once. Each one wakes its site.
///
/// Where another process has the address, which may be another poller of this machine, it is taken over when it is free.
pub(crate) async fn listen(
    settings: &Settings,
    events: &Events,
    wakers: Vec<Waker>,
    stop: CancellationToken,
) -> Result<(), EventsError> {
    let listen = events.listen;
    let path = events.path.expose().map_err(EventsError::Path)?.to_owned();
    let house = Arc::new(House { path, wakers });
    let (allow, sites) = (events.allow.clone(), settings.sites.len());
    let listener = match TcpListener::bind(listen).await {
        Ok(listener) => Some(listener),
        Err(cause) if cause.kind() == io::ErrorKind::AddrInUse => {
            tracing::warn!(
                %listen,
                "another process takes the events here; if it is a poller, this one takes them over when it ends, else set \
                 `listen` in [events] to a free address"
            );
            None
        }
        Err(cause) => return Err(EventsError::Listen { listen, cause }),
    };
    tokio::spawn(async move {
        let taking = async {
            let listener = match listener {
                Some(listener) => listener,
                None => taken_over(listen).await,
            };
            tracing::info!(%listen, sites, "taking outbound events of the appliances");
            let refusals = Refusals::default();
            let door = Door::new(listener).allowing(move |from| {
                let allowed = allow.iter().any(|network| network.holds(from));
                if !allowed {
                    refusals.tell(from);
                }
                allowed
            });
            door.serve(axum::Router::new().fallback(answer).with_state(house)).await
        };
        stop.run_until_cancelled(taking).await;
    });
    Ok(())
}

async fn taken_over(listen: SocketAddr) -> TcpListener {
    loop {
        tokio::time::sleep(TAKE_OVER_EVERY).await;
        match TcpListener::bind(listen).await {
            Ok(listener) => return listener,
            Err(error) => tracing::debug!(%listen, %error, "the address is still taken"),
        }
    }
}

/// Those who are not in `allow`, told of now and then: an appliance keeps its later events back until one is taken.
#[derive(Debug, Default)]
struct Refusals(Mutex<Option<Instant>>);

impl Refusals {
    fn tell(&self, from: IpAddr) {
        let mut told_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told_at.is_none_or(|told_at| told_at.elapsed() >= REFUSALS_TOLD_EVERY) {
            *told_at = Some(Instant::now());
            tracing::warn!(
                %from,
                "refused an event: `allow` in [events] does not name the sender; behind a proxy that is the proxy"
            );
        }
    }
}

async fn answer(State(house): State<Arc<House>>, request: Request<Body>) -> StatusCode {
    match house.heard(request).await {
        Ok(()) => StatusCode::OK,
        Err(status) => {
            tracing::debug!(%status, "an event was refused");
            status
        }
    }
}

impl House {
    async fn heard(&self, request: Request<Body>) -> Result<(), StatusCode> {
        let wakers = self.meant(request.uri().path()).ok_or(StatusCode::NOT_FOUND)?;
        if request.method() != Method::POST {
            return Err(StatusCode::METHOD_NOT_ALLOWED);
        }
        let body = tokio::time::timeout(BODY_MAX, to_bytes(request.into_body(), BODY_BYTES_MAX));
        let body = body.await.map_err(|_| StatusCode::REQUEST_TIMEOUT)?;
        let body = body.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
        match read(&body).ok_or(StatusCode::BAD_REQUEST)? {
            Event::Ended(lsid) => wakers.into_iter().for_each(|waker| waker.heard(lsid.clone())),
            Event::Other => {}
        }
        Ok(())
    }

    /// The sites that a path means: `/<secret>/<site>` one, `/<secret>` all; `None` where it is not ours.
    fn meant(&self, path: &str) -> Option<Vec<&Waker>> {
        let path = path.strip_prefix('/')?;
        let (secret, label) = match path.split_once('/') {
            Some((secret, label)) => (secret, Some(label)),
            None => (path, None),
        };
        let is_meant = |waker: &&Waker| label.is_none_or(|label| waker.label() == label);
        let meant: Vec<&Waker> = self.wakers.iter().filter(is_meant).collect();
        let known = label.is_none() || !meant.is_empty();
        (is_same(secret, &self.path) && known).then_some(meant)
    }
}

/// The time that this takes tells nothing of how much was right.
fn is_same(given: &str, secret: &str) -> bool {
    let differs =
        given.bytes().zip(secret.bytes()).fold(0, |all, (one, other)| all | (one ^ other));
    given.len() == secret.len() && differs == 0
}

/// Reads a form; `None` if it is no event.
fn read(body: &[u8]) -> Option<Event> {
    let value = |key: &str| {
        let mut pairs = url::form_urlencoded::parse(body);
        pairs.find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
    };
    let event = value("event").filter(|event| !event.is_empty())?;
    let is_end = ["conference_end", "session_end"].iter().any(|end| event.ends_with(end));
    Some(match is_end {
        true => Event::Ended(value("lsid").and_then(|lsid| lsid.parse().ok())),
        false => Event::Other,
    })
}

#[cfg(test)]
mod tests;
