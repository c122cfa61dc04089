//! The collector that traces, metrics and logs are sent to: OTLP over HTTP, protobuf.

use std::thread;
use std::time::Duration;

use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, Protocol, SpanExporter, WithExportConfig,
    WithHttpConfig,
};
use reqwest::blocking::Client;

use super::watched::Watched;

/// How long one export may take, its retries included. Meanwhile the next batch waits in its queue,
/// and what the queue cannot hold is dropped.
const EXPORT_SECS_MAX: u64 = 5;

/// Why nothing can be sent to a collector.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// The endpoint is not a URL.
    #[error("the endpoint is not a URL: write for example `http://collector:4318`")]
    NotAUrl(#[source] NotAUrl),
    /// The endpoint is a URL of another kind.
    #[error("the endpoint starts with `{scheme}:`: it must be http or https")]
    Scheme {
        /// The part before the colon.
        scheme: String,
    },
    /// The HTTP client cannot be built.
    #[error("could not build the HTTP client")]
    Client(#[source] reqwest::Error),
    /// The system gives no thread to build the HTTP client on.
    #[error("could not start a thread for the HTTP client")]
    Thread(#[source] std::io::Error),
    /// The exporter refuses what it is given.
    #[error("could not build the exporter of {signal}")]
    Exporter {
        /// `traces`, `metrics` or `logs`.
        signal: &'static str,
        /// What it refuses.
        #[source]
        cause: ExporterBuildError,
    },
}

/// What the URL parser says.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotAUrl(String);

pub(super) struct Collector {
    client: Client,
    base: String,
}

impl Collector {
    pub(super) fn at(endpoint: &str) -> Result<Self, CollectorError> {
        let url = reqwest::Url::parse(endpoint)
            .map_err(|cause| CollectorError::NotAUrl(NotAUrl(cause.to_string())))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(CollectorError::Scheme { scheme: url.scheme().to_owned() });
        }
        Ok(Self { client: client()?, base: endpoint.trim_end_matches('/').to_owned() })
    }

    pub(super) fn traces(&self) -> Result<Watched<SpanExporter>, CollectorError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(self.client.clone())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(self.url("traces"))
            .with_timeout(Duration::from_secs(EXPORT_SECS_MAX))
            .build()
            .map_err(|cause| CollectorError::Exporter { signal: "traces", cause })?;
        Ok(Watched::new("traces", exporter))
    }

    pub(super) fn metrics(&self) -> Result<Watched<MetricExporter>, CollectorError> {
        let exporter = MetricExporter::builder()
            .with_http()
            .with_http_client(self.client.clone())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(self.url("metrics"))
            .with_timeout(Duration::from_secs(EXPORT_SECS_MAX))
            .build()
            .map_err(|cause| CollectorError::Exporter { signal: "metrics", cause })?;
        Ok(Watched::new("metrics", exporter))
    }

    pub(super) fn logs(&self) -> Result<Watched<LogExporter>, CollectorError> {
        let exporter = LogExporter::builder()
            .with_http()
            .with_http_client(self.client.clone())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(self.url("logs"))
            .with_timeout(Duration::from_secs(EXPORT_SECS_MAX))
            .build()
            .map_err(|cause| CollectorError::Exporter { signal: "logs", cause })?;
        Ok(Watched::new("logs", exporter))
    }

    fn url(&self, signal: &str) -> String {
        format!("{}/v1/{signal}", self.base)
    }
}

/// The blocking client, named here and not left to the exporter: that would take the async one as soon
/// as any crate in the tree turns it on, and the async one panics on the SDK's batch threads. It is
/// built on a thread of its own because it panics when it is built inside a runtime.
fn client() -> Result<Client, CollectorError> {
    let build = || Client::builder().timeout(Duration::from_secs(EXPORT_SECS_MAX)).build();
    let building = thread::Builder::new().spawn(build).map_err(CollectorError::Thread)?;
    building
        .join()
        .expect("building a client outside a runtime does not panic")
        .map_err(CollectorError::Client)
}
