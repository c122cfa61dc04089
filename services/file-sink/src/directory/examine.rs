use std::collections::BTreeSet;

use domain::{ArtifactId, RelativePath};

use crate::directory::layout::{Key, SIDECAR};
use crate::directory::place::Standing;
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
}

impl Directory {
    /// Goes through the ledger and the files, and tells of each how it stands; `reading` takes each file's digest, else
    /// sizes are compared. Nothing is changed. Memory is bounded by the names in the ledger.
    ///
    /// # Errors
    /// When the ledger or a file can't be read.
    pub fn examine(&self, reading: bool, tell: &mut dyn FnMut(Found)) -> Result<(), LedgerError> {
        // Their keys only: a digest each.
        let mut known = BTreeSet::new();
        for entry in self.entries()? {
            let entry = entry?;
            let (State::Placed { name } | State::Adopted { name }) = &entry.state else {
                if let Some(name) = entry.name() {
                    known.insert(Key::of_name(name).as_name());
                }
                tell(Found::Settled(entry));
                continue;
            };
            known.insert(Key::of_name(name).as_name());
            // Of an artifact whose name went to another the other one's entry tells.
            if self.is_taken_over(name, &entry.artifact)? {
                tell(Found::Settled(entry));
                continue;
            }
            let found = match self.stands_as_said(&entry, name, reading)? {
                None => Found::Gone(entry),
                Some(true) => Found::Whole(entry),
                Some(false) => Found::Altered(entry),
            };
            tell(found);
        }
        let listed = self.place.files(&mut |file| {
            let of = file.strip_suffix(SIDECAR).unwrap_or(&file);
            let is_known = |text: &str| {
                let name: Option<RelativePath> = text.parse().ok();
                name.is_some_and(|name| known.contains(&Key::of_name(&name).as_name()))
            };
            if !is_known(&file) && !is_known(of) {
                tell(Found::Foreign(file));
            }
        });
        listed.map_err(LedgerError::Disk)
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
