use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use domain::Digest;

use crate::directory::copying;
use crate::directory::delivery::Wanted;
use crate::directory::disk::{self, PlaceError};
use crate::directory::layout::{Key, Layout};
use crate::directory::locks::Locks;
use crate::directory::place::{Listed, NoClobber, Place, Sort, Standing, Turn, Writing};
use crate::directory::presence::{Dead, Presence};
use crate::directory::syncs::Syncs;

/// A directory, local or on a mounted share.
#[derive(Debug)]
pub(crate) struct Folder {
    ways: Arc<Ways>,
    presence: Presence,
    locks: Locks,
    /// The folders of the ledger where something was not allowed, until it is. Each worker that is refused adds one at most.
    closed: Mutex<BTreeSet<PathBuf>>,
}

/// How names are given in it.
#[derive(Debug)]
struct Ways {
    layout: Layout,
    no_clobber: NoClobber,
    syncs: Syncs,
}

impl Folder {
    /// Enters a directory that is there, and makes what is missing of its ledger; says who died in it.
    pub(crate) fn enter(
        layout: &Layout,
        no_clobber: Option<NoClobber>,
    ) -> Result<(Self, Dead), PlaceError> {
        disk::make_directory(layout.ledger())?;
        layout.directories().iter().try_for_each(|directory| disk::make_directory(directory))?;
        let presence = Presence::enter(layout)?;
        let no_clobber = match no_clobber {
            Some(way) => way,
            None => disk::find_no_clobber(&layout.temporary(), &presence.file_name())?,
        };
        let dead = Presence::find_dead(layout)?;
        let ways = Ways { layout: layout.clone(), no_clobber, syncs: Syncs::default() };
        let locks = Locks::new(layout.locks());
        let closed = Mutex::default();
        Ok((Folder { ways: Arc::new(ways), presence, locks, closed }, dead))
    }

    /// That the folders which refused something do so no more.
    fn open_again(&self) -> Result<(), PlaceError> {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(folder) = closed.first() {
            // One that is gone is made anew by whoever needs it.
            if disk::look(folder)? != Standing::Nothing {
                disk::may_use(folder)?;
            }
            closed.pop_first();
        }
        Ok(())
    }

    /// A record under a name of its own among the temporary files, beside where it is to stand.
    fn temporary(&self, record: &Path, bytes: &[u8]) -> Result<(PathBuf, File), PlaceError> {
        let parent = record.parent().unwrap_or(record);
        if !parent.is_dir() {
            // One level only: that the ledger is there at all is what tells a mounted share.
            disk::make_directory(parent)?;
        }
        let temporary = self.ways.layout.temporary().join(self.presence.file_name());
        let file = disk::write(&temporary, bytes)?;
        Ok((temporary, file))
    }
}

impl Place for Folder {
    fn id(&self) -> &str {
        self.presence.id()
    }

    fn is_there(&self) -> bool {
        self.ways.layout.root().is_dir()
    }

    fn no_clobber(&self) -> NoClobber {
        self.ways.no_clobber
    }

    fn read(&self, record: &Path) -> Result<Option<Vec<u8>>, PlaceError> {
        disk::read(record)
    }

    fn create(&self, record: &Path, bytes: &[u8], durably: bool) -> Result<bool, PlaceError> {
        let (temporary, file) = self.temporary(record, bytes)?;
        if durably {
            sync_all(&file, &temporary)?;
        }
        let ours = disk::publish(self.ways.no_clobber, &temporary, record)?;
        if !ours {
            disk::remove(&temporary)?;
        } else if durably {
            disk::sync_parent(record)?;
        }
        Ok(ours)
    }

    fn replace(&self, record: &Path, bytes: &[u8], durably: bool) -> Result<(), PlaceError> {
        let (temporary, file) = self.temporary(record, bytes)?;
        if durably {
            sync_all(&file, &temporary)?;
        }
        disk::rename(&temporary, record)?;
        if durably { disk::sync_parent(record) } else { Ok(()) }
    }

    fn add(&self, record: &Path, line: &[u8]) -> Result<(), PlaceError> {
        disk::append(record, line)
    }

    fn sync(&self, record: &Path) -> Result<(), PlaceError> {
        disk::sync(record).and_then(|()| disk::sync_parent(record))
    }

