//! What becomes of a message once there is an outcome: publish, then acknowledge; or retry, hand back, bury.

use std::time::Duration;

use chrono::Utc;
use domain::ArtifactId;
use domain::facts::{DeadLetter, Letter, Verdict};
use futures::FutureExt;
use futures::future::join_all;
use messages::Fact;
use tracing::Instrument;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::follow::Followed;
use super::{Shared, unwinding};
use crate::attempts::{self, Attempts, Ended};
use crate::hand::{Hand, Raw};
use crate::settle::{Before, Fault, Settlement, settle};
use crate::{Closing, Done, Failure, Outcome, Published, RetryPolicy, Worker};

/// How often a task is looked at again at once because somebody else published first.
const LOOKS_MAX: u32 = 3;

/// How often a message may meet a dependency that was just probed as up, before it is the message's fault.
const DOWNS_MAX: u32 = 3;

/// Messages whose meetings with a dependency that was down are remembered. The memory is emptied when it is full: it
/// then takes a message a little longer to be found out.
const DOWNS_REMEMBERED_MAX: usize = 10_000;

/// No run of a schedule is held open for a message that waits longer than this.
const WAIT_LONG: Duration = Duration::from_secs(3_600);

/// Whether it may have been noted of a message that it waits long; most are never asked about.
fn may_have_waited_long(attempts: &Attempts, retry: &RetryPolicy) -> bool {
    // A wait is drawn from up to a quarter more than the longest.
    attempts.early_since.is_some() || retry.delay_max.mul_f64(1.25) > WAIT_LONG
}

/// The longest reason that a dead letter keeps, in bytes: some servers answer with a whole page.
const REASON_MAX: usize = 8_000;

/// What a dead letter needs beside its reason and the message itself: names, subjects, headers.
const LETTER_FRAME_MAX: usize = 4_000;

impl<W: Worker> Shared<W> {
    /// Whose fault a failure is. A dependency that is up for every probe and down for the same message is that
    /// message's.
    pub(super) fn fault(&self, failure: &Failure, batch: &[Hand]) -> Fault {
        let fault = Fault::from(failure);
        if fault != Fault::Dependency {
            return fault;
        }
        let mut downs = self.downs.lock().expect("no holder of this lock panics");
        if downs.len() >= DOWNS_REMEMBERED_MAX {
            downs.clear();
        }
        let mut all_suspect = true;
        for hand in batch {
            let origin = &hand.raw.origin;
            let count = downs.entry((origin.route.clone(), origin.sequence)).or_default();
            *count += 1;
            all_suspect &= *count >= DOWNS_MAX;
        }
        drop(downs);
        if all_suspect {
            return Fault::Passing;
        }
        self.down(failure.to_string());
        fault
    }

    /// Settles one message; gives it back where it has to be looked at again.
    pub(super) async fn settled(
        &self,
        followed: &Followed,
        mut hand: Hand,
        outcome: Outcome,
    ) -> Option<Hand> {
        let span = tracing::info_span!("settle", otel.kind = "producer", messaging.system = "nats");
        let _ = span.set_parent(hand.context.clone());
        let concluded = match outcome {
            Ok(done) => self.concluded(done).instrument(span).await,
            Err(failure) => Err(failure),
        };
        match concluded {
            Ok(true) => {
                self.forget(&hand).await;
                hand.raw.ack(&self.log.client).await;
                self.meters.settled("done");
                None
            }
            Ok(false) if hand.looks < LOOKS_MAX => {
                hand.looks += 1;
                Some(hand)
            }
            Ok(false) => {
                self.failed(followed, &hand, Fault::Passing, "others kept publishing first").await;
                None
            }
            Err(failure) => {
                let fault = self.fault(&failure, std::slice::from_ref(&hand));
                self.failed(followed, &hand, fault, &failure.to_string()).await;
                None
            }
        }
    }

