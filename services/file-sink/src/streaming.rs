//! From a stream into a temporary file, in large blocks and with flat memory.

use std::fs::File;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::RelativePath;
use futures::{Stream, StreamExt};
use queue::{Failure, Lease};

use crate::directory::{
    BLOCK_BYTES, DeliveryError, Directory, Temporary, Wanted, WriteError, Written,
};
use crate::failure;

/// How long a block may take, from staging and onto the disk.
const BLOCK_MAX: Duration = Duration::from_secs(2 * 60);

/// How long the disk may take for what it has not written yet. A share may have gigabytes to send.
pub(crate) const SYNC_MAX: Duration = Duration::from_secs(15 * 60);

/// How often a copy's progress is looked at.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Why content did not become a file.
pub(crate) enum Unwritten {
    /// Staging does not have it any more.
    Gone,
    /// Something failed.
    Failed(Failure),
}

/// Pieces that are written in one go.
pub(crate) type Block = Vec<Bytes>;

/// Writes a stream into a temporary file; its last block is handed back, so that what is small costs one step in all.
/// While one block is written the next one is read.
pub(crate) async fn write<E>(
    directory: Arc<Directory>,
    (wanted, name): (Arc<Wanted>, RelativePath),
    content: impl Stream<Item = Result<Bytes, E>>,
    failed: fn(E) -> Unwritten,
    lease: &Lease,
) -> Result<(Option<Temporary>, Block), Unwritten> {
    let mut content = pin!(content);
    let mut temporary = None;
    let mut bytes_so_far = 0;
    let mut block = gather(&mut content).await.map_err(failed)?;
    while !block.is_last {
        lease.phase("a block", BLOCK_MAX);
        let written = {
            let (directory, wanted) = (Arc::clone(&directory), Arc::clone(&wanted));
            let name = name.clone();
            bytes_so_far += block.bytes;
            blocking(move || {
                append(&directory, (&wanted, &name), temporary, &block.pieces)
                    .map_err(|error| Unwritten::Failed(failure::of(&directory, &wanted, error)))
            })
        };
        let (written, next) = tokio::join!(written, gather(&mut content));
        temporary = Some(written?);
        block = next.map_err(failed)?;
        lease.progressed(bytes_so_far);
    }
    Ok((temporary, block.pieces))
}

/// Has the place copy a file by itself; none where it has to be written.
pub(crate) async fn copy(
    directory: Arc<Directory>,
    (wanted, name): (Arc<Wanted>, RelativePath),
    mut from: File,
    lease: &Lease,
) -> Result<Option<Written>, Unwritten> {
    let (progress, size) = (Arc::new(AtomicU64::new(0)), wanted.stamp.size);
    let copying = {
        let progress = Arc::clone(&progress);
        blocking(move || {
            let copied = directory.copy(&wanted, &name, &mut from, &progress);
            copied.map_err(|cause| {
                let error = unwritten(&wanted, cause);
                Unwritten::Failed(failure::of(&directory, &wanted, error))
            })
        })
    };
    let mut copying = pin!(copying);
    let mut told = 0;
    lease.phase("copying", BLOCK_MAX);
    loop {
        tokio::select! {
            copied = &mut copying => return copied,
            () = tokio::time::sleep(TELL_EVERY) => {
                let now = progress.load(Ordering::Relaxed);
                if now > told {
                    told = now;
                    // All that is left is the disk's.
                    let (phase, longest) =
                        if now < size { ("copying", BLOCK_MAX) } else { ("sync", SYNC_MAX) };
                    lease.phase(phase, longest);
                    lease.progressed(now);
                }
            }
        }
    }
}

/// Ends a temporary file with its last block.
pub(crate) fn complete(
    directory: &Directory,
    (wanted, name): (&Wanted, &RelativePath),
    temporary: Option<Temporary>,
    last: &[Bytes],
) -> Result<Written, DeliveryError> {
    append(directory, (wanted, name), temporary, last)?
        .complete(&wanted.stamp)
        .map_err(|cause| unwritten(wanted, cause))
}

fn append(
    directory: &Directory,
    (wanted, name): (&Wanted, &RelativePath),
    temporary: Option<Temporary>,
    pieces: &[Bytes],
) -> Result<Temporary, DeliveryError> {
    let temporary = temporary.map_or_else(|| directory.temporary(wanted, name), Ok);
    let appended = temporary.and_then(|mut temporary| {
        temporary.append(pieces)?;
        Ok(temporary)
    });
    appended.map_err(|cause| unwritten(wanted, cause))
}

fn unwritten(wanted: &Wanted, cause: WriteError) -> DeliveryError {
    DeliveryError::Write { artifact: wanted.artifact(), cause }
}

struct Gathered {
    pieces: Block,
    bytes: u64,
    is_last: bool,
}

/// The pieces that come next, as many as make a block.
async fn gather<E>(
    content: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
) -> Result<Gathered, E> {
    let mut block = Gathered { pieces: Vec::new(), bytes: 0, is_last: false };
    while block.bytes < BLOCK_BYTES as u64 {
        match content.next().await {
            Some(piece) => {
                let piece = piece?;
                block.bytes += piece.len() as u64;
                block.pieces.push(piece);
            }
            None => {
                block.is_last = true;
                break;
            }
        }
    }
    Ok(block)
}

/// Runs what blocks where it may; a panic goes on in the caller.
pub(crate) async fn blocking<T: Send + 'static>(step: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(step).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // Only a runtime that is being shut down refuses, and then nothing is polled again.
            Err(_refused) => std::future::pending().await,
        },
    }
}
