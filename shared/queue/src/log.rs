use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::context::{PublishAckFuture, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, StorageType, Stream};
use async_nats::jetstream::{self, Context};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use messages::{Fact, Subjects};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::RwLock;

use crate::attempts::Attempts;
use crate::epochs::KnownEpochs;
use crate::streams::{self, Names, StreamState};
use crate::{BoxError, Bucket, BucketError, LogError, trace};

/// First announcements in flight at once.
const ANNOUNCEMENTS_IN_FLIGHT_MAX: usize = 256;

/// The longest that flushing may take.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// The log: four streams of facts and what belongs to them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Log {
    pub(crate) client: Client,
    pub(crate) jetstream: Context,
    pub(crate) subjects: Subjects,
    pub(crate) names: Names,
    replicas: usize,
    pub(crate) due: Stream,
    pub(crate) artifacts: Stream,
    pub(crate) dead: Stream,
    pub(crate) epochs: KnownEpochs,
    pub(crate) attempts: Bucket<Attempts>,
    /// Held for reading by everything that works on messages in this process, for writing by a message that has to be
    /// alone because it may be the one that kills its worker.
    pub(crate) solitude: Arc<RwLock<()>>,
}

/// What became of a first announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// It was the first.
    At(u64),
    /// It had been announced before, which is success too.
    Already,
}

/// What became of a closing fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// It stands at this position.
    At(u64),
    /// Somebody was quicker.
    Overtaken,
}

/// A fact with its place in the log.
#[derive(Debug, Clone)]
pub struct Logged<F> {
    /// The fact.
    pub fact: F,
    /// Its position in its stream.
    pub sequence: u64,
    /// When the server stored it.
    pub published_at: DateTime<Utc>,
}

impl Log {
    pub(crate) async fn prepare(
        client: Client,
        subjects: Subjects,
        replicas: usize,
        solitude: Arc<RwLock<()>>,
    ) -> Result<Log, LogError> {
        let jetstream = jetstream::new(client.clone());
        let names = Names::new(subjects.prefix());
        streams::ensure(&jetstream, &names, &subjects, replicas).await?;
        let stream = async |name: &str| {
            jetstream
                .get_stream(name)
                .await
                .map_err(|cause| LogError::Stream { name: name.to_owned(), cause: cause.into() })
        };
        let attempts =
            Bucket::open_in(&jetstream, subjects.prefix(), "attempts", replicas, StorageType::File)
                .await
                .map_err(|cause| LogError::Stream {
                    name: cause.bucket.clone(),
                    cause: cause.into(),
                })?;
        Ok(Log {
            attempts,
            due: stream(&names.due).await?,
            artifacts: stream(&names.artifacts).await?,
            dead: stream(&names.dead).await?,
            client,
            jetstream,
            subjects,
            names,
            replicas,
            epochs: KnownEpochs::default(),
            solitude,
        })
    }

