use std::time::Duration;

use domain::Family;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::round::chain;
use crate::scan::Found;
use crate::site_scans::SiteScans;

/// How often it is looked whether anything is to be done, which mostly costs two questions to the log.
const LOOK_EVERY: Duration = Duration::from_mins(5);

/// Second looks and the daily scan of one site's sessions or presentations, on a clock of their own: a schedule may run
/// but once a week.
#[derive(Debug, Clone)]
pub(crate) struct Upkeep {
    pub scans: SiteScans,
    pub family: Family,
}

impl Upkeep {
    /// Does what is due, until told to stop.
    pub async fn go_on(self, stop: CancellationToken) {
        let mut last = None;
        while !stop.is_cancelled() {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                failure = self.look() => {
                    self.tell(failure.as_ref(), last.as_ref());
                    last = failure;
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(LOOK_EVERY) => {}
            }
        }
        let _lapses_by_itself = self.scans.leave(self.family).await;
    }

    async fn look(&self) -> Option<String> {
        let mut found = Found::default();
        let looked = self.scans.look_after(self.family, &mut found).await;
        let Found { sessions, looks, missed, .. } = found;
        if sessions + looks > 0 {
            let site = self.scans.site();
            tracing::info!(%site, sessions, looks, missed, "announced between the schedules' runs");
        }
        looked.err().map(|error| chain(&error))
    }

    /// A site that goes on failing in the same way says so once.
    fn tell(&self, failure: Option<&String>, last: Option<&String>) {
        match failure {
            Some(reason) if last != Some(reason) => {
                let site = self.scans.site();
                tracing::warn!(%site, reason, "second looks or the daily scan failed");
            }
            _ => {}
        }
    }
}
