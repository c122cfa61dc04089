//! What no single entry can know: whether two of them are one and the same, and whether one is of any use.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::reader::{Context, Entry};
use crate::{Destination, Secret, Site, SqlEngine, Staging, Target, url};

/// The host is the identity of a site, so there is one site to a host.
pub(crate) fn hosts(context: &Context<'_>, entries: &[Entry<'_>], sites: &[Option<Site>]) {
    let mut seen = BTreeMap::new();
    for (entry, site) in entries.iter().zip(sites) {
        let Some(site) = site else { continue };
        let at = entry.place_of("host");
        if let Some(first) = seen.get(&site.host) {
            context.problem(
                at,
                format!("{} is the host of another site ({})", site.host, context.line(*first)),
                Some("a host is one site; schedules can name it as often as they like".to_owned()),
            );
        } else {
            seen.insert(&site.host, at);
        }
    }
}

/// Two destinations in one place would each take the other's files, or tables, for somebody else's.
pub(crate) fn places(
    context: &Context<'_>,
    entries: &[Entry<'_>],
    destinations: &[Option<Destination>],
    staging: &Staging,
) {
    let mut seen: Vec<(Place<'_>, usize)> = Vec::new();
    let staging = staging.url.as_deref().map(file_place);
    for (entry, destination) in entries.iter().zip(destinations) {
        let Some(destination) = destination else {
            continue;
        };
        let (place, key) = place(&destination.target);
        let at = entry.place_of(key);
        if let Some((_, first)) = seen.iter().find(|(other, _)| place.is(other)) {
            context.problem(
                at,
                format!("the same place is another destination ({})", context.line(*first)),
                Some(
                    "a place is one destination; transfers can name it as often as they like"
                        .to_owned(),
                ),
            );
        }
        if let Some(staging) = &staging {
            if place.is(staging) {
                context.problem(at, "the same place is the staging store".to_owned(), None);
            } else if place.is_within(staging) || staging.is_within(&place) {
                context.problem(
                    at,
                    "this and the staging store lie one within the other".to_owned(),
                    Some(
                        "each takes what lies below it for its own: give them places side by side"
                            .to_owned(),
                    ),
                );
            }
        }
        seen.push((place, at));
    }
}

/// Where a destination is, in a form to be compared.
enum Place<'s> {
    Path(PathBuf),
    Bucket(&'s str),
    Connection(&'s Secret),
}

impl Place<'_> {
    fn is(&self, other: &Place<'_>) -> bool {
        match (self, other) {
            (Place::Path(one), Place::Path(other)) => one == other,
            (Place::Bucket(one), Place::Bucket(other)) => {
                one.trim_end_matches('/') == other.trim_end_matches('/')
            }
            (Place::Connection(one), Place::Connection(other)) => one.is_same_as(other),
            (Place::Path(_) | Place::Bucket(_) | Place::Connection(_), _) => false,
        }
    }

    /// Whether it is a folder, or a prefix, below the other.
    fn is_within(&self, other: &Place<'_>) -> bool {
        match (self, other) {
            (Place::Path(one), Place::Path(other)) => one != other && one.starts_with(other),
            (Place::Bucket(one), Place::Bucket(other)) => one
                .strip_prefix(other.trim_end_matches('/'))
                .is_some_and(|rest| rest.starts_with('/') && rest != "/"),
            (Place::Path(_) | Place::Bucket(_) | Place::Connection(_), _) => false,
        }
    }
}

/// The folder or the bucket that a URL names.
fn file_place(url: &str) -> Place<'_> {
    match url::file(url) {
        Ok(folder) => Place::Path(lexical(&folder)),
        Err(_) => Place::Bucket(url),
    }
}

/// The place, and the key that names it.
fn place(target: &Target) -> (Place<'_>, &'static str) {
    match target {
        Target::Files(files) => (file_place(&files.url), "url"),
        Target::Sql(sql) => match &sql.engine {
            SqlEngine::SqlServer { connection } => (Place::Connection(connection), "connection"),
            SqlEngine::Sqlite { path } => (Place::Path(lexical(path)), "path"),
        },
    }
}

/// The path without `.` and `..`; links are not followed, as the folders need not be there yet.
fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

/// Warns of entries that no transfer names. `used` holds `site.hq` and the like.
pub(crate) fn unused(
    context: &Context<'_>,
    entries: [&[Entry<'_>]; 2],
    schedules: &[Entry<'_>],
    used: &BTreeSet<String>,
) {
    if schedules.is_empty() {
        context.warning(
            0,
            "there is no schedule: nothing is scanned and nothing moves by itself".to_owned(),
            Some("add a [schedule.…] with `every` and `transfers`".to_owned()),
        );
        return;
    }
    for entry in entries.into_iter().flatten() {
        let name = entry.name();
        if !used.contains(&name) {
            context.warning(entry.at, format!("no transfer names [{name}]"), None);
        }
    }
}
