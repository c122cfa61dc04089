use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use domain::Digest;
use domain::facts::ClaimCheck;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use objects::{Fetched, StoreError};
use sha2::{Digest as _, Sha256};

use crate::OpenError;

/// A staged object while it is read. The last item is an error if it was not what its claim check names, so
/// nothing counts before the stream has ended well.
pub struct Content {
    claim: ClaimCheck,
    stream: BoxStream<'static, Result<Bytes, StoreError>>,
    running: Option<Running>,
}

/// What the bytes read so far came to; gone when the end was told.
struct Running {
    size: u64,
    hasher: Sha256,
}

impl Content {
    pub(crate) fn new(claim: ClaimCheck, fetched: Fetched) -> Self {
        Content {
            claim,
            stream: fetched.stream,
            running: Some(Running { size: 0, hasher: Sha256::new() }),
        }
    }

    /// The size that the claim check names.
    pub fn size(&self) -> u64 {
        self.claim.size
    }

    fn verdict(&self, running: Running) -> Option<OpenError> {
        let digest = Digest::finish(running.hasher);
        if running.size == self.claim.size && digest == self.claim.digest {
            return None;
        }
        Some(differs(&self.claim, running.size, &digest.to_string()))
    }
}

/// The error of an object that is not what its claim check names.
pub(crate) fn differs(claim: &ClaimCheck, size: u64, digest: &str) -> OpenError {
    OpenError::Differs {
        object: claim.object.clone(),
        size,
        size_wanted: claim.size,
        digest: digest.into(),
        digest_wanted: claim.digest,
    }
}

impl Stream for Content {
    type Item = Result<Bytes, OpenError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.running.is_none() {
            return Poll::Ready(None);
        }
        let next = ready!(self.stream.poll_next_unpin(cx));
        let item = match (next, self.running.take()) {
            (Some(Ok(piece)), Some(mut running)) => {
                running.size += piece.len() as u64;
                running.hasher.update(&piece);
                self.running = Some(running);
                Some(Ok(piece))
            }
            (Some(Err(cause)), _) => Some(Err(OpenError::of(&self.claim.object, cause))),
            (None, Some(running)) => self.verdict(running).map(Err),
            (_, None) => None,
        };
        Poll::Ready(item)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Content").field(&self.claim.object).finish()
    }
}
