use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::directory::disk::{self, PlaceError};

/// Flushes of directories that several deliveries want at the same time: one flush serves all that asked before it
/// began. Most files of a destination go into one directory, and each flush is a trip to the disk.
#[derive(Debug, Default)]
pub(crate) struct Syncs {
    wanted: Mutex<HashMap<PathBuf, Arc<Wanted>>>,
}

#[derive(Debug, Default)]
struct Wanted {
    asked: AtomicU64,
    /// How many of those who asked are served; held while one flushes.
    served: Mutex<u64>,
}

impl Syncs {
    /// Waits until the names in a directory are on the disk.
    pub(crate) fn sync(&self, directory: &Path) -> Result<(), PlaceError> {
        let (wanted, turn) = {
            let mut all = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
            let wanted = Arc::clone(all.entry(directory.to_owned()).or_default());
            let turn = wanted.asked.fetch_add(1, Ordering::SeqCst) + 1;
            (wanted, turn)
        };
        let synced = wanted.wait(turn, || disk::sync(directory));
        let mut all = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        // The map's and ours: nobody else waits for this directory.
        if Arc::strong_count(&wanted) == 2 {
            all.remove(directory);
        }
        synced
    }
}

impl Wanted {
    fn wait(
        &self,
        turn: u64,
        sync: impl FnOnce() -> Result<(), PlaceError>,
    ) -> Result<(), PlaceError> {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        if *served >= turn {
            return Ok(());
        }
        let asked = self.asked.load(Ordering::SeqCst);
        sync()?;
        *served = asked;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn who_asked_before_a_flush_began_is_served_by_it_and_who_asked_later_is_not() {
        let wanted = Wanted::default();
        let flushes = Cell::new(0);
        let flush = || {
            flushes.set(flushes.get() + 1);
            Ok(())
        };
        wanted.asked.store(2, Ordering::SeqCst);
        wanted.wait(1, flush).expect("flushed");
        wanted.wait(2, flush).expect("flushed");
        assert_eq!(flushes.get(), 1);
        wanted.asked.store(3, Ordering::SeqCst);
        wanted.wait(3, flush).expect("flushed");
        assert_eq!(flushes.get(), 2);
    }

    #[test]
    fn a_flush_that_failed_serves_nobody() {
        let wanted = Wanted::default();
        wanted.asked.store(2, Ordering::SeqCst);
        let failing = || disk::sync(Path::new("/there is no such directory"));
        assert!(wanted.wait(1, failing).is_err());
        assert!(wanted.wait(2, failing).is_err());
    }

    #[test]
    fn nothing_is_remembered_of_a_directory_that_nobody_waits_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let syncs = Syncs::default();
        syncs.sync(folder.path()).expect("flushed");
        assert!(syncs.wanted.lock().expect("nobody panics").is_empty());
    }
}
