//! Names of routes.

use domain::{DestinationId, Kind, SiteHost};
use messages::escape;

/// The route that fetches one kind of one site.
pub fn fetch(site: &SiteHost, kind: Kind) -> String {
    format!("fetch-{}-{kind}", escape(site.as_str()))
}

/// The route that fetches what is asked for again of one site.
pub fn again_fetch(site: &SiteHost) -> String {
    format!("again-fetch-{}", escape(site.as_str()))
}

/// The route that delivers one kind of one site to one destination.
pub fn deliver(destination: &DestinationId, site: &SiteHost, kind: Kind) -> String {
    format!("deliver-{destination}-{}-{kind}", escape(site.as_str()))
}

/// The route that delivers what is asked for again of one destination.
pub fn again_deliver(destination: &DestinationId) -> String {
    format!("again-deliver-{destination}")
}

/// The route by which a replay goes through one kind of one site once more.
pub fn replay(destination: &DestinationId, replay: &str, site: &SiteHost, kind: Kind) -> String {
    format!("replay-{destination}-{replay}-{}-{kind}", escape(site.as_str()))
}

/// Whether this is the name of a route of a replay.
pub fn is_replay(route: &str) -> bool {
    route.starts_with("replay-")
}

/// The destination and the id of the replay whose route has this name.
pub(crate) fn replay_of(route: &str) -> Option<(&str, &str)> {
    let (destination, rest) = route.strip_prefix("replay-")?.split_once('-')?;
    Some((destination, rest.split_once('-')?.0))
}

/// Whether this is the name of a route that brings anything to this destination.
pub fn delivers_to(route: &str, destination: &DestinationId) -> bool {
    let rest = ["deliver-", "again-deliver-", "replay-"]
        .into_iter()
        .find_map(|what| route.strip_prefix(what)?.strip_prefix(destination.as_str()));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}
