//! An archive that the vendor's client filled.

use std::collections::BTreeMap;

use domain::{ArtifactId, ArtifactKey, Conflict, FileNameFormat, Kind, NameValues, Particulars};
use file_sink::Settled;

use crate::stand::{self, Delivered, Stand, delivered};

/// An artifact of the vendor's default format, with the name that its client gave it.
fn artifact(at: u64) -> Delivered {
    let site = "access.example.com".parse().expect("a host");
    let kind = if at.is_multiple_of(2) { Kind::SessionData } else { Kind::SessionRecording };
    let key = ArtifactKey::Lsid(format!("{:032x}", at / 2).parse().expect("an LSID"));
    let artifact = ArtifactId::new(site, kind, key, None).expect("an artifact");
    let particulars =
        Particulars { session_type: Some("support".to_owned()), ..Particulars::default() };
    let extension = if kind == Kind::SessionData { "xml" } else { "flv" };
    let values =
        NameValues { artifact: &artifact, site_label: "hq", particulars: &particulars, extension };
    let name = FileNameFormat::standard(kind).render(&values).to_string();
    delivered(artifact.clone(), &name, at + 1, &format!("{kind} {at}"))
}

#[test]
fn an_archive_is_adopted_and_nothing_is_numbered_or_written_again() {
    for rule in Conflict::ALL {
        let stand = Stand::new(rule);
        let count = match rule {
            _ if stand.is_bucket() => 3,
            Conflict::AppendNumber if !stand::is_elsewhere() => 1_000,
            _ => 50,
        };
        let items: Vec<Delivered> = (0..count).map(artifact).collect();
        for item in &items {
            stand.put(item.wanted.name.as_str(), &item.content);
        }
        let before = written(&stand);
        for item in &items {
            let settled = stand.deliver(item);
            assert_eq!(settled, Settled::Adopted(item.wanted.name.clone()), "{rule}");
        }
        assert_eq!(written(&stand), before, "{rule}");
        let wanted: BTreeMap<_, _> =
            items.into_iter().map(|i| (i.wanted.name.to_string(), i.content)).collect();
        assert_eq!(stand.files(), wanted, "{rule}");
    }
}

/// Which file it is and when it was written, of each; of a bucket nobody asks.
fn written(stand: &Stand) -> BTreeMap<String, (u64, i64, i64)> {
    use std::os::unix::fs::MetadataExt as _;
    if stand.is_bucket() {
        return BTreeMap::new();
    }
    let names = stand.names().into_iter();
    let of = |name: String| {
        let found = std::fs::metadata(stand.folder().join(&name)).expect("it is there");
        (name, (found.ino(), found.mtime(), found.mtime_nsec()))
    };
    names.map(of).collect()
}
