use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::{Store, StoreError};

impl Store {
    /// Removes what killed processes left of their puts: temporary files, unchanged for `age`, that no listing shows.
    /// Returns how many. Buckets expire unfinished uploads by rules of their own, so elsewhere it does nothing.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub async fn sweep_unfinished(&self, age: Duration) -> Result<u64, StoreError> {
        let Some(folder) = self.folder.clone() else {
            return Ok(0);
        };
        let before = SystemTime::now().checked_sub(age);
        let swept = tokio::task::spawn_blocking(move || match before {
            Some(before) => sweep(&folder, before),
            None => Ok(0),
        })
        .await
        .map_err(io::Error::other)
        .flatten();
        swept.map_err(|source| {
            let source =
                object_store::Error::Generic { store: "LocalFileSystem", source: source.into() };
            StoreError::of("sweep unfinished files from", "the folder", self.place(), source)
        })
    }

    /// Removes what puts of one name have left, where the store is a folder. Whoever is putting it now fails.
    pub(crate) async fn remove_unfinished(&self, name: &str) {
        let Some(path) = self.folder.as_ref().map(|folder| folder.join(name)) else { return };
        // What can't be removed now, a sweep removes.
        let _ = tokio::task::spawn_blocking(move || remove_of(&path)).await;
    }
}

fn remove_of(path: &Path) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let left = entry.file_name();
        let left = left.to_string_lossy();
        if is_unfinished(&left) && left.rsplit_once('#').is_some_and(|(of, _)| *name == *of) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn sweep(folder: &Path, before: SystemTime) -> io::Result<u64> {
    let mut swept = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            // Deleting the last object of a folder deletes the folder, also under our feet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            // What is gone since has been completed, or given up.
            let is_folder = entry.file_type().is_ok_and(|sort| sort.is_dir());
            if is_folder {
                folders.push(entry.path());
            } else if is_unfinished(&entry.file_name().to_string_lossy())
                && is_older(&entry.path(), before)
                && std::fs::remove_file(entry.path()).is_ok()
            {
                swept += 1;
            }
        }
    }
    Ok(swept)
}

/// `object_store` writes `<name>#<number>` and renames it.
fn is_unfinished(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(_, number)| {
        !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
    })
}

fn is_older(path: &Path, before: SystemTime) -> bool {
    std::fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .is_ok_and(|modified| modified < before)
}
