use domain::{Family, Kind};
use queue::{Counts, Log, LogError, Period};
use settings::{Settings, Site};

/// Compares what was due of a site with what was staged of it; what nothing came of is asked for again.
///
/// # Errors
/// When the log does not answer.
pub async fn reconcile(
    log: &Log,
    settings: &Settings,
    site: &Site,
    period: Period,
) -> Result<Counts, LogError> {
    let mut kinds = settings.kinds_of_site(&site.host);
    let reports: Vec<Kind> =
        kinds.iter().filter_map(|kind| kind.family()).map(Family::report).collect();
    kinds.extend(reports);
    let mut counts = Counts::default();
    for kind in kinds {
        counts += log.reconcile_fetches(&site.host, kind, period).await?;
    }
    Ok(counts)
}
