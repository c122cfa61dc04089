//! What the database holds, compared with its ledger, the log, and the reports in staging. Nothing is changed.

mod rows;

use std::collections::BTreeSet;

use domain::facts::ClaimCheck;
use domain::{ArtifactId, Difference, Entry, Family, Finding, Kind, Lsid, SiteHost};
use queue::{Log, Part, Verification};
use session_report::Limits;
use settings::{Destination, Settings, SqlEngine, SqlTarget};
use staging::Staging;

use self::rows::Stored;
use crate::ReconcileError;
use crate::columns::SessionRows;
use crate::store::{LedgerEntry, LedgerRow, Schema, SqlServer, Sqlite, Store, Stray};
use crate::worker::REPORT_BYTES_MAX;

/// Rows that are read at a time.
const PAGE: usize = 1_000;
/// Sessions whose rows are read at a time: some ten thousand rows.
const SESSIONS: usize = 100;

/// Opens a destination that exists, and compares its ledger with the log, and its tables with the ledger and with what the
/// reports in `staging` say; without that, only which sessions are there. Each difference is told as it is found; says how
/// many artifacts were looked at.
///
/// # Errors
/// When the destination or the log can't be used.
pub async fn verify(
    log: &Log,
    settings: &Settings,
    (destination, target): (&Destination, &SqlTarget),
    staging: Option<&Staging>,
    tell: impl FnMut(Finding) + Send,
) -> Result<u64, ReconcileError> {
    match &target.engine {
        SqlEngine::Sqlite { path } if !path.exists() => {
            Err(ReconcileError::Absent { path: path.display().to_string() })
        }
        SqlEngine::Sqlite { path } => {
            let store =
                Sqlite::open_with(path, Schema::ToRead).await.map_err(ReconcileError::Store)?;
            compare(log, settings, destination, (&store, staging), tell).await
        }
        SqlEngine::SqlServer { connection } => {
            let connection = connection.expose().map_err(ReconcileError::Secret)?;
            let store = SqlServer::open_with(connection, Schema::ToRead)
                .await
                .map_err(ReconcileError::Store)?;
            compare(log, settings, destination, (&store, staging), tell).await
        }
    }
}

async fn compare<S: Store>(
    log: &Log,
    settings: &Settings,
    destination: &Destination,
    (store, staging): (&S, Option<&Staging>),
    mut tell: impl FnMut(Finding) + Send,
) -> Result<u64, ReconcileError> {
    let sites = settings.sites_of_destination(&destination.label);
    let routes: Vec<_> = sites.into_iter().map(|site| (site.clone(), Kind::SessionData)).collect();
    let begun = Verification::begin(log, store.identity(), routes).await;
    let begun = begun.map_err(ReconcileError::Log)?;
    let mut checked = 0;
    for (number, mut part) in begun.parts().enumerate() {
        note(store, &mut part, number == 0, &mut tell).await?;
        let mut agreed = Vec::new();
        let mut agree = |artifact, claim| {
            if staging.is_some() {
                agreed.push((artifact, claim));
            }
        };
        let compared = begun.compare(part, &mut tell, &mut agree).await;
        checked += compared.map_err(ReconcileError::Log)?;
        if let Some(staging) = staging {
            tables(store, staging, &agreed, &mut tell).await?;
        }
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

/// What the tables hold of sessions of which the ledger says what the log says, beside what their reports say.
async fn tables<S: Store>(
    store: &S,
    staging: &Staging,
    agreed: &[(ArtifactId, ClaimCheck)],
    tell: &mut (impl FnMut(Finding) + Send),
) -> Result<(), ReconcileError> {
    for some in agreed.chunks(SESSIONS) {
        let named = |(artifact, _): &(ArtifactId, _)| {
            Some((artifact.site().clone(), artifact.lsid()?.clone()))
        };
        let keys: Vec<(SiteHost, Lsid)> = some.iter().filter_map(named).collect();
        let adopted = store.adopted(&keys).await.map_err(ReconcileError::Store)?;
        let mut entered: Vec<(&ArtifactId, &Lsid, &ClaimCheck, LedgerRow)> = Vec::new();
        for (artifact, claim) in some {
            let Some(lsid) = ours(artifact, &adopted) else { continue };
            let row = store.ledger(artifact.site(), lsid).await.map_err(ReconcileError::Store)?;
            entered.extend(row.map(|row| (artifact, lsid, claim, row)));
        }
        let ids: Vec<i64> = entered.iter().map(|(.., row)| row.session_id).collect();
        let stored = Stored::of(store, &ids).await.map_err(ReconcileError::Store)?;
        for (artifact, lsid, claim, row) in entered {
            // That a person deleted it was told.
            if !stored.has(row.session_id, artifact.site(), lsid) {
                continue;
            }
            let difference = match report(staging, artifact, lsid, claim).await? {
                Ok(report) => altered(store, &stored, row.session_id, &report).await?,
                Err(why) => Some(Difference::Unproven { why }),
            };
            let Some(difference) = difference else { continue };
            // A sink may have written a newer one meanwhile.
            let now = store.ledger(artifact.site(), lsid).await.map_err(ReconcileError::Store)?;
            if now.as_ref() == Some(&row) {
                tell(Finding { what: artifact.to_string(), difference });
            }
        }
    }
    Ok(())
}

/// How a session's rows differ from those that its report makes. Seen twice: tables are read one after the other, and a
/// replay that writes the session between them changes nothing in the ledger.
async fn altered<S: Store>(
    store: &S,
    stored: &Stored,
    session_id: i64,
    report: &SessionRows,
) -> Result<Option<Difference>, ReconcileError> {
    if stored.differs(session_id, report).is_none() {
        return Ok(None);
    }
    let again = Stored::of(store, &[session_id]).await.map_err(ReconcileError::Store)?;
    let how = again.differs(session_id, report);
    Ok(how.map(|how| Difference::Altered { how: format!("not what its report says: {how}") }))
}

/// The session, unless its rows are another program's.
fn ours<'a>(artifact: &'a ArtifactId, adopted: &BTreeSet<(String, String)>) -> Option<&'a Lsid> {
    let key = (artifact.site().as_str().to_owned(), artifact.lsid()?.as_str().to_owned());
    artifact.lsid().filter(|_| !adopted.contains(&key))
}

/// The rows that a staged report makes, or why that can't be said of this one.
async fn report(
    staging: &Staging,
    artifact: &ArtifactId,
    lsid: &Lsid,
    claim: &ClaimCheck,
) -> Result<Result<SessionRows, String>, ReconcileError> {
    let unproven = |why: &str| Ok(Err(format!("can't be compared with its report: {why}")));
    let xml = match staging.read_whole(claim, REPORT_BYTES_MAX).await {
        Ok(xml) => xml,
        Err(cause) if cause.is_down() => return Err(ReconcileError::Staging(cause)),
        Err(cause) if cause.is_lost() => return unproven("staging has lost it"),
        Err(cause) => return unproven(&cause.to_string()),
    };
    match session_report::read(&xml, &Limits::default()) {
        Ok(session) => Ok(Ok(SessionRows::of(&session, artifact.site(), lsid, true))),
        Err(cause) => unproven(&cause.to_string()),
    }
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

#[cfg(test)]
mod tests;
