use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{Family, Lsid, Wakes};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::scan::Found;
use crate::site_scans::SiteScans;

/// Scans one site when it was said that a session of it has ended, until that session is announced. Clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Waker {
    label: Arc<str>,
    scans: SiteScans,
    wakes: Arc<Mutex<Wakes>>,
    news: Arc<Notify>,
    began: Instant,
}

impl Waker {
    pub fn new(label: &str, scans: SiteScans) -> Self {
        Waker {
            label: label.into(),
            scans,
            wakes: Arc::default(),
            news: Arc::default(),
            began: Instant::now(),
        }
    }

    /// The site's label in the settings.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// It was said that a session has ended.
    pub fn heard(&self, ended: Option<Lsid>) {
        self.wakes().heard(ended, self.now());
        self.news.notify_one();
    }

    /// Scans when it is time, until told to stop.
    pub async fn go_on(self, stop: CancellationToken) {
        loop {
            let next = self.wakes().next_scan(self.now());
            let due = async {
                match next {
                    Some(next) => sleep(next.saturating_sub(self.now())).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.news.notified() => continue,
                () = due => {}
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.scan() => {}
            }
        }
        let _lapses_by_itself = self.scans.leave(Family::Session).await;
    }

    async fn scan(&self) {
        let awaited = self.wakes().begin(self.now());
        let mut found = Found::default();
        let scanned = self.scans.scan_ended(Family::Session, &awaited, &mut found).await;
        let announced = scanned.unwrap_or_else(|error| {
            // The schedule's own runs tell of a site that fails.
            tracing::debug!(site = %self.label, %error, "a scan for a pushed event failed");
            Vec::new()
        });
        if found.sessions > 0 {
            tracing::info!(site = %self.label, sessions = found.sessions, "announced after a pushed event");
        }
        self.wakes().scanned(&announced, self.now());
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn wakes(&self) -> MutexGuard<'_, Wakes> {
        // What is written under it is whole at every step.
        self.wakes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
