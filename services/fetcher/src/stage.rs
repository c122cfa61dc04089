//! Content on its way into staging.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use domain::ArtifactId;
use futures::Stream;
use objects::StoreError;
use queue::Failure;
use staging::{PutError, Staged};

use crate::failure::Unfetched;
use crate::room;
use crate::worker::Fetcher;

/// How long staging may take to say that it can be written.
const PROBE_MAX: Duration = Duration::from_secs(30);

impl Fetcher {
    /// Stages content of about this size (0: not known). Where staging does not take it, nothing counts against its
    /// message, unless it is one that no store could take. One that staging refuses again although it can be written
    /// waits by itself, longer each time: to ask the appliance for it costs a whole download.
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
        let error = match self.staging.put_sized(artifact, extension, content, size).await {
            Ok(staged) => {
                self.room.has_come(artifact);
                return Ok(staged);
            }
            Err(PutError::Content { cause, .. }) => return Err(cause.into()),
            Err(error) => error,
        };
        if matches!(error, PutError::Store { cause: StoreError::Name { .. }, .. }) {
            return Err(Unfetched::Failed(Failure::Retry(error.into())));
        }
        let is_full = error.is_full();
        let failure = Failure::Down(error.into());
        let again = self.room.refused(artifact, failure.to_string());
        let alone = again && self.takes_something().await;
        if alone {
            self.room.refused_alone(artifact);
        }
        // A disk tells its room, and what does not fit is not asked for before it does.
        let lacks_room = is_full && self.room.is_told().await;
        Err(Unfetched::Failed(match failure {
            Failure::Down(cause) if alone => Failure::NotYet(cause),
            Failure::Down(cause) if lacks_room => Failure::NoRoom { wait: room::WAIT, cause },
            failure => failure,
        }))
    }

    /// Whether staging can be written, as far as it tells in time.
    async fn takes_something(&self) -> bool {
        let probed = tokio::time::timeout(PROBE_MAX, self.staging.probe()).await;
        probed.is_ok_and(|probed| probed.is_ok())
    }
}
