//! `/livez`, `/readyz` and `/metrics`.

use std::io;
use std::net::SocketAddr;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::door::Door;
use crate::health::{Component, Health};
use crate::telemetry::Telemetry;

/// Why `/livez`, `/readyz` and `/metrics` cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Someone else listens there.
    #[error(
        "{listen} is in use by another process: processes of one machine that share a settings file need an address each, by --listen or SLUICE_LISTEN; else end the other program, or set `listen` in [service] to a free address"
    )]
    AddressInUse {
        /// The address that was asked for.
        listen: SocketAddr,
    },
    /// The address cannot be listened on for another reason.
    #[error("could not listen on {listen}: check the setting `service.listen`")]
    Listen {
        /// The address that was asked for.
        listen: SocketAddr,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// Serves `/livez`, `/readyz` and `/metrics` from a task of its own; returns the bound address.
///
/// `stop` does not end it: from then on `/readyz` says that the process is stopping, while the rest
/// goes on answering until the runtime ends. Whoever watches a long drain must not take it for a
/// crash.
pub async fn serve(
    listen: SocketAddr,
    health: Health,
    telemetry: Telemetry,
    stop: CancellationToken,
) -> Result<SocketAddr, ServeError> {
    let listener = TcpListener::bind(listen).await.map_err(|cause| match cause.kind() {
        io::ErrorKind::AddrInUse => ServeError::AddressInUse { listen },
        _ => ServeError::Listen { listen, cause },
    })?;
    let bound = listener.local_addr().map_err(|cause| ServeError::Listen { listen, cause })?;
    let router = axum::Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Served { health, telemetry, stop });
    tokio::spawn(Door::new(listener).serve(router));
    Ok(bound)
}

#[derive(Clone)]
struct Served {
    health: Health,
    telemetry: Telemetry,
    stop: CancellationToken,
}

/// The body of `/livez` and `/readyz`.
#[derive(Serialize)]
struct Told {
    status: &'static str,
    components: Vec<Component>,
}

// That this runs at all says that the event loop answers.
async fn livez(State(served): State<Served>) -> Response {
    let (code, status) = if served.health.is_alive() {
        (StatusCode::OK, "alive")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "dead")
    };
    told(code, status, &served.health)
}

async fn readyz(State(served): State<Served>) -> Response {
    let (code, status) = if served.stop.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping")
    } else if served.health.is_ready() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    told(code, status, &served.health)
}

fn told(code: StatusCode, status: &'static str, health: &Health) -> Response {
    (code, Json(Told { status, components: health.components() })).into_response()
}

async fn metrics(State(served): State<Served>) -> Response {
    const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
    match served.telemetry.metrics_text() {
        Some(text) => ([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], text).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "telemetry is shut down\n").into_response(),
    }
}
