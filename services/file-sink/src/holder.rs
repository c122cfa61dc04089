//! Which destination an identity belongs to.
//!
//! A copy bears the identity of what it was copied from, and of two that are opened together the log knows neither. The
//! one that is written here first has the identity, by compare-and-set. It is asked before the log knows a destination by
//! what was found in it: the place of a copy must not be tied to routes that are not its own.

use queue::{BucketError, KnownDestination, Log, Stored};

const BUCKET: &str = "identities";

/// Gives a destination the identity that was found in it; says which other one of these labels has it, if one does.
pub(crate) async fn take(
    log: &Log,
    seen: &KnownDestination,
    labels: &[String],
) -> Result<Option<KnownDestination>, BucketError> {
    let holders = log.bucket::<KnownDestination>(BUCKET).await?;
    loop {
        let kept = holders.get(seen.id.as_str()).await?;
        let read = kept.as_ref().map(|kept| kept.revision);
        if let Some(holder) = kept.map(|kept| kept.value) {
            match (holder.label == seen.label, holder.place == seen.place) {
                (true, true) => return Ok(None),
                // It was moved, or renamed.
                (true, false) | (false, true) => {}
                (false, false) if !labels.contains(&holder.label) => {}
                (false, false) => {
                    if still_has(&log.known_destinations().await?, &holder) {
                        return Ok(Some(holder));
                    }
                }
            }
        }
        if let Stored::At(_) = holders.set(seen.id.as_str(), seen, read).await? {
            return Ok(None);
        }
    }
}

/// Whether the holder of an identity was not seen with another one since.
fn still_has(known: &[KnownDestination], holder: &KnownDestination) -> bool {
    let own = known.iter().filter(|known| known.label == holder.label);
    let latest = own.max_by_key(|known| known.seen_at);
    latest.is_none_or(|latest| latest.id == holder.id || latest.seen_at < holder.seen_at)
}

#[cfg(test)]
mod tests;
