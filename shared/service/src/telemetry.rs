//! Logs to stderr, traces and metrics through OpenTelemetry, all three to a collector if there is one.

mod collector;
mod log_bridge;
mod subscriber;
mod watched;

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{KeyValue, global};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;

use crate::exit::{Exit, USAGE};
use crate::prometheus::{MetricsReader, render};
use collector::Collector;
pub use collector::CollectorError;

/// How often metrics are sent to the collector.
const METRICS_INTERVAL_SECS: u64 = 30;
/// How long the last telemetry may take to reach the collector when the process ends.
const SHUTDOWN_SECS_MAX: u64 = 3;

/// How log lines are written to stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What telemetry needs to know about the process.
#[derive(Clone, Debug)]
pub struct TelemetryOptions {
    /// The service without its `sluice-` prefix, such as `poller`.
    pub service: &'static str,
    /// What tells this process from others of the same service.
    pub instance: String,
    /// The program's version.
    pub version: &'static str,
    /// The collector's base URL, such as `http://collector:4318`. None: nothing is sent anywhere.
    pub otlp_endpoint: Option<String>,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// What is logged, in the syntax of tracing's filters. The variable `SLUICE_LOG` overrides it.
    pub log_filter: String,
    /// The digest of the settings in force, so that two processes can be compared.
    pub settings_digest: String,
}

impl TelemetryOptions {
    /// No collector, text, everything from `info` on.
    pub fn new(service: &'static str, instance: impl Into<String>, version: &'static str) -> Self {
        Self {
            service,
            instance: instance.into(),
            version,
            otlp_endpoint: None,
            log_format: LogFormat::Text,
            log_filter: "info".to_owned(),
            settings_digest: String::new(),
        }
    }

    fn resource(&self) -> Resource {
        Resource::builder()
            .with_service_name(format!("sluice-{}", self.service))
            .with_attributes([
                KeyValue::new("service.instance.id", self.instance.clone()),
                KeyValue::new("service.version", self.version),
                KeyValue::new("sluice.settings.digest", self.settings_digest.clone()),
            ])
            .build()
    }
}

/// Why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The filter is no filter.
    #[error(
        "the log filter `{filter}` is not valid: write for example `info` or `info,queue=debug`"
    )]
    LogFilter {
        /// The filter as given.
        filter: String,
        /// What is wrong with it.
        #[source]
        cause: tracing_subscriber::filter::ParseError,
    },
    /// Nothing could be sent to this collector.
    #[error("could not prepare sending telemetry to `{endpoint}`")]
    Collector {
        /// The collector's URL as given.
        endpoint: String,
        /// What is wrong with it.
        #[source]
        cause: CollectorError,
    },
    /// Logging belongs to the process, and someone has set it up before.
    #[error("telemetry is started already in this process: start it once, in main")]
    AlreadyStarted(#[source] tracing_subscriber::util::TryInitError),
}

impl Exit for StartError {
    fn code(&self) -> u8 {
        USAGE
    }
}

/// The process's logs, traces and metrics. Clones are the same telemetry.
#[derive(Clone, Debug)]
pub struct Telemetry {
    providers: Arc<Providers>,
}

#[derive(Debug)]
struct Providers {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
    logs: Option<SdkLoggerProvider>,
    page: MetricsReader,
}

impl Telemetry {
    /// Starts logging and sets the global tracer, meter and W3C propagator. Once a process.
    ///
    /// Without an endpoint spans still get ids, so that a trace that runs through this process is
    /// whole on both sides of it.
    pub fn start(options: TelemetryOptions) -> Result<Self, StartError> {
        let filter = subscriber::filter_in_force(&options.log_filter);
        subscriber::check(&filter)?;
        let providers = Providers::build(&options)?;
        let tracer = providers.traces.tracer("sluice");
        subscriber::install(options.log_format, &filter, tracer, providers.logs.as_ref())?;
        global::set_text_map_propagator(TraceContextPropagator::new());
        global::set_tracer_provider(providers.traces.clone());
        global::set_meter_provider(providers.metrics.clone());
        tracing::info!(
            service = options.service,
            instance = options.instance,
            version = options.version,
            settings = options.settings_digest,
            "started"
        );
        Ok(Self { providers: Arc::new(providers) })
    }

    /// All metrics in the text format of Prometheus; None after [`shutdown`](Self::shutdown).
    pub fn metrics_text(&self) -> Option<String> {
        self.providers.page.read().map(|metrics| render(&metrics))
    }

    /// Sends what is left and ends telemetry, within three seconds whatever the collector does.
    /// A repeat does nothing. It blocks: from async code call it on a blocking thread.
    pub fn shutdown(&self) {
        let deadline = Instant::now() + Duration::from_secs(SHUTDOWN_SECS_MAX);
        // Each on a thread of its own: the SDK's own limits hold for one signal, not for all, and are
        // not kept for metrics. A thread that is still waiting then ends with the process.
        let Providers { traces, metrics, logs, .. } = self.providers.as_ref();
        let (traces, metrics, logs) = (traces.clone(), metrics.clone(), logs.clone());
        let waits = [
            in_background(move || drop(traces.shutdown())),
            in_background(move || drop(metrics.shutdown())),
            in_background(move || drop(logs.map(|logs| logs.shutdown()))),
        ];
        let in_time = waits.into_iter().all(|wait| {
            let left = deadline.saturating_duration_since(Instant::now());
            wait.recv_timeout(left).is_ok()
        });
        if !in_time {
            tracing::warn!("the collector did not take the last telemetry in time; it is lost");
        }
    }
}

/// Runs the work on a thread of its own; the receiver gets one message when it is done.
fn in_background(work: impl FnOnce() + Send + 'static) -> mpsc::Receiver<()> {
    let (done, wait) = mpsc::channel();
    let started = thread::Builder::new().name("telemetry".to_owned()).spawn(move || {
        work();
        let _ = done.send(());
    });
    // No thread to be had: the sender is dropped, so the wait ends at once.
    drop(started);
    wait
}

impl Providers {
    fn build(options: &TelemetryOptions) -> Result<Self, StartError> {
        let resource = options.resource();
        let page = MetricsReader::default();
        let metrics =
            SdkMeterProvider::builder().with_resource(resource.clone()).with_reader(page.clone());
        let traces = SdkTracerProvider::builder().with_resource(resource.clone());
        let Some(endpoint) = &options.otlp_endpoint else {
            return Ok(Self { traces: traces.build(), metrics: metrics.build(), logs: None, page });
        };
        let failed = |cause| StartError::Collector { endpoint: endpoint.clone(), cause };
        let collector = Collector::at(endpoint).map_err(failed)?;
        let sender = PeriodicReader::builder(collector.metrics().map_err(failed)?)
            .with_interval(Duration::from_secs(METRICS_INTERVAL_SECS))
            .build();
        let logs = SdkLoggerProvider::builder()
            .with_resource(resource)
            .with_batch_exporter(collector.logs().map_err(failed)?);
        Ok(Self {
            traces: traces.with_batch_exporter(collector.traces().map_err(failed)?).build(),
            metrics: metrics.with_reader(sender).build(),
            logs: Some(logs.build()),
            page,
        })
    }
}
