//! The appliances' outbound events: heard over HTTP, and never believed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{Method, Request, StatusCode};
use domain::Lsid;
use settings::{Events, Settings, UnresolvedSecret};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::waker::Waker;

/// An event is a short form.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long an event's body may take.
const BODY_MAX: Duration = Duration::from_secs(10);

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
    settings: Events,
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
pub(crate) async fn listen(
    settings: &Settings,
    events: &Events,
    wakers: Vec<Waker>,
    stop: CancellationToken,
) -> Result<SocketAddr, EventsError> {
    let failed = |cause| EventsError::Listen { listen: events.listen, cause };
    let path = events.path.expose().map_err(EventsError::Path)?.to_owned();
    let listener = TcpListener::bind(events.listen).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let sites = settings.sites.len();
    tracing::info!(listen = %bound, sites, "taking outbound events of the appliances");
    let house = Arc::new(House { settings: events.clone(), path, wakers });
    let router = axum::Router::new().fallback(answer).with_state(house);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move {
        let serving = axum::serve(listener, service);
        tokio::select! {
            () = stop.cancelled() => {}
            ended = serving => drop(ended),
        }
    });
    Ok(bound)
}

async fn answer(
    State(house): State<Arc<House>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request<Body>,
) -> StatusCode {
    match house.heard(from, request).await {
        Ok(()) => StatusCode::OK,
        Err(status) => {
            tracing::debug!(%from, %status, "an event was refused");
            status
        }
    }
}

impl House {
    async fn heard(&self, from: SocketAddr, request: Request<Body>) -> Result<(), StatusCode> {
        if !self.settings.allow.iter().any(|network| network.holds(from.ip())) {
            return Err(StatusCode::FORBIDDEN);
        }
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
