//! What every request passes before it is answered.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, BodyDataStream};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures::{StreamExt, stream};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{answer, json};
use crate::clock::http_date;
use crate::counters::InFlight;
use crate::limits::Admission;
use crate::report::cut;
use crate::site::Site;

/// Every answer: the site's date, no second request on a connection, no length, and an end when the simulator stops.
pub(super) async fn front(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let response = next.run(request).await;
    debug!(%method, path = uri.path(), status = response.status().as_u16(), "answered");
    let (mut parts, body) = response.into_parts();
    let date = HeaderValue::from_str(&http_date(site.now())).expect("a date is plain ASCII");
    parts.headers.insert(header::DATE, date);
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    Response::from_parts(parts, until_stopped(body.into_data_stream(), site.stop.clone()))
}

/// API and token requests: they are counted, and faults that concern them all strike here.
pub(super) async fn trouble(
    State(site): State<Arc<Site>>,
    request: Request,
    next: Next,
) -> Response {
    let in_flight = site.tally.begin();
    if let Some(delay) = site.faults.delay() {
        tokio::time::sleep(delay).await;
    }
    let failure = site.faults.take_failure().and_then(|status| StatusCode::from_u16(status).ok());
    let response = match failure {
        Some(status) => answer(status, "text/plain", "failed by a fault\n"),
        None => next.run(request).await,
    };
    let status = response.status().as_u16();
    site.tally.change(|counters| *counters.answers.entry(status).or_default() += 1);
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, counted(body.into_data_stream(), in_flight, site))
}

/// API requests: a valid token, and room within the limits.
pub(super) async fn account(
    State(site): State<Arc<Site>>,
    request: Request,
    next: Next,
) -> Response {
    if !bearer(request.headers()).is_some_and(|token| site.accepts_token(token)) {
        site.tally.request("refused token");
        let body = json!({
            "error": "access_denied",
            "message": "The resource owner or authorization server denied the request.",
        });
        return json(StatusCode::UNAUTHORIZED, &body);
    }
    let admission = site.limits.admit(Instant::now());
    let mut response = if admission.admitted {
        next.run(request).await
    } else {
        site.tally.change(|counters| counters.throttled += 1);
        too_many(site.options.retry_after_seconds)
    };
    tell_limits(response.headers_mut(), admission);
    response
}

fn too_many(retry_after: Option<u64>) -> Response {
    let mut refusal = answer(StatusCode::TOO_MANY_REQUESTS, "text/plain", "Too many requests.\n");
    if let Some(seconds) = retry_after {
        refusal.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    refusal
}

fn tell_limits(headers: &mut HeaderMap, admission: Admission) {
    if admission.limit > 0 {
        headers.insert("x-ratelimit-limit", HeaderValue::from(admission.limit));
        headers.insert("x-ratelimit-remaining", HeaderValue::from(admission.remaining));
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

// A break and no plain end, because a body that the stop cuts short must not look complete.
fn until_stopped(body: BodyDataStream, stop: CancellationToken) -> Body {
    Body::from_stream(stream::unfold(Some(body), move |body| {
        let stop = stop.clone();
        async move {
            let mut body = body?;
            tokio::select! {
                piece = body.next() => piece.map(|piece| (piece.map_err(io::Error::other), Some(body))),
                () = stop.cancelled() => Some((Err(cut()), None)),
            }
        }
    }))
}

fn counted(body: BodyDataStream, in_flight: InFlight, site: Arc<Site>) -> Body {
    Body::from_stream(stream::unfold((body, in_flight), move |(mut body, in_flight)| {
        let site = site.clone();
        async move {
            let piece = body.next().await;
            if piece.is_none() {
                site.tally.change(|counters| counters.completed += 1);
            }
            piece.map(|piece| (piece, (body, in_flight)))
        }
    }))
}
