//! When log and staging are made to agree: before anything is fetched, and whenever the log is found to be another.

use std::time::Duration;

use domain::Revision;
use queue::{Failure, Log};
use service::HealthHandle;
use staging::Staging;
use tokio_util::sync::CancellationToken;

use crate::rebuild::{RebuildError, agree, differs};

/// How long to wait before what failed is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// How often a running fetcher looks whether the log is still what it was.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Waits until the log has all that staging has, and puts it there if it was lost.
pub async fn agreed(log: &Log, staging: &Staging, health: &HealthHandle, stop: &CancellationToken) {
    health.not_ready("comparing the log with staging");
    loop {
        let agreeing = tokio::select! {
            () = stop.cancelled() => return,
            agreeing = agree(log, staging) => agreeing,
        };
        match agreeing {
            Ok(rebuilt) => {
                if let Some(rebuilt) = rebuilt.filter(|rebuilt| rebuilt.facts > 0) {
                    tracing::warn!(
                        facts = rebuilt.facts,
                        announced = rebuilt.announced,
                        "the log had lost what staging has; it was rebuilt"
                    );
                }
                return health.ready();
            }
            Err(error) => {
                let reason = Failure::Down(error.into()).to_string();
                tracing::warn!(reason, "log and staging can't be compared; trying on");
                health.not_ready(&reason);
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TRY_AGAIN) => {}
        }
    }
}

/// Has them agree again where the log is set back, or a destination finds it set back, while fetchers work. What is
/// fetched meanwhile may be fetched once more than needed.
pub(crate) async fn keep_agreed(
    log: Log,
    staging: Staging,
    health: HealthHandle,
    stop: CancellationToken,
) {
    let mut seen: Option<Revision> = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        match look(&log, &staging, seen).await {
            Ok((stands, true)) => seen = Some(stands),
            Ok((_, false)) => {
                agreed(&log, &staging, &health, &stop).await;
                seen = None;
            }
            Err(error) => tracing::debug!(%error, "log and staging could not be compared"),
        }
    }
}

/// Where the log stands, and whether it goes on from where it was seen last, with staging beside it.
async fn look(
    log: &Log,
    staging: &Staging,
    seen: Option<Revision>,
) -> Result<(Revision, bool), RebuildError> {
    let stands = log.stands_at().await.map_err(RebuildError::Log)?;
    let goes_on = seen.is_none_or(|seen| seen <= stands);
    Ok((stands, goes_on && !differs(log, staging).await?))
}
