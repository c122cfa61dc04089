//! The facts that lie beside their objects, as one goes through them to rebuild a lost log.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use objects::StoreError;

use crate::Staging;
use crate::name::{FACT_SUFFIX, artifact_part};
use crate::staging::OWN;

/// An object with a fact beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Laid {
    /// The object's name.
    pub object: String,
    /// Its size in bytes.
    pub size: u64,
}

/// What lies of one artifact in a folder.
#[derive(Default)]
struct Attempts {
    sizes: HashMap<String, u64>,
    facts: Vec<String>,
}

impl Staging {
    /// The folders `<site>/<kind>/<day>`: of one site and kind in the order of their days.
    ///
    /// # Errors
    /// When the store can't be listed.
    pub async fn days(&self) -> Result<BTreeSet<String>, StoreError> {
        let mut folders = vec![String::new()];
        for _ in ["site", "kind", "day"] {
            let mut below = Vec::new();
            for folder in folders {
                for name in self.store.folders(&folder).await? {
                    match folder.as_str() {
                        // Our own records.
                        "" if name == OWN => {}
                        "" => below.push(name),
                        folder => below.push(format!("{folder}/{name}")),
                    }
                }
            }
            folders = below;
        }
        Ok(folders.into_iter().collect())
    }

    /// The objects of a day that have a fact beside them, each artifact's together. Memory is bounded by the names of
    /// what was staged on that day.
    ///
    /// # Errors
    /// When the store can't be listed.
    pub async fn laid(&self, day: &str) -> Result<Vec<Vec<Laid>>, StoreError> {
        let mut artifacts: HashMap<String, Attempts> = HashMap::new();
        let mut listing = self.list_all(day);
        while let Some(found) = listing.try_next().await? {
            let fact = found.name.strip_suffix(FACT_SUFFIX);
            let object = fact.unwrap_or(&found.name);
            let attempts = artifacts.entry(artifact_part(object).to_owned()).or_default();
            if fact.is_some() {
                attempts.facts.push(object.to_owned());
            } else {
                attempts.sizes.insert(object.to_owned(), found.size);
            }
        }
        let laid = artifacts.into_values().map(Attempts::laid);
        Ok(laid.filter(|laid| !laid.is_empty()).collect())
    }

    /// The objects whose facts were laid last, by the store's clock, up to this many.
    ///
    /// # Errors
    /// When the store can't be listed.
    pub async fn laid_last(&self, count: usize) -> Result<Vec<String>, StoreError> {
        let mut all = self.list_all("");
        let mut newest: BinaryHeap<Reverse<(DateTime<Utc>, String)>> = BinaryHeap::new();
        while let Some(found) = all.try_next().await? {
            if let Some(object) = found.name.strip_suffix(FACT_SUFFIX) {
                newest.push(Reverse((found.modified, object.to_owned())));
                if newest.len() > count {
                    newest.pop();
                }
            }
        }
        Ok(newest.into_iter().map(|Reverse((_, object))| object).collect())
    }
}

impl Attempts {
    fn laid(self) -> Vec<Laid> {
        let Attempts { sizes, facts } = self;
        let with_size =
            |object: String| sizes.get(&object).map(|size| Laid { size: *size, object });
        facts.into_iter().filter_map(with_size).collect()
    }
}
