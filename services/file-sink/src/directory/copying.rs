//! From a file to a file by the cheapest way that their file systems have, with the digest of what came.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::thread;

use domain::Digest;
use rustix::fs::{Advice, copy_file_range, fadvise, ioctl_ficlone};
use sha2::{Digest as _, Sha256};

use crate::directory::disk::BLOCK_BYTES;

/// What the kernel copies in one step.
const STEP_BYTES: usize = 16 << 20;
/// Blocks that wait for their digest, where they go through this process.
const BLOCKS_AHEAD: usize = 4;

/// How a file was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Both share their blocks.
    Shared,
    /// The kernel copied.
    InKernel,
    /// Block by block through this process.
    Blocks,
}

/// Copies a whole file into an empty one; says its size, its digest as it can be read back, and how it was done.
/// `progress` counts the bytes whose digest is taken.
pub(crate) fn copy(
    from: &mut File,
    to: &mut File,
    progress: &AtomicU64,
) -> io::Result<(u64, Digest, Way)> {
    let size = from.metadata()?.len();
    if ioctl_ficlone(&*to, &*from).is_ok() {
        let (copied, digest) = digest_behind(to, progress, |copied| copied(size))?;
        return Ok((copied, digest, Way::Shared));
    }
    let step = |at: u64| in_kernel(from, to, at);
    match step(0) {
        Ok(first) => {
            let (copied, digest) = digest_behind(to, progress, |copied| {
                let mut at = first;
                copied(at)?;
                loop {
                    match in_kernel(from, to, at)? {
                        0 => return Ok(()),
                        more => at += more,
                    }
                    copied(at)?;
                }
            })?;
            Ok((copied, digest, Way::InKernel))
        }
        Err(cause) if is_unknown(&cause) => {
            let (copied, digest) = by_blocks(from, to, progress)?;
            Ok((copied, digest, Way::Blocks))
        }
        Err(cause) => Err(cause),
    }
}

fn in_kernel(from: &File, to: &File, at: u64) -> io::Result<u64> {
    let (mut read_at, mut write_at) = (at, at);
    let copied = copy_file_range(from, Some(&mut read_at), to, Some(&mut write_at), STEP_BYTES)?;
    Ok(copied as u64)
}

/// Whether it is the way that is not known here, between these two.
fn is_unknown(cause: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = cause.raw_os_error().map(Errno::from_raw_os_error);
    let unknown =
        [Errno::XDEV, Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP, Errno::PERM, Errno::BADF];
    errno.is_some_and(|errno| unknown.contains(&errno))
}

/// Takes the digest of what `copying` says is there, while it goes on. The disk writes meanwhile, and is waited for while
/// the rest of the digest is taken.
fn digest_behind(
    file: &File,
    progress: &AtomicU64,
    copying: impl FnOnce(&mut dyn FnMut(u64) -> io::Result<()>) -> io::Result<()>,
) -> io::Result<(u64, Digest)> {
    thread::scope(|scope| {
        let (copied, reach) = sync_channel::<u64>(64);
        let reader = scope.spawn(move || read_behind(file, progress, &reach));
        let mut begun = 0;
        let outcome = copying(&mut |reach| {
            begin_writing(file, begun, reach);
            begun = reach;
            // The reader ends early only if it failed; it says so itself.
            let _ = copied.send(reach);
            Ok(())
        });
        drop(copied);
        let outcome = outcome.and_then(|()| file.sync_data());
        let digest = reader.join().expect("hashing does not panic");
        outcome.and(digest)
    })
}

/// Has the disk begin with what was copied, or all of it would be waited for at the end. That the pages are not needed is
/// what Linux takes as the word for it; it waits for nothing, and those that are not written yet stay.
fn begin_writing(file: &File, from: u64, to: u64) {
    let bytes = NonZeroU64::new(to.saturating_sub(from));
    // Where it is not known it is not needed, either.
    let _ = fadvise(file, from, bytes, Advice::DontNeed);
}

fn read_behind(
    file: &File,
    progress: &AtomicU64,
    reach: &Receiver<u64>,
) -> io::Result<(u64, Digest)> {
    let mut hasher = Sha256::new();
    let mut block = vec![0; BLOCK_BYTES];
    let mut at = 0;
    for reach in reach {
        while at < reach {
            let wanted = usize::try_from(reach - at).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
            match file.read_at(&mut block[..wanted], at)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => {
                    hasher.update(&block[..count]);
                    at += count as u64;
                }
            }
            progress.store(at, Ordering::Relaxed);
        }
    }
    Ok((at, Digest::finish(hasher)))
}

/// While one block is written, the digest of those before is taken.
fn by_blocks(from: &mut File, to: &mut File, progress: &AtomicU64) -> io::Result<(u64, Digest)> {
    thread::scope(|scope| {
        let (written, behind) = sync_channel::<(Vec<u8>, usize)>(BLOCKS_AHEAD);
        let (hashed, spare) = channel::<Vec<u8>>();
        let hasher = scope.spawn(move || {
            let (mut hasher, mut size) = (Sha256::new(), 0);
            for (block, count) in behind {
                hasher.update(&block[..count]);
                size += count as u64;
                progress.store(size, Ordering::Relaxed);
                // Nobody takes it any more at the end.
                let _ = hashed.send(block);
            }
            (size, Digest::finish(hasher))
        });
        let mut at = 0;
        let mut write = || -> io::Result<()> {
            loop {
                let mut block = spare.try_recv().unwrap_or_else(|_| vec![0; BLOCK_BYTES]);
                let count = from.read(&mut block)?;
                if count == 0 {
                    return to.sync_data();
                }
                to.write_all(&block[..count])?;
                begin_writing(to, at, at + count as u64);
                at += count as u64;
                // The one who takes the digest ends after us.
                let _ = written.send((block, count));
            }
        };
        let outcome = write();
        drop(written);
        let digest = hasher.join().expect("hashing does not panic");
        outcome.map(|()| digest)
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, SeekFrom};

    use super::*;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(content).expect("written");
        file.seek(SeekFrom::Start(0)).expect("wound back");
        file
    }

    fn content(file: &mut File) -> Vec<u8> {
        let mut content = Vec::new();
        file.seek(SeekFrom::Start(0)).expect("wound back");
        file.read_to_end(&mut content).expect("read");
        content
    }

    #[test]
    fn every_way_copies_all_and_tells_the_digest_of_what_came() {
        for size in [0, 1, BLOCK_BYTES + 7, STEP_BYTES + 1] {
            let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            let told = (size as u64, Digest::of(&bytes));
            let progress = AtomicU64::new(0);
            let (mut from, mut to) = (file(&bytes), file(b""));
            let (copied, digest, _) = copy(&mut from, &mut to, &progress).expect("copied");
            assert_eq!((copied, digest), told, "{size}");
            assert!(content(&mut to) == bytes, "{size}");
            assert_eq!(progress.into_inner(), size as u64);
            let (mut from, mut to) = (file(&bytes), file(b""));
            let copied = by_blocks(&mut from, &mut to, &AtomicU64::new(0)).expect("copied");
            assert_eq!(copied, told, "{size}");
            assert!(content(&mut to) == bytes, "{size}");
        }
    }

    #[test]
    fn a_way_that_is_not_known_between_two_files_is_told_from_a_full_disk() {
        use rustix::io::Errno;
        assert!(is_unknown(&Errno::XDEV.into()) && is_unknown(&Errno::OPNOTSUPP.into()));
        assert!(!is_unknown(&Errno::NOSPC.into()) && !is_unknown(&Errno::IO.into()));
    }
}
