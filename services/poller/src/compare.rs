//! What an appliance lists, compared with the log on demand. It moves no watermark.

use appliance::{ApplianceError, Client, Listed, Recourse, Window};
use chrono::{DateTime, Utc};
use domain::facts::{End, SessionEnded};
use domain::{ApplianceTime, Family, SiteHost, Stretch};
use messages::Fact;
use queue::{Log, LogError};

use crate::sweep::SESSIONS_SUSPICIOUS;

/// How far back is compared, unless it is told: longer than an appliance keeps its reports.
const REACH_SECS: i64 = 91 * 86_400;
/// The longest window.
const WINDOW_SECS_MAX: u32 = 86_400;
/// No window is split further.
const WINDOW_SECS_MIN: i64 = 60;
/// How often one window is asked for while the account's budget is used up.
const THROTTLED_MAX: usize = 20;

/// What a comparison found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Compared {
    /// Sessions and presentations that the appliance lists as ended.
    pub listed: u64,
    /// Those among them that the log did not have. They are announced now.
    pub missing: u64,
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
    let mut compared = Compared::default();
    let Some(whole) = Stretch::new(since, until) else { return Ok(compared) };
    let mut windows: Vec<Stretch> = whole.split(WINDOW_SECS_MAX).collect();
    while let Some(window) = windows.pop() {
        let may_split = window.secs() > WINDOW_SECS_MIN;
        let halves = || window.split(u32::try_from(window.secs() / 2).unwrap_or(WINDOW_SECS_MAX));
        match list(client, family, window).await {
            Ok(listed) if may_split && listed.sessions.len() > SESSIONS_SUSPICIOUS => {
                windows.extend(halves());
            }
            Err(ApplianceError::TooLarge { .. }) if may_split => windows.extend(halves()),
            Ok(listed) => {
                let announced = log.announce_all(&ends(site, family, &listed)).await;
                let missing = announced
                    .map_err(|cause| CompareError::Announce { site: site.clone(), cause })?;
                compared.listed += listed.sessions.len() as u64;
                compared.missing += missing as u64;
            }
            Err(cause) => return Err(failed(cause)),
        }
    }
    Ok(compared)
}

async fn list(client: &Client, family: Family, window: Stretch) -> Result<Listed, ApplianceError> {
    let secs = u32::try_from(window.secs()).unwrap_or(u32::MAX);
    let window = Window::Ended { from: window.from(), secs };
    let mut throttled = 0;
    loop {
        match client.listing(family, window).await {
            Err(cause) if throttled < THROTTLED_MAX => match cause.recourse() {
                Recourse::Throttled(wait) => {
                    throttled += 1;
                    tokio::time::sleep(wait).await;
                }
                _ => return Err(cause),
            },
            told => return told,
        }
    }
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
        assert_eq!(look(None).await, Compared { listed: 40, missing: 40 - recent.missing });
        assert_eq!(look(None).await, Compared { listed: 40, missing: 0 });
        rig.expect_announced(&rig.sessions(|session| session.end.is_some())).await;
    }
}
