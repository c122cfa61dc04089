//! What a destination holds, compared with its ledger and the log. Nothing is written but that somebody was there.

use std::sync::Arc;

use domain::{Difference, Finding};
use queue::{Log, Part, Verification};
use settings::{Destination, FilesTarget, Settings};
use tokio::sync::mpsc;

use crate::entry::{Entry, State};
use crate::streaming::blocking;
use crate::{Directory, Found, LedgerError, ReconcileError, WithoutIdentity, wiring};

/// Findings that wait to be told.
const WAITING_MAX: usize = 256;

/// Opens a destination that exists, and compares its files with its ledger, byte for byte (in a bucket by the digest that
/// was written with each object, where it has one), its sidecars, if it is to have them, and its ledger with the log.
/// Each difference is told as it is found; says how many artifacts were looked at.
///
/// # Errors
/// When the destination, its ledger or the log can't be used.
pub async fn verify(
    log: &Log,
    settings: &Settings,
    (destination, target): (&Destination, &FilesTarget),
    mut tell: impl FnMut(Finding) + Send,
) -> Result<u64, ReconcileError> {
    let directory = wiring::open(target, WithoutIdentity::Down).await;
    let directory = directory.map_err(ReconcileError::Open)?;
    let mut routes = Vec::new();
    for site in settings.sites_of_destination(&destination.label) {
        let kinds = settings.kinds_of_route(&destination.label, site);
        routes.extend(kinds.into_iter().map(|kind| (site.clone(), kind)));
    }
    let begun = Verification::begin(log, directory.identity(), routes).await;
    let begun = begun.map_err(ReconcileError::Log)?;
    let mut checked = 0;
    for part in begun.parts() {
        let ledger = Arc::clone(&directory);
        let part = blocking(move || noted(&ledger, part)).await.map_err(ReconcileError::Ledger)?;
        checked += begun.compare(part, &mut tell, |_, _| {}).await.map_err(ReconcileError::Log)?;
    }
    files(directory, &mut tell).await.map_err(ReconcileError::Ledger)?;
    Ok(checked)
}

/// A part of the artifacts with what the ledger says of them.
fn noted(directory: &Directory, mut part: Part) -> Result<Part, LedgerError> {
    for entry in directory.entries()? {
        let Entry { artifact, stamp, state, .. } = match entry {
            Ok(entry) => entry,
            // What it is about is not held, as far as anybody can tell; what can't be read is itself named later.
            Err(error) if directory.goes_on_after(&error) => continue,
            Err(error) => return Err(error),
        };
        match state {
            State::Reserved { .. } => {}
            State::Placed { .. } | State::Adopted { .. } | State::MovedAway { .. } => {
                let (revision, content) = (stamp.revision, stamp.content);
                part.note(artifact, domain::Entry { revision, content });
            }
            State::Skipped { .. } | State::Overwritten { .. } | State::Retired => {
                part.note_settled(&artifact);
            }
        }
    }
    Ok(part)
}

/// Compares the files with the ledger.
async fn files(
    directory: Arc<Directory>,
    tell: &mut (impl FnMut(Finding) + Send),
) -> Result<(), LedgerError> {
    let (found, mut findings) = mpsc::channel(WAITING_MAX);
    let examining = tokio::spawn(blocking(move || {
        directory.examine(true, &mut |one| {
            if let Some(finding) = finding(one) {
                // Nobody listens any more when the whole is given up.
                drop(found.blocking_send(finding));
            }
        })
    }));
    while let Some(finding) = findings.recv().await {
        tell(finding);
    }
    match examining.await {
        Ok(examined) => examined,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn finding(found: Found) -> Option<Finding> {
    match found {
        Found::Whole(_) | Found::Settled(_) => None,
        Found::Gone(entry) => Some(of(&entry, Difference::Gone)),
        Found::Altered(entry) => Some(of(&entry, altered("its file is not as it was written"))),
        Found::SidecarGone(entry) => {
            Some(of(&entry, altered("its sidecar (.sha256) is missing; a replay lays it")))
        }
        Found::SidecarAltered(entry) => {
            Some(of(&entry, altered("its sidecar (.sha256) does not say what was delivered")))
        }
        Found::Foreign(what) => Some(Finding { what, difference: Difference::Unledgered }),
        Found::Unproven { what, why } => {
            Some(Finding { what, difference: Difference::Unproven { why } })
        }
    }
}

fn altered(how: &str) -> Difference {
    Difference::Altered { how: how.to_owned() }
}

fn of(entry: &Entry, difference: Difference) -> Finding {
    Finding { what: entry.shown(), difference }
}