    /// Publishes what follows, in order. `false`: somebody was quicker.
    async fn concluded(&self, done: Done) -> Result<bool, Failure> {
        self.announced(&done.announce).await?;
        if let Some(closing) = &done.closing
            && !self.closed(closing).await?
        {
            return Ok(false);
        }
        self.announced(&done.afterwards).await?;
        for activity in done.activity {
            self.log.mention(&Fact::Activity(activity)).await;
        }
        Ok(true)
    }

    async fn announced(&self, facts: &[Fact]) -> Result<(), Failure> {
        let announced = self.log.announce_all(facts).await;
        announced.map(drop).map_err(|cause| Failure::Down(cause.into()))
    }

    async fn closed(&self, closing: &Closing) -> Result<bool, Failure> {
        let published = self.log.publish_after(&closing.fact, closing.expected_last).await;
        match published.map_err(|cause| Failure::Down(cause.into()))? {
            Published::At(sequence) => {
                let revision = self.log.revision_at(sequence).await;
                let revision = revision.map_err(|cause| Failure::Down(cause.into()))?;
                unwinding(|| self.worker.closed(&closing.fact, revision).boxed()).await?;
                Ok(true)
            }
            Published::Overtaken => Ok(false),
        }
    }

    pub(super) async fn failed(
        &self,
        followed: &Followed,
        hand: &Hand,
        fault: Fault,
        reason: &str,
    ) {
        let origin = &hand.raw.origin;
        if let Fault::Throttle(wait) = fault {
            followed.be_patient(wait);
        }
        let failures = hand.attempts.failures_at(hand.reached);
        let now = Utc::now().timestamp();
        let before = Before { failures, early: hand.attempts.early_for(now) };
        match settle(fault, before, rand::random(), &self.options.retry) {
            Settlement::Retry { after } => {
                let attempt = failures + 1;
                tracing::warn!(
                    subject = origin.subject,
                    attempt,
                    ?after,
                    reason,
                    "failed; will be tried again"
                );
                self.note_long_wait(&hand.raw, Duration::ZERO, after).await;
                self.remember(&hand.raw, Ended::Failed { reached: hand.reached }).await;
                hand.raw.nak(&self.log.client, after).await;
                self.meters.settled("retry");
            }
            Settlement::HandBack { after } => {
                tracing::debug!(subject = origin.subject, ?after, reason, "handed back");
                let ended = match fault {
                    Fault::Early => Ended::Early { at: now },
                    _ => Ended::HandedBack,
                };
                self.note_long_wait(&hand.raw, before.early, after).await;
                self.hand_back_as(&hand.raw, after, ended).await;
            }
            Settlement::Dead(verdict) => self.bury(hand, verdict, reason.to_owned()).await,
        }
    }

    /// A message that waits for more than an hour, all in all, holds no run of a schedule open.
    async fn note_long_wait(&self, raw: &Raw, so_far: Duration, after: Duration) {
        if so_far + after > WAIT_LONG {
            let origin = &raw.origin;
            self.log.waits_long(&origin.route, origin.sequence, after).await;
        }
    }

    /// Has these messages delivered to somebody else, now.
    pub(super) async fn hand_all_back(&self, hands: &[Hand]) {
        let mut handed = Vec::with_capacity(hands.len());
        for hand in hands {
            handed.push(self.hand_back(&hand.raw, Duration::ZERO).boxed());
        }
        join_all(handed).await;
    }

    /// Has a message delivered again after this long; that says nothing about the message.
    pub(super) async fn hand_back(&self, raw: &Raw, after: Duration) {
        self.hand_back_as(raw, after, Ended::HandedBack).await;
    }

    async fn hand_back_as(&self, raw: &Raw, after: Duration, ended: Ended) {
        self.remember(raw, ended).await;
        raw.nak(&self.log.client, after).await;
        self.meters.settled("handed-back");
    }

