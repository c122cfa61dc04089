//! What is asked of a file system, and what its refusals mean.

use std::error::Error;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use domain::Digest;
use objects::StoreError;
use rustix::fs::{Access, CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use crate::directory::place::{Listed, NoClobber, Standing};

/// A file is read and written in pieces of this size.
pub(crate) const BLOCK_BYTES: usize = 1 << 20;

/// What ext4 keeps at the top of each mount, for its administrator alone.
const LOST_AND_FOUND: &str = "lost+found";

/// A thing that a file system, or a bucket, refused.
#[derive(Debug)]
pub struct PlaceError {
    doing: &'static str,
    path: PathBuf,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    FileSystem(io::Error),
    /// It says itself what was attempted, and at what.
    Bucket(Box<StoreError>),
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::FileSystem(_) => write!(f, "could not {} {}", self.doing, self.path.display()),
            Cause::Bucket(cause) => cause.fmt(f),
        }
    }
}

impl Error for PlaceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::FileSystem(cause) => Some(cause),
            Cause::Bucket(cause) => cause.source(),
        }
    }
}

/// Whose fault a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The file system's: full, read-only, gone, forbidden.
    FileSystem,
    /// This name's or this file's, for good: it refuses the name, or files of that size.
    File,
    /// Not to be told from the error.
    Unclear,
}

/// Refusals that meet every file alike until somebody, or time, mends them.
const OF_FILE_SYSTEM: [Errno; 31] = [
    // No room.
    Errno::NOSPC,
    Errno::DQUOT,
    // Not allowed; the tickets of a Kerberos share run out.
    Errno::ROFS,
    Errno::ACCESS,
    Errno::PERM,
    Errno::NOKEY,
    Errno::KEYEXPIRED,
    Errno::KEYREVOKED,
    Errno::KEYREJECTED,
    // The disk, or the share, is not there.
    Errno::IO,
    Errno::STALE,
    Errno::NODEV,
    Errno::NXIO,
    Errno::REMOTEIO,
    Errno::NOLINK,
    // The network to it is not.
    Errno::NOTCONN,
    Errno::TIMEDOUT,
    Errno::HOSTDOWN,
    Errno::HOSTUNREACH,
    Errno::NETDOWN,
    Errno::NETUNREACH,
    Errno::CONNREFUSED,
    Errno::CONNRESET,
    Errno::CONNABORTED,
    Errno::SHUTDOWN,
    Errno::PIPE,
    // This machine is short of something.
    Errno::MFILE,
    Errno::NFILE,
    Errno::NOMEM,
    Errno::NOBUFS,
    Errno::NOLCK,
];

impl PlaceError {
    pub(crate) fn new(doing: &'static str, path: &Path, cause: io::Error) -> Self {
        PlaceError { doing, path: path.to_owned(), cause: Cause::FileSystem(cause) }
    }

    pub(crate) fn of_bucket(doing: &'static str, path: &Path, cause: StoreError) -> Self {
        PlaceError { doing, path: path.to_owned(), cause: Cause::Bucket(Box::new(cause)) }
    }

    fn errno(&self) -> Option<Errno> {
        match &self.cause {
            Cause::FileSystem(cause) => cause.raw_os_error().map(Errno::from_raw_os_error),
            Cause::Bucket(_) => None,
        }
    }

    /// What it was attempted at.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was not allowed.
    pub(crate) fn is_forbidden(&self) -> bool {
        matches!(self.errno(), Some(Errno::ACCESS | Errno::PERM | Errno::ROFS))
    }

    /// Whether no room is left.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self.errno(), Some(Errno::NOSPC | Errno::DQUOT))
    }

    /// Whose fault it is.
    pub(crate) fn fault(&self) -> Fault {
        if let Cause::Bucket(cause) = &self.cause {
            return match cause.as_ref() {
                StoreError::Name { .. } => Fault::File,
                cause if cause.is_down() => Fault::FileSystem,
                _ => Fault::Unclear,
            };
        }
        match self.errno() {
            Some(errno) if OF_FILE_SYSTEM.contains(&errno) => Fault::FileSystem,
            Some(Errno::NAMETOOLONG | Errno::ILSEQ | Errno::INVAL | Errno::FBIG) => Fault::File,
            _ => Fault::Unclear,
        }
    }
}

/// Finds the best way to take a name that works in a directory of our own.
pub(crate) fn find_no_clobber(directory: &Path, tag: &str) -> Result<NoClobber, PlaceError> {
    let from = directory.join(format!("{tag}.no-clobber-from"));
    let to = directory.join(format!("{tag}.no-clobber-to"));
    let mut found = NoClobber::CreateAndRename;
    for way in [NoClobber::Rename, NoClobber::Link] {
        write(&from, b"")?;
        let works = publish(way, &from, &to);
        remove(&from)?;
        remove(&to)?;
        if works.is_ok_and(|published| published) {
            found = way;
            break;
        }
    }
    Ok(found)
}

/// Gives a file its name, if nobody has it; says whether. If so, `from` is gone.
pub(crate) fn publish(way: NoClobber, from: &Path, to: &Path) -> Result<bool, PlaceError> {
    let outcome = match way {
        NoClobber::Rename => {
            renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(io::Error::from)
        }
        NoClobber::Link => fs::hard_link(from, to).and_then(|()| fs::remove_file(from)),
        NoClobber::CreateAndRename => File::create_new(to).and_then(|_empty| fs::rename(from, to)),
        NoClobber::ConditionalPut => Err(io::ErrorKind::Unsupported.into()),
    };
    match outcome {
        Ok(()) => Ok(true),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(cause) => Err(PlaceError::new("give its name to", to, cause)),
    }
}

