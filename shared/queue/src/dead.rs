use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::stream::{DeleteMessageErrorKind, LastRawMessageErrorKind};
use chrono::Utc;
use domain::facts::{Activity, Again, AgainMode, Asked, DeadLetter, Deed};
use messages::Fact;

use crate::{BoxError, Log, LogError};

/// The stream of dead letters, as people handle it.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    log: Log,
}

/// A dead letter where it lies.
#[derive(Debug, Clone)]
pub struct Lying {
    /// Its position, by which people name it.
    pub sequence: u64,
    /// Its subject.
    pub subject: String,
    /// The letter.
    pub letter: DeadLetter,
}

impl Lying {
    /// What has its work tried again; `None` where it names no artifact.
    ///
    /// A letter that is an asking itself is asked in the same way: one that looks for a change of what is there already
    /// would be done at once if it only asked for what is missing.
    fn asking(&self, by: &str) -> Option<Again> {
        let (why, asked_by, asked_at) = (
            format!("a dead letter is retried: {}", self.letter.reason),
            by.to_owned(),
            Utc::now(),
        );
        if let Ok(Fact::Again(again)) = messages::decode(&self.letter.letter.payload) {
            return Some(Again { why, asked_by, asked_at, ..again.retried(self.sequence) });
        }
        Some(Again {
            artifact: self.letter.artifact.clone()?,
            to: self.letter.destination.clone().map_or(Asked::Fetch, Asked::Deliver),
            ask: format!("retry-{}", self.sequence),
            mode: AgainMode::IfMissing,
            why,
            asked_by,
            asked_at,
            destinations: Vec::new(),
            import: None,
        })
    }
}

impl Log {
    /// The dead letters.
    pub fn dead_letters(&self) -> DeadLetters {
        DeadLetters { log: self.clone() }
    }
}

impl DeadLetters {
    /// All that wait for a person, oldest first.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn list(&self) -> Result<Vec<Lying>, LogError> {
        self.below("dead").await
    }

    /// All that were discarded and are not retried since, oldest first.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn discarded(&self) -> Result<Vec<Lying>, LogError> {
        self.below("discarded").await
    }

    async fn below(&self, what: &str) -> Result<Vec<Lying>, LogError> {
        let failed =
            |cause: BoxError| LogError::Stream { name: self.log.names.dead.clone(), cause };
        let filter = format!("{}.{what}.>", self.log.subjects.prefix());
        let mut letters = Vec::new();
        let mut from = 1;
        // One by one: a consumer that counts on a letter which a person takes away meanwhile would wait for ever.
        loop {
            let found = self.log.dead.get_first_raw_message_by_subject(&filter, from).await;
            let message = match found {
                Ok(message) => message,
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => break,
                Err(error) => return Err(failed(error.into())),
            };
            from = message.sequence + 1;
            if let Ok(Fact::DeadLetter(letter)) = messages::decode(&message.payload) {
                let subject = message.subject.to_string();
                letters.push(Lying { sequence: message.sequence, subject, letter });
            }
        }
        Ok(letters)
    }

    /// Has the letter's work tried again: an Again to its worker, and the letter is gone.
    ///
    /// # Errors
    /// When the server does not confirm it, or the letter names no artifact: such a message can't be read by any worker.
    pub async fn retry(&self, lying: &Lying, by: &str) -> Result<bool, LogError> {
        let Some(again) = lying.asking(by) else { return Ok(false) };
        self.log.announce(&Fact::Again(again)).await?;
        self.take_back(lying).await?;
        self.take_away(lying).await?;
        self.mention(Deed::Retried, lying, by).await;
        Ok(true)
    }

    /// Gives the letter up: that is kept under the same name, and settles its artifact.
    ///
    /// # Errors
    /// When the server does not confirm it.
    pub async fn discard(&self, lying: &Lying, by: &str) -> Result<(), LogError> {
        let subject = self.log.subjects.discarded(&lying.letter);
        self.log.publish_as(&subject, &Fact::DeadLetter(lying.letter.clone())).await?;
        self.take_away(lying).await?;
        self.mention(Deed::Discarded, lying, by).await;
        Ok(())
    }

    /// Removes the letter; one that is gone already, or replaced by a later one of its subject, is as good as removed.
    async fn take_away(&self, lying: &Lying) -> Result<(), LogError> {
        match self.log.dead.delete_message(lying.sequence).await {
            Ok(_) => Ok(()),
            Err(error) if is_gone(&error.kind()) => Ok(()),
            Err(cause) => {
                Err(LogError::Stream { name: self.log.names.dead.clone(), cause: cause.into() })
            }
        }
    }

    /// What is tried again is no longer given up.
    async fn take_back(&self, lying: &Lying) -> Result<(), LogError> {
        let failed =
            |cause: BoxError| LogError::Stream { name: self.log.names.dead.clone(), cause };
        let subject = self.log.subjects.discarded(&lying.letter);
        let discarded = match self.log.dead.get_last_raw_message_by_subject(&subject).await {
            Ok(discarded) => discarded,
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => return Ok(()),
            Err(error) => return Err(failed(error.into())),
        };
        match self.log.dead.delete_message(discarded.sequence).await {
            Ok(_) => Ok(()),
            Err(error) if is_gone(&error.kind()) => Ok(()),
            Err(error) => Err(failed(error.into())),
        }
    }

    async fn mention(&self, deed: Deed, lying: &Lying, by: &str) {
        let activity = Activity {
            deed,
            by: by.to_owned(),
            at: Utc::now(),
            artifact: lying.letter.artifact.clone(),
            destination: lying.letter.destination.clone(),
            revision: None,
            note: lying.letter.reason.clone(),
        };
        self.log.mention(&Fact::Activity(activity)).await;
    }
}

fn is_gone(kind: &DeleteMessageErrorKind) -> bool {
    matches!(kind, DeleteMessageErrorKind::JetStream(error)
        if matches!(error.error_code(), ErrorCode::NO_MESSAGE_FOUND | ErrorCode::STREAM_MESSAGE_DELETE_FAILED))
}
