use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use chrono::{DateTime, Utc};
use queue::{Bucket, BucketError, Log};
use tokio::time::Instant;

use crate::cell::Kind;

/// How often the clocks are compared: they drift, and a cluster's next leader has a clock of its own.
const EVERY: Duration = Duration::from_secs(60);

/// The clock of the log's server, as this process has measured it: what one process wrote by its own clock, another whose
/// clock is a second off would misread by a second's worth of requests.
#[derive(Debug)]
pub(crate) struct ServerClock {
    log: Log,
    key: String,
    told: Mutex<(Instant, DateTime<Utc>)>,
}

impl ServerClock {
    /// Measures it, now and then for as long as it is used.
    pub async fn measure(log: &Log) -> Result<Arc<Self>, BucketError> {
        let key = format!("clock.{}-{:08x}", std::process::id(), rand::random::<u32>());
        let told = Mutex::new(read(log, &key).await?);
        let clock = Arc::new(ServerClock { log: log.clone(), key, told });
        tokio::spawn(go_on(Arc::downgrade(&clock)));
        Ok(clock)
    }

    pub fn now(&self) -> DateTime<Utc> {
        let (instant, time) = *self.told.lock().unwrap_or_else(PoisonError::into_inner);
        time + instant.elapsed()
    }
}

async fn go_on(clock: Weak<ServerClock>) {
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(clock) = clock.upgrade() else { return };
        match read(&clock.log, &clock.key).await {
            Ok(told) => *clock.told.lock().unwrap_or_else(PoisonError::into_inner) = told,
            Err(error) => tracing::debug!(%error, "could not read the clock of the log's server"),
        }
    }
}

/// What the server's clock showed at an instant of ours: it stamps what it stores.
async fn read(log: &Log, key: &str) -> Result<(Instant, DateTime<Utc>), BucketError> {
    let bucket: Bucket<()> = Kind::Passing.open(log).await?;
    let before = Instant::now();
    bucket.put(key, &()).await?;
    let after = Instant::now();
    let stored = bucket.get(key).await?;
    bucket.remove(key).await?;
    // A replica may not have it yet; then our own clock has to do until the next time.
    let stored_at = stored.map_or_else(Utc::now, |kept| kept.stored_at);
    Ok((before + (after - before) / 2, stored_at))
}
