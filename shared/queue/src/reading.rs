use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::message::Info;
use async_nats::jetstream::stream::Stream;
use domain::facts::Activity;
use futures::StreamExt;
use messages::Fact;

use crate::{BoxError, Log, LogError};

impl Log {
    /// What the activity log says of what was done after this position, oldest first.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn activity_after(&self, position: u64) -> Result<Vec<Activity>, LogError> {
        let name = &self.names.activity;
        let stream = self
            .jetstream
            .get_stream(name)
            .await
            .map_err(|cause| LogError::Stream { name: name.clone(), cause: cause.into() })?;
        let filter = format!("{}.activity.>", self.subjects.prefix());
        let from = DeliverPolicy::ByStartSequence { start_sequence: (position + 1).max(1) };
        let mut activities = Vec::new();
        read(&stream, filter, from, |_, message| {
            if let Ok(Fact::Activity(activity)) = messages::decode(&message.payload) {
                activities.push(activity);
            }
        })
        .await?;
        Ok(activities)
    }
}

/// How long the next message of what is pending may take; what expires while it is read never comes.
const MESSAGE_MAX: Duration = Duration::from_secs(10);

/// Everything in a stream that this filter and policy name.
pub(crate) async fn read(
    stream: &Stream,
    filter: String,
    from: DeliverPolicy,
    mut take: impl FnMut(u64, &Message),
) -> Result<(), LogError> {
    read_while(stream, vec![filter], from, |info, message| {
        take(info.stream_sequence, message);
        true
    })
    .await
}

/// What these filters and this policy name in a stream, as long as it is wanted; without a durable consumer. The count of
/// what is pending ends it.
pub(crate) async fn read_while(
    stream: &Stream,
    filter_subjects: Vec<String>,
    deliver_policy: DeliverPolicy,
    mut take: impl FnMut(&Info<'_>, &Message) -> bool,
) -> Result<(), LogError> {
    let name = stream.cached_info().config.name.clone();
    let failed = |cause: BoxError| LogError::Stream { name: name.clone(), cause };
    let config =
        pull::OrderedConfig { filter_subjects, deliver_policy, ..pull::OrderedConfig::default() };
    let consumer = stream.create_consumer(config).await.map_err(|e| failed(e.into()))?;
    if consumer.cached_info().num_pending == 0 {
        return Ok(());
    }
    let mut messages = consumer.messages().await.map_err(|e| failed(e.into()))?;
    while let Some(message) = tokio::time::timeout(MESSAGE_MAX, messages.next())
        .await
        .map_err(|late| failed(late.into()))?
    {
        let message = message.map_err(|e| failed(e.into()))?;
        let info = message.info().map_err(failed)?;
        if !take(&info, &message) || info.pending == 0 {
            break;
        }
    }
    Ok(())
}
