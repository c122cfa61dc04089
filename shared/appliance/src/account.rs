//! What all processes share about one API account, and what each does with it.

mod budget;
mod downloads;
mod hour;
mod login;
mod permits;
mod rate;
mod record;
mod seal;
mod shared;
mod standing;

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

pub(crate) use budget::{Budget, BudgetError};
pub(crate) use downloads::{DownloadPermit, Downloads};
pub(crate) use login::{LOGIN_LIFE, LoginEnd, Turn};
pub(crate) use record::{SealedToken, TokenTurn};
pub(crate) use seal::Seal;
use shared::View;

pub use record::{Lasting, Passing};
pub use shared::{Own, Read, Shared, SharedError};
pub use standing::AccountStanding;

/// How much the clock of the record may differ between two processes: each has measured it for itself. What another wrote
/// is taken for the work of a wrong clock only beyond that.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::seconds(5);

/// Where the record of one API account is kept. Whoever is given the same record keeps within the same limits, uses the
/// same token, and tries no secret that one of them was refused. Cheap to clone.
#[derive(Clone)]
pub struct AccountRecord {
    lasting: Arc<dyn Shared<Lasting>>,
    passing: Arc<dyn Shared<Passing>>,
}

impl AccountRecord {
    /// The record that these keep; they need not be the same server, but they go by the same clock.
    pub fn new(lasting: Arc<dyn Shared<Lasting>>, passing: Arc<dyn Shared<Passing>>) -> Self {
        AccountRecord { lasting, passing }
    }

    /// A record of this process alone.
    pub fn own() -> Self {
        let lasting = Arc::new(Own::new(Lasting::default()));
        AccountRecord { lasting, passing: Arc::new(Own::new(Passing::default())) }
    }
}

impl fmt::Debug for AccountRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AccountRecord").field(&self.lasting).field(&self.passing).finish()
    }
}

/// The record of an account as one process sees it.
#[derive(Debug)]
pub(crate) struct Account {
    lasting: View<Lasting>,
    passing: View<Passing>,
    /// Who this process is among those that share the record.
    holder: String,
}

impl Account {
    pub fn new(record: AccountRecord) -> Arc<Self> {
        Arc::new(Account {
            lasting: View::new(record.lasting),
            passing: View::new(record.passing),
            holder: format!("{}-{:08x}", std::process::id(), rand::random::<u32>()),
        })
    }

    pub fn holder(&self) -> &str {
        &self.holder
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.passing.now()
    }

    pub async fn passing(&self) -> Result<Passing, SharedError> {
        Ok(self.passing.read().await?.unwrap_or_default())
    }

    /// What was last seen of it; it may have changed.
    pub fn passing_seen(&self) -> Option<Passing> {
        self.passing.last()
    }

    pub async fn change_passing<T>(
        &self,
        decide: impl FnMut(&mut Passing, DateTime<Utc>) -> T,
    ) -> Result<T, SharedError> {
        self.passing.change(Passing::unknown, decide).await
    }

    pub async fn change_lasting<T>(
        &self,
        decide: impl FnMut(&mut Lasting, DateTime<Utc>) -> T,
    ) -> Result<T, SharedError> {
        self.lasting.change(|_| Lasting::default(), decide).await
    }
}
