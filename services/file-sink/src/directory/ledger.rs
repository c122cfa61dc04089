use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::{ArtifactId, RelativePath};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::directory::disk::PlaceError;
use crate::directory::layout::{Key, Layout};
use crate::directory::place::Place;
use crate::entry::{Entry, VERSION};

/// The entries and the claims to names, as they lie on the disk.
#[derive(Debug)]
pub(crate) struct Ledger {
    layout: Layout,
    place: Arc<dyn Place>,
}

/// Who has a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    version: u32,
    artifact: ArtifactId,
    name: RelativePath,
}

/// Why the ledger could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file system refused.
    #[error("the ledger fails")]
    Disk(#[source] PlaceError),
    /// A record is not what we write.
    #[error(
        "the ledger's record {} can't be read; it was damaged or changed: remove it, and the artifact is delivered \
         anew (`sluice replay`)", path.display()
    )]
    Unreadable {
        /// The record.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: serde_json::Error,
    },
    /// A newer sluice wrote the record.
    #[error("the ledger's record {} has version {version}; this program reads up to {VERSION}: update it", path.display())]
    NewerVersion {
        /// The record.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
}

impl LedgerError {
    /// What can't be read or written.
    pub(crate) fn place(&self) -> &Path {
        match self {
            LedgerError::Disk(cause) => cause.path(),
            LedgerError::Unreadable { path, .. } | LedgerError::NewerVersion { path, .. } => path,
        }
    }

    /// Whether one record was damaged: nothing is wrong with the others.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, LedgerError::Unreadable { .. })
    }
}

impl Ledger {
    pub(crate) fn new(layout: Layout, place: Arc<dyn Place>) -> Self {
        Ledger { layout, place }
    }

    pub(crate) fn entry(&self, key: &Key) -> Result<Option<Entry>, LedgerError> {
        read(self.place.as_ref(), &self.layout.entry(key))
    }

    /// Who has a name, if anybody.
    pub(crate) fn owner(&self, name: &RelativePath) -> Result<Option<ArtifactId>, LedgerError> {
        Ok(self.claim_to(name)?.map(|claim| claim.artifact))
    }

    /// A name as who has it spells it.
    pub(crate) fn spelling(
        &self,
        name: &RelativePath,
    ) -> Result<Option<RelativePath>, LedgerError> {
        Ok(self.claim_to(name)?.map(|claim| claim.name))
    }

    fn claim_to(&self, name: &RelativePath) -> Result<Option<Claim>, LedgerError> {
        read(self.place.as_ref(), &self.layout.claim(&Key::of_name(name)))
    }

    /// Writes an entry that need not survive a loss of power yet; [`Ledger::sync`] makes it.
    pub(crate) fn note(&self, key: &Key, entry: &Entry) -> Result<(), LedgerError> {
        let written = self.place.replace(&self.layout.entry(key), &line_of(entry), false);
        written.map_err(LedgerError::Disk)
    }

    /// Writes an entry that survives a loss of power, in the place of what was said before.
    pub(crate) fn settle(&self, key: &Key, entry: &Entry) -> Result<(), LedgerError> {
        let written = self.place.replace(&self.layout.entry(key), &line_of(entry), true);
        written.map_err(LedgerError::Disk)
    }

    /// Writes an entry that survives a loss of power, behind what was said before: one flush, and no file is replaced.
    pub(crate) fn add(&self, key: &Key, entry: &Entry) -> Result<(), LedgerError> {
        // A line that a full disk or a loss of power cut short ends here.
        let mut line = vec![b'\n'];
        line.append(&mut line_of(entry));
        self.place.add(&self.layout.entry(key), &line).map_err(LedgerError::Disk)
    }

    /// Claims a name for an artifact; says whether it has it now. Only for who holds the name's turn.
    pub(crate) fn claim(
        &self,
        name: &RelativePath,
        artifact: &ArtifactId,
    ) -> Result<bool, LedgerError> {
        // Asked twice in each delivery: looking is cheaper than a file that is made and removed.
        if let Some(owner) = self.owner(name)? {
            return Ok(owner == *artifact);
        }
        let path = self.layout.claim(&Key::of_name(name));
        let claim = line_of(&claim_of(name, artifact));
        if self.place.create(&path, &claim, false).map_err(LedgerError::Disk)? {
            return Ok(true);
        }
        match self.owner(name)? {
            Some(owner) => Ok(owner == *artifact),
            // What a loss of power left of a claim.
            None => {
                let replaced = self.place.replace(&path, &claim, false);
                replaced.map(|()| true).map_err(LedgerError::Disk)
            }
        }
    }

