//! The facts that lie beside their objects, as one goes through them to rebuild a lost log.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use objects::{Object, StoreError};

use crate::Staging;
use crate::name::FACT_SUFFIX;

/// An object with a fact beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Laid {
    /// The object's name.
    pub object: String,
    /// Its size in bytes.
    pub size: u64,
}

/// What lies in the folder of one artifact, while it is listed.
#[derive(Default)]
struct Folder {
    name: String,
    sizes: HashMap<String, u64>,
    facts: Vec<String>,
}

impl Staging {
    /// The folders `<site>/<kind>/<month>` that hold something: of one site and kind in the order of their months.
    ///
    /// # Errors
    /// When the store can't be listed.
    pub async fn months(&self) -> Result<BTreeSet<String>, StoreError> {
        let mut objects = self.objects("");
        let mut months = BTreeSet::new();
        while let Some(object) = objects.try_next().await? {
            let mut ends = object.name.match_indices('/').map(|(at, _)| at);
            if let Some(end) = ends.nth(2)
                && !months.contains(&object.name[..end])
            {
                months.insert(object.name[..end].to_owned());
            }
        }
        Ok(months)
    }

    /// The objects of a month that have a fact beside them, artifact by artifact. Memory is bounded by what one artifact
    /// has: a store lists a folder's content in one go.
    pub fn laid(&self, month: &str) -> BoxStream<'static, Result<Vec<Laid>, StoreError>> {
        let listing = self.list_all(month).map(Some).chain(futures::stream::iter([None]));
        listing
            .scan(Folder::default(), |folder, object| {
                let whole = match object {
                    Some(Ok(object)) => Ok(folder.take(object)),
                    Some(Err(error)) => Err(error),
                    None => Ok(Some(std::mem::take(folder).laid())),
                };
                std::future::ready(Some(whole))
            })
            .try_filter_map(|whole| std::future::ready(Ok(whole.filter(|laid| !laid.is_empty()))))
            .boxed()
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

impl Folder {
    /// Takes one more; gives what the folder before had, if this is in the next.
    fn take(&mut self, object: Object) -> Option<Vec<Laid>> {
        let name = object.name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut whole = None;
        if name != self.name {
            let next = Folder { name: name.to_owned(), ..Folder::default() };
            whole = Some(std::mem::replace(self, next).laid());
        }
        match object.name.strip_suffix(FACT_SUFFIX) {
            Some(of) => self.facts.push(of.to_owned()),
            None => drop(self.sizes.insert(object.name, object.size)),
        }
        whole
    }

    fn laid(self) -> Vec<Laid> {
        let Folder { sizes, facts, .. } = self;
        let with_size =
            |object: String| sizes.get(&object).map(|size| Laid { size: *size, object });
        facts.into_iter().filter_map(with_size).collect()
    }
}
