use std::time::Duration;

use tokio::sync::watch;

use crate::{Failure, Log, RunnerState};

/// How often the log is tried.
const EVERY: Duration = Duration::from_secs(10);

/// How long it may take to confirm a write.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(10);

impl Log {
    /// Whether the log takes messages, tried every few seconds by a write that has to be confirmed: a server that hangs,
    /// or whose disk is full, still answers everything else.
    ///
    /// It is tried until the receiver is dropped.
    pub fn pulse(&self) -> watch::Receiver<RunnerState> {
        let (state, pulse) = watch::channel(RunnerState::Working);
        let log = self.clone();
        tokio::spawn(async move {
            while !state.is_closed() {
                state.send_replace(
                    match tokio::time::timeout(CONFIRMED_WITHIN, log.probe()).await {
                        Ok(Ok(())) => RunnerState::Working,
                        Ok(Err(error)) => {
                            RunnerState::Down(Failure::Down(error.into()).to_string())
                        }
                        Err(_) => RunnerState::Down(format!(
                            "the log did not confirm a write within {} s",
                            CONFIRMED_WITHIN.as_secs()
                        )),
                    },
                );
                tokio::time::sleep(EVERY).await;
            }
        });
        pulse
    }
}
