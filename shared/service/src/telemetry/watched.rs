//! An exporter whose failures are told rarely, in our words.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

/// The shortest time between two complaints about one signal, also if the collector comes and goes.
const COMPLAINT_INTERVAL_SECS: u64 = 3600;

/// What the SDK logs about a failed export, at each failure; [`Watched`] says it instead.
pub(super) const SAID_BY_WATCHED: [&str; 6] = [
    "BatchSpanProcessor.ExportError",
    "BatchSpanProcessor.Shutdown.Timeout",
    "BatchLogProcessor.ExportError",
    "BatchLogProcessor.Shutdown.Timeout",
    "PeriodicReader.ExportError",
    "MeterProvider.Drop.ShutdownFailed",
];

pub(super) struct Watched<E> {
    signal: &'static str,
    exporter: E,
    mood: Mutex<Mood>,
}

/// Whether we have complained about the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Content { complained: Option<Instant> },
    Complaining { since: Instant },
}

#[derive(Debug, PartialEq, Eq)]
enum Notice {
    Lost,
    Back,
}

impl Mood {
    fn after(self, taken: bool, now: Instant) -> (Self, Option<Notice>) {
        let may_complain = |last: Instant| {
            now.duration_since(last) >= Duration::from_secs(COMPLAINT_INTERVAL_SECS)
        };
        match (self, taken) {
            (Self::Complaining { since }, true) => {
                (Self::Content { complained: Some(since) }, Some(Notice::Back))
            }
            (Self::Content { .. }, true) => (self, None),
            (
                Self::Content { complained: Some(last) } | Self::Complaining { since: last },
                false,
            ) if !may_complain(last) => (self, None),
            (_, false) => (Self::Complaining { since: now }, Some(Notice::Lost)),
        }
    }
}

impl<E> Watched<E> {
    pub(super) fn new(signal: &'static str, exporter: E) -> Self {
        Self { signal, exporter, mood: Mutex::new(Mood::Content { complained: None }) }
    }

    fn tell(&self, outcome: OTelSdkResult) -> OTelSdkResult {
        let notice = {
            let mut mood = self.mood.lock().unwrap_or_else(PoisonError::into_inner);
            let (next, notice) = mood.after(outcome.is_ok(), Instant::now());
            *mood = next;
            notice
        };
        let signal = self.signal;
        match (notice, &outcome) {
            (Some(Notice::Lost), Err(error)) => {
                tracing::warn!(signal, %error, "could not send telemetry to the collector; it is lost until the collector answers");
            }
            (Some(Notice::Back), _) => {
                tracing::info!(signal, "the collector takes telemetry again")
            }
            _ => {}
        }
        outcome
    }
}

impl<E> fmt::Debug for Watched<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("signal", &self.signal).finish_non_exhaustive()
    }
}

impl<E: SpanExporter> SpanExporter for Watched<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.tell(self.exporter.export(batch).await)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: LogExporter> LogExporter for Watched<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        self.tell(self.exporter.export(batch).await)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Watched<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.tell(self.exporter.export(metrics).await)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notices(outcomes: &[(u64, bool)]) -> Vec<Option<Notice>> {
        let start = Instant::now();
        let mut mood = Mood::Content { complained: None };
        let mut step = |&(secs, taken): &(u64, bool)| {
            let (next, notice) = mood.after(taken, start + Duration::from_secs(secs));
            mood = next;
            notice
        };
        outcomes.iter().map(&mut step).collect()
    }

    #[test]
    fn a_dead_collector_is_complained_about_once_an_hour() {
        let told = notices(&[(0, false), (30, false), (3599, false), (3600, false), (3630, false)]);
        assert_eq!(told, [Some(Notice::Lost), None, None, Some(Notice::Lost), None]);
    }

    #[test]
    fn a_collector_that_comes_and_goes_is_complained_about_no_more_often() {
        let told = notices(&[
            (0, false),
            (30, true),
            (60, false),
            (90, true),
            (4000, false),
            (4030, true),
        ]);
        assert_eq!(
            told,
            [
                Some(Notice::Lost),
                Some(Notice::Back),
                None,
                None,
                Some(Notice::Lost),
                Some(Notice::Back)
            ]
        );
    }

    #[test]
    fn a_collector_that_answers_is_not_worth_a_word() {
        assert_eq!(notices(&[(0, true), (30, true)]), [None, None]);
    }
}
