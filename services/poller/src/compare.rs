//! What an appliance lists, compared with the log on demand. It moves no watermark.

use appliance::{ApplianceError, Client, Listed, Window};
use chrono::{DateTime, Utc};
use domain::facts::{End, SessionEnded};
use domain::{ApplianceTime, Coverage, Family, SiteHost, Stretch};
use messages::Fact;
use queue::{BucketError, Log, LogError};

use crate::listing::{Told, WINDOW_SECS_MAX, ask, is_of_its_window, lists_anything};
use crate::sweep::{By, key};

const DAY_SECS: i64 = 86_400;
/// How far back is compared, unless it is told: longer than an appliance keeps its reports.
const REACH_SECS: i64 = 91 * DAY_SECS;
/// Nothing is compared that lies further back: no appliance has it, and each day would cost a listing.
pub const REACH_DAYS_MAX: i64 = 400;
/// More windows than this that fail end a comparison: then it is the site that fails.
const FAILED_MAX: usize = 40;
/// How often one window is asked for while the account's budget is used up.
const THROTTLED_MAX: usize = 20;

/// What a comparison found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Compared {
    /// Sessions and presentations that the appliance lists as ended.
    pub listed: u64,
    /// Those among them that the log did not have though scans have passed them. They are announced now.
    pub missing: u64,
    /// Those that the log did not have because the next scan was still to find them. They are announced now.
    pub waiting: u64,
}

/// How far a comparison is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Of how much time the sessions are compared.
    pub done_secs: i64,
    /// Of how much they are still to be.
    pub left_secs: i64,
}

/// What is compared: all that ended between two instants (none: as far back as an appliance keeps it; up to its now).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// From this on.
    pub since: Option<DateTime<Utc>>,
    /// Before this.
    pub until: Option<DateTime<Utc>>,
}

/// Why an appliance could not be compared with the log.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The appliance.
    #[error("could not list what {site} has")]
    Appliance {
        /// Which.
        site: SiteHost,
        /// Why.
        #[source]
        cause: ApplianceError,
    },
    /// Some windows of its time.
    #[error(
        "could not list what {site} has in {windows} windows of its time; all else is compared"
    )]
    Windows {
        /// Which.
        site: SiteHost,
        /// How many.
        windows: usize,
        /// What it said of the first that failed.
        #[source]
        cause: ApplianceError,
    },
    /// How far scans got.
    #[error("could not read how far the scans of {site} got")]
    Coverage {
        /// Of which.
        site: SiteHost,
        /// Why.
        #[source]
        cause: BucketError,
    },
    /// The log.
    #[error("could not announce what {site} has")]
    Announce {
        /// Whose.
        site: SiteHost,
        /// Why.
        #[source]
        cause: LogError,
    },
}

/// Lists all that ended on one site in a span, announces what the log lacks, and tells on the way how far it is. What
/// counts as abandoned is not compared: that is the daily scan's.
///
/// # Errors
/// When the appliance or the log fails; what was announced until then stands. Where the appliance fails with some windows
/// only, all others are compared before that is told.
pub async fn compare(
    client: &Client,
    log: &Log,
    family: Family,
    span: Span,
    tell: impl Fn(Progress),
) -> Result<Compared, CompareError> {
    let site = client.site();
    let failed = |cause| CompareError::Appliance { site: site.clone(), cause };
    let scanned = coverage(log, site, family).await;
    let scanned = scanned.map_err(|cause| CompareError::Coverage { site: site.clone(), cause })?;
    let mut windows = windows(span.within(client.clock().await.map_err(failed)?), scanned.as_ref());
    let (mut compared, mut failures) = (Compared::default(), Vec::new());
    let all_secs: i64 = windows.iter().map(|window| window.secs()).sum();
    while let Some(window) = windows.pop() {
        match ask(client, family, (window, asked(window)), THROTTLED_MAX).await {
            Ok(Told::Listed(listed)) => {
                let announced = log.announce_all(&ends(site, family, &listed)).await;
                let new = announced
                    .map_err(|cause| CompareError::Announce { site: site.clone(), cause })?;
                let to_do = scanned.as_ref().is_some_and(|scanned| is_to_do(scanned, window));
                compared.count(listed.sessions.len(), new, to_do);
            }
            Ok(Told::Shorter(_)) => windows.extend(halves(window)),
            Err(cause) => {
                let of_the_site = !is_of_its_window(&cause)
                    || failures.len() >= FAILED_MAX
                    || !lists_anything(client, family).await;
                if of_the_site {
                    return Err(failed(cause));
                }
                failures.push(cause);
            }
        }
        let left_secs = windows.iter().map(|window| window.secs()).sum();
        tell(Progress { done_secs: all_secs - left_secs, left_secs });
    }
    let windows = failures.len();
    match failures.into_iter().next() {
        Some(cause) => Err(CompareError::Windows { site: site.clone(), windows, cause }),
        None => Ok(compared),
    }
}

impl Compared {
    fn count(&mut self, listed: usize, new: usize, to_do: bool) {
        self.listed += listed as u64;
        match to_do {
            true => self.waiting += new as u64,
            false => self.missing += new as u64,
        }
    }
}

impl Span {
    /// What of it an appliance can have whose clock shows this; `None` where that is nothing.
    fn within(self, now: ApplianceTime) -> Option<Stretch> {
        let until = self.until.map_or(now, ApplianceTime::read_off).min(now).plus_secs(1);
        let since = self.since.map_or(now.plus_secs(-REACH_SECS), ApplianceTime::read_off);
        Stretch::new(since.max(now.plus_secs(-REACH_DAYS_MAX * DAY_SECS)), until)
    }
}

fn halves(window: Stretch) -> impl Iterator<Item = Stretch> {
    window.split(u32::try_from(window.secs() / 2).unwrap_or(WINDOW_SECS_MAX))
}

async fn coverage(
    log: &Log,
    site: &SiteHost,
    family: Family,
) -> Result<Option<Coverage>, BucketError> {
    let scans = log.bucket::<Coverage>("scans").await?;
    Ok(scans.get(&key(site, family, By::End)).await?.map(|kept| kept.value))
}

/// What is to be compared, in windows of which none has both what scans have passed last and what they have not.
fn windows(span: Option<Stretch>, scanned: Option<&Coverage>) -> Vec<Stretch> {
    let Some(span) = span else { return Vec::new() };
    let (since, until) = (span.from(), span.until());
    let passed = scanned.map_or(until, |scanned| scanned.watermark().clamp(since, until));
    [(since, passed), (passed, until)]
        .into_iter()
        .filter_map(|(from, until)| Stretch::new(from, until))
        .flat_map(|part| part.split(WINDOW_SECS_MAX))
        .collect()
}

/// Whether scans have still to pass a part of this window.
fn is_to_do(scanned: &Coverage, window: Stretch) -> bool {
    scanned.is_to_do(window.from()) || scanned.is_to_do(window.until().plus_secs(-1))
}

fn asked(window: Stretch) -> Window {
    let secs = u32::try_from(window.secs()).unwrap_or(u32::MAX);
    Window::Ended { from: window.from(), secs }
}

fn ends(site: &SiteHost, family: Family, listed: &Listed) -> Vec<Fact> {
    let over = |lsid: &domain::Lsid| {
        Fact::SessionEnded(SessionEnded {
            site: site.clone(),
            family,
            lsid: lsid.clone(),
            end: End::Seen,
            noticed_at: listed.clock,
        })
    };
    listed.sessions.iter().map(|session| over(&session.lsid)).collect()
}

#[cfg(test)]
mod tests;
