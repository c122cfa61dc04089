use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::directory::disk::DiskError;
use crate::directory::layout::Key;

/// Turns: who holds one for an artifact, or for a name, is alone with it, among the threads of this process and all
/// processes on the file system. A process that dies gives its turns back.
///
/// Whoever needs both takes the artifact's first, then one name's, and never a second of either: no two wait for
/// each other.
#[derive(Debug)]
pub(crate) struct Locks {
    directory: PathBuf,
    artifacts: Vec<Mutex<()>>,
    names: Vec<Mutex<()>>,
}

/// A turn; dropped, it is given back.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    // Dropped first: within the process, the next one then finds the file free.
    _file: Option<File>,
    _thread: MutexGuard<'a, ()>,
}

/// Turns of one sort; artifacts that fall together wait for each other needlessly, but rarely.
const SHARDS: usize = 256;

impl Locks {
    pub(crate) fn new(directory: PathBuf) -> Self {
        let shards = || (0..SHARDS).map(|_| Mutex::new(())).collect();
        Locks { directory, artifacts: shards(), names: shards() }
    }

    pub(crate) fn artifact(&self, key: &Key) -> Result<Turn<'_>, DiskError> {
        self.turn(&self.artifacts, "artifact", key)
    }

    pub(crate) fn name(&self, key: &Key) -> Result<Turn<'_>, DiskError> {
        self.turn(&self.names, "name", key)
    }

    fn turn<'a>(
        &'a self,
        shards: &'a [Mutex<()>],
        sort: &str,
        key: &Key,
    ) -> Result<Turn<'a>, DiskError> {
        // A panic of an earlier holder leaves nothing half done that the next one would not look at.
        let thread = shards[key.shard()].lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.directory.join(format!("{sort}-{:02x}", key.shard()));
        let file = lock(&path).map_err(|cause| DiskError::new("lock", &path, cause))?;
        Ok(Turn { _file: file, _thread: thread })
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
