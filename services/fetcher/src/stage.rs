//! Content on its way into staging.

use std::error::Error;

use bytes::Bytes;
use domain::ArtifactId;
use futures::Stream;
use queue::Failure;
use staging::{PutError, Staged};

use crate::failure::Unfetched;
use crate::room;
use crate::worker::Fetcher;

impl Fetcher {
    /// Stages content of about this size (0: not known). Where staging does not take it, nothing counts against its
    /// message; one that staging refuses again although it can be written waits by itself, longer each time: to ask the
    /// appliance for it costs a whole download.
    pub(crate) async fn stage<S, E>(
        &self,
        artifact: &ArtifactId,
        extension: &str,
        content: S,
        size: u64,
    ) -> Result<Staged, Unfetched>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Error + Send + Sync + Into<Unfetched> + 'static,
    {
        let (object, cause) = match self.staging.put_sized(artifact, extension, content, size).await
        {
            Ok(staged) => {
                self.room.has_come(artifact);
                return Ok(staged);
            }
            Err(PutError::Content { cause, .. }) => return Err(cause.into()),
            Err(PutError::Store { object, cause }) => (object, cause),
        };
        let (is_full, is_down) = (cause.is_full(), cause.is_down());
        let error: PutError<E> = PutError::Store { object, cause };
        // A disk tells its room, and what does not fit is not asked for before it does.
        if is_full && self.staging.room().is_some() {
            return Err(Unfetched::Failed(Failure::NoRoom {
                wait: room::WAIT,
                cause: error.into(),
            }));
        }
        if !is_down {
            return Err(Unfetched::Failed(Failure::Retry(error.into())));
        }
        let failure = Failure::Down(error.into());
        let again = self.room.refused(artifact, failure.to_string());
        Err(Unfetched::Failed(match failure {
            Failure::Down(cause) if again && self.staging.probe().await.is_ok() => {
                Failure::NotYet(cause)
            }
            failure => failure,
        }))
    }
}
