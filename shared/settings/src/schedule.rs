use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveTime;
use chrono_tz::Tz;
use domain::{Kind, Period, SiteHost, Timetable};

use crate::nearest::nearest;
use crate::reader::{Entry, Value, did_you_mean};
use crate::{Destination, Site};

/// When which sites are scanned, and what goes where.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Its name in the settings.
    pub label: String,
    /// How often it runs.
    pub period: Period,
    /// At what time of day, where it runs every so many days.
    pub at: Option<NaiveTime>,
    /// The instants that period, time of day and time zone come to.
    pub timetable: Timetable,
    /// What it moves.
    pub transfers: Vec<Transfer>,
}

/// What goes from one site to one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// From where.
    pub site: SiteHost,
    /// The label of where to.
    pub destination: String,
    /// What; never empty.
    pub kinds: BTreeSet<Kind>,
}

/// What transfers may name, and what the schedules before have named. An entry that is there but was not
/// understood is `None`: its own problem is enough.
pub(crate) struct Named<'s> {
    pub(crate) sites: BTreeMap<&'s str, Option<&'s Site>>,
    pub(crate) destinations: BTreeMap<&'s str, Option<&'s Destination>>,
    /// Which sites' backups are in which schedule.
    pub(crate) backups: BTreeMap<SiteHost, String>,
    pub(crate) used: BTreeSet<String>,
}

/// A kind of a transfer, and where it is written.
struct Wanted<'a> {
    kind: Kind,
    value: Value<'a>,
}

impl Schedule {
    pub(crate) fn read(entry: &Entry<'_>, zone: Tz, named: &mut Named<'_>) -> Option<Schedule> {
        let mut table = entry.table()?;
        let period = table.required("every", |value| value.parsed::<Period>());
        let at = table.optional("at", |value| value.understood(time_of_day));
        let transfers =
            table.required("transfers", |value| transfers(&value, entry.label(), named));
        let timetable = period.and_then(|period| {
            Timetable::new(period, at, zone)
                .map_err(|cause| {
                    table.refuse(
                        "at",
                        &format!("is set, but {cause}"),
                        "make `every` 1d to 7d, or drop `at`",
                    );
                })
                .ok()
        });
        table.finish();
        Some(Schedule {
            label: entry.label().to_owned(),
            period: period?,
            at,
            timetable: timetable?,
            transfers: transfers?,
        })
    }
}

fn time_of_day(text: &str) -> Result<NaiveTime, String> {
    let well_formed = text.len() == "02:00".len();
    well_formed
        .then(|| NaiveTime::parse_from_str(text, "%H:%M").ok())
        .flatten()
        .ok_or_else(|| format!("{text:?} is no time of day: \"00:00\" to \"23:59\" are"))
}

fn transfers(value: &Value<'_>, schedule: &str, named: &mut Named<'_>) -> Option<Vec<Transfer>> {
    let items = value.items(&format!("a transfer of [schedule.{schedule}]"))?;
    let mut seen = BTreeSet::new();
    let mut transfers = Vec::new();
    for item in items {
        transfers.extend(transfer(item, schedule, named, &mut seen));
    }
    Some(transfers)
}

fn transfer(
    item: Value<'_>,
    schedule: &str,
    named: &mut Named<'_>,
    seen: &mut BTreeSet<(String, String, Kind)>,
) -> Option<Transfer> {
    let mut table = item.table()?;
    let site = table.required("site", |value| label(&value, "site", &named.sites));
    let destination =
        table.required("destination", |value| label(&value, "destination", &named.destinations));
    let wanted = table.required("kinds", |value| kinds(&value));
    table.finish();

    let known_site = site.and_then(|label| named.sites.get(label).copied().flatten());
    let target = destination
        .and_then(|label| named.destinations.get(label).copied().flatten())
        .map(|destination| &destination.target);
    for Wanted { kind, value } in wanted.iter().flatten() {
        if let Some(site) = known_site {
            check_site(*kind, value, site, schedule, named);
        }
        if let (Some(target), Some(label)) = (target, destination)
            && !target.takes(*kind)
        {
            value.problem(
                format!("{label:?} can't take {kind}: a database holds session-data alone"),
                Some("give it a destination with type = \"files\"".to_owned()),
            );
        }
        if let (Some(site), Some(destination)) = (site, destination)
            && !seen.insert((site.to_owned(), destination.to_owned(), *kind))
        {
            value.problem(
                format!("{kind} from {site:?} to {destination:?} is in this schedule twice"),
                None,
            );
        }
    }
    named.used.extend(site.map(|label| format!("site.{label}")));
    named.used.extend(destination.map(|label| format!("destination.{label}")));
    Some(Transfer {
        site: known_site?.host.clone(),
        destination: destination?.to_owned(),
        kinds: wanted?.iter().map(|wanted| wanted.kind).collect(),
    })
}

fn check_site(kind: Kind, value: &Value<'_>, site: &Site, schedule: &str, named: &mut Named<'_>) {
    if !site.product.has(kind) {
        value.problem(
            format!("{:?} has no {kind}: its product is {}", site.label, site.product),
            None,
        );
    }
    if kind != Kind::SiteBackup {
        return;
    }
    let first = named.backups.entry(site.host.clone()).or_insert_with(|| schedule.to_owned());
    if first != schedule {
        // Slots are per site: one schedule's hourly slots would push another's nightly ones out of retention.
        value.problem(
            format!(
                "backups of {:?} are in [schedule.{first}] already, and stand in one schedule only",
                site.label
            ),
            Some("give one schedule all transfers of this site's backups".to_owned()),
        );
    }
}

/// A label that the settings know.
fn label<'a, T>(
    value: &Value<'a>,
    heading: &str,
    known: &BTreeMap<&str, Option<T>>,
) -> Option<&'a str> {
    let label = value.text()?;
    if known.contains_key(label) {
        return Some(label);
    }
    let labels: Vec<&str> = known.keys().copied().collect();
    let meant = nearest(label, labels.iter().copied());
    value.problem(
        format!("there is no [{heading}.{}]", label.escape_debug()),
        Some(did_you_mean(meant, &format!("{heading}s"), &labels)),
    );
    None
}

fn kinds<'a>(value: &Value<'a>) -> Option<Vec<Wanted<'a>>> {
    let mut wanted: Vec<Wanted<'a>> = Vec::new();
    for value in value.items("a kind")? {
        let Some(kind) = value.one_of(&Kind::ALL) else {
            continue;
        };
        if wanted.iter().any(|earlier| earlier.kind == kind) {
            value.problem(format!("{kind} is in this list twice"), None);
            continue;
        }
        wanted.push(Wanted { kind, value });
    }
    Some(wanted)
}
