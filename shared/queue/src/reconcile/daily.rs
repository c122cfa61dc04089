use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use opentelemetry::KeyValue;
use serde::{Deserialize, Serialize};

use super::Counts;
use crate::{BoxError, BucketError, Log, Stored};

const BUCKET: &str = "reconciled";
/// From one comparison to the next.
const EVERY: TimeDelta = TimeDelta::days(1);
/// After this a comparison that has not ended is taken for one whose process was killed.
const LONGEST: TimeDelta = TimeDelta::hours(2);
/// How often it is looked whether it is time.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The last daily comparison of one destination, or of the fetches of one site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciled {
    /// When it began, by its process's clock.
    pub begun_at: DateTime<Utc>,
    /// When it ended well.
    pub ended_at: Option<DateTime<Utc>>,
    /// What it found.
    pub counts: Counts,
}

impl Reconciled {
    /// Whether it is time for the next.
    fn is_over(&self, now: DateTime<Utc>) -> bool {
        let age = now - self.begun_at;
        // One from the future was written by a clock that was wrong.
        age >= EVERY || age < TimeDelta::zero() || (self.ended_at.is_none() && age >= LONGEST)
    }
}

/// Compares once a day, in one of all processes that do, for as long as it is polled.
///
/// What it finds goes into the metric `sluice.reconcile.missing` under this name, and into a record.
pub async fn daily<F: Future<Output = Result<Counts, BoxError>>>(
    log: Log,
    name: String,
    compare: impl Fn() -> F,
) {
    let missing = opentelemetry::global::meter("sluice")
        .u64_gauge("sluice.reconcile.missing")
        .with_description("Artifacts that the last daily comparison found missing")
        .build();
    loop {
        match turn(&log, &name, &compare).await {
            Ok(Some(counts)) => {
                missing.record(counts.missing, &[KeyValue::new("what", name.clone())]);
                if counts.missing > 0 {
                    tracing::warn!(
                        what = name,
                        missing = counts.missing,
                        asked = counts.asked,
                        "something was missing; it is asked for again"
                    );
                }
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(what = name, error, "could not compare with the log"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// One comparison, if it is time for it and nobody else is at it.
async fn turn<F: Future<Output = Result<Counts, BoxError>>>(
    log: &Log,
    name: &str,
    compare: impl Fn() -> F,
) -> Result<Option<Counts>, BoxError> {
    let bucket = log.bucket::<Reconciled>(BUCKET).await?;
    let key = messages::escape(name);
    let last = bucket.get(&key).await?;
    let begun_at = Utc::now();
    if last.as_ref().is_some_and(|last| !last.value.is_over(begun_at)) {
        return Ok(None);
    }
    let mut record = Reconciled { begun_at, ended_at: None, counts: Counts::default() };
    let Stored::At(revision) = bucket.set(&key, &record, last.map(|last| last.revision)).await?
    else {
        return Ok(None);
    };
    record.counts = compare().await?;
    record.ended_at = Some(Utc::now());
    bucket.set(&key, &record, Some(revision)).await?;
    Ok(Some(record.counts))
}

impl Log {
    /// The last daily comparison of this name.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn reconciled(&self, name: &str) -> Result<Option<Reconciled>, BucketError> {
        let bucket = self.bucket::<Reconciled>(BUCKET).await?;
        Ok(bucket.get(&messages::escape(name)).await?.map(|kept| kept.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_later_or_after_a_kill_it_is_time_again() {
        let now: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().expect("an instant");
        let begun = |hours: i64, ended: bool| Reconciled {
            begun_at: now - TimeDelta::hours(hours),
            ended_at: ended.then_some(now),
            counts: Counts::default(),
        };
        for (hours, ended, over) in [
            (1, true, false),
            (1, false, false),
            (3, false, true),
            (23, true, false),
            (24, true, true),
            (-1, true, true),
        ] {
            assert_eq!(begun(hours, ended).is_over(now), over, "{hours} h ago, ended: {ended}");
        }
    }
}
