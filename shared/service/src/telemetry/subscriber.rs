//! What happens to each span and event of `tracing`.

use std::io::IsTerminal as _;

use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::SdkTracer;
use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, fmt, registry};

use super::log_bridge::LogBridge;
use super::watched::SAID_BY_WATCHED;
use super::{LogFormat, StartError};

/// The variable that overrides the log filter of the settings.
const FILTER_VARIABLE: &str = "SLUICE_LOG";

/// The exporter logs every failed try; `Watched` tells it rarely. The SDK tells at `info` that it was
/// set up. Given first, so that a filter that names these targets wins.
const SDK_QUIET: &str = "opentelemetry=warn,opentelemetry-otlp=off,opentelemetry-http=off";

/// What carries telemetry must not make any: each export would make the next one.
const TRANSPORT: [&str; 6] = ["opentelemetry", "reqwest", "hyper", "h2", "tower", "rustls"];

pub(super) fn filter_in_force(setting: &str) -> String {
    match std::env::var(FILTER_VARIABLE) {
        Ok(filter) if !filter.trim().is_empty() => filter,
        _ => setting.to_owned(),
    }
}

pub(super) fn check(filter: &str) -> Result<(), StartError> {
    parse(filter).map(drop)
}

fn parse(filter: &str) -> Result<EnvFilter, StartError> {
    EnvFilter::try_new(format!("{SDK_QUIET},{filter}"))
        .map_err(|cause| StartError::LogFilter { filter: filter.to_owned(), cause })
}

/// Spans do not follow the log filter: a quieter log must not cut traces.
pub(super) fn install(
    format: LogFormat,
    filter: &str,
    tracer: SdkTracer,
    logs: Option<&SdkLoggerProvider>,
) -> Result<(), StartError> {
    let said_elsewhere = |metadata: &Metadata<'_>| SAID_BY_WATCHED.contains(&metadata.name());
    let spans = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_filter(without_transport(LevelFilter::INFO));
    let lines = match format {
        LogFormat::Text => fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .boxed(),
        LogFormat::Json => {
            fmt::layer().with_writer(std::io::stderr).json().with_span_list(false).boxed()
        }
    };
    let lines =
        lines.with_filter(parse(filter)?.and(filter_fn(move |metadata| !said_elsewhere(metadata))));
    let bridge = match logs {
        Some(logs) => {
            let filter = parse(filter)?.and(without_transport(LevelFilter::TRACE));
            Some(LogBridge::new(logs).with_filter(filter))
        }
        None => None,
    };
    registry().with(spans).with(lines).with(bridge).try_init().map_err(StartError::AlreadyStarted)
}

fn without_transport(level: LevelFilter) -> Targets {
    let off = TRANSPORT.map(|target| (target, LevelFilter::OFF));
    Targets::new().with_default(level).with_targets(off)
}