    /// Gives a name to an artifact, whoever has it. Only for who holds the name's turn.
    pub(crate) fn reassign(
        &self,
        name: &RelativePath,
        artifact: &ArtifactId,
    ) -> Result<(), LedgerError> {
        let path = self.layout.claim(&Key::of_name(name));
        let claim = line_of(&claim_of(name, artifact));
        self.place.replace(&path, &claim, false).map_err(LedgerError::Disk)
    }

    /// Frees a name, if this artifact has it. Only for who holds the name's turn.
    pub(crate) fn unclaim(
        &self,
        name: &RelativePath,
        artifact: &ArtifactId,
    ) -> Result<(), LedgerError> {
        if self.owner(name)?.as_ref() == Some(artifact) {
            self.place
                .remove(&self.layout.claim(&Key::of_name(name)))
                .map_err(LedgerError::Disk)?;
        }
        Ok(())
    }

    /// Forgets an artifact.
    pub(crate) fn forget(&self, key: &Key) -> Result<(), LedgerError> {
        self.place.remove(&self.layout.entry(key)).map_err(LedgerError::Disk)
    }

    /// Makes an entry survive a loss of power. The claim to its name need not: whoever finds an entry whose name nobody
    /// claims makes the claim again.
    pub(crate) fn sync(&self, key: &Key) -> Result<(), LedgerError> {
        self.place.sync(&self.layout.entry(key)).map_err(LedgerError::Disk)
    }

    /// Every entry, in no order; one that can't be read is an error of its own, and the rest follows.
    pub(crate) fn entries(
        &self,
    ) -> Result<impl Iterator<Item = Result<Entry, LedgerError>> + use<>, LedgerError> {
        let entries = self.layout.entries();
        let shards = self.place.names(&entries).map_err(LedgerError::Disk)?;
        let place = Arc::clone(&self.place);
        Ok(shards.into_iter().filter(|shard| Key::is_folder(shard)).flat_map(move |shard| {
            let directory = entries.join(shard);
            match place.names(&directory) {
                Err(error) => vec![Err(LedgerError::Disk(error))],
                Ok(names) => {
                    let names = names.iter().filter(|name| Key::is_record(name));
                    let paths: Vec<_> = names.map(|name| directory.join(name)).collect();
                    let records = paths.iter().zip(place.read_all(&paths));
                    records.filter_map(|(path, record)| said(path, record).transpose()).collect()
                }
            }
        }))
    }
}

fn line_of(record: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(record).expect("the ledger's records are plain JSON");
    line.push(b'\n');
    line
}

fn claim_of(name: &RelativePath, artifact: &ArtifactId) -> Claim {
    Claim { version: VERSION, artifact: artifact.clone(), name: name.clone() }
}

/// What every record says first.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Reads a record, if there is one: its last whole line.
fn read<T: DeserializeOwned>(place: &dyn Place, path: &Path) -> Result<Option<T>, LedgerError> {
    said(path, place.read(path))
}

/// What a record says that was read.
fn said<T: DeserializeOwned>(
    path: &Path,
    read: Result<Option<Vec<u8>>, PlaceError>,
) -> Result<Option<T>, LedgerError> {
    let Some(bytes) = read.map_err(LedgerError::Disk)? else { return Ok(None) };
    // What was not flushed before a loss of power may be there cut short, or without its bytes: then it ends no line.
    // Nothing was placed by it, for that comes after the flush.
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').rev();
    let Some(last) = lines.find(|line| line.len() > 1 && line.ends_with(b"\n")) else {
        return Ok(None);
    };
    let unreadable = |cause| LedgerError::Unreadable { path: path.to_owned(), cause };
    let Version { version } = serde_json::from_slice(last).map_err(unreadable)?;
    if version > VERSION {
        return Err(LedgerError::NewerVersion { path: path.to_owned(), version });
    }
    serde_json::from_slice(last).map(Some).map_err(unreadable)
}
