use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use super::permits::PERMIT_LIFE;
use super::{Account, SharedError};

/// How often a permit is looked for where none is free, and up to how much more, so that processes don't look at once.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const STAGGER_MILLIS: u64 = 100;

/// How many recordings and backups may be under way at one time, in all processes that share the account.
#[derive(Debug)]
pub(crate) struct Downloads {
    account: Arc<Account>,
    permits_max: usize,
    /// One of this process looks for a free permit, the others wait their turn.
    turn: Mutex<()>,
    next: AtomicU64,
}

/// Leave for one download. It is given back when dropped, and expires by itself if this process is killed.
#[derive(Debug)]
pub(crate) struct DownloadPermit {
    account: Arc<Account>,
    holder: String,
    renewal: AbortHandle,
}

impl Downloads {
    pub fn new(account: Arc<Account>, permits_max: usize) -> Arc<Self> {
        Arc::new(Downloads { account, permits_max, turn: Mutex::new(()), next: AtomicU64::new(0) })
    }

    /// Waits for a permit.
    ///
    /// # Errors
    /// When the record does not answer.
    pub async fn acquire_owned(self: Arc<Self>) -> Result<DownloadPermit, SharedError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let holder = format!("{}-{number}", self.account.holder());
        let _turn = self.turn.lock().await;
        loop {
            // From here on it is given back, also where the caller does not wait for the answer.
            let permit = DownloadPermit::renewed(self.account.clone(), holder.clone());
            let taken = self.account.change_passing(|passing, now| {
                passing.downloads.take(&holder, now, self.permits_max)
            });
            if taken.await? {
                return Ok(permit);
            }
            permit.was_not_taken();
            let stagger = Duration::from_millis(rand::random::<u64>() % STAGGER_MILLIS);
            tokio::time::sleep(LOOK_EVERY + stagger).await;
        }
    }
}

impl DownloadPermit {
    fn renewed(account: Arc<Account>, holder: String) -> Self {
        let renewal = tokio::spawn({
            let (account, holder) = (account.clone(), holder.clone());
            async move {
                loop {
                    tokio::time::sleep(PERMIT_LIFE / 3).await;
                    let renewed = account
                        .change_passing(|passing, now| passing.downloads.renew(&holder, now))
                        .await;
                    if let Err(error) = renewed {
                        tracing::debug!(%error, "could not renew the permit of a download");
                    }
                }
            }
        });
        DownloadPermit { account, holder, renewal: renewal.abort_handle() }
    }

    /// There is nothing to give back.
    fn was_not_taken(mut self) {
        self.holder.clear();
    }
}

impl Drop for DownloadPermit {
    fn drop(&mut self) {
        self.renewal.abort();
        let holder = std::mem::take(&mut self.holder);
        // Without a runtime the process ends; the permit expires.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if holder.is_empty() {
            return;
        }
        let account = self.account.clone();
        runtime.spawn(async move {
            let released =
                account.change_passing(|passing, _| passing.downloads.release(&holder)).await;
            if let Err(error) = released {
                tracing::debug!(%error, "could not give back the permit of a download");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::account::AccountRecord;

    #[tokio::test(start_paused = true)]
    async fn processes_share_the_permits_and_a_dropped_one_is_free_again() {
        let record = AccountRecord::own();
        let downloads = || Downloads::new(Account::new(record.clone()), 2);
        let (one, other) = (downloads(), downloads());
        let first = one.clone().acquire_owned().await.expect("two are free");
        let _second = other.clone().acquire_owned().await.expect("one is free");
        let minutes = Duration::from_secs(300);
        let none = timeout(minutes, other.clone().acquire_owned()).await;
        assert!(none.is_err(), "they are renewed for as long as they are held");
        drop(first);
        let begun = Instant::now();
        let _third = other.acquire_owned().await.expect("it was given back");
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
}
