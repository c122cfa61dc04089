use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How long the work at hand may take, phase by phase.
///
/// The runner keeps the messages from being redelivered while the current phase is within its limit. Past it, it cancels
/// the work (drops its future), and the messages are retried.
#[derive(Debug)]
pub struct Lease {
    phase: Mutex<Phase>,
    progress: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Phase {
    name: &'static str,
    limit: Duration,
    ends: Instant,
}

/// A phase that took longer than it may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{phase} took longer than {limit:?} and was given up")]
pub struct PhaseTimedOut {
    /// The phase.
    pub phase: &'static str,
    /// Its limit.
    pub limit: Duration,
}

impl Lease {
    /// A lease whose first phase bears this name.
    pub fn new(name: &'static str, limit: Duration) -> Self {
        Lease {
            phase: Mutex::new(Phase { name, limit, ends: Instant::now() + limit }),
            progress: AtomicU64::new(0),
        }
    }

    /// Begins a phase (first byte, block, sync, commit) and gives it this long. Called again for the same phase, it is
    /// the sign of progress that gives it the whole time anew.
    pub fn phase(&self, name: &'static str, limit: Duration) {
        *self.phase.lock().expect("no holder of this lock panics") =
            Phase { name, limit, ends: Instant::now() + limit };
    }

    /// Says how far the work has come, in any unit that grows (bytes of a download): a message that gets further each
    /// time that it kills its worker is not to blame.
    pub fn progressed(&self, to: u64) {
        self.progress.fetch_max(to, Ordering::Relaxed);
    }

    pub(crate) fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    /// Waits until a phase has taken too long; for ever, where none does.
    pub(crate) async fn timed_out(&self) -> PhaseTimedOut {
        loop {
            let phase = *self.phase.lock().expect("no holder of this lock panics");
            if Instant::now() >= phase.ends {
                return PhaseTimedOut { phase: phase.name, limit: phase.limit };
            }
            tokio::time::sleep_until(phase.ends).await;
        }
    }
}
