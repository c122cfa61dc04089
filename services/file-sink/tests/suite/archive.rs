//! An archive that the vendor's client filled.

use std::collections::BTreeMap;

use domain::{ArtifactId, ArtifactKey, Conflict, FileNameFormat, Kind, NameValues, Particulars};
use file_sink::{Found, Settled};
use session_report::{Limits, Report};

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

/// A report as an appliance answers it: the token in its URL is another each time.
fn xml(says: &str, token: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<session_list xmlns="http://www.beyondtrust.com/sra/namespaces/API/reporting">
<session lsid="{:032x}"><session_type>{says}</session_type>
<session_chat_view_url>https://access.example.com/view?token={token}</session_chat_view_url></session>
</session_list>
"#,
        0
    )
}

fn answered(says: &str, token: &str) -> Delivered {
    let content = xml(says, token);
    let Delivered { wanted, .. } = artifact(0);
    let mut item = delivered(wanted.artifact, wanted.name.as_str(), 1, &content);
    let report = Report::read(content.as_bytes(), &Limits::default()).expect("a report");
    item.wanted.stamp.content = report.content;
    item
}

#[test]
fn a_report_that_says_the_same_with_other_tokens_in_its_urls_is_adopted_as_it_lies() {
    for rule in Conflict::ALL {
        let stand = Stand::new(rule);
        let lies = xml("support", "of the vendor's client, and longer");
        let item = answered("support", "ours");
        stand.put(item.wanted.name.as_str(), &lies);
        assert_eq!(stand.deliver(&item), Settled::Adopted(item.wanted.name.clone()), "{rule}");
        assert_eq!(stand.files(), [(item.wanted.name.to_string(), lies)].into(), "{rule}");
        let mut whole = |found| assert!(matches!(found, Found::Whole(_)), "{rule}: {found:?}");
        stand.directory.examine(true, &mut whole).expect("it can be examined");
    }
}

#[test]
fn a_report_that_says_something_else_is_somebody_elses() {
    let item = answered("support", "ours");
    for lies in [xml("suppört", "ours"), "<session_list".repeat(30)] {
        let stand = Stand::new(Conflict::AppendNumber);
        stand.put(item.wanted.name.as_str(), &lies);
        let placed = Settled::Placed(item.wanted.name.numbered(1));
        assert_eq!(stand.deliver(&item), placed, "{lies}");
    }
}
