//! Which routes the settings name. The log may hold others: of destinations, sites and kinds that they named before.

use std::collections::BTreeSet;

use domain::DestinationId;
use queue::{KnownDestination, names};
use settings::Settings;

/// The destinations of these settings as they were last opened. One that was moved or got another identity has left its
/// old one behind.
pub(crate) fn current<'a>(
    settings: &Settings,
    known: &'a [KnownDestination],
) -> Vec<&'a KnownDestination> {
    let is_latest = |one: &KnownDestination| {
        !known.iter().any(|other| other.label == one.label && other.seen_at > one.seen_at)
    };
    let is_named = |one: &KnownDestination| settings.destination(&one.label).is_some();
    known.iter().filter(|one| is_named(one) && is_latest(one)).collect()
}

/// The routes that processes with these settings follow.
pub(crate) struct Followed {
    names: BTreeSet<String>,
    destinations: Vec<DestinationId>,
}

impl Followed {
    pub(crate) fn of(settings: &Settings, known: &[KnownDestination]) -> Self {
        let mut routes = BTreeSet::new();
        for site in &settings.sites {
            let kinds = settings.kinds_to_fetch(&site.host);
            if !kinds.is_empty() {
                routes.insert(names::again_fetch(&site.host));
            }
            routes.extend(kinds.into_iter().map(|kind| names::fetch(&site.host, kind)));
        }
        let current = current(settings, known);
        for KnownDestination { id, label, .. } in &current {
            routes.insert(names::again_deliver(id));
            for site in settings.sites_of_destination(label) {
                let kinds = settings.kinds_of_route(label, site);
                routes.extend(kinds.into_iter().map(|kind| names::deliver(id, site, kind)));
            }
        }
        Followed {
            names: routes,
            destinations: current.into_iter().map(|known| known.id.clone()).collect(),
        }
    }

    /// Whether the route of this name is one of them. All replays of a destination are.
    pub(crate) fn holds(&self, route: &str) -> bool {
        let replays = |id: &DestinationId| names::delivers_to(route, id);
        self.names.contains(route)
            || names::is_replay(route) && self.destinations.iter().any(replays)
    }
}
