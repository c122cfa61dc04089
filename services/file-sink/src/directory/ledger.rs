use std::path::{Path, PathBuf};

use domain::{ArtifactId, RelativePath};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::directory::disk::{self, DiskError, NoClobber};
use crate::directory::layout::{Key, Layout};
use crate::directory::presence::Presence;
use crate::entry::{Entry, VERSION};

/// The entries and the claims to names, as they lie on the disk.
#[derive(Debug)]
pub(crate) struct Ledger {
    layout: Layout,
    no_clobber: NoClobber,
    presence: Presence,
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
    Disk(#[source] DiskError),
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

impl Ledger {
    pub(crate) fn new(layout: Layout, no_clobber: NoClobber, presence: Presence) -> Self {
        Ledger { layout, no_clobber, presence }
    }

    pub(crate) fn entry(&self, key: &Key) -> Result<Option<Entry>, LedgerError> {
        read(&self.layout.entry(key))
    }

    /// Who has a name, if anybody.
    pub(crate) fn owner(&self, name: &RelativePath) -> Result<Option<ArtifactId>, LedgerError> {
        let claim: Option<Claim> = read(&self.layout.claim(&Key::of_name(name)))?;
        Ok(claim.map(|claim| claim.artifact))
    }

    /// Writes an entry that need not survive a loss of power yet; [`Ledger::settle`] makes it.
    pub(crate) fn note(&self, key: &Key, entry: &Entry) -> Result<(), LedgerError> {
        let path = self.layout.entry(key);
        let (temporary, _file) = self.temporary(&path, entry)?;
        disk::rename(&temporary, &path).map_err(LedgerError::Disk)
    }

    /// Writes an entry that survives a loss of power, in the place of what was said before.
    pub(crate) fn settle(&self, key: &Key, entry: &Entry) -> Result<(), LedgerError> {
        let path = self.layout.entry(key);
        let (temporary, file) = self.temporary(&path, entry)?;
        let synced = file.sync_all();
        synced.map_err(|cause| LedgerError::Disk(DiskError::new("flush", &temporary, cause)))?;
        disk::rename(&temporary, &path)
            .and_then(|()| disk::sync_parent(&path))
            .map_err(LedgerError::Disk)
    }

    /// Writes an entry that survives a loss of power, behind what was said before: one flush, and no file is replaced.
    pub(crate) fn add(&self, key: &Key, entry: &Entry) -> Result<(), LedgerError> {
        // A line that a full disk or a loss of power cut short ends here.
        let mut line = vec![b'\n'];
        line.append(&mut line_of(entry));
        disk::append(&self.layout.entry(key), &line).map_err(LedgerError::Disk)
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
        let (temporary, _file) = self.temporary(&path, &claim_of(name, artifact))?;
        let ours = self.no_clobber.publish(&temporary, &path).map_err(LedgerError::Disk)?;
        if ours {
            return Ok(true);
        }
        match self.owner(name)? {
            Some(owner) => {
                disk::remove(&temporary).map_err(LedgerError::Disk)?;
                Ok(owner == *artifact)
            }
            // What a loss of power left of a claim.
            None => disk::rename(&temporary, &path).map(|()| true).map_err(LedgerError::Disk),
        }
    }

    /// Gives a name to an artifact, whoever has it. Only for who holds the name's turn.
    pub(crate) fn reassign(
        &self,
        name: &RelativePath,
        artifact: &ArtifactId,
    ) -> Result<(), LedgerError> {
        let path = self.layout.claim(&Key::of_name(name));
        let (temporary, _file) = self.temporary(&path, &claim_of(name, artifact))?;
        disk::rename(&temporary, &path).map_err(LedgerError::Disk)
    }

    /// Frees a name, if this artifact has it. Only for who holds the name's turn.
    pub(crate) fn unclaim(
        &self,
        name: &RelativePath,
        artifact: &ArtifactId,
    ) -> Result<(), LedgerError> {
        if self.owner(name)?.as_ref() == Some(artifact) {
            disk::remove(&self.layout.claim(&Key::of_name(name))).map_err(LedgerError::Disk)?;
        }
        Ok(())
    }

    /// Forgets an artifact.
    pub(crate) fn forget(&self, key: &Key) -> Result<(), LedgerError> {
        disk::remove(&self.layout.entry(key)).map_err(LedgerError::Disk)
    }

    /// Makes an entry survive a loss of power. The claim to its name need not: whoever finds an entry whose name nobody
    /// claims makes the claim again.
    pub(crate) fn sync(&self, key: &Key) -> Result<(), LedgerError> {
        let entry = self.layout.entry(key);
        disk::sync(&entry).and_then(|()| disk::sync_parent(&entry)).map_err(LedgerError::Disk)
    }

    /// Every entry, in no order.
    pub(crate) fn entries(
        &self,
    ) -> Result<impl Iterator<Item = Result<Entry, LedgerError>> + use<>, LedgerError> {
        let entries = self.layout.entries();
        let shards = disk::names(&entries).map_err(LedgerError::Disk)?;
        Ok(shards.into_iter().flat_map(move |shard| {
            let directory = entries.join(shard);
            match disk::names(&directory) {
                Err(error) => vec![Err(LedgerError::Disk(error))],
                Ok(names) => names
                    .into_iter()
                    .filter_map(|name| read(&directory.join(name)).transpose())
                    .collect(),
            }
        }))
    }

    /// A record, written under a name of its own in the directory of temporary files, beside where it is to stand.
    fn temporary(
        &self,
        path: &Path,
        record: &impl Serialize,
    ) -> Result<(PathBuf, std::fs::File), LedgerError> {
        let shard = path.parent().unwrap_or(path);
        if !shard.is_dir() {
            // One level only: that the ledger is there at all is what tells a mounted share.
            disk::make_directory(shard).map_err(LedgerError::Disk)?;
        }
        let temporary = self.layout.temporary().join(self.presence.file_name());
        let file = disk::write(&temporary, &line_of(record)).map_err(LedgerError::Disk)?;
        Ok((temporary, file))
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
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, LedgerError> {
    let Some(bytes) = disk::read(path).map_err(LedgerError::Disk)? else { return Ok(None) };
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
