//! Which artifacts a format can't tell apart.

use std::collections::BTreeMap;

use super::value::{Part, Value};
use super::{FileNameFormat, NameValues, Piece};
use crate::{ArtifactId, ArtifactKey, Instance, Kind, Lsid, Particulars, SiteHost, Slot};

/// Two artifacts of one session that would have one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedName {
    /// The one's kind.
    pub one: Kind,
    /// The other's; the same where instances are not told apart.
    pub other: Kind,
}

impl SharedName {
    /// Those that these formats make of the artifacts of one session, pair by pair.
    pub fn find(formats: &BTreeMap<Kind, &FileNameFormat>) -> Vec<SharedName> {
        let mut named: Vec<(Kind, String)> = Vec::new();
        let mut shared = Vec::new();
        for (kind, format) in formats {
            for artifact in of_one_session(*kind) {
                let name = format.render(&example(&artifact)).folded();
                for (other, _) in named
                    .iter()
                    .filter(|(other, earlier)| *earlier == name && other.family() == kind.family())
                {
                    let found = SharedName { one: *other, other: *kind };
                    if !shared.contains(&found) {
                        shared.push(found);
                    }
                }
                named.push((*kind, name));
            }
        }
        shared
    }
}

impl FileNameFormat {
    /// Two of these slots, in their order, whose backups of one site would have one name.
    pub fn shared_by_slots(&self, slots: impl IntoIterator<Item = Slot>) -> Option<(Slot, Slot)> {
        let site = example_site();
        let mut named = BTreeMap::new();
        slots.into_iter().find_map(|slot| {
            let name = self.render(&example(&ArtifactId::backup(site.clone(), slot))).folded();
            named.insert(name, slot).map(|earlier| (earlier, slot))
        })
    }

    /// Whether the whole date of a backup is in its name; without it names come again after a month or a year.
    pub fn names_the_day(&self) -> bool {
        let has = |part| self.has(Value::Start(part)) || self.has(Value::End(part));
        self.has(Value::Date) || [Part::Year, Part::Month, Part::Day].into_iter().all(has)
    }

    /// Whether the time of a backup is in its name, to the minute.
    pub fn names_the_minute(&self) -> bool {
        let has = |part| self.has(Value::Start(part)) || self.has(Value::End(part));
        self.has(Value::Time) || (has(Part::Hour) && has(Part::Minute))
    }

    /// Whether the site is in the name.
    pub fn names_the_site(&self) -> bool {
        self.has(Value::SupportSiteHost) || self.has(Value::Site)
    }

    fn has(&self, wanted: Value) -> bool {
        self.segments.iter().flatten().any(|piece| *piece == Piece::Value(wanted))
    }
}

/// The artifacts of a kind that one session can have, two where there may be several; none of a backup.
fn of_one_session(kind: Kind) -> Vec<ArtifactId> {
    if kind.family().is_none() {
        return Vec::new();
    }
    let lsid: Lsid = "0123456789abcdef0123456789abcdef".parse().expect("an LSID");
    let instances: &[Option<Instance>] =
        if kind.has_instances() { &[Some(Instance(0)), Some(Instance(1))] } else { &[None] };
    let artifact = |instance: &Option<Instance>| {
        ArtifactId::new(example_site(), kind, ArtifactKey::Lsid(lsid.clone()), *instance)
            .expect("each kind is given what it needs")
    };
    instances.iter().map(artifact).collect()
}

fn example_site() -> SiteHost {
    "site.example".parse().expect("a host name")
}

/// Recordings may all have one extension, reports have another.
fn example(artifact: &ArtifactId) -> NameValues<'_> {
    const NOTHING: &Particulars = &Particulars {
        session_type: None,
        lseq: None,
        external_key: None,
        started: None,
        ended: None,
    };
    let extension = if artifact.kind().is_report() { "xml" } else { "flv" };
    NameValues { artifact, site_label: "site", particulars: NOTHING, extension }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(format: &str, kinds: &[Kind]) -> Vec<(Kind, Kind)> {
        let format: FileNameFormat = format.parse().expect("a format");
        let formats = kinds.iter().map(|kind| (*kind, &format)).collect();
        SharedName::find(&formats).into_iter().map(|found| (found.one, found.other)).collect()
    }

    #[test]
    fn artifacts_of_one_session_that_would_share_a_name_are_found() {
        use Kind::{
            CommandShellRecording as Shell, PresentationRecording as Presentation,
            SessionData as Data, SessionRecording as Screen, ShowMyScreenRecording as Show,
        };
        let vendors = "%SUPPORT_SITE_HOST%-%SESSION_TYPE%-%LSID%.%EXTENSION%";
        for (format, kinds, found) in [
            (vendors, &[Data, Screen][..], &[][..]),
            (vendors, &[Data, Screen, Presentation], &[]),
            (vendors, &[Data, Shell], &[(Shell, Shell)]),
            (vendors, &[Screen, Shell], &[(Screen, Shell), (Shell, Shell)]),
            ("%LSID%", &[Data, Screen], &[(Data, Screen)]),
            ("%LSID%-%INSTANCE%.%EXTENSION%", &[Data, Screen, Shell], &[]),
            ("%LSID%-%INSTANCE%.%EXTENSION%", &[Shell, Show], &[(Shell, Show)]),
            ("%KIND%-%LSID%-%INSTANCE%", &[Data, Screen, Shell, Show], &[]),
        ] {
            assert_eq!(shared(format, kinds), found, "{format} {kinds:?}");
        }
    }

    #[test]
    fn every_kinds_own_format_tells_it_from_the_others_of_its_session() {
        let own: Vec<_> =
            Kind::ALL.iter().map(|kind| (*kind, FileNameFormat::standard(*kind))).collect();
        let formats = own.iter().map(|(kind, format)| (*kind, format)).collect();
        assert_eq!(SharedName::find(&formats), []);
    }

    #[test]
    fn slots_whose_backups_would_share_a_name_are_found() {
        let slot = |text: &str| text.parse::<Slot>().expect("a slot");
        let slots = ["20261121T020000Z", "20261122T020000Z", "20261122T140000Z"].map(slot).to_vec();
        for (format, found) in [
            ("%DATE%T%TIME%", None),
            ("%START_DD%-%START_HH%", None),
            ("%DATE%", Some((slots[1], slots[2]))),
            ("%END_YYYY%", Some((slots[0], slots[1]))),
        ] {
            let format: FileNameFormat = format.parse().expect("a format");
            assert_eq!(format.shared_by_slots(slots.clone()), found, "{format}");
        }
    }

    #[test]
    fn a_day_is_a_year_a_month_and_a_day() {
        for (format, whole) in [
            ("%DATE%", true),
            ("%START_YYYY%/%START_MM%/%START_DD%", true),
            ("%START_YYYY%/%END_MM%/%START_DD%", true),
            ("%START_MM%-%START_DD%T%TIME%", false),
            ("%TIME%", false),
        ] {
            let format: FileNameFormat = format.parse().expect("a format");
            assert_eq!(format.names_the_day(), whole, "{format}");
        }
    }
}
