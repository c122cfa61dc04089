use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::{
    ArtifactId, ArtifactKey, Instance, Kind, Lsid, NameValues, Particulars, RelativePath, SiteHost,
    Slot,
};
use settings::{FilesTarget, Formats, Settings};

/// How the files of a destination are named: its formats, and what the settings call each site.
#[derive(Debug, Clone)]
pub struct Naming {
    formats: Formats,
    labels: Arc<BTreeMap<SiteHost, String>>,
}

impl Naming {
    /// The names of these formats; a site without a label goes by its host.
    pub fn new(formats: Formats, labels: BTreeMap<SiteHost, String>) -> Self {
        Naming { formats, labels: Arc::new(labels) }
    }

    /// The names of a destination of the settings.
    pub fn of(settings: &Settings, target: &FilesTarget) -> Self {
        let labels = settings.sites.iter().map(|site| (site.host.clone(), site.label.clone()));
        Naming::new(target.formats.clone(), labels.collect())
    }

    /// The name that an artifact's file would like.
    pub fn name(
        &self,
        artifact: &ArtifactId,
        particulars: &Particulars,
        extension: &str,
    ) -> RelativePath {
        let label = self.labels.get(artifact.site());
        let site_label = label.map_or(artifact.site().as_str(), String::as_str);
        let values = NameValues { artifact, site_label, particulars, extension };
        self.formats.get(artifact.kind()).render(&values)
    }
}

/// What a file of each kind will be called in a destination, for people.
pub fn example_names(settings: &Settings, target: &FilesTarget) -> Vec<String> {
    let site = settings.sites.first().map(|site| site.host.clone());
    let site = site.unwrap_or_else(|| "support.example.com".parse().expect("a host name"));
    examples(&Naming::of(settings, target), site)
}

fn examples(naming: &Naming, site: SiteHost) -> Vec<String> {
    let ended = DateTime::from_timestamp(1_795_312_800, 0);
    let particulars = Particulars {
        session_type: Some("support".to_owned()),
        lseq: Some("8".to_owned()),
        external_key: Some("INC0001".to_owned()),
        started: ended.map(|ended| ended - chrono::Duration::minutes(42)),
        ended,
    };
    let name = |kind: Kind| {
        // Of a backup only its slot is known.
        let particulars = match kind {
            Kind::SiteBackup => &Particulars::default(),
            _ => &particulars,
        };
        let artifact = example(&site, kind, ended.unwrap_or_default());
        let extension = match kind {
            Kind::SessionData | Kind::PresentationData => "xml",
            Kind::SiteBackup => "nsb",
            _ => "flv",
        };
        format!("{kind}: {}", naming.name(&artifact, particulars, extension))
    };
    Kind::ALL.into_iter().map(name).collect()
}

fn example(site: &SiteHost, kind: Kind, at: DateTime<Utc>) -> ArtifactId {
    let lsid: Lsid = "0123456789abcdef0123456789abcdef".parse().expect("an id");
    let key = match kind {
        Kind::SiteBackup => ArtifactKey::Slot(Slot::at(at)),
        _ => ArtifactKey::Lsid(lsid),
    };
    ArtifactId::new(site.clone(), kind, key, kind.has_instances().then_some(Instance(0)))
        .expect("each kind is given what it needs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_shown_with_the_values_that_it_has() {
        let naming = Naming::new(
            Formats::new(
                Some(&"%EXTERNAL_KEY%-%DATE%.%EXTENSION%".parse().expect("a format")),
                [].into(),
            ),
            BTreeMap::new(),
        );
        let names = examples(&naming, "support.example.com".parse().expect("a host"));
        assert_eq!(names[0], "session-data: INC0001-2026-11-22.xml");
        assert_eq!(names.last().expect("a backup"), "site-backup: -2026-11-22.nsb");
    }
}
