//! The page `/metrics`: OpenTelemetry's metrics in the text format of Prometheus.
//!
//! Sums that only grow become counters with `_total`, other sums and gauges become gauges, histograms
//! stay histograms. Names keep their words, what Prometheus does not allow in a name becomes `_`. The
//! unit is not added: a name of ours ends with it.

mod reader;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, Histogram, HistogramDataPoint, Metric, MetricData, ResourceMetrics,
};

pub(crate) use reader::MetricsReader;

const INFALLIBLE: &str = "writing to a string cannot fail";

/// The page. Each family stands in it once, whichever scopes it comes from; a second kind under a
/// name that is taken is left out, as Prometheus would refuse the whole page.
pub(crate) fn render(metrics: &ResourceMetrics) -> String {
    let mut page = Page::default();
    page.add_target(metrics);
    for metric in metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
        match metric.data() {
            AggregatedMetrics::F64(data) => page.add(metric, data),
            AggregatedMetrics::U64(data) => page.add(metric, data),
            AggregatedMetrics::I64(data) => page.add(metric, data),
        }
    }
    page.into_text()
}

#[derive(Default)]
struct Page {
    families: BTreeMap<String, Family>,
}

struct Family {
    kind: &'static str,
    help: String,
    samples: String,
}

impl Page {
    /// The process's own attributes, as the one sample of `target_info`.
    fn add_target(&mut self, metrics: &ResourceMetrics) {
        let attributes =
            metrics.resource().iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
        let attributes: Vec<KeyValue> = attributes.collect();
        if let Some(samples) = self.family("target_info", "gauge", "What this process is.") {
            sample(samples, "target_info", &labels(attributes.iter()), None, "1");
        }
    }

    fn add<T: Number>(&mut self, metric: &Metric, data: &MetricData<T>) {
        let name = name(metric.name());
        let help = metric.description();
        match data {
            MetricData::Sum(sum) if sum.is_monotonic() => {
                let name = if name.ends_with("_total") { name } else { format!("{name}_total") };
                let points = sum
                    .data_points()
                    .map(|point| (labels(point.attributes()), point.value().text()));
                self.add_values(&name, "counter", help, points);
            }
            MetricData::Sum(sum) => {
                let points = sum
                    .data_points()
                    .map(|point| (labels(point.attributes()), point.value().text()));
                self.add_values(&name, "gauge", help, points);
            }
            MetricData::Gauge(gauge) => {
                let points = gauge
                    .data_points()
                    .map(|point| (labels(point.attributes()), point.value().text()));
                self.add_values(&name, "gauge", help, points);
            }
            MetricData::Histogram(histogram) => self.add_histogram(&name, help, histogram),
            // Made only by a view, and we set none.
            MetricData::ExponentialHistogram(_) => {}
        }
    }

    fn add_values(
        &mut self,
        name: &str,
        kind: &'static str,
        help: &str,
        points: impl Iterator<Item = (String, String)>,
    ) {
        let Some(samples) = self.family(name, kind, help) else { return };
        for (labels, value) in points {
            sample(samples, name, &labels, None, &value);
        }
    }

    fn add_histogram<T: Number>(&mut self, name: &str, help: &str, histogram: &Histogram<T>) {
        let Some(samples) = self.family(name, "histogram", help) else { return };
        for point in histogram.data_points() {
            add_buckets(samples, name, point);
        }
    }

    /// Where the samples of this family go; None if the name is taken by another kind.
    fn family(&mut self, name: &str, kind: &'static str, help: &str) -> Option<&mut String> {
        let new = || Family { kind, help: escape_help(help), samples: String::new() };
        let family = self.families.entry(name.to_owned()).or_insert_with(new);
        (family.kind == kind).then_some(&mut family.samples)
    }

    fn into_text(self) -> String {
        let mut text = String::new();
        for (name, Family { kind, help, samples }) in self.families {
            if !help.is_empty() {
                writeln!(text, "# HELP {name} {help}").expect(INFALLIBLE);
            }
            write!(text, "# TYPE {name} {kind}\n{samples}").expect(INFALLIBLE);
        }
        text
    }
}

/// Ours are counts per bucket, those of Prometheus are of everything up to the bound.
fn add_buckets<T: Number>(samples: &mut String, name: &str, point: &HistogramDataPoint<T>) {
    let labels = labels(point.attributes());
    let bucket = format!("{name}_bucket");
    let mut up_to = 0;
    for (bound, count) in point.bounds().zip(point.bucket_counts()) {
        up_to += count;
        sample(samples, &bucket, &labels, Some(&bound.text()), &up_to.text());
    }
    sample(samples, &bucket, &labels, Some("+Inf"), &point.count().text());
    sample(samples, &format!("{name}_sum"), &labels, None, &point.sum().text());
    sample(samples, &format!("{name}_count"), &labels, None, &point.count().text());
}

fn sample(samples: &mut String, name: &str, labels: &str, up_to: Option<&str>, value: &str) {
    let bound = up_to.map(|bound| format!(r#"le="{bound}""#)).unwrap_or_default();
    let comma = if labels.is_empty() || bound.is_empty() { "" } else { "," };
    if labels.is_empty() && bound.is_empty() {
        writeln!(samples, "{name} {value}").expect(INFALLIBLE);
    } else {
        writeln!(samples, "{name}{{{labels}{comma}{bound}}} {value}").expect(INFALLIBLE);
    }
}

/// `a="b",c="d"`, sorted. Keys that become one name share one label: a label that stands twice would
/// make Prometheus refuse the whole page.
fn labels<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> String {
    let mut by_name: BTreeMap<String, String> = BTreeMap::new();
    for attribute in attributes {
        let label = name(attribute.key.as_str()).replace(':', "_");
        let value = escape_label(&attribute.value.as_str());
        by_name
            .entry(label)
            .and_modify(|both| {
                both.push(';');
                both.push_str(&value);
            })
            .or_insert(value);
    }
    let pairs: Vec<String> =
        by_name.iter().map(|(label, value)| format!(r#"{label}="{value}""#)).collect();
    pairs.join(",")
}

fn name(otel: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == ':' { c } else { '_' };
    let name: String = otel.chars().map(allowed).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

fn escape_help(text: &str) -> String {
    text.replace('\\', r"\\").replace('\n', r"\n")
}

fn escape_label(text: &str) -> String {
    escape_help(text).replace('"', r#"\""#)
}

/// A value as Prometheus reads it.
trait Number: Copy {
    fn text(self) -> String;
}

impl Number for u64 {
    fn text(self) -> String {
        self.to_string()
    }
}

impl Number for i64 {
    fn text(self) -> String {
        self.to_string()
    }
}

impl Number for f64 {
    fn text(self) -> String {
        if self == f64::INFINITY {
            "+Inf".to_owned()
        } else if self == f64::NEG_INFINITY {
            "-Inf".to_owned()
        } else {
            self.to_string()
        }
    }
}

#[cfg(test)]
mod tests;
