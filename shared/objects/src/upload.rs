use bytes::{Bytes, BytesMut};
use object_store::{
    MultipartUpload, ObjectStore as _, PutMode, PutMultipartOptions, PutOptions, WriteMultipart,
};

use crate::store::PARTS_IN_FLIGHT_MAX;
use crate::{Details, Store, StoreError};

/// An object that is being written, piece by piece. Nothing of it is visible until it is completed; dropped, it is
/// given up, and what the store keeps of its parts is for the store's own rules to expire.
pub struct Upload {
    store: Store,
    name: String,
    details: Details,
    /// What came, as long as one request can take it all.
    small: BytesMut,
    parts: Option<WriteMultipart>,
}

impl Store {
    /// Begins to write an object.
    ///
    /// # Errors
    /// When it can't have this name.
    pub fn upload(&self, name: &str, details: Details) -> Result<Upload, StoreError> {
        self.path(name)?;
        Ok(Upload {
            store: self.clone(),
            name: name.to_owned(),
            details,
            small: BytesMut::new(),
            parts: None,
        })
    }
}

impl Upload {
    /// Adds what comes next; memory is bounded by a few parts.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn append(&mut self, piece: Bytes) -> Result<(), StoreError> {
        if self.parts.is_none() && self.small.len() + piece.len() < self.store.part_bytes {
            self.small.extend_from_slice(&piece);
            return Ok(());
        }
        let failed = |source| self.store.error("write", &self.name, source);
        let parts = match &mut self.parts {
            Some(parts) => parts,
            none => {
                let options = PutMultipartOptions {
                    attributes: self.details.attributes(),
                    ..PutMultipartOptions::default()
                };
                let path = self.store.path(&self.name)?;
                let begun = self.store.inner.put_multipart_opts(&path, options).await;
                let begun: Box<dyn MultipartUpload> = begun.map_err(failed)?;
                let parts =
                    none.insert(WriteMultipart::new_with_chunk_size(begun, self.store.part_bytes));
                parts.put(std::mem::take(&mut self.small).freeze());
                parts
            }
        };
        parts.wait_for_capacity(PARTS_IN_FLIGHT_MAX).await.map_err(failed)?;
        parts.put(piece);
        Ok(())
    }

    /// Whether it can still get this name: what came in parts was promised its own from the first.
    pub fn can_have(&self, name: &str) -> bool {
        self.parts.is_none() || self.name == name
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
        let Some(parts) = self.parts.take() else {
            return self.complete_small(name, create_only).await;
        };
        if create_only {
            match self.store.head(name).await {
                Err(error) if error.is_gone() => {}
                found => {
                    let _ = parts.abort().await;
                    return found.map(|_taken| false);
                }
            }
        }
        let finished = parts.finish().await;
        finished.map(|_| true).map_err(|source| self.store.error("write", name, source))
    }

    async fn complete_small(&mut self, name: &str, create_only: bool) -> Result<bool, StoreError> {
        let mode = if create_only { PutMode::Create } else { PutMode::Overwrite };
        let options =
            PutOptions { mode, attributes: self.details.attributes(), ..PutOptions::default() };
        let path = self.store.path(name)?;
        // Kept, for a name that is taken may be followed by another.
        let bytes = self.small.clone().freeze();
        match self.store.inner.put_opts(&path, bytes.into(), options).await {
            Ok(_) => Ok(true),
            Err(source) => match self.store.error("write", name, source) {
                error if create_only && error.is_taken() => Ok(false),
                error => Err(error),
            },
        }
    }

    /// Gives it up, and has the store forget its parts.
    pub async fn abort(&mut self) {
        if let Some(parts) = self.parts.take() {
            // The store's own rules expire what it can't be told to forget now.
            let _ = parts.abort().await;
        }
    }
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload").field("name", &self.name).finish_non_exhaustive()
    }
}
