use std::collections::BTreeSet;
use std::error::Error;
use std::iter::successors;

use domain::{ArtifactId, RelativePath};

use crate::directory::layout::{Key, SIDECAR};
use crate::directory::place::{Listed, Standing};
use crate::directory::{Directory, LedgerError};
use crate::entry::{Entry, State};

/// What of a destination is as its ledger says, and what is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A file is as it was written.
    Whole(Entry),
    /// The ledger says that it is there, and it is not.
    Gone(Entry),
    /// It is there, with another size or digest.
    Altered(Entry),
    /// An entry that names no file that is to be there.
    Settled(Entry),
    /// It is there, and the ledger does not know it.
    Foreign(String),
    /// A file lacks the sidecar that is to lie beside it.
    SidecarGone(Entry),
    /// A file's sidecar does not say what it is to say.
    SidecarAltered(Entry),
    /// A folder, a file or a record of the ledger that can't be read, and so can't be compared.
    Unproven {
        /// What it is.
        what: String,
        /// Why it can't be read.
        why: String,
    },
}

impl Directory {
    /// Goes through the ledger, the files and their sidecars, if there are to be any, and tells of each how it stands;
    /// `reading` takes each file's digest, else sizes are compared. What can't be read is told, and the rest goes on.
    /// Nothing is changed. Memory is bounded by the names in the ledger, and of the files that it does not know.
    ///
    /// # Errors
    /// When the destination is not there any more, or a newer sluice writes its ledger.
    pub fn examine(&self, reading: bool, tell: &mut dyn FnMut(Found)) -> Result<(), LedgerError> {
        // Their keys only: a digest each.
        let (mut known, mut unattested) = (BTreeSet::new(), Vec::new());
        for entry in self.entries()? {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    tell(self.unproven(None, error)?);
                    continue;
                }
            };
            known.extend(entry.name().map(|name| Key::of_name(name).as_name()));
            let (what, key) = (entry.shown(), Key::of_artifact(&entry.artifact));
            let found = self.examined(entry, reading);
            let found = found.or_else(|error| self.unproven(Some(what), error))?;
            if let Found::Whole(entry) | Found::Altered(entry) = &found
                && !matches!(self.attested(entry), Ok(None))
            {
                unattested.push(key);
            }
            tell(found);
        }
        self.strangers(&known, tell)?;
        // At the end once more: beside a file that was placed a moment ago a sidecar is being laid.
        for key in unattested {
            let found = self.still_unattested(&key);
            let found = found.or_else(|error| self.unproven(None, error).map(Some))?;
            if let Some(found) = found {
                tell(found);
            }
        }
        Ok(())
    }

    fn still_unattested(&self, key: &Key) -> Result<Option<Found>, LedgerError> {
        let Some(entry) = self.ledger.entry(key)? else { return Ok(None) };
        match entry.name() {
            Some(name) if self.is_taken_over(name, &entry.artifact)? => Ok(None),
            _ => self.attested(&entry).map_err(LedgerError::Disk),
        }
    }

    fn examined(&self, entry: Entry, reading: bool) -> Result<Found, LedgerError> {
        let (State::Placed { name } | State::Adopted { name }) = &entry.state else {
            return Ok(Found::Settled(entry));
        };
        // Of an artifact whose name went to another the other one's entry tells.
        if self.is_taken_over(name, &entry.artifact)? {
            return Ok(Found::Settled(entry));
        }
        Ok(match self.stands_as_said(&entry, name, reading)? {
            None => Found::Gone(entry),
            Some(true) => Found::Whole(entry),
            Some(false) => Found::Altered(entry),
        })
    }

    /// Tells of what is there and belongs to no name of the ledger.
    fn strangers(
        &self,
        known: &BTreeSet<String>,
        tell: &mut dyn FnMut(Found),
    ) -> Result<(), LedgerError> {
        let is_known = |text: &str| {
            let name: Option<RelativePath> = text.parse().ok();
            name.is_some_and(|name| known.contains(&Key::of_name(&name).as_name()))
        };
        let mut strange = Vec::new();
        let listed = self.place.files(&mut |listed| match listed {
            Listed::File(file) => {
                let of = file.strip_suffix(SIDECAR).unwrap_or(&file);
                if !is_known(&file) && !is_known(of) {
                    strange.push(file);
                }
            }
            Listed::Closed { name, cause } => {
                tell(Found::Unproven { what: name, why: why(&cause) });
            }
        });
        listed.map_err(LedgerError::Disk)?;
        for file in strange {
            let of = file.strip_suffix(SIDECAR).unwrap_or(&file);
            let known = match self.is_known_by_now(&file) {
                Ok(false) if of != file => self.is_known_by_now(of),
                known => known,
            };
            // An entry that can't be read is told of by itself, and its file is nobody's as far as anybody can tell.
            let known = known.or_else(|error| self.unproven(None, error).map(|_| false))?;
            if !known {
                tell(Found::Foreign(file));
            }
        }
        Ok(())
    }

    /// Whether the ledger knows a name that it did not know as it was gone through, which may be hours ago.
    fn is_known_by_now(&self, name: &str) -> Result<bool, LedgerError> {
        let Ok(name) = name.parse::<RelativePath>() else { return Ok(false) };
        let Some(owner) = self.ledger.owner(&name)? else { return Ok(false) };
        let entry = self.ledger.entry(&Key::of_artifact(&owner))?;
        let key = |name: &RelativePath| Key::of_name(name).as_name();
        Ok(entry.is_some_and(|entry| entry.name().map(key) == Some(key(&name))))
    }

    /// What can't be read is told as such, unless the whole can't be: then the destination is down.
    fn unproven(&self, what: Option<String>, error: LedgerError) -> Result<Found, LedgerError> {
        if !self.goes_on_after(&error) {
            return Err(error);
        }
        let what = what.unwrap_or_else(|| error.place().display().to_string());
        Ok(Found::Unproven { what, why: why(&error) })
    }

    /// Whether the rest of the ledger can be read where a part of it can't be.
    pub(crate) fn goes_on_after(&self, error: &LedgerError) -> bool {
        !matches!(error, LedgerError::NewerVersion { .. }) && self.stands().is_ok()
    }

    fn is_taken_over(&self, name: &RelativePath, by: &ArtifactId) -> Result<bool, LedgerError> {
        Ok(self.ledger.owner(name)?.is_some_and(|owner| owner != *by))
    }

    /// Whether a file is as its entry says; none where there is none.
    fn stands_as_said(
        &self,
        entry: &Entry,
        name: &RelativePath,
        reading: bool,
    ) -> Result<Option<bool>, LedgerError> {
        let path = self.layout.file(name);
        let size = match self.place.look(&path).map_err(LedgerError::Disk)? {
            Standing::Nothing => return Ok(None),
            Standing::Other => return Ok(Some(false)),
            Standing::File { size } => size,
        };
        if size != entry.stamp.size || !reading {
            return Ok(Some(size == entry.stamp.size));
        }
        let digest = self.place.digest_of(&path).map_err(LedgerError::Disk)?;
        Ok(digest.map(|digest| digest == entry.stamp.digest))
    }
}

/// An error with its causes.
fn why(error: &(dyn Error + 'static)) -> String {
    let causes = successors(Some(error), |error| Error::source(*error));
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
