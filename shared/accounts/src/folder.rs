use std::fmt;
use std::fs::{self, File};
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use appliance::{Read, Shared, SharedError};
use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A value of one account in a file of this machine: for commands that work without a log, one after the other as a
/// person calls them. The file is a few hundred bytes, so reading and writing it is not worth a thread.
pub(crate) struct Filed<V> {
    /// Without an extension.
    path: PathBuf,
    of: PhantomData<fn() -> V>,
}

/// What stands in the file.
#[derive(Serialize, Deserialize)]
struct Entry<V> {
    revision: u64,
    value: V,
}

impl<V: Serialize + DeserializeOwned> Filed<V> {
    /// The file of this name in a folder; the folder is made when something is written.
    pub fn new(folder: &Path, name: &str) -> Self {
        Filed { path: folder.join(name), of: PhantomData }
    }

    /// A file beside the others of this value; the name itself may hold dots.
    fn file(&self, extension: &str) -> PathBuf {
        let mut file = self.path.clone().into_os_string();
        file.push(".");
        file.push(extension);
        file.into()
    }

    fn entry(&self) -> io::Result<Option<Entry<V>>> {
        match fs::read(self.file("json")) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn set(&self, value: V, read: Option<u64>) -> io::Result<Option<u64>> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        // Held until the end of this function, by which the value read cannot have been changed by another process.
        let lock = File::create(self.file("lock"))?;
        lock.lock()?;
        let stands = self.entry()?.map(|entry| entry.revision);
        if stands != read {
            return Ok(None);
        }
        let revision = stands.unwrap_or_default() + 1;
        let new = self.file("new");
        fs::write(&new, serde_json::to_vec(&Entry { revision, value })?)?;
        fs::rename(&new, self.file("json"))?;
        Ok(Some(revision))
    }
}

impl<V: Serialize + DeserializeOwned + Send + Sync + 'static> Shared<V> for Filed<V> {
    fn read(&self) -> BoxFuture<'_, Result<Option<Read<V>>, SharedError>> {
        async {
            let entry = self.entry().map_err(unreachable)?;
            Ok(entry.map(|entry| Read { value: entry.value, revision: entry.revision }))
        }
        .boxed()
    }

    fn write(
        &self,
        value: V,
        read: Option<u64>,
    ) -> BoxFuture<'_, Result<Option<u64>, SharedError>> {
        async move { self.set(value, read).map_err(unreachable) }.boxed()
    }

    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

impl<V> fmt::Debug for Filed<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filed").field(&self.path).finish()
    }
}

fn unreachable(error: io::Error) -> SharedError {
    SharedError::Unreachable(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_value_is_set_against_what_was_read_and_outlives_its_process() {
        let folder = tempfile::tempdir().expect("a folder");
        let one = Filed::<u32>::new(&folder.path().join("accounts"), "a.b");
        assert_eq!(one.read().await.expect("no file is no error"), None);
        assert_eq!(one.write(7, None).await.expect("it can be written"), Some(1));
        assert_eq!(one.write(8, None).await.expect("somebody was quicker"), None);
        let other = Filed::<u32>::new(&folder.path().join("accounts"), "a.b");
        let read = other.read().await.expect("it can be read");
        assert_eq!(read, Some(Read { value: 7, revision: 1 }));
        assert_eq!(other.write(9, Some(1)).await.expect("it can be written"), Some(2));
    }
}
