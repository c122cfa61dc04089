//! What cannot work is refused before anything is started, in words that say what to do.

use service::{Exit as _, StartError, Telemetry, TelemetryOptions, USAGE, report};

fn refusal(change: impl FnOnce(&mut TelemetryOptions)) -> StartError {
    let mut options = TelemetryOptions::new("poller", "hq-1", "1.2.3");
    change(&mut options);
    Telemetry::start(options).expect_err("the options cannot work")
}

#[test]
fn a_filter_that_is_none_is_refused() {
    let error = refusal(|options| options.log_filter = "queue=loud".to_owned());
    assert!(
        report(&error).starts_with("error: the log filter `queue=loud` is not valid"),
        "{}",
        report(&error)
    );
    assert_eq!(error.code(), USAGE);
}

#[test]
fn an_endpoint_that_is_no_url_is_refused() {
    let error = refusal(|options| options.otlp_endpoint = Some("not a url".to_owned()));
    assert!(report(&error).contains("the endpoint is not a URL"), "{}", report(&error));
}

#[test]
fn an_endpoint_of_another_kind_is_refused() {
    let error = refusal(|options| options.otlp_endpoint = Some("collector:4317".to_owned()));
    assert!(report(&error).contains("it must be http or https"), "{}", report(&error));
}
