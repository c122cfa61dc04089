//! Sessions that another program stored: each becomes the ledger's when the first message about it arrives, as it is.
//!
//! A repeat finds the ledger's row and adopts nothing. Where a session stands there twice, the one that came first is
//! adopted, and the other is left alone.

use std::collections::{BTreeMap, HashMap};

use super::plan::Key;
use super::{Incoming, LedgerRow};

/// A session that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) id: i64,
    pub(super) host_name: String,
    pub(super) lsid: String,
}

/// The messages about sessions that the ledger does not know: the first of each.
pub(super) fn unknown<'b>(
    batch: &'b [Incoming],
    ledger: &HashMap<Key, LedgerRow>,
) -> BTreeMap<(String, String), &'b Incoming> {
    let mut unknown = BTreeMap::new();
    for incoming in batch {
        let Incoming { site, lsid, .. } = incoming;
        if !ledger.contains_key(&(site.clone(), lsid.clone())) {
            let key = (site.as_str().to_owned(), lsid.as_str().to_owned());
            unknown.entry(key).or_insert(incoming);
        }
    }
    unknown
}

/// Which of them are there already, and under which id: with the revision and the digest of their first message.
pub(super) fn adopted<'b>(
    unknown: &BTreeMap<(String, String), &'b Incoming>,
    stored: &[Stored],
) -> Vec<(&'b Incoming, LedgerRow)> {
    let mut ids: BTreeMap<(String, String), Vec<i64>> = BTreeMap::new();
    for Stored { id, host_name, lsid } in stored {
        // Host names are ours in lower case; other programs wrote them as they were typed.
        ids.entry((host_name.to_lowercase(), lsid.clone())).or_default().push(*id);
    }
    let adopt = |(key, incoming): (&(String, String), &&'b Incoming)| {
        let found = ids.get(key)?;
        if found.len() > 1 {
            tracing::warn!(
                site = key.0,
                lsid = key.1,
                times = found.len(),
                "a session stands in the database more than once; the first is adopted, the others are left as they are"
            );
        }
        let session_id = found.iter().copied().min()?;
        let row = LedgerRow { revision: incoming.revision, content: incoming.content, session_id };
        Some((*incoming, row))
    };
    unknown.iter().filter_map(adopt).collect()
}
