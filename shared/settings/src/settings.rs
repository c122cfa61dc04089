use std::collections::BTreeSet;

use chrono_tz::Tz;
use domain::{Digest, Family, Kind, SiteHost};

use crate::{Destination, Events, Log, Problem, Retry, Schedule, Service, Site, Staging, Transfer};

/// The settings, validated: every label that they name exists, every kind can go where it is sent.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The digest of the file's bytes.
    pub digest: Digest,
    /// The log of facts.
    pub log: Log,
    /// Where artifacts wait.
    pub staging: Staging,
    /// What every process does beside its work.
    pub service: Service,
    /// Retries.
    pub retry: Retry,
    /// Where the appliances' outbound events are taken. None is nowhere.
    pub events: Option<Events>,
    /// The zone that times of day are in; UTC unless set.
    pub time_zone: Tz,
    /// The sites, in the order of the file.
    pub sites: Vec<Site>,
    /// The destinations, in the order of the file.
    pub destinations: Vec<Destination>,
    /// The schedules, in the order of the file.
    pub schedules: Vec<Schedule>,
    /// What is allowed but hardly meant, in the order of the file.
    pub warnings: Vec<Problem>,
}

impl Settings {
    /// The site with this identity.
    pub fn site(&self, host: &SiteHost) -> Option<&Site> {
        self.sites.iter().find(|site| site.host == *host)
    }

    /// The site with this label.
    pub fn site_labelled(&self, label: &str) -> Option<&Site> {
        self.sites.iter().find(|site| site.label == label)
    }

    /// The destination with this label.
    pub fn destination(&self, label: &str) -> Option<&Destination> {
        let mut destinations = self.destinations.iter();
        destinations.find(|destination| destination.label == label)
    }

    /// The schedule with this label.
    pub fn schedule(&self, label: &str) -> Option<&Schedule> {
        self.schedules.iter().find(|schedule| schedule.label == label)
    }

    /// Every transfer, with its schedule.
    pub fn transfers(&self) -> impl Iterator<Item = (&Schedule, &Transfer)> {
        self.schedules.iter().flat_map(|schedule| {
            let transfers = schedule.transfers.iter();
            transfers.map(move |transfer| (schedule, transfer))
        })
    }

    /// What any transfer wants of this site.
    pub fn kinds_of_site(&self, site: &SiteHost) -> BTreeSet<Kind> {
        self.transfers()
            .filter(|(_, transfer)| transfer.site == *site)
            .flat_map(|(_, transfer)| transfer.kinds.iter().copied())
            .collect()
    }

    /// What is fetched of this site: without the report nobody knows the recordings, so a transfer of recordings alone
    /// asks for the report, too.
    pub fn kinds_to_fetch(&self, site: &SiteHost) -> BTreeSet<Kind> {
        let mut kinds = self.kinds_of_site(site);
        let reports: Vec<Kind> =
            kinds.iter().filter_map(|kind| kind.family()).map(Family::report).collect();
        kinds.extend(reports);
        kinds
    }

    /// What any transfer brings from this site to this destination.
    pub fn kinds_of_route(&self, destination: &str, site: &SiteHost) -> BTreeSet<Kind> {
        self.transfers()
            .filter(|(_, transfer)| transfer.destination == destination && transfer.site == *site)
            .flat_map(|(_, transfer)| transfer.kinds.iter().copied())
            .collect()
    }

    /// The sites that any transfer brings to this destination.
    pub fn sites_of_destination(&self, destination: &str) -> BTreeSet<&SiteHost> {
        self.transfers()
            .filter(|(_, transfer)| transfer.destination == destination)
            .map(|(_, transfer)| &transfer.site)
            .collect()
    }

    /// The schedule that makes this site's backups; there is one at most.
    pub fn backup_schedule(&self, site: &SiteHost) -> Option<&Schedule> {
        self.transfers()
            .find(|(_, transfer)| {
                transfer.site == *site && transfer.kinds.contains(&Kind::SiteBackup)
            })
            .map(|(schedule, _)| schedule)
    }
}
