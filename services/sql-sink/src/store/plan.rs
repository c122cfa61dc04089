use std::collections::{BTreeMap, HashMap};

use domain::{Digest, Lsid, Revision, SiteHost};

use super::{Incoming, LedgerRow, Written};

/// The key of a ledger row.
pub(super) type Key = (SiteHost, Lsid);

/// What a transaction does to the database, decided before it does anything.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// What becomes of each incoming, in their order.
    pub(super) outcomes: Vec<Written>,
    /// Each session of which anything changes, once.
    pub(super) changes: Vec<Change>,
    /// The highest position by route.
    pub(super) marks: BTreeMap<String, u64>,
}

/// A change to one session.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// The incoming whose revision and digest the ledger names afterwards, by its place in the batch.
    pub(super) incoming: usize,
    pub(super) content: Content,
}

/// What becomes of what the database holds of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// It holds nothing yet.
    Insert,
    /// It is replaced; the session keeps this id.
    Replace { session_id: i64 },
    /// It stays. Only the ledger changes.
    Keep,
}

impl Plan {
    /// What follows from a batch and what the ledger says of its sessions. Several of one session are taken in their
    /// order, as if each had a transaction of its own.
    pub(super) fn of(batch: &[Incoming], ledger: &HashMap<Key, LedgerRow>) -> Plan {
        let mut states: HashMap<Key, State> = HashMap::new();
        let mut marks: BTreeMap<String, u64> = BTreeMap::new();
        let mut order = Vec::new();
        let mut outcomes = Vec::with_capacity(batch.len());
        for (place, incoming) in batch.iter().enumerate() {
            let key = (incoming.site.clone(), incoming.lsid.clone());
            let state = states.entry(key.clone()).or_insert_with(|| {
                order.push(key.clone());
                State::found(ledger.get(&key))
            });
            outcomes.push(state.take(place, incoming));
            let mark = marks.entry(incoming.route.to_string()).or_default();
            *mark = (*mark).max(incoming.position);
        }
        let changes = order.iter().filter_map(|key| states[key].change).map(Change::from).collect();
        Plan { outcomes, changes, marks }
    }
}

impl From<(usize, Content)> for Change {
    fn from((incoming, content): (usize, Content)) -> Self {
        Change { incoming, content }
    }
}

/// What the database will hold of a session, as far as the batch was gone through.
struct State {
    stands: Option<(Revision, Digest)>,
    /// What writing means: the session has an id already, or none.
    writing: Content,
    change: Option<(usize, Content)>,
}

impl State {
    fn found(row: Option<&LedgerRow>) -> Self {
        State {
            stands: row.map(|row| (row.revision, row.content)),
            writing: row
                .map_or(Content::Insert, |row| Content::Replace { session_id: row.session_id }),
            change: None,
        }
    }

    fn take(&mut self, place: usize, incoming: &Incoming) -> Written {
        let written = decide(self.stands, incoming);
        let content = match written {
            Written::Inserted | Written::Replaced => Some(self.writing),
            // The same rows, so whichever of the two is written last.
            Written::Unchanged
                if matches!(self.change, Some((_, Content::Insert | Content::Replace { .. }))) =>
            {
                Some(self.writing)
            }
            Written::Unchanged if self.stands != Some((incoming.revision, incoming.content)) => {
                Some(Content::Keep)
            }
            Written::Unchanged | Written::Older => None,
        };
        if let Some(content) = content {
            self.change = Some((place, content));
            self.stands = Some((incoming.revision, incoming.content));
        }
        written
    }
}

/// Newer replaces older; equal content is not written again unless asked for; an older revision never wins.
fn decide(stands: Option<(Revision, Digest)>, incoming: &Incoming) -> Written {
    match stands {
        None => Written::Inserted,
        Some((revision, _)) if incoming.revision < revision => Written::Older,
        Some(_) if incoming.even_if_done => Written::Replaced,
        Some((_, content)) if incoming.content == content => Written::Unchanged,
        // Only imports share a revision. The first of them stays.
        Some((revision, _)) if incoming.revision == revision => Written::Older,
        Some(_) => Written::Replaced,
    }
}

#[cfg(test)]
mod tests;
