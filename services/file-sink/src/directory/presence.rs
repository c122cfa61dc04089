use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::directory::disk::{self, PlaceError};
use crate::directory::layout::Layout;
use crate::directory::locks::{knows_no_locks, open};

/// A left-over of a worker of which nothing else is known is removed at this age; a file that is being written is
/// younger, for each block renews it.
const LEFT_OVER_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// That this process works in a directory: a locked file under `.sluice/workers`, whose lock ends with the process.
/// Its name is part of the name of all temporary files, so that those of the dead are known. (A process id would not
/// do: in containers that share a volume everybody is process 1.)
#[derive(Debug, Clone)]
pub(crate) struct Presence(Arc<Present>);

#[derive(Debug)]
struct Present {
    id: String,
    files: AtomicU64,
    _lock: Option<File>,
}

impl Presence {
    /// Enters a directory.
    pub(crate) fn enter(layout: &Layout) -> Result<Self, PlaceError> {
        let id = hex::encode(rand::random::<[u8; 8]>());
        let path = layout.workers().join(&id);
        // Locked before it bears its name, or somebody who cleans up could take it for a dead one's.
        let entering = layout.temporary().join(format!("{id}.entering"));
        let entered = || -> io::Result<Option<File>> {
            let file = open(&entering)?;
            let locked = match file.lock() {
                Ok(()) => true,
                Err(cause) if knows_no_locks(&cause) => false,
                Err(cause) => return Err(cause),
            };
            fs::rename(&entering, &path)?;
            Ok(locked.then_some(file))
        };
        let lock = entered().map_err(|cause| PlaceError::new("enter", &path, cause))?;
        Ok(Presence(Arc::new(Present { id, files: AtomicU64::new(0), _lock: lock })))
    }

    /// What tells this process from all others.
    pub(crate) fn id(&self) -> &str {
        &self.0.id
    }

    /// A name for a temporary file.
    pub(crate) fn file_name(&self) -> String {
        format!("{}.{}", self.0.id, self.0.files.fetch_add(1, Ordering::Relaxed))
    }

    /// The workers that died here. Nobody else is told the same of them, as long as the answer is kept.
    pub(crate) fn find_dead(layout: &Layout) -> Result<Dead, PlaceError> {
        let mut dead = Dead::default();
        for id in disk::names(&layout.workers())? {
            let path = layout.workers().join(&id);
            let Ok(file) = File::open(&path) else { continue };
            match file.try_lock() {
                Ok(()) => dead.workers.push((id, file)),
                Err(TryLockError::WouldBlock) => {
                    dead.living.insert(id);
                }
                // Without locks nobody can tell; only age counts.
                Err(TryLockError::Error(_)) => {}
            }
        }
        Ok(dead)
    }
}

/// Who died, and who lives.
#[derive(Debug, Default)]
pub(crate) struct Dead {
    workers: Vec<(String, File)>,
    living: BTreeSet<String>,
}

impl Dead {
    /// The names of the dead.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.workers.iter().map(|(id, _)| id.clone()).collect()
    }

    /// Removes what the dead left half written, and then their own files.
    pub(crate) fn clean_up(self, layout: &Layout) -> Result<(), PlaceError> {
        let mut removed = 0_u32;
        for name in disk::names(&layout.temporary())? {
            let path = layout.temporary().join(&name);
            let owner = name.split('.').next().unwrap_or_default();
            let of_the_dead = self.workers.iter().any(|(id, _)| id == owner);
            if of_the_dead || (!self.living.contains(owner) && is_old(&path)) {
                disk::remove(&path)?;
                removed += 1;
            }
        }
        for (id, _lock) in &self.workers {
            disk::remove(&layout.workers().join(id))?;
        }
        if removed > 0 {
            tracing::info!(removed, "removed what stopped workers had left half written");
        }
        Ok(())
    }
}

pub(super) fn is_old(path: &Path) -> bool {
    let changed = fs::metadata(path).and_then(|found| found.modified());
    changed
        .is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > LEFT_OVER_AGE))
}