    async fn remember(&self, raw: &Raw, ended: Ended) {
        let key = attempts::key(&raw.origin);
        let settled =
            self.log.attempts.change(&key, |attempts| attempts.settled(raw.delivery(), ended));
        if let Err(error) = settled.await {
            tracing::debug!(%error, "an attempt could not be written down");
        }
    }

    async fn forget(&self, hand: &Hand) {
        let origin = &hand.raw.origin;
        let known = (origin.route.clone(), origin.sequence);
        self.downs.lock().expect("no holder of this lock panics").remove(&known);
        if hand.raw.delivery() <= 1 {
            return;
        }
        if let Err(error) = self.log.attempts.remove(&attempts::key(origin)).await {
            tracing::debug!(%error, "attempts could not be forgotten");
        }
        if may_have_waited_long(&hand.attempts, &self.options.retry) {
            self.log.waits_no_more(&origin.route, origin.sequence).await;
        }
    }

    pub(super) async fn bury(&self, hand: &Hand, verdict: Verdict, reason: String) {
        let artifact = artifact(&hand.task.fact);
        let attempts = match verdict {
            Verdict::KilledItsWorker => hand.attempts.failures + hand.attempts.unsettled,
            _ => hand.attempts.failures + 1,
        };
        if self.bury_raw(&hand.raw, artifact, verdict, reason, attempts).await {
            self.forget(hand).await;
        }
    }

    /// Writes the dead letter and only then lets the message go.
    pub(super) async fn bury_raw(
        &self,
        raw: &Raw,
        artifact: Option<ArtifactId>,
        verdict: Verdict,
        mut reason: String,
        attempts: u32,
    ) -> bool {
        let origin = &raw.origin;
        reason.truncate(boundary(&reason, REASON_MAX));
        tracing::error!(
            subject = origin.subject,
            ?verdict,
            attempts,
            reason,
            "a message is a dead letter now"
        );
        let letter = Fact::DeadLetter(DeadLetter {
            worker: self.worker.name().to_owned(),
            destination: self.worker.destination(),
            artifact,
            verdict,
            reason,
            attempts,
            settled_at: Utc::now(),
            letter: Letter {
                stream: origin.stream.clone(),
                subject: origin.subject.clone(),
                sequence: origin.sequence,
                payload: self.kept(raw),
            },
        });
        match self.log.publish(&letter).await {
            Ok(_) => {
                raw.term(&self.log.client).await;
                self.meters.settled("dead-letter");
                true
            }
            Err(error) => {
                self.down(Failure::Down(error.into()).to_string());
                self.hand_back(raw, Duration::from_secs(1)).await;
                false
            }
        }
    }

    /// The bytes that a dead letter keeps: all, unless the letter would be larger than the server takes. No fact comes
    /// near that, and the message still lies in its stream.
    fn kept(&self, raw: &Raw) -> Vec<u8> {
        let room = self.log.client.server_info().max_payload;
        if raw.payload.len() + REASON_MAX + LETTER_FRAME_MAX <= room {
            raw.payload.to_vec()
        } else {
            Vec::new()
        }
    }
}

/// The last boundary between characters that is not beyond this byte.
fn boundary(text: &str, byte: usize) -> usize {
    (0..=byte).rev().find(|at| *at <= text.len() && text.is_char_boundary(*at)).unwrap_or(0)
}

/// What a fact is about.
fn artifact(fact: &Fact) -> Option<ArtifactId> {
    match fact {
        Fact::SessionEnded(ended) => Some(ended.report()),
        Fact::BackupDue(due) => Some(ArtifactId::backup(due.site.clone(), due.slot)),
        Fact::RecordingDue(due) => Some(due.recording.clone()),
        Fact::ArtifactStaged(staged) => Some(staged.artifact.clone()),
        Fact::ArtifactUnavailable(gone) => Some(gone.artifact.clone()),
        Fact::Again(again) => Some(again.artifact.clone()),
        Fact::DeadLetter(letter) => letter.artifact.clone(),
        Fact::Activity(activity) => activity.artifact.clone(),
    }
}
