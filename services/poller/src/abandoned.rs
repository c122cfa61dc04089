use std::collections::BTreeMap;

use domain::{ApplianceTime, Family, Lsid, SiteHost};
use messages::{escape, unescape};
use queue::{Bucket, BucketError, Log};

/// The sessions that were announced as abandoned: if one ends after all, it is to be fetched again.
///
/// A mark is made **before** the announcement, so that no kill can leave an announcement without one; whoever then finds
/// that the end had been announced takes its mark back. Each poller has marks of its own: one that takes its mark back
/// leaves that of another, whose announcement was the first. A mark that a kill left behind costs one fetch.
#[derive(Debug, Clone)]
pub(crate) struct Abandoned {
    bucket: Bucket<ApplianceTime>,
    holder: String,
}

impl Abandoned {
    pub async fn open(log: &Log, holder: &str) -> Result<Self, BucketError> {
        Ok(Abandoned { bucket: log.bucket("abandoned").await?, holder: holder.to_owned() })
    }

    /// The marks of a site, by session.
    pub async fn marks(
        &self,
        site: &SiteHost,
        family: Family,
    ) -> Result<BTreeMap<Lsid, Vec<Mark>>, BucketError> {
        let below = below(site, family);
        let mut marks: BTreeMap<Lsid, Vec<Mark>> = BTreeMap::new();
        for key in self.bucket.keys().await? {
            if let Some(lsid) = key.strip_prefix(&below).and_then(lsid_of) {
                marks.entry(lsid).or_default().push(Mark(key));
            }
        }
        Ok(marks)
    }

    /// Marks a session that is about to be announced as abandoned.
    pub async fn mark(
        &self,
        site: &SiteHost,
        family: Family,
        lsid: &Lsid,
        noticed_at: ApplianceTime,
    ) -> Result<Mark, BucketError> {
        let key = format!("{}{}.{}", below(site, family), escape(lsid.as_str()), self.holder);
        self.bucket.put(&key, &noticed_at).await?;
        Ok(Mark(key))
    }

    /// Takes a mark away.
    pub async fn remove(&self, mark: &Mark) -> Result<(), BucketError> {
        self.bucket.remove(&mark.0).await
    }
}

/// One poller's mark of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark(String);

fn below(site: &SiteHost, family: Family) -> String {
    format!("{}.{}.", escape(site.as_str()), family.as_str())
}

fn lsid_of(lsid_and_holder: &str) -> Option<Lsid> {
    let (lsid, _) = lsid_and_holder.split_once('.')?;
    unescape(lsid)?.parse().ok()
}