/// Writes a small file, without waiting for the disk.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<File, PlaceError> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).open(path);
    let written = file.and_then(|mut file| file.write_all(bytes).map(|()| file));
    written.map_err(|cause| {
        // On a full disk an empty file would stay.
        drop(remove(path));
        PlaceError::new("write", path, cause)
    })
}

/// Adds to a small file that is there, and waits until it is on the disk.
pub(crate) fn append(path: &Path, bytes: &[u8]) -> Result<(), PlaceError> {
    OpenOptions::new()
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(|cause| PlaceError::new("add to", path, cause))
}

/// Reads a small file, if there is one.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, PlaceError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(PlaceError::new("read", path, cause)),
    }
}

/// Removes a file, if there is one.
pub(crate) fn remove(path: &Path) -> Result<(), PlaceError> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            Err(PlaceError::new("remove", path, cause))
        }
        _ => Ok(()),
    }
}

/// Gives a file a name, whoever had it.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), PlaceError> {
    fs::rename(from, to).map_err(|cause| PlaceError::new("replace", to, cause))
}

/// Waits until a file, or the names in a directory, are on the disk.
pub(crate) fn sync(path: &Path) -> Result<(), PlaceError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|cause| PlaceError::new("flush", path, cause))
}

/// Waits until the names in the directory of this file are on the disk.
pub(crate) fn sync_parent(path: &Path) -> Result<(), PlaceError> {
    sync(path.parent().unwrap_or(path))
}

/// Makes a directory in one that exists, and waits until its name is on the disk.
pub(crate) fn make_directory(path: &Path) -> Result<(), PlaceError> {
    match fs::create_dir(path) {
        Ok(()) => sync_parent(path),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(cause) => Err(PlaceError::new("make the directory", path, cause)),
    }
}

/// Makes what is missing of the directories between `root` and this file; never `root` itself, which may be a share
/// that is not mounted.
pub(crate) fn make_parents(root: &Path, file: &Path) -> Result<(), PlaceError> {
    let Some(parent) = file.parent().filter(|parent| *parent != root) else { return Ok(()) };
    if parent.is_dir() {
        return Ok(());
    }
    make_parents(root, parent)?;
    make_directory(parent)
}

/// Looks what stands under a name, without following a link.
pub(crate) fn look(path: &Path) -> Result<Standing, PlaceError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => Ok(Standing::File { size: found.len() }),
        Ok(_) => Ok(Standing::Other),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Standing::Nothing),
        Err(cause) => Err(PlaceError::new("look at", path, cause)),
    }
}

/// The digest of a file's bytes; `None` if it is gone.
pub(crate) fn digest_of(path: &Path) -> Result<Option<Digest>, PlaceError> {
    let failed = |cause| PlaceError::new("read", path, cause);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(failed(cause)),
    };
    let mut hasher = Sha256::new();
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        match file.read(&mut block).map_err(failed)? {
            0 => return Ok(Some(Digest::finish(hasher))),
            count => hasher.update(&block[..count]),
        }
    }
}

/// The names in a directory, if there is one.
pub(crate) fn names(directory: &Path) -> Result<Vec<String>, PlaceError> {
    let failed = |cause| PlaceError::new("list", directory, cause);
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(failed(cause)),
    };
    entries
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_, _>>()
        .map_err(failed)
}

/// The files below a directory, with `/` between the parts of their names; nothing of the ledger, and of a folder that
/// can't be listed that it can't be.
pub(crate) fn files(
    root: &Path,
    ledger: &Path,
    tell: &mut dyn FnMut(Listed),
) -> Result<(), PlaceError> {
    let name = |path: &Path| {
        let below = path.strip_prefix(root).unwrap_or(path);
        below.to_string_lossy().into_owned()
    };
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let listed = list(&folder, &mut |path, is_folder| match is_folder {
            _ if path == ledger => {}
            true => folders.push(path),
            false => tell(Listed::File(name(&path))),
        });
        match listed {
            Ok(()) => {}
            Err(cause) if folder == root => return Err(PlaceError::new("list", root, cause)),
            // The file system's own, and nobody else's business.
            Err(cause)
                if cause.kind() == io::ErrorKind::PermissionDenied
                    && folder == root.join(LOST_AND_FOUND) => {}
            // A person removed it meanwhile.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => {
                let cause = PlaceError::new("list", &folder, cause);
                tell(Listed::Closed { name: name(&folder), cause });
            }
        }
    }
    Ok(())
}

fn list(folder: &Path, tell: &mut dyn FnMut(PathBuf, bool)) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type() {
            Ok(sort) => tell(entry.path(), sort.is_dir()),
            // Where the listing itself does not tell the sort, it is gone by the time that it is asked for.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(())
}

/// Asks whether files may be made in a directory.
pub(crate) fn may_write(directory: &Path) -> Result<(), PlaceError> {
    rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|errno| PlaceError::new("write into", directory, errno.into()))
}

/// Asks whether files may be made in a directory, and whether it can be flushed, which needs the right to read it.
pub(crate) fn may_use(directory: &Path) -> Result<(), PlaceError> {
    may_write(directory)?;
    rustix::fs::access(directory, Access::READ_OK)
        .map_err(|errno| PlaceError::new("read", directory, errno.into()))
}

/// The bytes that are free for us on the file system of this path.
pub(crate) fn free_bytes(path: &Path) -> Result<u64, PlaceError> {
    let found = rustix::fs::statvfs(path);
    found
        .map(|found| found.f_bavail.saturating_mul(found.f_frsize))
        .map_err(|errno| PlaceError::new("ask for the free space of", path, errno.into()))
}

#[cfg(test)]
mod tests;
