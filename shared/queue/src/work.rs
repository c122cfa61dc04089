use std::error::Error;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::DestinationId;
use domain::Revision;
use domain::facts::{Activity, Cause};
use messages::Fact;

use crate::Lease;

/// Any error, whole with its chain of causes.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A message in hand: a fact, and where it stood.
#[derive(Debug, Clone)]
pub struct Task {
    /// What it says.
    pub fact: Fact,
    /// Where it stood.
    pub origin: Origin,
}

/// Where a message stood in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The stream.
    pub stream: String,
    /// The subject, which is the identity of what the fact is about.
    pub subject: String,
    /// The position in the stream.
    pub sequence: u64,
    /// When the server stored it.
    pub published_at: DateTime<Utc>,
    /// The route (durable consumer) that it came by.
    pub route: String,
}

impl Origin {
    /// This message as the cause of what follows from it.
    pub fn cause(&self) -> Cause {
        Cause { subject: self.subject.clone(), sequence: self.sequence }
    }
}

/// What follows from a task that succeeded. The runner publishes it, in this order, and then acknowledges.
#[derive(Debug, Clone, Default)]
pub struct Done {
    /// First announcements, each created once: a second one is refused by the server and counts as success.
    pub announce: Vec<Fact>,
    /// The fact that closes the task.
    pub closing: Option<Closing>,
    /// First announcements that must not stand before the closing fact does.
    pub afterwards: Vec<Fact>,
    /// For people.
    pub activity: Vec<Activity>,
}

/// A fact that replaces the last one of its subject, provided that nobody was quicker.
#[derive(Debug, Clone)]
pub struct Closing {
    /// The fact.
    pub fact: Fact,
    /// The subject's last sequence, read before the work began; 0 for none. If it is another one by now, somebody
    /// was quicker, and the task is looked at again.
    pub expected_last: u64,
}

impl Done {
    /// Nothing follows.
    pub fn nothing() -> Self {
        Done::default()
    }

    /// Only a note for people follows.
    pub fn noted(activity: Activity) -> Self {
        Done { activity: vec![activity], ..Done::default() }
    }
}

/// Why a task did not succeed, which decides what becomes of its message.
#[derive(Debug)]
pub enum Failure {
    /// This message failed and may work later.
    Retry(BoxError),
    /// This message can never succeed.
    Reject(BoxError),
    /// What the worker depends on does not answer; no message's fault.
    Down(BoxError),
    /// What the worker depends on asks for patience: the message comes again after that, and its route brings nothing
    /// before.
    Throttled {
        /// For how long.
        wait: Duration,
        /// What it said.
        cause: BoxError,
    },
    /// There is no room for this message just now; no fault of it or of anything else. It comes again after that, and
    /// nothing else waits for it.
    NoRoom {
        /// After how long.
        wait: Duration,
        /// What it lacks.
        cause: BoxError,
    },
    /// It is too early for this message. It comes again, after waits that grow, and nothing else waits for it; only
    /// after two days of that it counts as [`Failure::Retry`].
    NotYet(BoxError),
}

impl Failure {
    /// The cause, whatever is to be done.
    pub fn cause(&self) -> &BoxError {
        match self {
            Failure::Retry(cause)
            | Failure::Reject(cause)
            | Failure::Down(cause)
            | Failure::NotYet(cause)
            | Failure::NoRoom { cause, .. }
            | Failure::Throttled { cause, .. } => cause,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut error: Option<&dyn Error> = Some(self.cause().as_ref());
        let mut told = String::new();
        while let Some(cause) = error {
            let text = cause.to_string();
            // Some libraries put their cause into their own text.
            if !told.ends_with(&text) {
                let separator = if told.is_empty() { "" } else { ": " };
                write!(f, "{separator}{text}")?;
                told = text;
            }
            error = cause.source();
        }
        Ok(())
    }
}

/// What became of one task.
pub type Outcome = Result<Done, Failure>;

/// Turns facts into what follows from them.
///
/// It never acknowledges, sleeps, retries or spawns: the [`Runner`](crate::Runner) does. It may be given a task that
/// it has done before, in part or wholly, and must then come to the same end; a panic counts as [`Failure::Retry`].
pub trait Worker: Send + Sync + 'static {
    /// The name in dead letters, metrics and logs: `fetch`, `file-sink`, `sql-sink`.
    fn name(&self) -> &'static str;

    /// The destination that it serves, where it serves one.
    fn destination(&self) -> Option<DestinationId>;

    /// Whether a task of a route with batches may share one. What takes long on its own should not: all of a batch is
    /// settled together.
    fn shares_batch(&self, _task: &Task) -> bool {
        true
    }

    /// Does the work of these tasks (one, unless its routes ask for batches) and says for each what became of it, in
    /// their order. An `Err` is about the batch as a whole: with [`Failure::Retry`] and [`Failure::Reject`] the runner
    /// halves the batch until the message that is to blame stands alone.
    fn work(
        &self,
        tasks: &[Task],
        lease: &Lease,
    ) -> impl Future<Output = Result<Vec<Outcome>, Failure>> + Send;

    /// What is left to do once the closing fact stands in the log at `revision`, and before the message is acknowledged.
    fn closed(
        &self,
        _closing: &Fact,
        _revision: Revision,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        async { Ok(()) }
    }

    /// Whether what it depends on is back, after it said [`Failure::Down`]. It should try what the work needs, a write
    /// where that writes: a dependency that is up for every probe and down for all work looks like messages at fault,
    /// and after three times they are counted as such.
    fn probe(&self) -> impl Future<Output = Result<(), Failure>> + Send;
}
