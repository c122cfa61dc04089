//! Whether the formats of a destination's files tell apart what its transfers bring.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::{Kind, SharedName, SiteHost, Slot, Timetable};

use crate::reader::{Context, Entry};
use crate::{Destination, FilesTarget, Schedule};

/// Runs of a timetable that are looked at: nearly three years of days, with their changes of the clocks.
const RUNS_MAX: usize = 1_000;
/// Where that begins: a year's first instant, so that the same settings are always told the same.
const FROM: DateTime<Utc> = DateTime::from_timestamp(1_767_225_600, 0).expect("an instant");

/// What the schedules bring to one destination.
#[derive(Default)]
struct Brought<'s> {
    kinds: BTreeSet<Kind>,
    backups_of: BTreeSet<&'s SiteHost>,
    backup_timetables: Vec<&'s Timetable>,
}

/// Refuses formats under which two backups would have one name, and warns of those under which two artifacts of one
/// session would.
pub(crate) fn check(
    context: &Context<'_>,
    entries: &[Entry<'_>],
    destinations: &[Option<Destination>],
    schedules: &[Option<Schedule>],
) {
    for (entry, destination) in entries.iter().zip(destinations) {
        let Some(destination) = destination else { continue };
        let Some(files) = destination.target.files() else { continue };
        let brought = brought(&destination.label, schedules);
        shared_by_sessions(context, entry, files, &brought);
        if let Some(why) = shared_by_backups(files, &brought) {
            context.problem(
                place(entry, Kind::SiteBackup),
                format!("two backups would have one name: {why}"),
                Some(
                    "give backups a format of their own, as in [destination.….file_names] site-backup = \
                     \"%SUPPORT_SITE_HOST%-backup-%DATE%T%TIME%.%EXTENSION%\""
                        .to_owned(),
                ),
            );
        }
    }
}

fn brought<'s>(label: &str, schedules: &'s [Option<Schedule>]) -> Brought<'s> {
    let mut brought = Brought::default();
    for schedule in schedules.iter().flatten() {
        for transfer in schedule.transfers.iter().filter(|t| t.destination == label) {
            brought.kinds.extend(&transfer.kinds);
            if transfer.kinds.contains(&Kind::SiteBackup) {
                brought.backups_of.insert(&transfer.site);
                brought.backup_timetables.push(&schedule.timetable);
            }
        }
    }
    brought
}

fn shared_by_sessions(
    context: &Context<'_>,
    entry: &Entry<'_>,
    files: &FilesTarget,
    brought: &Brought<'_>,
) {
    let formats: BTreeMap<_, _> =
        brought.kinds.iter().map(|kind| (*kind, files.formats.get(*kind))).collect();
    for SharedName { one, other } in SharedName::find(&formats) {
        let (message, help) = if one == other {
            (format!("every {one} of a session would have one name"), "%INSTANCE%")
        } else {
            (format!("{one} and {other} of a session can have one name"), "%KIND%")
        };
        let help = format!("put {help} into the format; as it is, `on_conflict` decides");
        context.warning(place(entry, other), message, Some(help));
    }
}

/// Why two backups would have one name, if they would.
fn shared_by_backups(files: &FilesTarget, brought: &Brought<'_>) -> Option<String> {
    let format = files.formats.get(Kind::SiteBackup);
    if brought.backups_of.is_empty() {
        return None;
    }
    if brought.backups_of.len() > 1 && !format.names_the_site() {
        return Some(format!("{format} does not name the site, and several are backed up there"));
    }
    if !format.names_the_day() {
        return Some(format!("{format} does not name the whole date"));
    }
    if format.names_the_minute() {
        return None;
    }
    let shared = |timetable: &&Timetable| format.shared_by_slots(slots(timetable).take(RUNS_MAX));
    let (one, other) = brought.backup_timetables.iter().find_map(shared)?;
    Some(format!("{format} is the same at {one} and at {other}"))
}

fn slots(timetable: &Timetable) -> impl Iterator<Item = Slot> {
    let mut at = FROM;
    std::iter::repeat_with(move || {
        at = timetable.next_run(at);
        Slot::at(at)
    })
}

/// Where the format of a kind stands.
fn place(entry: &Entry<'_>, kind: Kind) -> usize {
    entry.place_within("file_names", kind.as_str()).unwrap_or_else(|| entry.place_of("file_name"))
}
