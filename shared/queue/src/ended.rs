use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::message::Info;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use chrono::{DateTime, Utc};
use domain::{ArtifactId, Family, Kind, Lsid, SiteHost};
use messages::Fact;

use crate::reading::{read, read_while};
use crate::{Log, LogError, Logged};

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
        let from = DeliverPolicy::ByStartSequence { start_sequence: position + 1 };
        read_while(&self.due, filters, from, |info, message| {
            let (sequence, published_at) = (info.stream_sequence, published_at(info));
            if published_at > until || batch.facts.len() >= max {
                batch.next_published_at = (published_at > until).then_some(published_at);
                return false;
            }
            batch.position = sequence;
            // One that can't be decoded is some worker's dead letter.
            let fact = messages::decode(&message.payload).ok();
            batch.facts.extend(fact.map(|fact| Logged { fact, sequence, published_at }));
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
        self.is_due_there(self.subjects.ended(site, family, lsid)).await
    }

    /// Whether any recording of this kind was announced of a session or presentation.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn is_recording_announced(
        &self,
        site: &SiteHost,
        kind: Kind,
        lsid: &Lsid,
    ) -> Result<bool, LogError> {
        self.is_due_there(self.subjects.recordings_of_kind_due(site, kind, lsid)).await
    }

    /// Whether anything is due under this subject, which may hold wildcards.
    async fn is_due_there(&self, subject: String) -> Result<bool, LogError> {
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
        read(&self.due, filter, DeliverPolicy::All, |_, message| {
            if let Ok(Fact::RecordingDue(due)) = messages::decode(&message.payload) {
                recordings.push(due.recording);
            }
        })
        .await?;
        Ok(recordings)
    }

    async fn due_last(&self) -> Result<u64, LogError> {
        let info = self.due.get_info().await;
        let name = || self.names.due.clone();
        let info = info.map_err(|cause| LogError::Stream { name: name(), cause: cause.into() })?;
        Ok(info.state.last_sequence)
    }
}

/// When the log took a message.
fn published_at(info: &Info<'_>) -> DateTime<Utc> {
    let nanos = i64::try_from(info.published.unix_timestamp_nanos()).unwrap_or(0);
    DateTime::from_timestamp_nanos(nanos)
}
