//! With a collector, spans, metrics and log records reach it. A process of its own: telemetry is global.

mod receiver;

use receiver::Receiver;
use service::{Telemetry, TelemetryOptions};

#[test]
fn spans_metrics_and_logs_reach_the_collector() {
    let receiver = Receiver::start();
    let mut options = TelemetryOptions::new("poller", "hq-1", "1.2.3");
    options.otlp_endpoint = Some(format!("http://{}/", receiver.address));
    options.settings_digest = "digest-of-settings".to_owned();

    // Inside a runtime, where a client that is built or dropped there would panic.
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    runtime.block_on(async {
        let telemetry = Telemetry::start(options).expect("telemetry starts");
        tracing::info_span!("fetch report")
            .in_scope(|| tracing::warn!(site = "branch", "the appliance is slow"));
        opentelemetry::global::meter("sluice").u64_counter("artifacts.staged").build().add(1, &[]);
        let flushed = telemetry.clone();
        tokio::task::spawn_blocking(move || flushed.shutdown())
            .await
            .expect("shutdown does not panic");
        assert_eq!(telemetry.metrics_text(), None);
    });

    let process = ["sluice-poller", "hq-1", "1.2.3", "digest-of-settings"];
    for (signal, words) in [
        ("traces", &["fetch report"][..]),
        ("metrics", &["artifacts.staged"]),
        ("logs", &["the appliance is slow", "branch"]),
    ] {
        receiver.wait_for(signal, &[&process, words].concat());
    }
}
