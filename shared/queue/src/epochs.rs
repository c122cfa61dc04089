//! Which life of the log a position belongs to, and how a new life begins.
//!
//! The list stands in the log itself: each opening is a message of ARTIFACTS that holds all that were opened before it,
//! and its own position is the first of the new life. It is published against the stream's last position, so that of
//! two who find the log set back one opens an epoch and the other finds it open, and no fact can slip in between. A
//! stream's configuration could hold the list as well; but the server has no compare-and-set for that.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};

use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use chrono::Utc;
use domain::facts::ArtifactStaged;
use domain::{Epoch, Epochs, Revision};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

use crate::{BoxError, Log, LogError};

/// What this process has read of the epochs. Shared by the clones of a log.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownEpochs(Arc<RwLock<Option<Known>>>);

#[derive(Debug, Clone)]
struct Known {
    epochs: Epochs,
    /// The stream's last position when they were read: for those behind it they have to be read again.
    last: u64,
    /// The connection that they were read over. A log is set back only while its server is down.
    connection: u64,
}

/// The message that opens an epoch. Its own position is the first of it.
#[derive(Debug, Serialize, Deserialize)]
struct Opening {
    number: u64,
    before: Vec<Epoch>,
}

impl Log {
    /// The revision of the fact at this position of the stream of artifacts, which has to be there.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn revision_at(&self, position: u64) -> Result<Revision, LogError> {
        if let Some(known) = self.known_epochs().filter(|known| position <= known.last) {
            return Ok(known.epochs.revision_at(position));
        }
        Ok(self.read_epochs().await?.epochs.revision_at(position))
    }

    /// The revision of a staged fact at this position: the position itself, unless the fact was rebuilt.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn revision_of(
        &self,
        staged: &ArtifactStaged,
        position: u64,
    ) -> Result<Revision, LogError> {
        match staged.revision {
            Some(revision) => Ok(revision),
            None => self.revision_at(position).await,
        }
    }

    /// The number of the life that goes on.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn epoch(&self) -> Result<u64, LogError> {
        Ok(self.read_epochs().await?.epochs.current())
    }

    /// The lives that the log has had, for every position that it has by now.
    pub(crate) async fn epochs(&self) -> Result<Epochs, LogError> {
        Ok(self.read_epochs().await?.epochs)
    }

    /// Where the log stands: the revision of what was published last, or would be as the first.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn stands_at(&self) -> Result<Revision, LogError> {
        let Known { epochs, last, .. } = self.read_epochs().await?;
        Ok(Revision { epoch: epochs.current(), position: last })
    }

    /// Begins a new life of the log where somebody holds a revision that this log has not given yet: it lost what it
    /// gave, and would give the same to something else. Says whether it had to.
    ///
    /// # Errors
    /// When the server does not answer or does not confirm it.
    pub async fn outlived_by(&self, named: Revision) -> Result<bool, LogError> {
        loop {
            let Known { epochs, last, .. } = self.read_epochs().await?;
            let now_millis = u64::try_from(Utc::now().timestamp_millis()).unwrap_or(0);
            let Some(number) = epochs.outlived_by(named, last, now_millis) else {
                return Ok(false);
            };
            if self.open_epoch(number, &epochs, last).await? {
                tracing::warn!(
                    epoch = number,
                    last,
                    %named,
                    "the log was set back behind what it had given out; a new epoch of it begins"
                );
                self.drop_routes_ahead().await?;
                return Ok(true);
            }
        }
    }

    /// `false`: the stream has gone on meanwhile.
    async fn open_epoch(&self, number: u64, epochs: &Epochs, last: u64) -> Result<bool, LogError> {
        let subject = self.subjects.epochs();
        let opening = Opening { number, before: epochs.opened().to_vec() };
        let payload = serde_json::to_vec(&opening).expect("numbers are plain JSON");
        let message = PublishMessage::build().payload(payload.into()).expected_last_sequence(last);
        let failed = |cause| LogError::Publish { subject: subject.clone(), cause };
        let sent = self.jetstream.send_publish(subject.clone(), message).await.map_err(failed)?;
        match sent.await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(false),
            Err(cause) => Err(failed(cause)),
        }
    }

    /// Removes routes that are ahead of their stream: after a loss of power a server may know how far a consumer was
    /// and not the messages that it had. They would pass over what comes now; made anew, they begin at the start, and
    /// what was done is recognised.
    async fn drop_routes_ahead(&self) -> Result<(), LogError> {
        for stream in [&self.due, &self.artifacts] {
            let name = &stream.cached_info().config.name;
            let failed = |cause: BoxError| LogError::Stream { name: name.clone(), cause };
            let last = stream.get_info().await.map_err(|e| failed(e.into()))?.state.last_sequence;
            let consumers = stream.consumers().try_collect::<Vec<_>>().await;
            for consumer in consumers.map_err(|e| failed(e.into()))? {
                if consumer.delivered.stream_sequence > last {
                    let deleted = stream.delete_consumer(&consumer.name).await;
                    deleted.map_err(|e| failed(e.into()))?;
                }
            }
        }
        Ok(())
    }

    fn known_epochs(&self) -> Option<Known> {
        let known = self.epochs.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        known.filter(|known| known.connection == self.connection())
    }

    /// Reads them anew. The position first: an epoch that opens in between begins behind it.
    async fn read_epochs(&self) -> Result<Known, LogError> {
        let connection = self.connection();
        let name = &self.names.artifacts;
        let info = self.artifacts.get_info().await;
        let info =
            info.map_err(|cause| LogError::Stream { name: name.clone(), cause: cause.into() })?;
        let created = info.created.unix_timestamp_nanos() / 1_000_000;
        let opened = opened(&self.artifacts, self.subjects.epochs()).await?;
        let known = Known {
            epochs: Epochs::new(u64::try_from(created).unwrap_or(0), opened),
            last: info.state.last_sequence,
            connection,
        };
        *self.epochs.0.write().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
        Ok(known)
    }

    /// How many times the client has connected.
    fn connection(&self) -> u64 {
        self.client.statistics().connects.load(Ordering::Relaxed)
    }
}

async fn opened(stream: &Stream, subject: String) -> Result<Vec<Epoch>, LogError> {
    let message = match stream.get_last_raw_message_by_subject(&subject).await {
        Ok(message) => message,
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(LogError::Read { subject, cause: error.into() }),
    };
    let opening: Opening = serde_json::from_slice(&message.payload)
        .map_err(|cause| LogError::Read { subject, cause: cause.into() })?;
    let mut opened = opening.before;
    opened.push(Epoch { number: opening.number, from: message.sequence });
    Ok(opened)
}
