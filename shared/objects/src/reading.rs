//! An object in a bucket that is read for as long as its reader takes.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use object_store::{GetOptions, GetRange, GetResult};
use tokio::time::{Instant, timeout};

use crate::{Said, Store, StoreError};

/// How long nothing may come before it is asked for anew.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// How long that is tried for a piece that somebody waits for: with the last try less than the sinks' leases.
const PATIENCE: Duration = Duration::from_secs(45);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// An object of which this much was read.
pub(crate) struct Reading {
    pub store: Store,
    pub name: String,
    pub etag: Option<String>,
    pub size: u64,
    pub at: u64,
    pub stream: BoxStream<'static, object_store::Result<Bytes>>,
}

impl Store {
    /// Asks for an object, or a part of it, and waits until it begins to come.
    pub(crate) async fn opened(
        &self,
        name: &str,
        options: GetOptions,
    ) -> Result<GetResult, StoreError> {
        let path = self.path(name)?;
        match timeout(SILENCE_MAX, self.reads.get_opts(&path, options)).await {
            Ok(found) => found.map_err(|source| self.error("read", name, source)),
            Err(_) => Err(self.silent(name)),
        }
    }

    fn silent(&self, name: &str) -> StoreError {
        let source = Said::silence(SILENCE_MAX);
        StoreError::Failed {
            deed: "read",
            object: name.to_owned(),
            place: self.place().to_owned(),
            source,
        }
    }
}

/// The object, gone on with where it breaks off.
pub(crate) fn resumed(reading: Reading) -> impl Stream<Item = Result<Bytes, StoreError>> + Send {
    futures::stream::try_unfold(reading, async |mut reading| {
        let piece = reading.next().await?;
        Ok(piece.map(|piece| (piece, reading)))
    })
}

impl Reading {
    /// The next piece. Only while somebody waits for it time runs: who takes the pieces may be slow.
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let asked = Instant::now();
        loop {
            let failure = match timeout(SILENCE_MAX, self.stream.next()).await {
                Ok(Some(Ok(piece))) => {
                    self.at += piece.len() as u64;
                    return Ok(Some(piece));
                }
                // Of one that ends early the rest is asked for.
                Ok(None) if self.at >= self.size => return Ok(None),
                Ok(None) => self.store.silent(&self.name),
                Ok(Some(Err(source))) => self.store.error("read", &self.name, source),
                Err(_) => self.store.silent(&self.name),
            };
            // Another object may stand there now, if nothing tells the two apart.
            if self.etag.is_none() || asked.elapsed() >= PATIENCE {
                return Err(failure);
            }
            if let Err(error) = self.go_on().await
                && (!error.is_down() || asked.elapsed() >= PATIENCE)
            {
                return Err(error);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn go_on(&mut self) -> Result<(), StoreError> {
        let options = GetOptions {
            range: Some(GetRange::Offset(self.at)),
            if_match: self.etag.clone(),
            ..GetOptions::default()
        };
        self.stream = self.store.opened(&self.name, options).await?.into_stream();
        Ok(())
    }
}
