//! Objects in staging that nobody wants any more, and who still wants the others.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use domain::{Debts, Kind, SiteHost, StagedObject, Wanted};
use futures::TryStreamExt;
use messages::Fact;
use objects::StoreError;
use queue::{BucketError, Counts, KnownDestination, Log, LogError, Recipient, Wants};
use settings::{Destination, Settings};
use staging::Staging;

/// Why staging could not be gone through.
#[derive(Debug, thiserror::Error)]
pub enum ExpiryError {
    /// The log does not answer.
    #[error("the log can't tell what of staging is still wanted")]
    Log(#[source] LogError),
    /// The log does not answer.
    #[error("the log can't tell which destinations there are")]
    Destinations(#[source] BucketError),
    /// Staging does not answer.
    #[error("staging can't be gone through")]
    Staging(#[source] StoreError),
}

/// How long a file that is being written to staging is unchanged at most: a download that gets nothing is given up
/// within minutes, and the clock of a share may differ by some.
const UNFINISHED_MAX: Duration = Duration::from_secs(3_600);

/// What one kind of one site is wanted for, read once.
type Known = BTreeMap<(SiteHost, Kind), Wants>;

struct Going<'a> {
    log: &'a Log,
    staging: &'a Staging,
    settings: &'a Settings,
    known: Known,
}

/// Goes through staging and removes what may go: of `checked` objects `settled` are gone, the others stay.
///
/// # Errors
/// When log or staging don't answer. Called again, it goes on.
pub async fn expire(
    log: &Log,
    staging: &Staging,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<Counts, ExpiryError> {
    remove(Going { log, staging, settings, known: Known::new() }, settings.staging.keep, now).await
}

/// The same where staging lacks room: what all have goes whatever its age.
///
/// # Errors
/// When log or staging don't answer. Called again, it goes on.
pub async fn make_room(
    log: &Log,
    staging: &Staging,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<Counts, ExpiryError> {
    remove(Going { log, staging, settings, known: Known::new() }, Duration::ZERO, now).await
}

async fn remove(
    mut going: Going<'_>,
    keep: Duration,
    now: DateTime<Utc>,
) -> Result<Counts, ExpiryError> {
    let staging = going.staging;
    let swept = staging.sweep_unfinished(UNFINISHED_MAX).await.map_err(ExpiryError::Staging)?;
    if swept > 0 {
        tracing::info!(
            swept,
            "what killed fetchers had left half-written was removed from staging"
        );
    }
    let mut counts = Counts::default();
    for folder in staging.days().await.map_err(ExpiryError::Staging)? {
        let Some((site, kind, day)) = parts(&folder) else { continue };
        // Nothing that was staged on that day is old enough.
        let begun = day.and_hms_opt(0, 0, 0).unwrap_or_default().and_utc();
        if age(now, begun) < StagedObject::ATTEMPT_MAX.min(keep) {
            continue;
        }
        let laid = staging.laid(&folder).await.map_err(ExpiryError::Staging)?;
        let laid: HashSet<String> = laid.into_iter().flatten().map(|laid| laid.object).collect();
        let objects: Vec<_> =
            staging.objects(&folder).try_collect().await.map_err(ExpiryError::Staging)?;
        for object in objects {
            let is_laid = laid.contains(&object.name);
            let wanted = going.wanted(&site, kind, &object.name, is_laid).await?;
            let staged = StagedObject { kind, age: age(now, object.modified), wanted };
            counts.checked += 1;
            if staged.may_go(keep) {
                staging.remove(&object.name).await.map_err(ExpiryError::Staging)?;
                counts.settled += 1;
            } else {
                counts.complete += 1;
            }
        }
    }
    Ok(counts)
}

impl Going<'_> {
    async fn wanted(
        &mut self,
        site: &SiteHost,
        kind: Kind,
        object: &str,
        is_laid: bool,
    ) -> Result<Wanted, ExpiryError> {
        let wants = self.wants(site, kind).await?;
        if !is_laid {
            return Ok(if wants.names(object) { Wanted::ByRebuilding } else { Wanted::ByNobody });
        }
        if let Some(wanted) = wants.of_object(object) {
            return Ok(wanted);
        }
        let fact = self.staging.read_fact(object).await.map_err(ExpiryError::Staging)?;
        match fact.as_deref().map(messages::decode) {
            Some(Ok(Fact::ArtifactStaged(staged))) => {
                Ok(self.wants(site, kind).await?.of(&staged.artifact))
            }
            // Of a newer version, perhaps: it is for that to judge.
            _ => Ok(Wanted::ByRebuilding),
        }
    }

    async fn wants(&mut self, site: &SiteHost, kind: Kind) -> Result<&Wants, ExpiryError> {
        match self.known.entry((site.clone(), kind)) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let recipients = recipients(self.log, self.settings, site, kind).await;
                let recipients = recipients.map_err(ExpiryError::Destinations)?;
                let wants = self.log.wants(site, kind, &recipients).await;
                Ok(unknown.insert(wants.map_err(ExpiryError::Log)?))
            }
        }
    }
}

/// The destinations of the settings, with the identities that stand in their places, and whether they get this kind of
/// this site. Routes that belong to nobody here hold nothing back.
async fn recipients(
    log: &Log,
    settings: &Settings,
    site: &SiteHost,
    kind: Kind,
) -> Result<Vec<Recipient>, BucketError> {
    let known = log.known_destinations().await?;
    let id = |destination: &Destination| {
        // Where a database is, its connection string does not tell; it was last seen under its name.
        let is_it = |known: &&KnownDestination| match destination.target.files() {
            Some(files) => known.place == files.url,
            None => known.label == destination.label,
        };
        let latest = known.iter().filter(is_it).max_by_key(|known| known.seen_at);
        latest.map(|known| known.id.clone())
    };
    let recipient = |destination: &Destination| Recipient {
        label: destination.label.clone(),
        id: id(destination),
        by_route: settings.kinds_of_route(&destination.label, site).contains(&kind),
    };
    Ok(settings.destinations.iter().map(recipient).collect())
}

/// Whose debts fill staging.
///
/// # Errors
/// When log or staging don't answer.
pub async fn debts(
    log: &Log,
    staging: &Staging,
    settings: &Settings,
) -> Result<Debts, ExpiryError> {
    let mut going = Going { log, staging, settings, known: Known::new() };
    let mut debts = Debts::default();
    for folder in staging.days().await.map_err(ExpiryError::Staging)? {
        let Some((site, kind, _)) = parts(&folder) else { continue };
        let wants = going.wants(&site, kind).await?;
        let mut objects = staging.objects(&folder);
        while let Some(object) = objects.try_next().await.map_err(ExpiryError::Staging)? {
            match wants.debtors(&object.name) {
                Some(debtors) => debts.count(kind, object.size, &debtors),
                None => debts.count_unnamed(object.size),
            }
        }
    }
    Ok(debts)
}

/// `<site>/<kind>/<YYYY-MM-DD>`.
fn parts(folder: &str) -> Option<(SiteHost, Kind, NaiveDate)> {
    let mut parts = folder.split('/');
    let mut next = || parts.next();
    Some((next()?.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok()?))
}

fn age(now: DateTime<Utc>, since: DateTime<Utc>) -> Duration {
    (now - since).to_std().unwrap_or_default()
}
