use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::client::Statistics;
use async_nats::connection::State;
use async_nats::jetstream::consumer::{Consumer, pull};
use async_nats::{Client, Message, StatusCode, Subject, Subscriber};
use futures::StreamExt;
use tokio::time::Instant;

use crate::BoxError;

/// How long an idle pull waits at the server for a message before it is asked anew.
const EXPIRES: Duration = Duration::from_secs(20);

/// How much longer than it promised the server may take to say that there is nothing.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// How often a waiting pull looks whether the connection that it was sent over is gone, and it with that.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long the last messages on their way may take to arrive after the pulling has ended.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// Pulls messages of one route, just as many as are asked for.
///
/// The client's own batches lose a message that arrives while they are dropped, wait for ever where the server dies
/// before it answers one without an expiry, and subscribe anew each time.
pub(crate) struct Puller {
    client: Client,
    statistics: Arc<Statistics>,
    consumer: Consumer<pull::Config>,
    /// Requests are answered at `<inbox>.<number>`, so that the end of an earlier one is told apart.
    inbox: String,
    number: u64,
    subscriber: Subscriber,
    /// When, and over which connection, the request was sent that still waits for its message.
    waiting: Option<(Instant, u64)>,
}

/// Why nothing could be pulled just now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PullError {
    /// The server refused, or nobody answers for the route.
    #[error("the server answered {status}: {text}")]
    Refused {
        /// Its answer.
        status: StatusCode,
        /// In words.
        text: String,
    },
    /// The client could not send.
    #[error("could not send")]
    Send(#[source] BoxError),
}

impl Puller {
    pub async fn new(client: Client, consumer: Consumer<pull::Config>) -> Result<Self, BoxError> {
        let inbox = client.new_inbox();
        let subscriber = client.subscribe(format!("{inbox}.*")).await?;
        let statistics = client.statistics();
        Ok(Puller { client, statistics, consumer, inbox, number: 0, subscriber, waiting: None })
    }

    /// Waits for one message; `None` after a while without any. Nothing is lost if it is dropped: what arrives
    /// meanwhile is what the next call returns.
    pub async fn one(&mut self) -> Result<Option<Message>, PullError> {
        let sent_at = match self.waiting {
            Some((at, over)) if over == self.connection() => at,
            _ => self.ask_for_one().await?,
        };
        let ends = sent_at + EXPIRES + ANSWER_MAX;
        loop {
            let look = ends.min(Instant::now() + LOOK_EVERY);
            match tokio::time::timeout_at(look, self.subscriber.next()).await {
                Ok(Some(message)) if is_data(&message) => {
                    self.waiting = None;
                    return Ok(Some(message));
                }
                Ok(Some(status)) => {
                    if self.is_of_this_request(&status) && !is_sign_of_life(&status) {
                        self.waiting = None;
                        return ended(status).map(|()| None);
                    }
                }
                // The client is closed; nobody closes it while runners run.
                Ok(None) => {
                    self.waiting = None;
                    return Err(PullError::Send("the connection is closed".into()));
                }
                Err(_) if Instant::now() >= ends || self.is_request_lost() => {
                    self.waiting = None;
                    return Ok(None);
                }
                Err(_) => {}
            }
        }
    }

    /// What more is there right now, up to this many.
    pub async fn at_hand(&mut self, count: usize) -> Vec<Message> {
        let mut messages = Vec::with_capacity(count);
        let config = pull::BatchConfig { batch: count, no_wait: true, ..Default::default() };
        if count == 0 || self.ask(config).await.is_err() {
            return messages;
        }
        let ends = Instant::now() + ANSWER_MAX;
        let sent_over = self.connection();
        while messages.len() < count && self.connection() == sent_over {
            let look = ends.min(Instant::now() + LOOK_EVERY);
            match tokio::time::timeout_at(look, self.subscriber.next()).await {
                Ok(Some(message)) if is_data(&message) => messages.push(message),
                Ok(Some(status)) if !self.is_of_this_request(&status) => {}
                Ok(Some(status)) if is_sign_of_life(&status) => {}
                Ok(Some(_) | None) => break,
                Err(_) if Instant::now() >= ends => break,
                Err(_) => {}
            }
        }
        messages
    }

    /// Ends the pulling; what was on its way has to be handed back.
    pub async fn close(mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        if self.client.connection_state() != State::Connected
            || self.subscriber.drain().await.is_err()
        {
            return messages;
        }
        let ends = Instant::now() + DRAIN_MAX;
        while let Ok(Some(message)) = tokio::time::timeout_at(ends, self.subscriber.next()).await {
            if is_data(&message) {
                messages.push(message);
            }
        }
        messages
    }

    async fn ask_for_one(&mut self) -> Result<Instant, PullError> {
        // The client keeps what is published while it is disconnected: pulls would heap up there, and all be answered.
        while self.client.connection_state() != State::Connected {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let over = self.connection();
        self.ask(pull::BatchConfig { batch: 1, expires: Some(EXPIRES), ..Default::default() })
            .await?;
        let now = Instant::now();
        self.waiting = Some((now, over));
        Ok(now)
    }

    async fn ask(&mut self, config: pull::BatchConfig) -> Result<(), PullError> {
        self.number += 1;
        let answer_to = Subject::from(format!("{}.{}", self.inbox, self.number));
        let sent = self.consumer.request_batch(config, answer_to).await;
        sent.map_err(|cause| PullError::Send(cause.into()))
    }

    fn is_of_this_request(&self, status: &Message) -> bool {
        let number = status.subject.rsplit('.').next().and_then(|last| last.parse().ok());
        number == Some(self.number)
    }

    /// How many times the client has connected: a request sent over an earlier connection died with it.
    fn connection(&self) -> u64 {
        self.statistics.connects.load(Ordering::Relaxed)
    }

    fn is_request_lost(&self) -> bool {
        self.waiting.is_none_or(|(_, over)| over != self.connection())
    }
}

fn is_data(message: &Message) -> bool {
    message.status.is_none_or(|status| status == StatusCode::OK)
}

fn is_sign_of_life(message: &Message) -> bool {
    message.status == Some(StatusCode::IDLE_HEARTBEAT)
}

fn ended(message: Message) -> Result<(), PullError> {
    match message.status {
        None | Some(StatusCode::TIMEOUT | StatusCode::NOT_FOUND) => Ok(()),
        Some(status) => {
            Err(PullError::Refused { status, text: message.description.unwrap_or_default() })
        }
    }
}
