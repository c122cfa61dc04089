use domain::{ApplianceTime, Coverage, Family, Reach, Reading, SiteHost, Stretch};
use messages::escape;
use queue::Bucket;

use crate::ChangeError;
use crate::change::change;

/// A person is told of a clock that was set by this much.
const JUMP_SECS_MIN: i64 = 30;

/// By what a sweep finds sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    End,
    Start,
}

/// One way through a site's time, window by window, the newest first.
#[derive(Debug)]
pub(crate) struct Sweep {
    by: By,
    key: String,
    now: ApplianceTime,
    coverage: Coverage,
    /// What is not asked for at present, and not covered.
    skipped: Vec<Stretch>,
    daily: bool,
}

impl Sweep {
    /// Begins at what is stored, and stores at once what is to be scanned, so that a kill forgets none of it. It goes up
    /// to `now`, and `reading` is the clock.
    pub async fn begin(
        scans: &Bucket<Coverage>,
        (site, family): (&SiteHost, Family),
        by: By,
        (now, reading): (ApplianceTime, Reading),
        reach: Reach,
    ) -> Result<Self, ChangeError> {
        let key = key(site, family, by);
        let (coverage, jump_secs) = change(scans, &key, |stored: Option<Coverage>| {
            let begun = Coverage::begin(stored.as_ref(), now, reading, reach);
            let jump_secs = stored.map_or(0, |stored| stored.jump_secs(reading));
            (Some(begun.clone()), (begun, jump_secs))
        })
        .await?;
        if by == By::End && jump_secs.abs() >= JUMP_SECS_MIN {
            let way = if jump_secs < 0 { "back" } else { "on" };
            tracing::warn!(
                %site,
                family = family.as_str(),
                secs = jump_secs.abs(),
                "the appliance's clock was set {way}; what it showed before and since is scanned"
            );
        }
        Ok(Sweep::over(by, key, now, coverage))
    }

    /// Begins over all that the appliance may have, or goes on with that: apart from what live scans cover.
    pub async fn daily(
        scans: &Bucket<Coverage>,
        (site, family): (&SiteHost, Family),
        by: By,
        (now, reading): (ApplianceTime, Reading),
        (reach, anew): (Reach, bool),
    ) -> Result<Self, ChangeError> {
        let key = format!("{}.daily", key(site, family, by));
        let coverage = change(scans, &key, |stored: Option<Coverage>| {
            let coverage = stored
                .filter(|_| !anew)
                .unwrap_or_else(|| Coverage::begin(None, now, reading, reach));
            (Some(coverage.clone()), coverage)
        })
        .await?;
        Ok(Sweep { daily: true, ..Sweep::over(by, key, now, coverage) })
    }

    fn over(by: By, key: String, now: ApplianceTime, coverage: Coverage) -> Self {
        Sweep { by, key, now, coverage, skipped: Vec::new(), daily: false }
    }

    /// Whether it is one over all that the appliance has.
    pub fn is_daily(&self) -> bool {
        self.daily
    }

    pub fn by(&self) -> By {
        self.by
    }

    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// The instant up to which it goes.
    pub fn up_to(&self) -> ApplianceTime {
        self.now
    }

    /// The next window, of at most so many seconds; `None` when all is scanned.
    pub fn next(&self, secs_max: u32) -> Option<Stretch> {
        let skip = |left: Coverage, window: &Stretch| left.cover(*window);
        let left = self.skipped.iter().fold(self.coverage.clone(), skip);
        left.windows(self.now, secs_max).next()
    }

    /// Goes on without this window, which is not covered.
    pub fn skip(&mut self, window: Stretch) {
        self.skipped.push(window);
    }

    /// The same without these windows.
    #[must_use]
    pub fn without(mut self, windows: impl Iterator<Item = Stretch>) -> Self {
        self.skipped.extend(windows);
        self
    }

    /// Whether this window holds what is new, and not what is caught up with.
    pub fn is_live(&self, window: Stretch) -> bool {
        window.until() >= self.coverage.watermark()
    }

    /// All of this window is announced and acknowledged.
    pub async fn cover(
        &mut self,
        scans: &Bucket<Coverage>,
        window: Stretch,
    ) -> Result<(), ChangeError> {
        self.coverage = change(scans, &self.key, |stored: Option<Coverage>| {
            // A record that is gone was lost with its bucket; what this sweep knows is as good.
            let covered = stored.as_ref().unwrap_or(&self.coverage).cover(window);
            (Some(covered.clone()), covered)
        })
        .await?;
        Ok(())
    }
}

/// Where the coverage of a sweep is kept.
pub(crate) fn key(site: &SiteHost, family: Family, by: By) -> String {
    let by = match by {
        By::End => "",
        By::Start => ".started",
    };
    format!("{}.{}{by}", escape(site.as_str()), family.as_str())
}
