//! The site over HTTP.

mod backup;
mod command;
mod control;
mod gate;
mod page;
mod parameters;
mod reporting;
mod token;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use futures::stream;

use crate::counters::InFlight;
use crate::errors::Message;
use crate::fault::Speech;
use crate::report::cut;
use crate::site::Site;

/// Time for what was handed over before a break to reach the client: the server drops what it has not sent yet.
const FLUSH: Duration = Duration::from_millis(50);

/// Everything that the site answers.
pub(crate) fn router(site: &Arc<Site>) -> Router {
    let calls = Router::new()
        .route("/api/reporting", get(reporting::answer).post(reporting::answer))
        .route("/api/reporting.ns", get(reporting::answer).post(reporting::answer))
        .route("/api/backup", get(backup::answer).post(backup::answer))
        .route("/api/backup.ns", get(backup::answer).post(backup::answer))
        .route("/api/command", get(command::answer).post(command::answer))
        .route("/api/command.ns", get(command::answer).post(command::answer))
        .layer(from_fn_with_state(site.clone(), gate::account))
        .route("/oauth2/token", post(token::answer))
        .layer(from_fn_with_state(site.clone(), gate::trouble));
    Router::new()
        .route("/", get(page::answer))
        .route("/state", get(control::state))
        .route("/faults", get(control::faults).post(control::set_faults))
        .route("/control", post(control::control))
        .route("/peek/session/{lsid}", get(control::peek_session))
        .merge(calls)
        .layer(from_fn_with_state(site.clone(), gate::front))
        .with_state(site.clone())
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn xml(body: impl Into<Body>) -> Response {
    answer(StatusCode::OK, "text/xml; charset=UTF-8", body)
}

fn json(status: StatusCode, body: &serde_json::Value) -> Response {
    answer(status, "application/json", body.to_string())
}

/// What answers in the place of something.
fn instead(site: &Site, speech: Speech) -> Response {
    match speech {
        Speech::Html => answer(
            StatusCode::OK,
            "text/html; charset=UTF-8",
            "<!DOCTYPE html><html><head><title>Please log in</title></head><body></body></html>\n",
        ),
        Speech::Json => {
            json(StatusCode::OK, &serde_json::json!({ "error": "busy", "message": "Come again." }))
        }
        Speech::Xml => xml(site.error(Message::ReportFailed)),
        Speech::OtherXml => xml("<?xml version=\"1.0\"?>\n<maintenance until=\"noon\"/>\n"),
        Speech::Words => answer(StatusCode::OK, "application/octet-stream", "Come again.\n"),
        Speech::ManyWords => answer(
            StatusCode::OK,
            "text/plain",
            "Fatal error: the sky fell down in line 7.\n".repeat(100),
        ),
        Speech::Nothing => answer(StatusCode::OK, "application/octet-stream", ""),
    }
}

/// What the account may not do.
fn denied(site: &Site) -> Response {
    answer(StatusCode::FORBIDDEN, "text/xml; charset=UTF-8", site.error(Message::PermissionDenied))
}

/// A body that is made while it is sent.
fn streamed<I>(pieces: I, in_flight: Option<InFlight>) -> Body
where
    I: Iterator<Item = io::Result<Bytes>> + Send + 'static,
{
    Body::from_stream(stream::unfold((pieces, in_flight), |(mut pieces, in_flight)| async move {
        let piece = pieces.next()?;
        if piece.is_err() {
            tokio::time::sleep(FLUSH).await;
        }
        Some((piece, (pieces, in_flight)))
    }))
}

/// The first bytes of a content, and then the break.
fn cut_after(
    content: impl Iterator<Item = Bytes>,
    bytes: u64,
) -> impl Iterator<Item = io::Result<Bytes>> {
    let mut left = bytes;
    let whole = content.map_while(move |mut chunk| {
        if left == 0 {
            return None;
        }
        chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        left -= chunk.len() as u64;
        Some(Ok(chunk))
    });
    whole.chain(std::iter::once_with(|| Err(cut())))
}
