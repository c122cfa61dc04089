//! What a worker depends on: down, probed, up again.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;

use super::{RunnerState, Shared, unwinding};
use crate::{Failure, Worker};

/// The waits between probes of a dependency that is down: the first, and the longest.
const PROBE_PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// The longest that one probe may take.
const PROBE_MAX: Duration = Duration::from_secs(30);

impl<W: Worker> Shared<W> {
    /// Waits until what the worker depends on is up.
    pub(super) async fn up(&self) {
        let mut state = self.state.subscribe();
        // The sender lives in self, so waiting can't fail.
        let _ = state.wait_for(|state| *state == RunnerState::Working).await;
    }

    /// Notes that what the worker depends on is down: nothing is pulled until a probe says otherwise.
    pub(super) fn down(&self, reason: String) {
        self.state.send_if_modified(|state| {
            let news = *state == RunnerState::Working;
            if news {
                tracing::warn!(
                    worker = self.worker.name(),
                    reason,
                    "a dependency is down; probing"
                );
                *state = RunnerState::Down(reason);
            }
            news
        });
    }

    /// Probes while something is down, for as long as it is polled.
    pub(super) async fn probe_when_down(self: Arc<Self>) {
        let mut state = self.state.subscribe();
        while state.wait_for(|state| matches!(state, RunnerState::Down(_))).await.is_ok() {
            let mut pause = PROBE_PAUSES.0;
            loop {
                tokio::time::sleep(pause.mul_f64(0.75 + rand::random::<f64>() / 2.0)).await;
                match self.probe().await {
                    Ok(()) => break,
                    Err(reason) => self.still_down(reason),
                }
                pause = (pause * 2).min(PROBE_PAUSES.1);
            }
            tracing::info!(worker = self.worker.name(), "the dependency is back");
            self.state.send_replace(RunnerState::Working);
        }
    }

    fn still_down(&self, reason: String) {
        tracing::debug!(worker = self.worker.name(), reason, "still down");
        self.state.send_replace(RunnerState::Down(reason));
    }

    async fn probe(&self) -> Result<(), String> {
        let probe = async {
            self.log.probe().await.map_err(|error| Failure::Down(error.into()))?;
            unwinding(|| self.worker.probe().boxed()).await
        };
        match tokio::time::timeout(PROBE_MAX, probe).await {
            Ok(probed) => probed.map_err(|failure| failure.to_string()),
            Err(_) => Err(format!("a probe took longer than {PROBE_MAX:?}")),
        }
    }
}
