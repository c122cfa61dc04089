use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use objects::{StoreError, Tag};

use super::Bucket;
use crate::directory::disk::PlaceError;
use crate::directory::layout::Key;
use crate::directory::place::{Place as _, Sort, Turn};

/// A turn that somebody saw unchanged for this long is a dead one's. Nobody's clock is compared with another's.
const LEASE: Duration = Duration::from_secs(60);
/// Who has held a turn for longer does not begin to write: what it begins must end within the lease.
const HELD_MAX: Duration = Duration::from_secs(30);
/// How long a turn is waited for: longer than for a dead holder, and less than a delivery is given for it.
const WAIT_MAX: Duration = Duration::from_secs(110);
/// Between two looks at somebody's turn.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Turns of one sort within the process.
const SHARDS: usize = 256;

/// The turns of a bucket: among the threads of this process by a mutex, among all by an object that is created on the
/// condition that there is none.
#[derive(Debug)]
pub(super) struct Turns {
    artifacts: Vec<Mutex<()>>,
    names: Vec<Mutex<()>>,
}

/// A turn; dropped, it is given back.
pub(super) struct Lease<'a> {
    bucket: &'a Bucket,
    lock: PathBuf,
    since: Instant,
    _thread: MutexGuard<'a, ()>,
}

impl Default for Turns {
    fn default() -> Self {
        let shards = || (0..SHARDS).map(|_| Mutex::new(())).collect();
        Turns { artifacts: shards(), names: shards() }
    }
}

impl Turns {
    /// Waits for a turn, which this object stands for.
    pub(super) fn turn<'a>(
        &'a self,
        bucket: &'a Bucket,
        sort: Sort,
        key: &Key,
        lock: PathBuf,
    ) -> Result<Lease<'a>, PlaceError> {
        let shards = match sort {
            Sort::Artifact => &self.artifacts,
            Sort::Name => &self.names,
        };
        let thread = shards[key.shard()].lock().unwrap_or_else(PoisonError::into_inner);
        let since = taken(bucket, &lock)?;
        Ok(Lease { bucket, lock, since, _thread: thread })
    }
}

/// Takes a turn; says from when on it is held, at the least.
fn taken(bucket: &Bucket, lock: &Path) -> Result<Instant, PlaceError> {
    let failed = |cause: StoreError| PlaceError::of_bucket("wait for", lock, cause);
    let name = bucket.name(lock)?;
    let holder = Bytes::from(format!("{}-{:016x}", bucket.id(), rand::random::<u64>()));
    let began = Instant::now();
    let mut seen: Option<(Tag, Instant)> = None;
    loop {
        let since = Instant::now();
        if bucket.create(lock, &holder, false)? {
            return Ok(since);
        }
        match bucket.wait(bucket.0.store.read_record(name)).map_err(failed)? {
            // Given back just now.
            None => continue,
            // Ours: the answer to the first try was lost.
            Some((bytes, _)) if bytes == holder => return Ok(since),
            Some((_, tag)) => match &seen {
                Some((known, at)) if *known == tag => {
                    if at.elapsed() > LEASE {
                        let since = Instant::now();
                        let taken = bucket.0.store.replace_record(name, holder.clone(), &tag);
                        if bucket.wait(taken).map_err(failed)? {
                            return Ok(since);
                        }
                    }
                }
                _ => seen = Some((tag, Instant::now())),
            },
        }
        if began.elapsed() > WAIT_MAX {
            let held = io::Error::other("another worker has it, and does not give it back");
            return Err(PlaceError::new("wait for", lock, held));
        }
        thread::sleep(LOOK_AGAIN);
    }
}

impl Turn for Lease<'_> {
    fn is_held(&self) -> bool {
        self.since.elapsed() < HELD_MAX
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        // Later it could be somebody else's already. What is not given back is taken when the lease is over.
        if self.since.elapsed() < LEASE {
            drop(self.bucket.remove(&self.lock));
        }
    }
}
