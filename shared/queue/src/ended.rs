use std::time::Duration;

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use chrono::{DateTime, Utc};
use domain::{ArtifactId, Family, Lsid, SiteHost};
use futures::StreamExt;
use messages::Fact;

use crate::{BoxError, Log, LogError, Logged};

/// How long the next message of what is pending may take; what expires while it is read never comes.
const MESSAGE_MAX: Duration = Duration::from_secs(10);

/// Announcements of ends, in the order of the log.
#[derive(Debug, Clone, Default)]
pub struct EndedBatch {
    /// The announcements: SessionEnded, and the Again for an abandoned session that ended after all.
    pub facts: Vec<Logged<Fact>>,
    /// The position up to which the log was read.
    pub position: u64,
    /// When the first one behind it was published, if there is one and it was reached.
    pub next_published_at: Option<DateTime<Utc>>,
}

impl Log {
    /// The ends of a site that were announced behind a position and up to an instant, the first so many. A position that
    /// the log does not have (it was lost) is taken for its beginning.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn ended_after(
        &self,
        site: &SiteHost,
        family: Family,
        position: u64,
        until: DateTime<Utc>,
        max: usize,
    ) -> Result<EndedBatch, LogError> {
        let last = self.due_last().await?;
        let position = if position > last { 0 } else { position };
        let filters = self.subjects.ended_of(site, family);
        let mut batch = EndedBatch { position, ..EndedBatch::default() };
        self.read_due(filters, position + 1, |message| {
            if message.published_at > until || batch.facts.len() >= max {
                batch.next_published_at =
                    (message.published_at > until).then_some(message.published_at);
                return false;
            }
            batch.position = message.sequence;
            batch.facts.extend(message.fact.map(|fact| Logged {
                fact,
                sequence: message.sequence,
                published_at: message.published_at,
            }));
            true
        })
        .await?;
        Ok(batch)
    }

    /// Whether a session or presentation was announced as over.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn is_end_announced(
        &self,
        site: &SiteHost,
        family: Family,
        lsid: &Lsid,
    ) -> Result<bool, LogError> {
        let subject = self.subjects.ended(site, family, lsid);
        match self.due.get_last_raw_message_by_subject(&subject).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(false),
            Err(error) => Err(LogError::Read { subject, cause: error.into() }),
        }
    }

    /// The recordings of a session or presentation that were announced.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn recordings_due_of(
        &self,
        site: &SiteHost,
        lsid: &Lsid,
    ) -> Result<Vec<ArtifactId>, LogError> {
        let mut recordings = Vec::new();
        let filter = self.subjects.recordings_due_of(site, lsid);
        self.read_due(vec![filter], 1, |message| {
            if let Some(Fact::RecordingDue(due)) = message.fact {
                recordings.push(due.recording);
            }
            true
        })
        .await?;
        Ok(recordings)
    }

    async fn due_last(&self) -> Result<u64, LogError> {
        let info = self.due.get_info().await;
        let info = info.map_err(|cause| self.due_failed(cause.into()))?;
        Ok(info.state.last_sequence)
    }

    /// Hands over the messages of these subjects from a position on, as long as they are wanted.
    async fn read_due(
        &self,
        filter_subjects: Vec<String>,
        from: u64,
        mut take: impl FnMut(Read) -> bool,
    ) -> Result<(), LogError> {
        let failed = |cause: BoxError| self.due_failed(cause);
        let config = pull::OrderedConfig {
            filter_subjects,
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from.max(1) },
            ..pull::OrderedConfig::default()
        };
        let consumer = self.due.create_consumer(config).await.map_err(|e| failed(e.into()))?;
        if consumer.cached_info().num_pending == 0 {
            return Ok(());
        }
        let mut messages = consumer.messages().await.map_err(|e| failed(e.into()))?;
        while let Some(message) = tokio::time::timeout(MESSAGE_MAX, messages.next())
            .await
            .map_err(|late| failed(late.into()))?
        {
            let message = message.map_err(|e| failed(e.into()))?;
            let (read, pending) = {
                let info = message.info().map_err(failed)?;
                let nanos = i64::try_from(info.published.unix_timestamp_nanos()).unwrap_or(0);
                let read = Read {
                    fact: messages::decode(&message.payload).ok(),
                    sequence: info.stream_sequence,
                    published_at: DateTime::from_timestamp_nanos(nanos),
                };
                (read, info.pending)
            };
            if !take(read) || pending == 0 {
                break;
            }
        }
        Ok(())
    }

    fn due_failed(&self, cause: BoxError) -> LogError {
        LogError::Stream { name: self.names.due.clone(), cause }
    }
}

/// A message as it was read; one that can't be decoded is some worker's dead letter.
struct Read {
    fact: Option<Fact>,
    sequence: u64,
    published_at: DateTime<Utc>,
}
