use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::jetstream::{AckKind, Message};
use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use chrono::DateTime;
use futures::FutureExt;
use futures::future::join_all;
use messages::DecodeError;

use crate::attempts::Attempts;
use crate::{Origin, Task, trace};

/// How long an acknowledgement may take to be confirmed.
const CONFIRMATION_MAX: Duration = Duration::from_secs(5);

/// A message in hand: decoded, leased, not yet settled.
pub(crate) struct Hand {
    pub task: Task,
    pub attempts: Attempts,
    /// How often it was looked at again because somebody was quicker.
    pub looks: u32,
    /// How far the work came this time, where it was worked on by itself.
    pub reached: u64,
    pub context: opentelemetry::Context,
    pub raw: Arc<Raw>,
}

/// The messages that a runner has in hand, so that one which is delivered a second time, because the server was away
/// for longer than a lease, is not worked on twice at once.
#[derive(Debug, Default)]
pub(crate) struct InHand(Mutex<HashMap<Place, Arc<Mark>>>);

/// A route, and a position in its stream.
type Place = (String, u64);

#[derive(Debug)]
struct Mark {
    /// The latest delivery, as the server counts.
    delivery: AtomicU64,
    /// Whether it is acknowledged or handed back, and its lease no longer ours to renew.
    settled: AtomicBool,
}

/// A message as it came.
pub(crate) struct Raw {
    pub origin: Origin,
    pub payload: Bytes,
    pub headers: Option<HeaderMap>,
    reply: async_nats::Subject,
    mark: Arc<Mark>,
    among: Arc<InHand>,
}

/// The lease on a message is gone: its consumer was dropped.
#[derive(Debug)]
pub(crate) struct Lost;

impl InHand {
    /// `None` for what is no message of a stream, and for what is in hand already.
    pub fn take(self: &Arc<Self>, message: Message, route: &str) -> Option<Raw> {
        let info = message.info().ok()?;
        let delivery = u64::try_from(info.delivered).unwrap_or(1);
        let published = i64::try_from(info.published.unix_timestamp_nanos()).unwrap_or(0);
        let origin = Origin {
            stream: info.stream.to_owned(),
            subject: message.subject.to_string(),
            sequence: info.stream_sequence,
            published_at: DateTime::from_timestamp_nanos(published),
            route: route.to_owned(),
        };
        let reply = message.reply.clone()?;
        let mark = self.mark(&origin, delivery)?;
        let (message, _) = message.split();
        let (payload, headers) = (message.payload, message.headers);
        Some(Raw { origin, payload, headers, reply, mark, among: Arc::clone(self) })
    }

    fn mark(&self, origin: &Origin, delivery: u64) -> Option<Arc<Mark>> {
        let mut marks = self.lock();
        let place = (origin.route.clone(), origin.sequence);
        match marks.get(&place) {
            Some(held) if !held.settled.load(Ordering::Relaxed) => {
                held.delivery.fetch_max(delivery, Ordering::Relaxed);
                tracing::debug!(subject = origin.subject, "delivered again while in hand");
                None
            }
            _ => {
                let (delivery, settled) = (AtomicU64::new(delivery), AtomicBool::new(false));
                let mark = Arc::new(Mark { delivery, settled });
                marks.insert(place, Arc::clone(&mark));
                Some(mark)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Arc<Mark>>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let mut marks = self.among.lock();
        let place = (self.origin.route.clone(), self.origin.sequence);
        if marks.get(&place).is_some_and(|held| Arc::ptr_eq(held, &self.mark)) {
            marks.remove(&place);
        }
    }
}

/// Renews the leases of these messages, of one route, for as long as it is polled.
pub(crate) async fn renewing(client: &Client, messages: &[Arc<Raw>], every: Duration) -> Lost {
    loop {
        tokio::time::sleep(every).await;
        let mut renewals = Vec::with_capacity(messages.len());
        for message in messages {
            if !message.is_settled() {
                renewals.push(message.renew(client).boxed());
            }
        }
        let renewed = join_all(renewals).await;
        if !renewed.is_empty() && renewed.iter().all(Result::is_err) {
            return Lost;
        }
    }
}

impl Raw {
    pub fn decode(self: Arc<Self>) -> Result<Hand, (Arc<Raw>, DecodeError)> {
        match messages::decode(&self.payload) {
            Ok(fact) => Ok(Hand {
                task: Task { fact, origin: self.origin.clone() },
                attempts: Attempts::default(),
                looks: 0,
                reached: 0,
                context: trace::context(self.headers.as_ref()),
                raw: self,
            }),
            Err(error) => Err((self, error)),
        }
    }

    /// Which delivery of it this is, as the server counts.
    pub fn delivery(&self) -> u64 {
        self.mark.delivery.load(Ordering::Relaxed)
    }

    fn is_settled(&self) -> bool {
        self.mark.settled.load(Ordering::Relaxed)
    }

    /// Says that work goes on.
    ///
    /// # Errors
    /// When nobody listens any more; a server that does not answer just now is no reason to stop.
    async fn renew(&self, client: &Client) -> Result<(), Lost> {
        self.request(client, AckKind::Progress).await
    }

    /// Acknowledges and waits for the server's word. Without it the message comes again and is found done.
    pub async fn ack(&self, client: &Client) {
        self.settle(client, AckKind::Ack).await;
    }

    /// Has the message delivered again after this long.
    pub async fn nak(&self, client: &Client, after: Duration) {
        self.settle(client, AckKind::Nak(Some(after))).await;
    }

    /// Has the message never delivered again by this route.
    pub async fn term(&self, client: &Client) {
        self.settle(client, AckKind::Term).await;
    }

    async fn settle(&self, client: &Client, kind: AckKind) {
        // Before it is sent: a renewal after a nak would put the redelivery off by a whole lease.
        self.mark.settled.store(true, Ordering::Relaxed);
        if self.request(client, kind).await.is_err() {
            tracing::debug!(subject = %self.origin.subject, "a route was dropped under its worker");
        }
    }

    /// Not the client's own `double_ack`: that says Ok even when the consumer is gone.
    async fn request(&self, client: &Client, kind: AckKind) -> Result<(), Lost> {
        let sent = client.request(self.reply.clone(), kind.into());
        match tokio::time::timeout(CONFIRMATION_MAX, sent).await {
            Ok(Err(error)) if error.kind() == RequestErrorKind::NoResponders => Err(Lost),
            Ok(Err(error)) => {
                tracing::debug!(%error, subject = %self.origin.subject, "an acknowledgement was not confirmed");
                Ok(())
            }
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    }
}
