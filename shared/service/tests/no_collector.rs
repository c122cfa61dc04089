//! Without a collector a trace still runs through the process.

use std::collections::HashMap;

use opentelemetry::global;
use opentelemetry::trace::TraceContextExt as _;
use service::{StartError, Telemetry, TelemetryOptions};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

#[test]
fn spans_have_ids_and_pass_on_the_trace_that_they_came_with() {
    let mut options = TelemetryOptions::new("fetcher", "hq-1", "1.2.3");
    // A quiet log must not cut traces.
    options.log_filter = "error".to_owned();
    Telemetry::start(options.clone()).expect("telemetry starts");

    let own = tracing::info_span!("scan");
    assert!(own.context().span().span_context().is_valid());

    let trace = "0af7651916cd43dd8448eb211c80319c";
    let came_with =
        HashMap::from([("traceparent".to_owned(), format!("00-{trace}-b7ad6b7169203331-01"))]);
    let span = tracing::info_span!("deliver");
    let parent = global::get_text_map_propagator(|propagator| propagator.extract(&came_with));
    span.set_parent(parent).expect("the span is not entered yet");
    let mut goes_on = HashMap::new();
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&span.context(), &mut goes_on)
    });
    let traceparent = &goes_on["traceparent"];
    assert!(traceparent.starts_with(&format!("00-{trace}-")), "{traceparent}");
    assert!(!traceparent.contains("b7ad6b7169203331"), "{traceparent}");

    assert!(matches!(Telemetry::start(options), Err(StartError::AlreadyStarted(_))));
}
