//! Windows of a site's time: how they are listed, and when shorter ones are to be had instead.

use appliance::{ApplianceError, Client, Listed, Recourse, Window};
use chrono::DateTime;
use domain::{ApplianceTime, Family, Stretch};

use crate::sweep::By;

/// The longest window. A busy site ends a few thousand sessions a day.
pub(crate) const WINDOW_SECS_MAX: u32 = 86_400;
/// No window is split further.
const WINDOW_SECS_MIN: i64 = 60;
/// Windows longer than this are also split when a listing fails in a way that a shorter one might not.
const WINDOW_SECS_SPLIT_ON_FAILURE: i64 = 3_600;
/// A listing of more sessions than this may have been cut by a limit that nobody documents.
pub(crate) const SESSIONS_SUSPICIOUS: usize = 5_000;
/// No limit on listings is lower.
const SESSIONS_LIMIT_MIN: usize = 100;

/// What an appliance tells of a window.
pub(crate) enum Told {
    /// All of it.
    Listed(Listed),
    /// It is to be had in shorter windows.
    Shorter(TooMuch),
}

/// Why a window is to be had in shorter ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooMuch {
    /// Its listing has, or would have, too many sessions.
    Sessions,
    /// It took too much of the appliance.
    Time,
}

/// Asks for a window; while the account's budget is used up, waits as long as told, so often at most.
pub(crate) async fn ask(
    client: &Client,
    family: Family,
    (window, asked): (Stretch, Window),
    throttled_max: usize,
) -> Result<Told, ApplianceError> {
    match list(client, family, asked, throttled_max).await {
        Ok(listed) if is_suspicious(window, listed.sessions.len()) => {
            Ok(Told::Shorter(TooMuch::Sessions))
        }
        Ok(listed) => Ok(Told::Listed(listed)),
        Err(cause) if may_split(window, &cause) => {
            tracing::debug!(site = %client.site(), %cause, "trying a shorter window");
            Ok(Told::Shorter(match cause {
                ApplianceError::TooLarge { .. } => TooMuch::Sessions,
                _ => TooMuch::Time,
            }))
        }
        Err(cause) => Err(cause),
    }
}

/// What the appliance is to be asked for a window: a second more, because whether it counts the last second in is not
/// told.
pub(crate) fn asked(by: By, window: Stretch) -> Window {
    let (from, secs) = (window.from(), u32::try_from(window.secs() + 1).unwrap_or(u32::MAX));
    match by {
        By::End => Window::Ended { from, secs },
        By::Start => Window::Started { from, secs },
    }
}

/// Lists a window; while the account's budget is used up, waits as long as told, so often at most.
async fn list(
    client: &Client,
    family: Family,
    window: Window,
    throttled_max: usize,
) -> Result<Listed, ApplianceError> {
    let mut throttled = 0;
    let listed = loop {
        match client.listing(family, window).await {
            Err(cause) if throttled < throttled_max => match cause.recourse() {
                Recourse::Throttled(wait) => {
                    throttled += 1;
                    tokio::time::sleep(wait).await;
                }
                _ => return Err(cause),
            },
            told => break told?,
        }
    };
    if let Some(first) = listed.unusable.first() {
        tracing::warn!(
            site = %client.site(),
            entries = listed.unusable.len(),
            %first,
            "a listing names sessions without a usable id; they can't be fetched"
        );
    }
    Ok(listed)
}

/// Whether another window may be told of although this one failed so.
pub(crate) fn is_of_its_window(failure: &ApplianceError) -> bool {
    matches!(
        failure,
        ApplianceError::HungUp { .. }
            | ApplianceError::Silent { .. }
            | ApplianceError::Cut { .. }
            | ApplianceError::Failing { .. }
            | ApplianceError::Refused { .. }
            | ApplianceError::Unexpected { .. }
            | ApplianceError::NotTheAppliance { .. }
            | ApplianceError::TooLarge { .. }
            | ApplianceError::Unreadable { .. }
            | ApplianceError::Malformed { .. }
    )
}

/// Whether the site lists at all: a second of long ago, in which nothing ended. One request tells a window that fails
/// from a site that does.
pub(crate) async fn lists_anything(client: &Client, family: Family) -> bool {
    let from = ApplianceTime::read_off(DateTime::UNIX_EPOCH).plus_secs(i64::from(WINDOW_SECS_MAX));
    client.listing(family, Window::Ended { from, secs: 1 }).await.is_ok()
}

/// Whether a listing of so many sessions is to be had in smaller windows.
fn is_suspicious(window: Stretch, sessions: usize) -> bool {
    (sessions > SESSIONS_SUSPICIOUS || is_round(sessions)) && window.secs() > WINDOW_SECS_MIN
}

/// Whether so many may be all that a limit leaves of more. A limit that is met shows in the very first listing, whatever
/// windows are asked for, where windows of another length would find it only while it is a little too low. Of the
/// listings without a limit one in a hundred is asked for in two parts for nothing.
fn is_round(sessions: usize) -> bool {
    sessions >= SESSIONS_LIMIT_MIN && (sessions.is_multiple_of(100) || sessions.is_power_of_two())
}

/// Whether smaller windows may help where this one failed.
fn may_split(window: Stretch, failure: &ApplianceError) -> bool {
    match failure {
        ApplianceError::TooLarge { .. } => window.secs() > WINDOW_SECS_MIN,
        ApplianceError::Silent { .. }
        | ApplianceError::Slow { .. }
        | ApplianceError::Cut { .. }
        | ApplianceError::Failing { .. } => window.secs() > WINDOW_SECS_SPLIT_ON_FAILURE,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::at;

    #[test]
    fn as_many_sessions_as_a_limit_may_leave_are_had_in_parts() {
        let is_suspicious = |sessions| {
            let day = Stretch::new(at(0), at(i64::from(WINDOW_SECS_MAX))).expect("not empty");
            is_suspicious(day, sessions)
        };
        assert!([100, 500, 512, 1_000, 1_024, 5_001].into_iter().all(is_suspicious));
        assert!(![0, 1, 64, 99, 101, 499, 501, 4_999].into_iter().any(is_suspicious));
        let minute = Stretch::new(at(0), at(WINDOW_SECS_MIN)).expect("not empty");
        assert!(!super::is_suspicious(minute, 500));
    }
}
