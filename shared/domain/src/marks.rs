//! How far the routes of a destination came, and whether a store has been set back to an older copy.

use std::collections::BTreeMap;

use crate::Revision;

/// For each route of a destination, the highest position of the log that was committed through it, with the life of the
/// log that the position belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks(BTreeMap<String, Revision>);

/// A route whose mark in a store is below what the store once said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// The route.
    pub route: String,
    /// What the store says; none if it does not know the route.
    pub says: Option<Revision>,
    /// What was committed through it once.
    pub once: Revision,
}

impl Marks {
    /// The key of a route's mark in a store, one for each life of the log: positions begin again in each.
    pub fn key(route: &str, epoch: u64) -> String {
        format!("{route}@{epoch}")
    }

    /// The marks that a store keeps under such keys. One without a life is of before all lives.
    pub fn stored(rows: impl IntoIterator<Item = (String, u64)>) -> Self {
        let mut marks = Marks::default();
        for (key, position) in rows {
            let (route, epoch) = match key.rsplit_once('@') {
                Some((route, epoch)) => (route, epoch.parse().unwrap_or(0)),
                None => (key.as_str(), 0),
            };
            marks.raise(route, Revision { epoch, position });
        }
        marks
    }

    /// Notes that this was committed through a route; a mark is never lowered.
    pub fn raise(&mut self, route: &str, to: Revision) {
        let mark = self.0.entry(route.to_owned()).or_insert(to);
        *mark = to.max(*mark);
    }

    /// The mark of a route.
    pub fn of(&self, route: &str) -> Option<Revision> {
        self.0.get(route).copied()
    }

    /// The highest of all.
    pub fn highest(&self) -> Option<Revision> {
        self.0.values().max().copied()
    }

    /// Whether it holds no mark.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each route with its mark.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Revision)> {
        self.0.iter().map(|(route, mark)| (route.as_str(), *mark))
    }

    /// The first route in which a store with these marks is behind what is known of it. Where it is, the store is an
    /// older copy of itself. A store that is ahead is none: it is the log that was set back, or what is known comes late.
    pub fn behind(&self, known: &Marks) -> Option<Behind> {
        known
            .0
            .iter()
            .find(|(route, once)| self.of(route) < Some(**once))
            .map(|(route, once)| Behind { route: route.clone(), says: self.of(route), once: *once })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(marks: &[(&str, u64, u64)]) -> Marks {
        Marks::stored(marks.iter().map(|(route, epoch, at)| (Marks::key(route, *epoch), *at)))
    }

    #[test]
    fn a_store_is_older_exactly_when_a_mark_is_below_what_is_known_of_it() {
        let known = marks(&[("a", 1, 50), ("b", 1, 70)]);
        for (stored, older_in) in [
            (marks(&[("a", 1, 50), ("b", 1, 70)]), None),
            (marks(&[("a", 1, 90), ("b", 1, 71), ("c", 1, 1)]), None),
            (marks(&[("a", 1, 49), ("b", 1, 70)]), Some("a")),
            (marks(&[("a", 1, 50), ("b", 1, 69)]), Some("b")),
            (marks(&[("a", 1, 50)]), Some("b")),
            (Marks::default(), Some("a")),
            // The log was set back and began a new life: positions are smaller and yet newer.
            (marks(&[("a", 2, 3), ("b", 2, 1)]), None),
            (marks(&[("a", 1, 900), ("a", 2, 3), ("b", 1, 70)]), None),
        ] {
            let behind = stored.behind(&known).map(|behind| behind.route);
            assert_eq!(behind.as_deref(), older_in, "{stored:?}");
        }
        assert_eq!(
            Marks::default().behind(&Marks::default()),
            None,
            "a new identity is no older one"
        );
    }

    #[test]
    fn what_was_committed_in_an_earlier_life_of_the_log_does_not_make_up_for_a_later_one() {
        let known = marks(&[("a", 2, 10)]);
        let behind = marks(&[("a", 1, 900)]).behind(&known).expect("it lacks what came after");
        assert_eq!(behind.says, Some(Revision { epoch: 1, position: 900 }));
        assert_eq!(behind.once, Revision { epoch: 2, position: 10 });
    }

    #[test]
    fn a_mark_without_a_life_is_older_than_any() {
        let old = Marks::stored([("a".to_owned(), 900)]);
        assert_eq!(old.of("a"), Some(Revision { epoch: 0, position: 900 }));
    }

    #[test]
    fn a_mark_is_never_lowered() {
        let mut marks = marks(&[("a", 1, 5)]);
        marks.raise("a", Revision { epoch: 1, position: 3 });
        assert_eq!(marks.highest(), Some(Revision { epoch: 1, position: 5 }));
    }
}
