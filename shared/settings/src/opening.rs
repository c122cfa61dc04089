use std::collections::BTreeSet;

use domain::{Kind, SiteHost};

use crate::{Settings, Transfer};

/// When a route is open: a schedule shorter than a day holds its routes open always, a day-sized one while a run lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// At all times.
    Always,
    /// While a run of any of these schedules lasts.
    During(BTreeSet<String>),
}

impl Settings {
    /// When this kind is fetched from this site.
    ///
    /// A transfer of recordings alone has its reports fetched at all times: without them nobody knows the recordings.
    pub fn fetch_opening(&self, site: &SiteHost, kind: Kind) -> Opening {
        let of_family = |other: &Kind| kind.is_report() && other.family() == kind.family();
        let alone = |transfer: &Transfer| {
            transfer.site == *site
                && !transfer.kinds.contains(&kind)
                && transfer.kinds.iter().any(of_family)
        };
        if self.transfers().any(|(_, transfer)| alone(transfer)) {
            return Opening::Always;
        }
        self.opening(|transfer| transfer.site == *site && transfer.kinds.contains(&kind))
    }

    /// When this kind is delivered from this site to this destination.
    pub fn deliver_opening(&self, destination: &str, site: &SiteHost, kind: Kind) -> Opening {
        self.opening(|transfer| {
            transfer.destination == destination
                && transfer.site == *site
                && transfer.kinds.contains(&kind)
        })
    }

    fn opening(&self, names: impl Fn(&Transfer) -> bool) -> Opening {
        let mut schedules = BTreeSet::new();
        for (schedule, _) in self.transfers().filter(|(_, transfer)| names(transfer)) {
            if !schedule.timetable.is_day_sized() {
                return Opening::Always;
            }
            schedules.insert(schedule.label.clone());
        }
        if schedules.is_empty() { Opening::Always } else { Opening::During(schedules) }
    }
}

#[cfg(test)]
mod tests {
    use domain::Kind;

    use super::*;
    use crate::Needs;

    fn settings(schedules: &str) -> Settings {
        let text = format!(
            "[site.hq]\nhost = \"hq.example.com\"\nproduct = \"remote-support\"\nclient_id = \"id\"\n\
             client_secret = {{ env = \"HQ\" }}\n[destination.a]\ntype = \"files\"\nurl = \"file:///a\"\n\
             [destination.b]\ntype = \"files\"\nurl = \"file:///b\"\n{schedules}"
        );
        crate::parse(&text, "sluice.toml", Needs::NONE, &|_| None).expect("good settings")
    }

    fn schedule(label: &str, every: &str, transfers: &[(&str, &str)]) -> String {
        let transfer = |(to, kinds): &(&str, &str)| {
            format!("{{ site = \"hq\", destination = \"{to}\", kinds = [{kinds}] }},")
        };
        let transfers: String = transfers.iter().map(transfer).collect();
        format!("[schedule.{label}]\nevery = \"{every}\"\ntransfers = [{transfers}]\n")
    }

    fn during(labels: &[&str]) -> Opening {
        Opening::During(labels.iter().map(|label| (*label).to_owned()).collect())
    }

    #[test]
    fn what_travels_at_night_is_fetched_and_delivered_at_night() {
        let night = schedule("night", "1d", &[("a", r#""session-data", "session-recording""#)]);
        let day = schedule("day", "5m", &[("b", r#""session-data""#)]);
        let settings = settings(&format!("{night}{day}"));
        let site = &settings.sites[0].host;
        assert_eq!(settings.fetch_opening(site, Kind::SessionData), Opening::Always);
        assert_eq!(settings.fetch_opening(site, Kind::SessionRecording), during(&["night"]));
        assert_eq!(settings.deliver_opening("a", site, Kind::SessionData), during(&["night"]));
        assert_eq!(settings.deliver_opening("b", site, Kind::SessionData), Opening::Always);
    }

    #[test]
    fn the_reports_of_recordings_alone_are_fetched_at_all_times() {
        let night = schedule("night", "1d", &[("a", r#""session-recording""#)]);
        let week = schedule("week", "7d", &[("b", r#""session-data", "session-recording""#)]);
        let settings = settings(&format!("{night}{week}"));
        let site = &settings.sites[0].host;
        assert_eq!(settings.fetch_opening(site, Kind::SessionData), Opening::Always);
        assert_eq!(
            settings.fetch_opening(site, Kind::SessionRecording),
            during(&["night", "week"])
        );
        assert_eq!(settings.deliver_opening("b", site, Kind::SessionData), during(&["week"]));
    }
}
