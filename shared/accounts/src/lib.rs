//! What all processes share about an API account, in the log's buckets.
//!
//! **Purpose.** An appliance counts requests, tokens and failed logins by API account, whoever sends them. So all pollers
//! and fetchers of all processes that have the same log share one record for each account, which `appliance` reads and
//! changes by compare-and-set. The lasting part (what the hour has used, refused secrets) lies in the bucket `accounts`
//! on disk, and is written per grant of some dozens of requests and per login; the passing part (the second, permits of
//! downloads, the sealed token) in the bucket `accounts-now` in the server's memory. A server that is killed forgets
//! that bucket itself; whoever finds it missing makes it again.
//!
//! **Facts in and out.** None.
//!
//! **Why a repeat is harmless.** Grants and permits expire; a place in a second that was booked and not used is lost,
//! and that is a quarter of a second at most. Each value is set against the revision that was read.
//!
//! **The arrow.** It stands on `queue`, `appliance` and `service`, which may not know each other, and below the services: the
//! one crate between the second and the third layer. It decides nothing; it brings them together.
//!
//! **Absent on purpose.** Decisions about limits, tokens and secrets (`appliance`, as pure functions); a clock of this
//! machine: times in the record are told by the clock of the log's server, which all processes measure their own by.

mod cell;
mod clock;
mod folder;
mod key;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use appliance::{
    AccountRecord, AccountStanding, Client, Clients, ClientsError, Lasting, Own, Passing, Shared,
    SharedError,
};
use domain::SiteHost;
use queue::{BucketError, Log};
use service::Health;
use settings::{Settings, Site};

use crate::cell::{Cell, Kind};
use crate::clock::ServerClock;
use crate::folder::Filed;
use crate::key::key;

/// How long after a failed login a process looks again whether there is a token by now.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// Why the accounts of a log can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// No record.
    #[error("could not open the records of the API accounts in the log")]
    Records(#[source] BucketError),
    /// A record that can't be read.
    #[error("could not read the record of the API account of {site}")]
    Read {
        /// The site.
        site: SiteHost,
        /// Why.
        #[source]
        cause: SharedError,
    },
    /// A site without a client.
    #[error("not every site can be asked")]
    Clients(#[source] ClientsError),
}

/// The clients of all sites in the settings, which share their accounts with every process that has this log.
///
/// # Errors
/// When the log does not answer, or a site can't have a client.
pub async fn clients(settings: &Settings, log: &Log) -> Result<Clients, AccountsError> {
    let records = Records::open(log).await.map_err(AccountsError::Records)?;
    let clients = Clients::sharing(settings, |site| {
        AccountRecord::new(Arc::new(records.lasting(site)), Arc::new(records.passing(site)))
    })
    .map_err(AccountsError::Clients)?;
    Ok(clients)
}

/// The clients of all sites in the settings, for a command that has no log: what stands against a login is kept in a
/// folder, so that a refused secret is not tried again each time that a person calls the command.
///
/// # Errors
/// When a site can't have a client.
pub fn clients_of_folder(settings: &Settings, folder: &Path) -> Result<Clients, AccountsError> {
    Clients::sharing(settings, |site| {
        let lasting = Filed::<Lasting>::new(folder, &key(site));
        AccountRecord::new(Arc::new(lasting), Arc::new(Own::new(Passing::default())))
    })
    .map_err(AccountsError::Clients)
}

/// Has a component of the process' health for each account tell what stands against a login. A process that has nothing
/// to ask of a site tells so, too: it looks for a token at the start, and again while there is none.
pub fn watch(clients: &Clients, health: &Health) {
    for client in clients.iter() {
        let account = health.component(format!("account of {}", client.site()));
        tokio::spawn(look_for_token(client.clone()));
        tokio::spawn(account.follow(client.trouble(), |trouble| trouble.as_deref()));
    }
}

/// How the account of each site stands, in the order of the settings. It needs no secret.
///
/// # Errors
/// When the log does not answer.
pub async fn standings(
    settings: &Settings,
    log: &Log,
) -> Result<Vec<AccountStanding>, AccountsError> {
    let records = Records::open(log).await.map_err(AccountsError::Records)?;
    let mut standings = Vec::with_capacity(settings.sites.len());
    for site in &settings.sites {
        let failed = |cause| AccountsError::Read { site: site.host.clone(), cause };
        let (lasting, passing) = (records.lasting(site), records.passing(site));
        let now = passing.now();
        let lasting = lasting.read().await.map_err(failed)?.map(|read| read.value);
        let passing = passing.read().await.map_err(failed)?.map(|read| read.value);
        standings.push(AccountStanding::of(
            &lasting.unwrap_or_default(),
            &passing.unwrap_or_default(),
            now,
        ));
    }
    Ok(standings)
}

async fn look_for_token(client: Client) {
    let mut trouble = client.trouble();
    loop {
        if let Err(error) = client.log_in().await {
            tracing::debug!(site = %client.site(), %error, "no token");
            tokio::time::sleep(LOOK_AGAIN).await;
        } else if trouble.wait_for(Option::is_some).await.is_err() {
            return;
        }
    }
}

/// The two buckets.
struct Records {
    log: Log,
    lasting: queue::Bucket<Lasting>,
    passing: queue::Bucket<Passing>,
    clock: Arc<ServerClock>,
}

impl Records {
    async fn open(log: &Log) -> Result<Self, BucketError> {
        Ok(Records {
            lasting: Kind::Lasting.open(log).await?,
            passing: Kind::Passing.open(log).await?,
            clock: ServerClock::measure(log).await?,
            log: log.clone(),
        })
    }

    fn lasting(&self, site: &Site) -> Cell<Lasting> {
        let bucket = self.lasting.clone();
        Cell::new(self.log.clone(), Kind::Lasting, bucket, key(site), self.clock.clone())
    }

    fn passing(&self, site: &Site) -> Cell<Passing> {
        let bucket = self.passing.clone();
        Cell::new(self.log.clone(), Kind::Passing, bucket, key(site), self.clock.clone())
    }
}
