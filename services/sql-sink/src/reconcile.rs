//! What the database holds, compared with the log.

use domain::{ArtifactId, Family, Held, Kind, Lsid, SiteHost};
use queue::{Counts, Deliveries, Ledger, Log, LogError, Period};
use settings::{Destination, Settings, SqlEngine, SqlTarget, UnresolvedSecret};

use crate::store::{Schema, SqlServer, Sqlite, Store, StoreError};

/// Why a database could not be compared with the log.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// There is none yet.
    #[error("there is no database {path} yet: `sluice up` makes it")]
    Absent {
        /// Where it would be.
        path: String,
    },
    /// Its connection string was not read.
    #[error("the connection string is not known")]
    Secret(#[source] UnresolvedSecret),
    /// It can't be opened, or its ledger not read.
    #[error("the destination can't be read")]
    Store(#[source] StoreError),
    /// Staging does not answer.
    #[error("staging can't be read")]
    Staging(#[source] staging::OpenError),
    /// The log does not answer.
    #[error("the log can't be compared with the destination's ledger")]
    Log(#[source] LogError),
}

/// Opens a destination that exists and compares it with the log; what is missing is asked for again. With `site`, only
/// what comes from there.
///
/// # Errors
/// When the destination or the log can't be used.
pub async fn reconcile(
    log: &Log,
    settings: &Settings,
    (destination, target): (&Destination, &SqlTarget),
    site: Option<&SiteHost>,
    period: Period,
) -> Result<Counts, ReconcileError> {
    match &target.engine {
        SqlEngine::Sqlite { path } if !path.exists() => {
            Err(ReconcileError::Absent { path: path.display().to_string() })
        }
        SqlEngine::Sqlite { path } => {
            let store =
                Sqlite::open_with(path, Schema::ToRead).await.map_err(ReconcileError::Store)?;
            compare(log, settings, destination, &store, site, period).await
        }
        SqlEngine::SqlServer { connection } => {
            let connection = connection.expose().map_err(ReconcileError::Secret)?;
            let store = SqlServer::open_with(connection, Schema::ToRead)
                .await
                .map_err(ReconcileError::Store)?;
            compare(log, settings, destination, &store, site, period).await
        }
    }
}

pub(crate) async fn compare<S: Store>(
    log: &Log,
    settings: &Settings,
    destination: &Destination,
    store: &S,
    site: Option<&SiteHost>,
    period: Period,
) -> Result<Counts, ReconcileError> {
    let mut sites = settings.sites_of_destination(&destination.label);
    sites.retain(|of| site.is_none_or(|site| site == *of));
    let routes: Vec<_> = sites.into_iter().map(|site| (site.clone(), Kind::SessionData)).collect();
    let begun = Deliveries::begin(log, store.identity(), routes).await;
    let begun = begun.map_err(ReconcileError::Log)?;
    let mut ledger = Ledger::default();
    for (site, lsid, row) in store.ledger_rows().await.map_err(ReconcileError::Store)? {
        // What can't be read as a site or an id is none of ours, and comes from no route.
        if let (Ok(site), Ok(lsid)) = (site.parse::<SiteHost>(), lsid.parse::<Lsid>()) {
            let report = ArtifactId::report(site, Family::Session, lsid);
            ledger.note(&report, Held::Revision(row.revision));
        }
    }
    begun.against(&ledger, period).await.map_err(ReconcileError::Log)
}
