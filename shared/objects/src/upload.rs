use std::error::Error;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use object_store::{
    MultipartUpload, ObjectStore as _, PutMode, PutMultipartOptions, PutOptions, PutPayload,
};
use tokio::task::JoinSet;

use crate::store::PARTS_IN_FLIGHT_MAX;
use crate::{Details, PutError, Said, Store, StoreError};

/// S3 takes no more parts than this.
const PARTS_MAX: u64 = 10_000;

/// An object that is being written, piece by piece. Nothing of it is visible until it is completed; dropped, it is
/// given up, and what the store keeps of its parts is for the store's own rules to expire.
pub struct Upload {
    store: Store,
    name: String,
    details: Details,
    part_bytes: usize,
    /// What came and is not on its way yet: less than a part, or just one.
    pieces: Vec<Bytes>,
    pieces_bytes: usize,
    parts: Option<Parts>,
    is_ended: bool,
}

/// What does not fit one request.
struct Parts {
    upload: Box<dyn MultipartUpload>,
    under_way: JoinSet<object_store::Result<()>>,
}

impl Store {
    /// Writes a few bytes as what is large is written: in parts, of which there is one.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn put_in_parts(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        let mut upload = self.upload(name, Details::default(), 0)?;
        upload.append(bytes).await?;
        let put = match upload.flush_in_parts().await {
            Ok(()) => upload.complete(name, false).await.map(drop),
            Err(error) => Err(error),
        };
        if put.is_err() {
            upload.abort().await;
        }
        put
    }

    /// Begins to write an object of about this size.
    ///
    /// # Errors
    /// When it can't have this name.
    pub fn upload(&self, name: &str, details: Details, size: u64) -> Result<Upload, StoreError> {
        self.path(name)?;
        let part_bytes = usize::try_from(size.div_ceil(PARTS_MAX)).unwrap_or(usize::MAX);
        Ok(Upload {
            store: self.clone(),
            name: name.to_owned(),
            details,
            part_bytes: part_bytes.max(self.part_bytes),
            pieces: Vec::new(),
            pieces_bytes: 0,
            parts: None,
            is_ended: false,
        })
    }
}

