//! Windows of a site's time: how they are listed, and when shorter ones are to be had instead.

use appliance::{ApplianceError, Client, Listed, Recourse, Window};
use domain::{Family, Stretch};

/// The longest window. A busy site ends a few thousand sessions a day.
pub(crate) const WINDOW_SECS_MAX: u32 = 86_400;
/// No window is split further.
const WINDOW_SECS_MIN: i64 = 60;
/// Windows longer than this are also split when a listing fails in a way that a shorter one might not.
const WINDOW_SECS_SPLIT_ON_FAILURE: i64 = 3_600;
/// A listing of more sessions than this may have been cut by a limit that nobody documents.
pub(crate) const SESSIONS_SUSPICIOUS: usize = 5_000;

/// Lists a window; while the account's budget is used up, waits as long as told, so often at most.
pub(crate) async fn list(
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

/// Whether a listing of so many sessions is to be had in smaller windows.
pub(crate) fn is_suspicious(window: Stretch, sessions: usize) -> bool {
    sessions > SESSIONS_SUSPICIOUS && window.secs() > WINDOW_SECS_MIN
}

/// Whether smaller windows may help where this one failed.
pub(crate) fn may_split(window: Stretch, failure: &ApplianceError) -> bool {
    match failure {
        ApplianceError::TooLarge { .. } => window.secs() > WINDOW_SECS_MIN,
        ApplianceError::Silent { .. }
        | ApplianceError::Slow { .. }
        | ApplianceError::Cut { .. }
        | ApplianceError::Failing { .. } => window.secs() > WINDOW_SECS_SPLIT_ON_FAILURE,
        _ => false,
    }
}
