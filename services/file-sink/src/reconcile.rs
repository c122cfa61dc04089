//! What the directory holds, compared with the log.

use std::sync::Arc;

use domain::{Held, SiteHost};
use queue::{Counts, Deliveries, Ledger, Log, LogError, Period};
use settings::{Destination, FilesTarget, Settings};

use crate::entry::{Entry, State};
use crate::streaming::blocking;
use crate::{Directory, DirectoryError, LedgerError, WithoutIdentity, wiring};

/// Why a directory could not be compared with the log.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// It can't be opened.
    #[error("the destination can't be opened")]
    Open(#[source] DirectoryError),
    /// Its ledger can't be read.
    #[error("the destination's ledger can't be read")]
    Ledger(#[source] LedgerError),
    /// The log does not answer.
    #[error("the log can't be compared with the destination's ledger")]
    Log(#[source] LogError),
}

/// Opens a destination that exists and compares it with the log; what is missing is asked for again. With `site`, only
/// what comes from there.
///
/// # Errors
/// When the destination, anything of its ledger or the log can't be read or used.
pub async fn reconcile(
    log: &Log,
    settings: &Settings,
    (destination, target): (&Destination, &FilesTarget),
    site: Option<&SiteHost>,
    period: Period,
) -> Result<Counts, ReconcileError> {
    let directory = wiring::open(target, WithoutIdentity::Down).await;
    let directory = directory.map_err(ReconcileError::Open)?;
    compare(log, settings, destination, directory, site, period).await
}

pub(crate) async fn compare(
    log: &Log,
    settings: &Settings,
    destination: &Destination,
    directory: Arc<Directory>,
    site: Option<&SiteHost>,
    period: Period,
) -> Result<Counts, ReconcileError> {
    let mut routes = Vec::new();
    for of in settings.sites_of_destination(&destination.label) {
        if site.is_none_or(|site| site == of) {
            let kinds = settings.kinds_of_route(&destination.label, of);
            routes.extend(kinds.into_iter().map(|kind| (of.clone(), kind)));
        }
    }
    let begun = Deliveries::begin(log, directory.identity(), routes).await;
    let begun = begun.map_err(ReconcileError::Log)?;
    let ledger = blocking(move || ledger(&directory)).await.map_err(ReconcileError::Ledger)?;
    begun.against(&ledger, period).await.map_err(ReconcileError::Log)
}

/// What a damaged record is about is not held: it is asked for, and whoever delivers it says what is to be done. What the
/// file system does not let be read ends it all: what it is about may be held, and asking for it would bring the destination down.
fn ledger(directory: &Directory) -> Result<Ledger, LedgerError> {
    let mut ledger = Ledger::default();
    for entry in directory.entries()? {
        match entry {
            Ok(entry) => {
                if let Some(held) = held(&entry) {
                    ledger.note(&entry.artifact, held);
                }
            }
            Err(damaged) if damaged.is_damage() => tracing::warn!("{damaged}"),
            Err(error) => return Err(error),
        }
    }
    Ok(ledger)
}

/// A name that is only reserved holds nothing yet; a file that a person moved away was there.
fn held(entry: &Entry) -> Option<Held> {
    match entry.state {
        State::Reserved { .. } => None,
        State::Placed { .. } | State::Adopted { .. } | State::MovedAway { .. } => {
            Some(Held::Revision(entry.stamp.revision))
        }
        State::Skipped { .. } | State::Overwritten { .. } | State::Retired => Some(Held::Settled),
    }
}
