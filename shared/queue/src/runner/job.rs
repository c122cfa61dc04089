//! One job: the messages of one pull, from decoding to an outcome.

use std::sync::Arc;
use std::time::Duration;

use domain::facts::Verdict;
use futures::FutureExt;
use futures::future::join_all;
use messages::DecodeError;
use tokio::sync::{RwLockReadGuard, RwLockWriteGuard};
use tokio::time::Instant;
use tracing::Instrument;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::follow::Followed;
use super::{RunError, RunnerState, Shared, unwinding};
use crate::attempts::{self, Beginning};
use crate::hand::{Hand, Lost, Raw, renewing};
use crate::settle::Fault;
use crate::{Failure, Lease, Outcome, Task, Worker};

/// How often lone work's progress is written down.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// When a message comes again that could not be run alone.
const POSTPONED: Duration = Duration::from_secs(5 * 60);

/// Work came to no outcome, because the process stops.
struct Cut;

impl<W: Worker> Shared<W> {
    /// Works off what one pull brought. The leases of all that is not settled are renewed meanwhile, also of what waits
    /// for its turn.
    pub(super) async fn job(&self, followed: &Followed, taken: Vec<Raw>) {
        let raws: Vec<Arc<Raw>> = taken.into_iter().map(Arc::new).collect();
        tokio::select! {
            () = self.work_off(followed, raws.clone()) => {}
            Lost = renewing(&self.log.client, &raws, followed.renew_every()) => {
                tracing::debug!(route = followed.route.name, "a route was dropped under its worker");
            }
        }
    }

    async fn work_off(&self, followed: &Followed, raws: Vec<Arc<Raw>>) {
        let (mut together, mut lone) = (Vec::with_capacity(raws.len()), Vec::new());
        let mut begun = Vec::with_capacity(raws.len());
        for raw in raws {
            begun.push(self.begun(raw).boxed());
        }
        let mut unwanted = Vec::new();
        let wanted =
            |hand: &Hand| followed.route.bounds.is_none_or(|bounds| bounds.hold(&hand.task));
        for hand in join_all(begun).await {
            match hand {
                Some((hand, _)) if !wanted(&hand) => unwanted.push(hand.raw),
                Some((hand, Beginning::Together)) => together.push(hand),
                Some((hand, Beginning::Alone)) => lone.push(hand),
                None => {}
            }
        }
        join_all(unwanted.iter().map(|raw| raw.ack(&self.log.client))).await;
        if !together.is_empty() {
            self.process(followed, self.batches(together), false).await;
        }
        for hand in lone {
            match self.solitude().await {
                Err(Cut) => self.hand_all_back(&[hand]).await,
                Ok(Some(_alone)) => self.alone(followed, hand).await,
                Ok(None) => self.postpone(&hand).await,
            }
        }
    }

