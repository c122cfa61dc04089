use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::directory::disk::PlaceError;
use crate::directory::layout::Key;
use crate::directory::place::{Sort, Turn};

/// The turns of a directory: among the threads of this process by a mutex, among all processes on the file system by a
/// lock, which a process that dies gives back.
#[derive(Debug)]
pub(crate) struct Locks {
    directory: PathBuf,
    artifacts: Vec<Mutex<()>>,
    names: Vec<Mutex<()>>,
}

/// A turn; dropped, it is given back.
#[derive(Debug)]
pub(crate) struct FileTurn<'a> {
    // Dropped first: within the process, the next one then finds the file free.
    _file: Option<File>,
    _thread: MutexGuard<'a, ()>,
}

impl Turn for FileTurn<'_> {
    fn is_held(&self) -> bool {
        true
    }
}

/// Turns of one sort; artifacts that fall together wait for each other needlessly, but rarely.
const SHARDS: usize = 256;

impl Locks {
    pub(crate) fn new(directory: PathBuf) -> Self {
        let shards = || (0..SHARDS).map(|_| Mutex::new(())).collect();
        Locks { directory, artifacts: shards(), names: shards() }
    }

    pub(crate) fn turn(&self, sort: Sort, key: &Key) -> Result<FileTurn<'_>, PlaceError> {
        let shards = match sort {
            Sort::Artifact => &self.artifacts,
            Sort::Name => &self.names,
        };
        // A panic of an earlier holder leaves nothing half done that the next one would not look at.
        let thread = shards[key.shard()].lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.directory.join(format!("{}-{:02x}", sort.as_str(), key.shard()));
        let file = lock(&path).map_err(|cause| PlaceError::new("lock", &path, cause))?;
        Ok(FileTurn { _file: file, _thread: thread })
    }
}

/// Locks a file, waiting for it; `None` where the file system knows no locks, so that only threads take turns.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = open(path)?;
    match file.lock() {
        Ok(()) => Ok(Some(file)),
        Err(cause) if knows_no_locks(&cause) => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// Opens a file that is only there to be locked.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Whether the file system knows no locks.
pub(crate) fn knows_no_locks(cause: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = cause.raw_os_error().map(Errno::from_raw_os_error);
    cause.kind() == io::ErrorKind::Unsupported
        || matches!(errno, Some(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL))
}