    fn remove(&self, record: &Path) -> Result<(), PlaceError> {
        disk::remove(record)
    }

    fn names(&self, folder: &Path) -> Result<Vec<String>, PlaceError> {
        disk::names(folder)
    }

    fn files(&self, tell: &mut dyn FnMut(Listed)) -> Result<(), PlaceError> {
        disk::files(self.ways.layout.root(), self.ways.layout.ledger(), tell)
    }

    fn look(&self, file: &Path) -> Result<Standing, PlaceError> {
        disk::look(file)
    }

    fn digest_of(&self, file: &Path) -> Result<Option<Digest>, PlaceError> {
        disk::digest_of(file)
    }

    fn sync_name(&self, file: &Path) -> Result<(), PlaceError> {
        disk::sync_parent(file)
    }

    fn remove_file(&self, file: &Path) -> Result<(), PlaceError> {
        disk::remove(file)?;
        disk::sync_parent(file)
    }

    fn begin(&self, _file: &Path, _wanted: &Wanted) -> Result<Box<dyn Writing>, PlaceError> {
        let path = self.ways.layout.temporary().join(self.presence.file_name());
        let file =
            File::create_new(&path).map_err(|cause| PlaceError::new("write", &path, cause))?;
        Ok(Box::new(Half { path, file, ways: Arc::clone(&self.ways), is_named: false }))
    }

    fn turn(&self, sort: Sort, key: &Key) -> Result<Box<dyn Turn + '_>, PlaceError> {
        Ok(Box::new(self.locks.turn(sort, key)?))
    }

    fn probe(&self) -> Result<Option<u64>, PlaceError> {
        let path = self.ways.layout.temporary().join(self.presence.file_name());
        let tried = disk::write(&path, &[0; 4096]).and_then(|file| sync_all(&file, &path));
        let removed = disk::remove(&path);
        tried.and(removed)?;
        // The ledger's folder may be writable where the destination's own is not.
        disk::may_use(self.ways.layout.root())?;
        self.open_again()?;
        disk::free_bytes(self.ways.layout.root()).map(Some)
    }

    fn refuses_all(&self, error: &PlaceError) -> bool {
        let ledger = self.ways.layout.ledger();
        let mut folders = error.path().ancestors().take_while(|folder| folder.starts_with(ledger));
        // What is not there was to be made in the folder above it.
        if let Some(folder) = folders.find(|folder| folder.is_dir()) {
            let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
            closed.insert(folder.to_owned());
            return true;
        }
        self.probe().is_err()
    }
}

/// A file under a name that nobody looks for.
#[derive(Debug)]
struct Half {
    path: PathBuf,
    file: File,
    ways: Arc<Ways>,
    is_named: bool,
}

impl Writing for Half {
    fn copy(
        &mut self,
        from: &mut File,
        progress: &AtomicU64,
    ) -> Result<Option<(u64, Digest)>, PlaceError> {
        let copied = copying::copy(from, &mut self.file, progress);
        let (size, digest, way) =
            copied.map_err(|cause| PlaceError::new("copy to", &self.path, cause))?;
        tracing::debug!(size, ?way, "copied");
        Ok(Some((size, digest)))
    }

    fn append(&mut self, piece: Bytes) -> Result<(), PlaceError> {
        let written = self.file.write_all(&piece);
        written.map_err(|cause| PlaceError::new("write", &self.path, cause))
    }

    fn sync(&mut self) -> Result<(), PlaceError> {
        sync_all(&self.file, &self.path)
    }

    fn can_have(&self, _file: &Path) -> bool {
        true
    }

    fn give_name(&mut self, file: &Path, create_only: bool) -> Result<bool, PlaceError> {
        disk::make_parents(self.ways.layout.root(), file)?;
        if create_only {
            self.is_named = disk::publish(self.ways.no_clobber, &self.path, file)?;
        } else {
            disk::rename(&self.path, file)?;
            self.is_named = true;
        }
        if self.is_named {
            self.ways.syncs.sync(file.parent().unwrap_or(file))?;
        }
        Ok(self.is_named)
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        if !self.is_named {
            // What can't be removed now is removed when the next worker starts.
            drop(disk::remove(&self.path));
        }
    }
}

fn sync_all(file: &File, path: &Path) -> Result<(), PlaceError> {
    file.sync_all().map_err(|cause| PlaceError::new("flush", path, cause))
}
