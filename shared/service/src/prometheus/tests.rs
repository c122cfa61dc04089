use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;

use super::*;

/// The page after these measurements, without the lines about the process.
fn page(measure: impl FnOnce(&Meter)) -> String {
    let reader = MetricsReader::default();
    let resource = Resource::builder_empty().with_service_name("sluice-test").build();
    let provider =
        SdkMeterProvider::builder().with_resource(resource).with_reader(reader.clone()).build();
    measure(&provider.meter("sluice"));
    let text = render(&reader.read().expect("the provider lives"));
    let lines = text.lines().filter(|line| !line.contains("target_info"));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_growing_sum_is_a_counter() {
    let page = page(|meter| {
        let staged =
            meter.u64_counter("artifacts.staged").with_description("Staged\nartifacts").build();
        staged.add(2, &[KeyValue::new("site", "hq"), KeyValue::new("artifact.kind", "report")]);
        staged.add(1, &[KeyValue::new("site", "hq"), KeyValue::new("artifact.kind", "report")]);
    });
    assert_eq!(
        page,
        "# HELP artifacts_staged_total Staged\\nartifacts\n\
         # TYPE artifacts_staged_total counter\n\
         artifacts_staged_total{artifact_kind=\"report\",site=\"hq\"} 3\n"
    );
}

#[test]
fn a_counter_that_is_called_total_keeps_its_name() {
    let page = page(|meter| meter.u64_counter("runs_total").build().add(1, &[]));
    assert_eq!(page, "# TYPE runs_total counter\nruns_total 1\n");
}

#[test]
fn gauges_and_sums_that_may_shrink_are_gauges() {
    let page = page(|meter| {
        meter.f64_gauge("disk.free").build().record(0.5, &[]);
        let open = meter.i64_up_down_counter("routes.open").build();
        open.add(3, &[]);
        open.add(-5, &[]);
    });
    assert_eq!(
        page,
        "# TYPE disk_free gauge\ndisk_free 0.5\n# TYPE routes_open gauge\nroutes_open -2\n"
    );
}

#[test]
fn buckets_count_everything_up_to_their_bound() {
    let page = page(|meter| {
        let took = meter.f64_histogram("fetch.secs").with_boundaries(vec![1.0, 2.5]).build();
        for secs in [0.5, 2.0, 2.5, 9.0] {
            took.record(secs, &[KeyValue::new("site", "hq")]);
        }
    });
    assert_eq!(
        page,
        "# TYPE fetch_secs histogram\n\
         fetch_secs_bucket{site=\"hq\",le=\"1\"} 1\n\
         fetch_secs_bucket{site=\"hq\",le=\"2.5\"} 3\n\
         fetch_secs_bucket{site=\"hq\",le=\"+Inf\"} 4\n\
         fetch_secs_sum{site=\"hq\"} 14\n\
         fetch_secs_count{site=\"hq\"} 4\n"
    );
}

#[test]
fn labels_are_escaped() {
    let page = page(|meter| {
        meter.u64_counter("odd").build().add(1, &[KeyValue::new("path", "a\\b\"c\nd")])
    });
    assert!(page.contains(r#"odd_total{path="a\\b\"c\nd"} 1"#), "{page}");
}

#[test]
fn keys_that_become_one_label_do_not_stand_twice() {
    let attributes = [KeyValue::new("a.b", "1"), KeyValue::new("a_b", "2")];
    assert_eq!(labels(attributes.iter()), r#"a_b="1;2""#);
}

#[test]
fn a_name_of_two_kinds_is_shown_as_the_first() {
    let page = page(|meter| {
        meter.u64_gauge("lag").build().record(7, &[]);
        meter.u64_histogram("lag").build().record(1, &[]);
    });
    assert_eq!(page.matches("# TYPE lag ").count(), 1, "{page}");
}

#[test]
fn the_process_tells_what_it_is() {
    let reader = MetricsReader::default();
    let resource = Resource::builder_empty().with_service_name("sluice-test").build();
    let provider =
        SdkMeterProvider::builder().with_resource(resource).with_reader(reader.clone()).build();
    let text = render(&reader.read().expect("the provider lives"));
    assert!(text.contains("target_info{service_name=\"sluice-test\"} 1\n"), "{text}");
    drop(provider);
}

#[test]
fn being_read_changes_nothing() {
    let reader = MetricsReader::default();
    let provider = SdkMeterProvider::builder().with_reader(reader.clone()).build();
    provider.meter("sluice").u64_counter("runs").build().add(4, &[]);
    for _ in 0..2 {
        let text = render(&reader.read().expect("the provider lives"));
        assert!(text.contains("runs_total 4\n"), "{text}");
    }
}

#[test]
fn there_is_no_page_after_shutdown() {
    let reader = MetricsReader::default();
    let provider = SdkMeterProvider::builder().with_reader(reader.clone()).build();
    provider.shutdown().expect("nothing is exported");
    assert!(reader.read().is_none());
}
