//! What an appliance lists, compared with the log on demand. It moves no watermark.

use appliance::{ApplianceError, Client, Listed, Window};
use chrono::{DateTime, Utc};
use domain::facts::{End, SessionEnded};
use domain::{ApplianceTime, Coverage, Family, SiteHost, Stretch};
use messages::Fact;
use queue::{BucketError, Log, LogError};

use crate::listing::{WINDOW_SECS_MAX, is_suspicious, list, may_split};
use crate::sweep::{By, key};

/// How far back is compared, unless it is told: longer than an appliance keeps its reports.
const REACH_SECS: i64 = 91 * 86_400;
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

/// Lists all that ended on one site between two instants (none: as far back as an appliance keeps it; up to its now),
/// and announces what the log lacks.
///
/// # Errors
/// When the appliance or the log fails; what was announced until then stands.
pub async fn compare(
    client: &Client,
    log: &Log,
    family: Family,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
) -> Result<Compared, CompareError> {
    let site = client.site();
    let failed = |cause| CompareError::Appliance { site: site.clone(), cause };
    let now = client.clock().await.map_err(failed)?;
    let until = until.map_or(now, ApplianceTime::read_off).min(now).plus_secs(1);
    let since = since.map_or(now.plus_secs(-REACH_SECS), ApplianceTime::read_off);
    let scanned = coverage(log, site, family).await;
    let scanned = scanned.map_err(|cause| CompareError::Coverage { site: site.clone(), cause })?;
    let mut compared = Compared::default();
    let mut windows = windows(since, until, scanned.as_ref());
    while let Some(window) = windows.pop() {
        let halves = || window.split(u32::try_from(window.secs() / 2).unwrap_or(WINDOW_SECS_MAX));
        match list(client, family, asked(window), THROTTLED_MAX).await {
            Ok(listed) if is_suspicious(window, listed.sessions.len()) => windows.extend(halves()),
            Err(cause) if may_split(window, &cause) => windows.extend(halves()),
            Ok(listed) => {
                let announced = log.announce_all(&ends(site, family, &listed)).await;
                let new = announced
                    .map_err(|cause| CompareError::Announce { site: site.clone(), cause })?;
                compared.listed += listed.sessions.len() as u64;
                match scanned.as_ref().is_some_and(|scanned| is_to_do(scanned, window)) {
                    true => compared.waiting += new as u64,
                    false => compared.missing += new as u64,
                }
            }
            Err(cause) => return Err(failed(cause)),
        }
    }
    Ok(compared)
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
fn windows(since: ApplianceTime, until: ApplianceTime, scanned: Option<&Coverage>) -> Vec<Stretch> {
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
mod tests {
    use appliance_simulator::Options;

    use super::*;
    use crate::rig::Rig;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_the_log_lacks_is_announced_and_the_second_time_nothing_is() {
        let rig = Rig::new(Options { sessions: 40, ..Options::default() }).await;
        let clients = rig.clients();
        let client = clients.of(&rig.host()).expect("every site has one");
        let look = async |since| {
            let compared = compare(client, &rig.log, Family::Session, since, None).await;
            compared.expect("both answer")
        };
        let week = DateTime::from_timestamp(rig.site.now() - 7 * 86_400, 0);
        let recent = look(week).await;
        assert!(0 < recent.missing && recent.missing < 40, "{recent:?}");
        let rest = Compared { listed: 40, missing: 40 - recent.missing, waiting: 0 };
        assert_eq!(look(None).await, rest);
        assert_eq!(look(None).await, Compared { listed: 40, missing: 0, waiting: 0 });
        rig.expect_announced(&rig.sessions(|session| session.end.is_some())).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_the_next_scan_would_find_is_not_missing() {
        let rig = Rig::new(Options { sessions: 40, ..Options::default() }).await;
        rig.scan().await;
        rig.site.advance_clock(3_600);
        rig.site.add_sessions(1);
        rig.site.advance_clock(3_600);
        let clients = rig.clients();
        let client = clients.of(&rig.host()).expect("every site has one");
        let compared = compare(client, &rig.log, Family::Session, None, None).await;
        let compared = compared.expect("both answer");
        assert_eq!(compared, Compared { listed: 41, missing: 0, waiting: 1 });
    }
}