impl Upload {
    /// Adds what comes next; memory is bounded by a few parts.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn append(&mut self, mut piece: Bytes) -> Result<(), StoreError> {
        while !piece.is_empty() {
            if self.pieces_bytes == self.part_bytes {
                self.send_part().await?;
            }
            let more = piece.split_to(piece.len().min(self.part_bytes - self.pieces_bytes));
            self.pieces_bytes += more.len();
            self.pieces.push(more);
        }
        Ok(())
    }

    /// Waits until the store has all that came in parts, so that nothing is left but to complete it. What fits one
    /// request is sent only then.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn flush(&mut self) -> Result<(), StoreError> {
        if self.parts.is_none() {
            return Ok(());
        }
        if self.pieces_bytes > 0 {
            self.send_part().await?;
        }
        let waited = match &mut self.parts {
            Some(parts) => parts.wait_for_less_than(1).await,
            None => Ok(()),
        };
        waited.map_err(|source| self.failed(source))
    }

    async fn send_part(&mut self) -> Result<(), StoreError> {
        let mut parts = match self.parts.take() {
            Some(parts) => parts,
            None => self.begin_parts().await?,
        };
        let waited = parts.wait_for_less_than(PARTS_IN_FLIGHT_MAX).await;
        if waited.is_ok() {
            let permit = Arc::clone(&self.store.parts_under_way).acquire_owned().await;
            self.pieces_bytes = 0;
            let part: PutPayload = std::mem::take(&mut self.pieces).into_iter().collect();
            let sent = parts.upload.put_part(part);
            parts.under_way.spawn(async move {
                let _permit = permit;
                sent.await
            });
        }
        self.parts = Some(parts);
        waited.map_err(|source| self.failed(source))
    }

    async fn begin_parts(&mut self) -> Result<Parts, StoreError> {
        let options = PutMultipartOptions {
            attributes: self.details.attributes(),
            ..PutMultipartOptions::default()
        };
        let path = self.store.path(&self.name)?;
        let begun = self.store.uploads.put_multipart_opts(&path, options).await;
        let upload = begun.map_err(|source| self.failed(source))?;
        Ok(Parts { upload, under_way: JoinSet::new() })
    }

    /// Waits until the store has what came as a part, however little it is.
    async fn flush_in_parts(&mut self) -> Result<(), StoreError> {
        self.send_part().await?;
        self.flush().await
    }

    /// Whether it can still get this name: what came in parts was promised its own from the first.
    pub fn can_have(&self, name: &str) -> bool {
        !self.is_ended && (self.parts.is_none() || self.name == name)
    }

    /// Makes it visible under this name, whole; says whether, for with `create_only` the name may be taken.
    ///
    /// What fits one request is created by a conditional put. What came in parts can't be: there the name is looked at
    /// just before, so that only somebody who writes it in that very moment is overwritten.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn complete(&mut self, name: &str, create_only: bool) -> Result<bool, StoreError> {
        if !self.can_have(name) {
            return Ok(false);
        }
        if self.parts.is_none() {
            return self.complete_small(name, create_only).await;
        }
        self.flush().await?;
        if create_only {
            match self.store.head(name).await {
                Err(error) if error.is_gone() => {}
                found => return found.map(|_taken| false),
            }
        }
        if let Some(parts) = &mut self.parts {
            let completed = parts.upload.complete().await;
            completed.map_err(|source| self.failed(source))?;
        }
        (self.parts, self.is_ended) = (None, true);
        Ok(true)
    }

    async fn complete_small(&mut self, name: &str, create_only: bool) -> Result<bool, StoreError> {
        let mode = if create_only { PutMode::Create } else { PutMode::Overwrite };
        let options =
            PutOptions { mode, attributes: self.details.attributes(), ..PutOptions::default() };
        let path = self.store.path(name)?;
        // Kept, for a name that is taken may be followed by another.
        let content: PutPayload = self.pieces.iter().cloned().collect();
        match self.store.inner.put_opts(&path, content, options).await {
            Ok(_) => {
                self.is_ended = true;
                Ok(true)
            }
            Err(source) => match self.failed_at(name, source) {
                error if create_only && error.is_taken() => Ok(false),
                error => Err(error),
            },
        }
    }

    /// Takes a whole stream, and completes it under the name that it began with; returns its size.
    pub(crate) async fn take_all<S, E>(&mut self, content: S) -> Result<u64, PutError<E>>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Error + 'static,
    {
        let mut content = pin!(content);
        let mut size = 0;
        while let Some(piece) = content.next().await {
            let piece = piece.map_err(|cause| {
                let object = self.name.clone();
                PutError::Content { object, cause }
            })?;
            size += piece.len() as u64;
            self.append(piece).await.map_err(PutError::Store)?;
        }
        let name = self.name.clone();
        self.complete(&name, false).await.map_err(PutError::Store)?;
        Ok(size)
    }

    /// Gives it up, and has the store forget its parts.
    pub async fn abort(&mut self) {
        self.is_ended = true;
        if let Some(mut parts) = self.parts.take() {
            if self.store.folder().is_some() {
                // What writes a part to a file can't be stopped, and holds the file's room as long as it runs.
                while parts.under_way.join_next().await.is_some() {}
            }
            parts.under_way.shutdown().await;
            let forgotten = parts.upload.abort().await;
            // A bucket's own rules expire what it can't be told to forget now. A file that was to be completed, and could
            // not be flushed, say, `object_store` forgets to remove.
            if forgotten.is_err() {
                self.store.remove_unfinished(&self.name).await;
            }
        }
    }

    /// What is gone while it is written is an upload that the store gave up: that says nothing about the content.
    fn failed(&self, source: object_store::Error) -> StoreError {
        self.failed_at(&self.name, source)
    }

    fn failed_at(&self, name: &str, source: object_store::Error) -> StoreError {
        let said = Said::of(&source);
        match self.store.error("write", name, source) {
            StoreError::Gone { object, place } => {
                StoreError::Failed { deed: "write", object, place, source: said }
            }
            error => error,
        }
    }
}

impl Parts {
    async fn wait_for_less_than(&mut self, count: usize) -> object_store::Result<()> {
        while self.under_way.len() >= count {
            match self.under_way.join_next().await {
                Some(sent) => sent??,
                None => break,
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload").field("name", &self.name).finish_non_exhaustive()
    }
}
