use chrono::{DateTime, Utc};
use domain::{ArtifactId, RelativePath};

use crate::directory::delivery::DeliveryError;
use crate::directory::disk::PlaceError;
use crate::directory::layout::Key;
use crate::directory::place::{Sort, Standing};
use crate::directory::{Directory, Found, LedgerError};
use crate::entry::{Entry, State};

/// What each of our sidecars begins with; `sha256sum --check` passes over such lines.
const OURS: &str = "# sluice";
/// A sidecar that is larger tells of more than one file, and is not read.
const READ_BYTES_MAX: u64 = 64 << 10;

impl Directory {
    /// Lays a sidecar beside an artifact's file, if the destination is to have them, the file is still the artifact's and
    /// it lacks one. A file of that name that is not ours is left alone.
    ///
    /// # Errors
    /// When the ledger or the sidecar can't be used. Called again, it goes on.
    pub fn attest(&self, artifact: &ArtifactId) -> Result<(), DeliveryError> {
        if !self.sidecars {
            return Ok(());
        }
        let ledger = |cause| DeliveryError::Ledger { artifact: Box::new(artifact.clone()), cause };
        let key = Key::of_artifact(artifact);
        let turn = self.place.turn(Sort::Artifact, &key);
        let _turn = turn.map_err(|cause| ledger(LedgerError::Disk(cause)))?;
        let Some(entry) = self.ledger.entry(&key).map_err(ledger)? else { return Ok(()) };
        let (State::Placed { name } | State::Adopted { name }) = &entry.state else {
            return Ok(());
        };
        let name_turn = self.place.turn(Sort::Name, &Key::of_name(name));
        let _name_turn = name_turn.map_err(|cause| ledger(LedgerError::Disk(cause)))?;
        // The entry of one whose name went to another still names it, and beside it lies the other one's.
        if self.ledger.owner(name).map_err(ledger)?.as_ref() != Some(artifact) {
            return Ok(());
        }
        self.lay_sidecar(&entry, name).map_err(|cause| DeliveryError::File {
            artifact: Box::new(artifact.clone()),
            name: name.clone(),
            cause,
        })
    }

    fn lay_sidecar(&self, entry: &Entry, name: &RelativePath) -> Result<(), PlaceError> {
        let Some(path) = self.layout.sidecar(name) else { return Ok(()) };
        let text = text(entry, name);
        match self.place.read(&path)? {
            Some(there) if there == text.as_bytes() || !there.starts_with(OURS.as_bytes()) => {
                Ok(())
            }
            // A person may have moved the file away.
            _ if self.place.look(&self.layout.file(name))? == Standing::Nothing => Ok(()),
            _ => self.place.replace(&path, text.as_bytes(), true),
        }
    }

    /// What is wrong with the sidecar of an artifact that has its file, if there is to be one. Somebody else's is good if
    /// it has the digest.
    pub(super) fn attested(&self, entry: &Entry) -> Result<Option<Found>, PlaceError> {
        let (State::Placed { name } | State::Adopted { name }) = &entry.state else {
            return Ok(None);
        };
        let Some(path) = self.layout.sidecar(name).filter(|_| self.sidecars) else {
            return Ok(None);
        };
        let there = match self.place.look(&path)? {
            Standing::Nothing => return Ok(Some(Found::SidecarGone(entry.clone()))),
            Standing::File { size } if size <= READ_BYTES_MAX => self.place.read(&path)?,
            Standing::File { .. } | Standing::Other => None,
        };
        let there = String::from_utf8(there.unwrap_or_default()).unwrap_or_default();
        let is_good = match there.starts_with(OURS) {
            true => there == text(entry, name),
            false => there.contains(&entry.stamp.digest.to_string()),
        };
        Ok((!is_good).then(|| Found::SidecarAltered(entry.clone())))
    }

    /// Removes the sidecar of a file that is gone, if it is ours; also where there are to be none any more.
    pub(super) fn remove_sidecar(&self, name: &RelativePath) -> Result<(), PlaceError> {
        let Some(path) = self.layout.sidecar(name) else { return Ok(()) };
        match self.place.read(&path)? {
            Some(there) if there.starts_with(OURS.as_bytes()) => self.place.remove_file(&path),
            _ => Ok(()),
        }
    }
}

fn text(entry: &Entry, name: &RelativePath) -> String {
    let Entry { artifact, stamp, .. } = entry;
    let (_, file) = name.split();
    let at = |at: DateTime<Utc>| format!(", staged {}", at.format("%Y-%m-%dT%H:%M:%SZ"));
    let staged = stamp.staged_at.map(at).unwrap_or_default();
    format!(
        "{OURS}: {artifact}\n# {} bytes, revision {}{staged}\n{}  {file}\n",
        stamp.size, stamp.revision, stamp.digest
    )
}
