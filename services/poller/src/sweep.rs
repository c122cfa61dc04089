use appliance::Window;
use domain::{ApplianceTime, Coverage, Family, Reach, Reading, SiteHost, Stretch};
use messages::escape;
use queue::Bucket;

use crate::ChangeError;
use crate::change::change;
use crate::listing::{SESSIONS_SUSPICIOUS, WINDOW_SECS_MAX};

/// After a listing of this many at most, the next window is twice as long.
const SESSIONS_FEW: usize = SESSIONS_SUSPICIOUS / 4;
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
    /// The length of the next window.
    secs_max: u32,
    /// What that may grow to.
    secs_cap: u32,
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
        Ok(Sweep::over(by, key, now, coverage))
    }

    fn over(by: By, key: String, now: ApplianceTime, coverage: Coverage) -> Self {
        Sweep { by, key, now, coverage, secs_max: WINDOW_SECS_MAX, secs_cap: WINDOW_SECS_MAX }
    }

    pub fn by(&self) -> By {
        self.by
    }

    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// The next window; `None` when all is scanned.
    pub fn next(&self) -> Option<Stretch> {
        self.coverage.windows(self.now, self.secs_max).next()
    }

    /// Whether this window holds what is new, and not what is caught up with.
    pub fn is_live(&self, window: Stretch) -> bool {
        window.until() >= self.coverage.watermark()
    }

    /// What the appliance is to be asked for a window: a second more, because whether it counts the last second in is
    /// not told.
    pub fn asked(&self, window: Stretch) -> Window {
        let (from, secs) = (window.from(), u32::try_from(window.secs() + 1).unwrap_or(u32::MAX));
        match self.by {
            By::End => Window::Ended { from, secs },
            By::Start => Window::Started { from, secs },
        }
    }

    /// All of this window, in which so many sessions were, is announced and acknowledged.
    pub async fn cover(
        &mut self,
        scans: &Bucket<Coverage>,
        window: Stretch,
        sessions: usize,
    ) -> Result<(), ChangeError> {
        self.coverage = change(scans, &self.key, |stored: Option<Coverage>| {
            // A record that is gone was lost with its bucket; what this sweep knows is as good.
            let covered = stored.as_ref().unwrap_or(&self.coverage).cover(window);
            (Some(covered.clone()), covered)
        })
        .await?;
        if sessions <= SESSIONS_FEW {
            self.secs_max = self.secs_max.saturating_mul(2).min(self.secs_cap);
        }
        Ok(())
    }

    /// Goes on in windows of half that length, which grow again where there are few sessions.
    pub fn split(&mut self, window: Stretch) {
        self.secs_max = u32::try_from(window.secs() / 2).unwrap_or(WINDOW_SECS_MAX).max(1);
    }

    /// Goes on in windows of half that length, to the end of the sweep: a site that is slow with one window is slow with
    /// all.
    pub fn split_for_good(&mut self, window: Stretch) {
        self.split(window);
        self.secs_cap = self.secs_max;
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
