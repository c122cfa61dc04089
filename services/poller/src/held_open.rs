use domain::{Kind, SiteHost, Slot};
use queue::{BoxError, BucketError, Log, Route, RunsHeldOpen, Stored};
use settings::Schedule;

/// The routes that the runs of a day-sized schedule hold open on one site.
#[derive(Debug, Clone)]
pub(crate) struct HeldOpen {
    log: Log,
    runs: RunsHeldOpen,
    schedule: String,
    site: SiteHost,
    /// Reports first: of their sessions the recordings are announced before they are done.
    fetched: Vec<Kind>,
    /// What goes to which destination, by label.
    delivered: Vec<(String, Kind)>,
}

impl HeldOpen {
    /// `None` for a schedule whose routes are always open.
    pub fn of(
        log: &Log,
        runs: &RunsHeldOpen,
        schedule: &Schedule,
        site: &SiteHost,
    ) -> Option<Self> {
        if !schedule.timetable.is_day_sized() {
            return None;
        }
        let transfers = schedule.transfers.iter().filter(|transfer| transfer.site == *site);
        let delivered: Vec<(String, Kind)> = transfers
            .flat_map(|to| to.kinds.iter().map(|kind| (to.destination.clone(), *kind)))
            .collect();
        let kinds = || delivered.iter().map(|(_, kind)| *kind);
        let reports = kinds().filter_map(|kind| kind.family()).map(domain::Family::report);
        let mut fetched: Vec<Kind> = reports.chain(kinds()).collect();
        fetched.sort_by_key(|kind| (!kind.is_report(), *kind));
        fetched.dedup();
        Some(HeldOpen {
            log: log.clone(),
            runs: runs.clone(),
            schedule: schedule.label.clone(),
            site: site.clone(),
            fetched,
            delivered,
        })
    }

    /// A run begins.
    pub async fn open(&self, slot: Slot) -> Result<(), BucketError> {
        self.runs.open(&self.schedule, &self.site, slot).await
    }

    /// Closes the run that was made to a good end, if all that it announced has been fetched, and then delivered. Tells
    /// whether one is still open.
    pub async fn close_when_drained(
        &self,
        is_over: impl AsyncFnOnce(Slot) -> Result<bool, BucketError>,
    ) -> Result<bool, BoxError> {
        let Some(kept) = self.runs.of(&self.schedule, &self.site).await? else { return Ok(false) };
        if !kept.value.open {
            return Ok(false);
        }
        // In this order: a run that is begun anew says so before it opens.
        if !is_over(kept.value.slot).await? || !self.is_drained().await? {
            return Ok(true);
        }
        let closed = self.runs.close(&self.schedule, &self.site, &kept).await?;
        tracing::info!(schedule = self.schedule, site = %self.site, "all that the run brought is delivered");
        Ok(closed == Stored::Overtaken)
    }

    async fn is_drained(&self) -> Result<bool, BoxError> {
        for kind in &self.fetched {
            if !self.log.is_drained(&Route::fetch(&self.log, &self.site, *kind)).await? {
                return Ok(false);
            }
        }
        let known = self.log.known_destinations().await?;
        for (label, kind) in &self.delivered {
            let latest = known.iter().filter(|known| known.label == *label);
            let Some(latest) = latest.max_by_key(|known| known.seen_at) else { return Ok(false) };
            let route = Route::deliver(&self.log, &latest.id, &self.site, *kind);
            if !self.log.is_drained(&route).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
