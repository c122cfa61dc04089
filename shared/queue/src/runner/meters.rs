use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};

#[derive(Debug)]
pub(crate) struct Meters {
    settled: Counter<u64>,
    seconds: Histogram<f64>,
    worker: &'static str,
}

impl Meters {
    pub fn new(worker: &'static str) -> Self {
        let meter = opentelemetry::global::meter("sluice");
        Meters {
            settled: meter
                .u64_counter("sluice.messages.settled")
                .with_description("Messages settled, by worker and outcome")
                .build(),
            seconds: meter
                .f64_histogram("sluice.work.duration.seconds")
                .with_unit("s")
                .with_boundaries(vec![0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 600.0, 3_600.0])
                .with_description("Duration of work, a message or a batch")
                .build(),
            worker,
        }
    }

    pub fn settled(&self, outcome: &'static str) {
        self.settled
            .add(1, &[KeyValue::new("worker", self.worker), KeyValue::new("outcome", outcome)]);
    }

    pub fn worked(&self, took: Duration) {
        self.seconds.record(took.as_secs_f64(), &[KeyValue::new("worker", self.worker)]);
    }
}
