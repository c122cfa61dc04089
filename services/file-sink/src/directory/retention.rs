use std::collections::BTreeSet;

use domain::{ArtifactId, RelativePath, Retention, SiteHost, Slot};

use crate::directory::delivery::{DeliveryError, Wanted};
use crate::directory::disk::PlaceError;
use crate::directory::layout::Key;
use crate::directory::place::{Sort, Standing};
use crate::directory::{Directory, LedgerError};
use crate::entry::{Entry, Event, State};

/// A backup that is not kept any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retired {
    /// The backup.
    pub artifact: ArtifactId,
    /// The file that it had.
    pub name: RelativePath,
    /// Whether the file was removed; one that is not as we wrote it is left alone.
    pub removed: bool,
}

impl Directory {
    /// Lists a backup in its site's list, durably; other artifacts are in no list.
    pub(super) fn list_backup(&self, artifact: &ArtifactId) -> Result<(), PlaceError> {
        let Some(slot) = artifact.slot() else { return Ok(()) };
        self.place.replace(&self.layout.backup(artifact.site(), slot), b"", true)
    }

    /// Whether a delivery is of a backup that would not be kept.
    pub(super) fn is_outlived(&self, wanted: &Wanted) -> Result<bool, DeliveryError> {
        match wanted.artifact.slot() {
            Some(slot) if self.rules.retention != Retention::All => {
                let held = self.held(wanted.artifact.site());
                let held = held.map_err(|cause| wanted.ledger_failed(cause))?;
                Ok(self.rules.retention.is_outlived(slot, &held))
            }
            _ => Ok(false),
        }
    }

    /// The slots of a site whose backups we wrote and have not retired.
    fn held(&self, site: &SiteHost) -> Result<BTreeSet<Slot>, LedgerError> {
        let mut held = BTreeSet::new();
        for name in self.place.names(&self.layout.backups(site)).map_err(LedgerError::Disk)? {
            let Ok(slot) = name.parse::<Slot>() else { continue };
            let key = Key::of_artifact(&ArtifactId::backup(site.clone(), slot));
            let entry = self.ledger.entry(&key)?;
            if matches!(entry, Some(Entry { state: State::Placed { .. }, .. })) {
                held.insert(slot);
            }
        }
        Ok(held)
    }

    /// Removes the backups of a site that are not kept any more; to be called when a newer one is placed.
    ///
    /// # Errors
    /// When the ledger or a file can't be used. Called again, it goes on.
    pub fn retire(&self, site: &SiteHost) -> Result<Vec<Retired>, DeliveryError> {
        if self.rules.retention == Retention::All {
            return Ok(Vec::new());
        }
        let newest = |cause| DeliveryError::Backups { site: site.clone(), cause };
        let held = self.held(site).map_err(newest)?;
        let mut retired = Vec::new();
        for slot in self.rules.retention.surplus(&held) {
            retired.extend(self.retire_one(ArtifactId::backup(site.clone(), slot))?);
        }
        Ok(retired)
    }

    /// The file first: what is stopped after it finds no file the next time, and goes on.
    fn retire_one(&self, artifact: ArtifactId) -> Result<Option<Retired>, DeliveryError> {
        let ledger = |cause| DeliveryError::Ledger { artifact: Box::new(artifact.clone()), cause };
        let key = Key::of_artifact(&artifact);
        let turn = self.place.turn(Sort::Artifact, &key);
        let _turn = turn.map_err(|cause| ledger(LedgerError::Disk(cause)))?;
        let Some(mut entry) = self.ledger.entry(&key).map_err(ledger)? else { return Ok(None) };
        let State::Placed { name } = entry.state.clone() else { return Ok(None) };
        let name_key = Key::of_name(&name);
        let name_turn = self.place.turn(Sort::Name, &name_key);
        let _name_turn = name_turn.map_err(|cause| ledger(LedgerError::Disk(cause)))?;
        let ours = self.ledger.owner(&name).map_err(ledger)?.as_ref() == Some(&artifact);
        let removed = ours
            && self.remove_as_written(&entry, &name).map_err(|cause| DeliveryError::File {
                artifact: Box::new(artifact.clone()),
                name: name.clone(),
                cause,
            })?;
        self.ledger.unclaim(&name, &artifact).map_err(ledger)?;
        entry.state = crate::entry::after(Some(entry.state), Event::Retired).map_err(|cause| {
            DeliveryError::Unexpected { artifact: Box::new(artifact.clone()), cause }
        })?;
        self.ledger.settle(&key, &entry).map_err(ledger)?;
        if let Some(slot) = artifact.slot() {
            let listed = self.layout.backup(artifact.site(), slot);
            self.place.remove(&listed).map_err(|cause| ledger(LedgerError::Disk(cause)))?;
        }
        Ok(Some(Retired { artifact, name, removed }))
    }

    /// Removes a file, if it is what we wrote; says whether.
    fn remove_as_written(&self, entry: &Entry, name: &RelativePath) -> Result<bool, PlaceError> {
        let path = self.layout.file(name);
        if self.place.look(&path)? == Standing::Nothing || !self.recognises(entry, name)? {
            return Ok(false);
        }
        self.place.remove_file(&path)?;
        self.remove_sidecar(name)?;
        Ok(true)
    }
}
