//! Objects in staging that nobody wants any more.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use domain::{Kind, SiteHost, StagedObject, Wanted};
use futures::TryStreamExt;
use messages::Fact;
use objects::StoreError;
use queue::{BucketError, Counts, Log, LogError, Wants};
use settings::Settings;
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
    let mut going = Going { log, staging, settings, known: Known::new() };
    let mut counts = Counts::default();
    for folder in staging.days().await.map_err(ExpiryError::Staging)? {
        let Some((site, kind, day)) = parts(&folder) else { continue };
        // Nothing that was staged on that day is old enough.
        let begun = day.and_hms_opt(0, 0, 0).unwrap_or_default().and_utc();
        if age(now, begun) < StagedObject::ATTEMPT_MAX.min(settings.staging.keep) {
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
            if staged.may_go(settings.staging.keep) {
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
        if !is_laid {
            let is_named = self.wants(site, kind).await?.names(object);
            return Ok(if is_named { Wanted::ByRebuilding } else { Wanted::ByNobody });
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
                let mut destinations = Vec::new();
                for destination in &self.settings.destinations {
                    let kinds = self.settings.kinds_of_route(&destination.label, site);
                    if let (true, Some(files)) = (kinds.contains(&kind), destination.target.files())
                    {
                        let opened = self.log.known_destination(&files.url).await;
                        let opened = opened.map_err(ExpiryError::Destinations)?;
                        destinations.push(opened.map(|known| known.id));
                    }
                }
                let wants = self.log.wants(site, kind, &destinations).await;
                Ok(unknown.insert(wants.map_err(ExpiryError::Log)?))
            }
        }
    }
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