    /// The bucket of this name, made if it is not there.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn bucket<V: Serialize + DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<Bucket<V>, BucketError> {
        self.open_bucket(name, StorageType::File).await
    }

    /// The bucket of this name in the server's memory, made if it is not there. A server that is killed forgets the
    /// bucket itself: whoever finds it missing makes it again by this.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn memory_bucket<V: Serialize + DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<Bucket<V>, BucketError> {
        self.open_bucket(name, StorageType::Memory).await
    }

    async fn open_bucket<V: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        storage: StorageType,
    ) -> Result<Bucket<V>, BucketError> {
        let prefix = self.subjects.prefix();
        Bucket::open_in(&self.jetstream, prefix, name, self.replicas, storage).await
    }

    /// The subjects of this log.
    pub fn subjects(&self) -> &Subjects {
        &self.subjects
    }

    /// Announces a fact for the first time: the server refuses a second one of the same subject.
    ///
    /// # Errors
    /// When the server does not confirm it; it may stand in the log all the same, and a repeat finds it there.
    pub async fn announce(&self, fact: &Fact) -> Result<Announced, LogError> {
        let subject = self.subjects.of(fact);
        let sent = self.send(&subject, fact, Some(0)).await?;
        announced(subject, sent).await
    }

    /// Announces many facts, in any order, many at a time; says how many were new.
    ///
    /// # Errors
    /// At the first that the server does not confirm; of the others any may stand in the log.
    pub async fn announce_all(&self, facts: &[Fact]) -> Result<usize, LogError> {
        let mut unsent = facts.iter();
        let mut sent = FuturesUnordered::new();
        for fact in unsent.by_ref().take(ANNOUNCEMENTS_IN_FLIGHT_MAX) {
            sent.push(self.announce(fact));
        }
        let mut new = 0;
        while let Some(announced) = sent.next().await {
            new += usize::from(matches!(announced?, Announced::At(_)));
            sent.extend(unsent.next().map(|fact| self.announce(fact)));
        }
        Ok(new)
    }

    /// Publishes a fact that replaces the last one of its subject, if that still is the one at `expected_last`.
    ///
    /// # Errors
    /// When the server does not confirm it.
    pub async fn publish_after(
        &self,
        fact: &Fact,
        expected_last: u64,
    ) -> Result<Published, LogError> {
        let subject = self.subjects.of(fact);
        let sent = self.send(&subject, fact, Some(expected_last)).await?;
        Ok(match announced(subject, sent).await? {
            Announced::At(sequence) => Published::At(sequence),
            Announced::Already => Published::Overtaken,
        })
    }

    /// Publishes a fact whatever stands there.
    ///
    /// # Errors
    /// When the server does not confirm it.
    pub async fn publish(&self, fact: &Fact) -> Result<u64, LogError> {
        self.publish_as(&self.subjects.of(fact), fact).await
    }

    pub(crate) async fn publish_as(&self, subject: &str, fact: &Fact) -> Result<u64, LogError> {
        let sent = self.send(subject, fact, None).await?;
        sent.await
            .map(|ack| ack.sequence)
            .map_err(|cause| LogError::Publish { subject: subject.to_owned(), cause })
    }

    /// Publishes a fact that nothing depends on, without waiting for the server.
    pub async fn mention(&self, fact: &Fact) {
        if let Err(error) = self.send(&self.subjects.of(fact), fact, None).await {
            tracing::debug!(error = %error, "a note for people was lost");
        }
    }

    async fn send(
        &self,
        subject: &str,
        fact: &Fact,
        expected_last: Option<u64>,
    ) -> Result<PublishAckFuture, LogError> {
        let payload = messages::encode(fact).map_err(|cause| LogError::Encode { cause })?;
        let mut message = PublishMessage::build().payload(payload.into()).headers(trace::headers());
        if let Some(sequence) = expected_last {
            message = message.expected_last_subject_sequence(sequence);
        }
        self.jetstream
            .send_publish(subject.to_owned(), message)
            .await
            .map_err(|cause| LogError::Publish { subject: subject.to_owned(), cause })
    }

    /// The last staged fact of an artifact.
    ///
    /// # Errors
    /// When the server does not answer or what stands there can't be read.
    pub async fn last_staged(
        &self,
        artifact: &domain::ArtifactId,
    ) -> Result<Option<Logged<domain::facts::ArtifactStaged>>, LogError> {
        let subject = self.subjects.staged(artifact);
        self.last_of(&self.artifacts, &subject, |fact| match fact {
            Fact::ArtifactStaged(staged) => Ok(staged),
            other => Err(other.name()),
        })
        .await
    }

    /// The last fact that says that an artifact can't be had.
    ///
    /// # Errors
    /// When the server does not answer or what stands there can't be read.
    pub async fn last_unavailable(
        &self,
        artifact: &domain::ArtifactId,
    ) -> Result<Option<Logged<domain::facts::ArtifactUnavailable>>, LogError> {
        let subject = self.subjects.unavailable(artifact);
        self.last_of(&self.artifacts, &subject, |fact| match fact {
            Fact::ArtifactUnavailable(gone) => Ok(gone),
            other => Err(other.name()),
        })
        .await
    }

    /// The announcement of a recording.
    ///
    /// # Errors
    /// When the server does not answer or what stands there can't be read.
    pub async fn recording_due(
        &self,
        recording: &domain::ArtifactId,
    ) -> Result<Option<Logged<domain::facts::RecordingDue>>, LogError> {
        let subject = self.subjects.recording_due(recording);
        self.last_of(&self.due, &subject, |fact| match fact {
            Fact::RecordingDue(due) => Ok(due),
            other => Err(other.name()),
        })
        .await
    }

    /// The backup of a site that was announced last.
    ///
    /// # Errors
    /// When the server does not answer or what stands there can't be read.
    pub async fn last_backup_due(
        &self,
        site: &domain::SiteHost,
    ) -> Result<Option<Logged<domain::facts::BackupDue>>, LogError> {
        let subject = self.subjects.due_of(site, domain::Kind::SiteBackup);
        self.last_of(&self.due, &subject, |fact| match fact {
            Fact::BackupDue(due) => Ok(due),
            other => Err(other.name()),
        })
        .await
    }

    /// Reads through the stream's leader, never a replica that may lag: what it says decides whether work is done.
    async fn last_of<F>(
        &self,
        stream: &Stream,
        subject: &str,
        expected: impl Fn(Fact) -> Result<F, &'static str>,
    ) -> Result<Option<Logged<F>>, LogError> {
        let message = match stream.get_last_raw_message_by_subject(subject).await {
            Ok(message) => message,
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                return Ok(None);
            }
            Err(error) => {
                return Err(LogError::Read { subject: subject.to_owned(), cause: error.into() });
            }
        };
        let fact = messages::decode(&message.payload)
            .map_err(|cause| LogError::Decode { subject: subject.to_owned(), cause })?;
        let fact = expected(fact)
            .map_err(|found| LogError::Unexpected { subject: subject.to_owned(), found })?;
        let stored = i64::try_from(message.time.unix_timestamp_nanos()).unwrap_or(0);
        let published_at = DateTime::from_timestamp_nanos(stored);
        Ok(Some(Logged { fact, sequence: message.sequence, published_at }))
    }

    /// Whether the log takes messages: a write that is confirmed. An info call would not tell: after a full disk the
    /// server answers those while publishes hang.
    ///
    /// # Errors
    /// When it is not confirmed.
    pub async fn probe(&self) -> Result<(), BucketError> {
        self.attempts.put("probe", &Attempts::default()).await
    }

    /// How full the streams are: due, artifacts, activity, dead letters.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn streams(&self) -> Result<Vec<StreamState>, LogError> {
        let names =
            [&self.names.due, &self.names.artifacts, &self.names.activity, &self.names.dead];
        let mut states = Vec::with_capacity(names.len());
        for name in names {
            let failed = |cause: BoxError| LogError::Stream { name: name.clone(), cause };
            let stream = self.jetstream.get_stream(name).await.map_err(|e| failed(e.into()))?;
            let state = &stream.cached_info().state;
            states.push(StreamState {
                name: name.clone(),
                messages: state.messages,
                bytes: state.bytes,
                last: state.last_sequence,
            });
        }
        Ok(states)
    }

    /// Sends what is still in the client's buffer, and leaves for good: no reconnecting, for any clone of this log.
    pub async fn close(&self) {
        self.flush().await;
        if let Err(error) = self.client.drain().await {
            tracing::debug!(%error, "could not leave NATS in good order");
        }
    }

    /// Sends what is still in the client's buffer. Without a connection it gives up after a while: the client itself
    /// would wait until there is one.
    pub async fn flush(&self) {
        match tokio::time::timeout(FLUSH_MAX, self.client.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "could not flush before leaving"),
            Err(_) => tracing::debug!("could not flush before leaving: no answer"),
        }
    }
}

async fn announced(subject: String, sent: PublishAckFuture) -> Result<Announced, LogError> {
    match sent.await {
        Ok(ack) => Ok(Announced::At(ack.sequence)),
        Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(Announced::Already),
        Err(cause) => Err(LogError::Publish { subject, cause }),
    }
}
