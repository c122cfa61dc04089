//! What the database holds, compared with its ledger and the log. Nothing is changed.

use domain::{ArtifactId, Difference, Entry, Family, Finding, Kind, Lsid, SiteHost};
use queue::{Log, Part, Verification};
use settings::{Destination, Settings, SqlEngine, SqlTarget};

use crate::ReconcileError;
use crate::store::{LedgerEntry, Schema, SqlServer, Sqlite, Store, Stray};

/// Rows that are read at a time.
const PAGE: usize = 1_000;

/// Opens a destination that exists, and compares its tables with its ledger, and its ledger with the log. Each difference
/// is told as it is found; says how many artifacts were looked at.
///
/// # Errors
/// When the destination or the log can't be used.
pub async fn verify(
    log: &Log,
    settings: &Settings,
    (destination, target): (&Destination, &SqlTarget),
    tell: impl FnMut(Finding) + Send,
) -> Result<u64, ReconcileError> {
    match &target.engine {
        SqlEngine::Sqlite { path } if !path.exists() => {
            Err(ReconcileError::Absent { path: path.display().to_string() })
        }
        SqlEngine::Sqlite { path } => {
            let store =
                Sqlite::open_with(path, Schema::AsItIs).await.map_err(ReconcileError::Store)?;
            compare(log, settings, destination, &store, tell).await
        }
        SqlEngine::SqlServer { connection } => {
            let connection = connection.expose().map_err(ReconcileError::Secret)?;
            let store = SqlServer::open_with(connection, Schema::AsItIs)
                .await
                .map_err(ReconcileError::Store)?;
            compare(log, settings, destination, &store, tell).await
        }
    }
}

async fn compare<S: Store>(
    log: &Log,
    settings: &Settings,
    destination: &Destination,
    store: &S,
    mut tell: impl FnMut(Finding) + Send,
) -> Result<u64, ReconcileError> {
    let sites = settings.sites_of_destination(&destination.label);
    let routes: Vec<_> = sites.into_iter().map(|site| (site.clone(), Kind::SessionData)).collect();
    let begun = Verification::begin(log, store.identity(), routes).await;
    let begun = begun.map_err(ReconcileError::Log)?;
    let mut checked = 0;
    for (number, mut part) in begun.parts().enumerate() {
        note(store, &mut part, number == 0, &mut tell).await?;
        checked += begun.compare(part, &mut tell).await.map_err(ReconcileError::Log)?;
    }
    strays(store, &mut tell).await?;
    Ok(checked)
}

/// Notes what the ledger says of one part of the sessions. What can't be read as a site or an id comes from no log.
async fn note<S: Store>(
    store: &S,
    part: &mut Part,
    is_first: bool,
    tell: &mut (impl FnMut(Finding) + Send),
) -> Result<(), ReconcileError> {
    let mut last: Option<LedgerEntry> = None;
    loop {
        let page = store.ledger_page(last.as_ref(), PAGE).await.map_err(ReconcileError::Store)?;
        for entry in &page {
            match artifact(entry) {
                Some(artifact) if !entry.has_session && part.takes(&artifact) => {
                    tell(Finding { what: artifact.to_string(), difference: Difference::Gone });
                    part.note(artifact, of(entry));
                }
                Some(artifact) => part.note(artifact, of(entry)),
                None if is_first => tell(Finding {
                    what: format!("{}/{}", entry.host_name, entry.lsid),
                    difference: Difference::Unknown,
                }),
                None => {}
            }
        }
        if page.len() < PAGE {
            return Ok(());
        }
        last = page.into_iter().next_back();
    }
}

fn artifact(entry: &LedgerEntry) -> Option<ArtifactId> {
    let site: SiteHost = entry.host_name.parse().ok()?;
    let lsid: Lsid = entry.lsid.parse().ok()?;
    Some(ArtifactId::report(site, Family::Session, lsid))
}

fn of(entry: &LedgerEntry) -> Entry {
    Entry { revision: entry.row.revision, content: entry.row.content }
}

/// Sessions that the ledger does not name.
async fn strays<S: Store>(
    store: &S,
    tell: &mut (impl FnMut(Finding) + Send),
) -> Result<(), ReconcileError> {
    let mut after = 0;
    loop {
        let page = store.strays(after, PAGE).await.map_err(ReconcileError::Store)?;
        for Stray { id, host_name, lsid, is_double } in &page {
            let difference = if *is_double { Difference::Doubled } else { Difference::Unledgered };
            tell(Finding { what: format!("{host_name}/{lsid} (session {id})"), difference });
            after = *id;
        }
        if page.len() < PAGE {
            return Ok(());
        }
    }
}
