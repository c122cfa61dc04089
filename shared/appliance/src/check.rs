use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;

use chrono::{DateTime, Utc};
use domain::{ApplianceTime, Family, Kind};

use crate::{ApiInfo, ApplianceError, Client, Window};

/// A clock that is off by more is worth a note.
const CLOCK_SECS_MAX: i64 = 60;

/// One thing that was looked at, in plain words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckLine {
    /// How it stands.
    pub standing: Standing,
    /// What was found, and what to do where something is.
    pub says: String,
}

/// How a thing that was looked at stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// As it should be.
    Good,
    /// Good to know.
    Note,
    /// Something that is wanted does not work before it is put right.
    Bad,
}

impl Client {
    /// Looks at the login, the API, the clocks and the permissions, which these kinds of artifacts need. `now` is this
    /// machine's clock.
    pub async fn check(&self, now: DateTime<Utc>, kinds: &BTreeSet<Kind>) -> Vec<CheckLine> {
        let (site, account) = (self.site(), self.account());
        if let Err(error) = self.token().await {
            return vec![line(Standing::Bad, chain(&error))];
        }
        let mut lines = vec![line(Standing::Good, format!("{site} accepts API account {account}"))];
        match self.get_api_info().await {
            Ok(info) => {
                let version = info.version.as_deref().unwrap_or("of an unknown version");
                lines.push(line(Standing::Good, format!("{site} answers with API {version}")));
                lines.push(clocks(site, info.clock, now));
                lines.extend(permissions(site, &account, &info, kinds));
            }
            Err(error) => lines.extend(self.check_without_info(error, now).await),
        }
        lines
    }

    /// An account without the command API tells no permissions; a tiny listing shows the one that matters.
    async fn check_without_info(
        &self,
        error: ApplianceError,
        now: DateTime<Utc>,
    ) -> Vec<CheckLine> {
        let window = Window::Ended {
            from: ApplianceTime::read_off(DateTime::UNIX_EPOCH).plus_secs(86_400),
            secs: 1,
        };
        let mut lines = vec![line(Standing::Note, chain(&error))];
        match self.listing(Family::Session, window).await {
            Ok(listed) => {
                let says = format!("API account {} may read session reports", self.account());
                lines.push(line(Standing::Good, says));
                lines.push(clocks(self.site(), listed.clock, now));
            }
            Err(error) => lines.push(line(Standing::Bad, chain(&error))),
        }
        lines
    }
}

fn clocks(site: &impl fmt::Display, appliance: ApplianceTime, now: DateTime<Utc>) -> CheckLine {
    let ahead = (now - appliance.instant()).num_seconds();
    let side = if ahead < 0 { "ahead of" } else { "behind" };
    let says = format!("the clock of {site} is {} s {side} this machine's", ahead.abs());
    if ahead.abs() <= CLOCK_SECS_MAX {
        return line(Standing::Good, says);
    }
    let does = "the appliance's counts; set the wrong one right all the same";
    line(Standing::Note, format!("{says}: {does}"))
}

fn permissions(
    site: &impl fmt::Display,
    account: &str,
    info: &ApiInfo,
    kinds: &BTreeSet<Kind>,
) -> Vec<CheckLine> {
    let needs = |which: fn(&Kind) -> bool| match kinds.iter().any(which) {
        true => Standing::Bad,
        false => Standing::Note,
    };
    let is_presented =
        |kind: &Kind| matches!(kind, Kind::PresentationData | Kind::PresentationRecording);
    let mut wanted = vec![
        (
            "perm_reporting_support",
            "sessions and recordings",
            needs(|kind| *kind != Kind::SiteBackup),
        ),
        ("perm_backup", "site backups", needs(|kind| *kind == Kind::SiteBackup)),
    ];
    // Newer versions don't have it: what is not told is no news then.
    if info.allows("perm_reporting_presentation") == Some(false) && kinds.iter().any(is_presented) {
        wanted.push(("perm_reporting_presentation", "presentations", Standing::Bad));
    }
    let told = wanted.into_iter().map(|(name, what, standing)| match info.allows(name) {
        Some(true) => {
            line(Standing::Good, format!("API account {account} may read {what} ({name})"))
        }
        Some(false) => {
            let says =
                format!("API account {account} may not read {what}: grant it {name} on {site}");
            line(standing, says)
        }
        None => line(
            Standing::Note,
            format!("{site} does not tell whether API account {account} may read {what} ({name})"),
        ),
    });
    told.collect()
}

fn line(standing: Standing, says: String) -> CheckLine {
    CheckLine { standing, says }
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &ApplianceError) -> String {
    let causes =
        std::iter::successors(error.source(), |cause: &&(dyn Error + 'static)| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_says_by_how_much_and_which_one_counts() {
        let appliance = ApplianceTime::read_off(DateTime::UNIX_EPOCH);
        let now = DateTime::UNIX_EPOCH + chrono::Duration::seconds(312);
        let off = clocks(&"hq", appliance, now);
        assert_eq!(off.standing, Standing::Note);
        assert!(
            off.says.starts_with("the clock of hq is 312 s behind this machine's: "),
            "{}",
            off.says
        );
        assert_eq!(clocks(&"hq", appliance, DateTime::UNIX_EPOCH).standing, Standing::Good);
    }
}