    /// Waits until nothing else is worked on in this process; `None` where something takes too long. New work waits
    /// meanwhile, so the wait is short; before it, what the worker depends on is waited for without holding up anybody.
    async fn solitude(&self) -> Result<Option<RwLockWriteGuard<'_, ()>>, Cut> {
        self.ready().await?;
        tokio::select! {
            biased;
            () = self.cut.cancelled() => Err(Cut),
            alone = tokio::time::timeout(self.options.solitude_wait_max, self.log.solitude.write()) => {
                Ok(alone.ok())
            }
        }
    }

    /// Has a message come again later, as much a suspect as before.
    async fn postpone(&self, hand: &Hand) {
        let subject = &hand.raw.origin.subject;
        tracing::warn!(subject, after = ?POSTPONED, "it is to be run alone, but other work takes long; put off");
        hand.raw.nak(&self.log.client, POSTPONED).await;
    }

    /// Decodes a message and counts its start. The first delivery needs no count: that it is the first says it all.
    ///
    /// What can't be decoded is a dead letter, alone; a message of a newer version stops the runner.
    async fn begun(&self, raw: Arc<Raw>) -> Option<(Hand, Beginning)> {
        let mut hand = match raw.decode() {
            Ok(hand) => hand,
            Err((raw, cause @ DecodeError::NewerVersion { .. })) => {
                let subject = raw.origin.subject.clone();
                self.stop_for(RunError::NewerVersion { subject, cause });
                raw.nak(&self.log.client, Duration::from_secs(1)).await;
                return None;
            }
            Err((raw, cause)) => {
                let reason = Failure::Reject(cause.into()).to_string();
                self.bury_raw(&raw, None, Verdict::Undecodable, reason, 1).await;
                return None;
            }
        };
        let delivery = hand.raw.delivery();
        if delivery <= 1 {
            return Some((hand, Beginning::Together));
        }
        let key = attempts::key(&hand.raw.origin);
        match self.log.attempts.change(&key, |attempts| attempts.begin(delivery)).await {
            Ok((attempts, beginning)) => {
                hand.attempts = attempts;
                Some((hand, beginning))
            }
            Err(error) => {
                tracing::debug!(%error, "attempts could not be counted");
                Some((hand, Beginning::Together))
            }
        }
    }

    /// Runs one message with nothing else in this process beside it. The start alone is counted only now: one that
    /// waited for the others to end, and was killed with them, is no suspect for that.
    async fn alone(&self, followed: &Followed, mut hand: Hand) {
        let subject = &hand.raw.origin.subject;
        tracing::warn!(subject, "its worker died with this message twice: running it alone");
        let key = attempts::key(&hand.raw.origin);
        match self.log.attempts.change(&key, attempts::Attempts::begin_alone).await {
            Ok((attempts, true)) => hand.attempts = attempts,
            Ok((attempts, false)) => {
                hand.attempts = attempts;
                let reason = "it was started alone several times and each time its worker died";
                self.bury(&hand, Verdict::KilledItsWorker, reason.to_owned()).await;
                return;
            }
            Err(error) => tracing::debug!(%error, "attempts could not be counted"),
        }
        self.process(followed, vec![vec![hand]], true).await;
    }

    /// One batch, and behind it, each by itself, what may not share one. The last is worked on first.
    fn batches(&self, hands: Vec<Hand>) -> Vec<Vec<Hand>> {
        let (batch, lone): (Vec<_>, Vec<_>) =
            hands.into_iter().partition(|hand| self.worker.shares_batch(&hand.task));
        let mut batches: Vec<_> = lone.into_iter().map(|hand| vec![hand]).collect();
        if !batch.is_empty() {
            batches.push(batch);
        }
        batches
    }

    /// Works on batches, halving one while it fails as a whole, and settles every message.
    async fn process(&self, followed: &Followed, mut todo: Vec<Vec<Hand>>, alone: bool) {
        while let Some(mut batch) = todo.pop() {
            match self.worked(&mut batch, alone).await {
                Err(Cut) => self.hand_all_back(&batch).await,
                Ok(Err(failure)) => {
                    let fault = self.fault(&failure, &batch);
                    if batch.len() > 1 && matches!(fault, Fault::Passing | Fault::Lasting) {
                        let half = batch.split_off(batch.len() / 2);
                        todo.extend([half, batch]);
                    } else {
                        let reason = failure.to_string();
                        let mut failed = Vec::with_capacity(batch.len());
                        for hand in &batch {
                            failed.push(self.failed(followed, hand, fault, &reason).boxed());
                        }
                        join_all(failed).await;
                    }
                }
                Ok(Ok(outcomes)) => {
                    if outcomes.iter().any(Result::is_ok) {
                        followed.brought(&self.log).await;
                    }
                    let mut settled = Vec::with_capacity(batch.len());
                    for (hand, outcome) in batch.into_iter().zip(outcomes) {
                        settled.push(self.settled(followed, hand, outcome).boxed());
                    }
                    let again = join_all(settled).await.into_iter().flatten();
                    todo.extend(again.map(|hand| vec![hand]));
                }
            }
        }
    }

    /// Lets the worker work, within its lease.
    async fn worked(
        &self,
        batch: &mut [Hand],
        alone: bool,
    ) -> Result<Result<Vec<Outcome>, Failure>, Cut> {
        // Lone work that is held up would hold up all: it is handed back instead.
        if alone && *self.state.borrow() != RunnerState::Working {
            return Err(Cut);
        }
        let _among_others = if alone { None } else { Some(self.among_others().await?) };
        let tasks: Vec<Task> = batch.iter().map(|hand| hand.task.clone()).collect();
        // Not before it is up: an outage must not count as time that the work took.
        let lease = Lease::new("the work", self.options.first_phase_max);
        let began = Instant::now();
        let work = async {
            tokio::select! {
                biased;
                worked = unwinding(|| self.worker.work(&tasks, &lease).boxed()) => worked,
                late = lease.timed_out() => Err(Failure::Retry(late.into())),
                never = self.record_progress(&batch[0], &lease), if alone => match never {},
            }
        };
        let worked = tokio::select! {
            biased;
            () = self.cut.cancelled() => return Err(Cut),
            worked = work.instrument(self.span(batch)) => worked,
        };
        self.meters.worked(began.elapsed());
        if let [hand] = batch {
            hand.reached = lease.progress();
        }
        match worked {
            Ok(outcomes) if outcomes.len() != tasks.len() => {
                Ok(Err(Failure::Retry("the worker did not answer for every task".into())))
            }
            worked => Ok(worked),
        }
    }

    /// Waits until what the worker depends on is up, and until nothing has to be alone.
    async fn among_others(&self) -> Result<RwLockReadGuard<'_, ()>, Cut> {
        self.ready().await?;
        tokio::select! {
            biased;
            () = self.cut.cancelled() => Err(Cut),
            guard = self.log.solitude.read() => Ok(guard),
        }
    }

    /// Waits until what the worker depends on is up, unless the process stops meanwhile.
    async fn ready(&self) -> Result<(), Cut> {
        if *self.state.borrow() == RunnerState::Working && !self.cut.is_cancelled() {
            return Ok(());
        }
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Cut),
            () = self.up() => Ok(()),
        }
    }

    /// The span of the work: in the trace of its message, or linked to those of its messages.
    fn span(&self, batch: &[Hand]) -> tracing::Span {
        use opentelemetry::trace::TraceContextExt;
        let worker = self.worker.name();
        let span = tracing::info_span!(
            "work",
            otel.name = format!("process {worker}"),
            otel.kind = "consumer",
            messaging.system = "nats",
            messaging.batch.message_count = batch.len(),
        );
        match batch {
            [one] => {
                let _ = span.set_parent(one.context.clone());
            }
            several => {
                for hand in several {
                    span.add_link(hand.context.span().span_context().clone());
                }
            }
        }
        span
    }

    /// Writes down how far lone work has come, so that a message which gets further each time is not given up.
    async fn record_progress(&self, hand: &Hand, lease: &Lease) -> std::convert::Infallible {
        let key = attempts::key(&hand.raw.origin);
        let mut written = 0;
        loop {
            tokio::time::sleep(PROGRESS_EVERY).await;
            let to = lease.progress();
            if to <= written {
                continue;
            }
            match self.log.attempts.change(&key, |attempts| attempts.progressed(to)).await {
                Ok(_) => written = to,
                Err(error) => tracing::debug!(%error, "progress could not be written down"),
            }
        }
    }
}
