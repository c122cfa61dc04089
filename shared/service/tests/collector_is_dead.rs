//! A collector that takes connections and never answers holds nothing up.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use service::{Telemetry, TelemetryOptions};

#[test]
fn a_dead_collector_neither_slows_work_nor_holds_up_the_end() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let mut options = TelemetryOptions::new("poller", "hq-1", "1.2.3");
    let address = silent.local_addr().expect("a bound listener has an address");
    options.otlp_endpoint = Some(format!("http://{address}"));
    let telemetry = Telemetry::start(options).expect("a dead collector is no reason not to start");

    // More than the queue of the exporter holds. Had work to wait for room, each of the six batches that do not fit
    // would cost it the five seconds after which an export is given up: half a minute.
    let working = Instant::now();
    let counter = opentelemetry::global::meter("sluice").u64_counter("artifacts.staged").build();
    for _ in 0..5_000 {
        tracing::info_span!("fetch report").in_scope(|| counter.add(1, &[]));
    }
    assert!(working.elapsed() < Duration::from_secs(20), "work waited: {:?}", working.elapsed());
    let page = telemetry.metrics_text().expect("telemetry is not shut down");
    assert!(page.contains("artifacts_staged_total 5000\n"), "{page}");

    // An end that waited for the queue's four batches would take twenty seconds; it is given three.
    let ending = Instant::now();
    telemetry.shutdown();
    assert!(ending.elapsed() < Duration::from_secs(12), "the end waited: {:?}", ending.elapsed());
    telemetry.shutdown();
}
