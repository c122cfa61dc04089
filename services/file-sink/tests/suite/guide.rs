//! Each sentence of the vendor's guide about names, conflicts and retention, and what it comes to here.

use domain::Conflict::{AppendNumber, Overwrite, Skip};
use domain::{
    ArtifactId, ArtifactKey, Family, FileNameFormat, Instance, Kind, NameValues, Particulars,
    Retention,
};
use file_sink::Rules;

use crate::stand::{Delivered, Stand, backup, report};

const RECORDING: &str = "access.example.com-support-1234.flv";

fn rules(conflict: domain::Conflict, retention: Retention) -> Rules {
    Rules { conflict, retention }
}

/// What stands there after these were there and those were delivered, in their order.
fn after(rules: Rules, there: &[&str], items: &[Delivered]) -> Vec<String> {
    let stand = Stand::with(rules);
    for name in there {
        stand.put(name, "there before");
    }
    for item in items {
        stand.deliver(item);
        stand.directory.retire(item.wanted.artifact.site()).expect("old ones can be retired");
    }
    stand.files().into_iter().map(|(name, content)| format!("{name}: {content}")).collect()
}

#[test]
fn conflicts_and_retention() {
    let new = |lsid: &str| report(lsid, RECORDING, 5, "new");
    let days = || -> Vec<Delivered> { (1..=4).map(|day| backup(day, "b")).collect() };
    let all = |conflict| rules(conflict, Retention::All);
    let numbered = "access.example.com-support-1234.1.flv";
    for (sentence, rules, there, items, left) in [
        (
            "If the destination file name exists, then a new file is created with a number inserted just before the \
             last period in the file name.",
            all(AppendNumber),
            &[RECORDING][..],
            vec![new("1")],
            vec![
                "access.example.com-support-1234.1.flv: new",
                "access.example.com-support-1234.flv: there before",
            ],
        ),
        (
            "The value of the number is the smallest possible integer capable of guaranteeing that the file name is \
             unique.",
            all(AppendNumber),
            &["a.2.flv", "a.flv"],
            vec![report("1", "a.flv", 5, "new"), report("2", "a.flv", 6, "newer")],
            vec!["a.1.flv: new", "a.2.flv: there before", "a.3.flv: newer", "a.flv: there before"],
        ),
        (
            "Likewise, if access.example.com-support-1234.1.flv already exists, then \
             access.example.com-support-1234.2.flv will be created.",
            all(AppendNumber),
            &[RECORDING, numbered],
            vec![new("1")],
            vec![
                "access.example.com-support-1234.1.flv: there before",
                "access.example.com-support-1234.2.flv: new",
                "access.example.com-support-1234.flv: there before",
            ],
        ),
        (
            "If the destination file name already exists, then the contents of the existing file are overwritten with \
             the most recently downloaded data.",
            all(Overwrite),
            &[RECORDING],
            vec![new("1")],
            vec!["access.example.com-support-1234.flv: new"],
        ),
        (
            "If the destination file name exists, then the existing file is NOT overwritten, and no new file is \
             created.",
            all(Skip),
            &[RECORDING],
            vec![new("1")],
            vec!["access.example.com-support-1234.flv: there before"],
        ),
        (
            "The number of prior backups to keep.",
            rules(AppendNumber, Retention::Prior(1)),
            &[],
            days(),
            vec!["backup-03.nsb: b", "backup-04.nsb: b"],
        ),
        (
            "Leave this field empty to keep all backups.",
            all(AppendNumber),
            &[],
            days(),
            vec!["backup-01.nsb: b", "backup-02.nsb: b", "backup-03.nsb: b", "backup-04.nsb: b"],
        ),
    ] {
        assert_eq!(after(rules, there, &items), left, "{sentence}");
    }
}

#[test]
fn names() {
    let site = || "access.example.com".parse().expect("a host");
    let lsid = || "da3a0a3c".parse().expect("an LSID");
    let data = ArtifactId::report(site(), Family::Session, lsid());
    let shell = ArtifactId::new(
        site(),
        Kind::CommandShellRecording,
        ArtifactKey::Lsid(lsid()),
        Some(Instance(3)),
    )
    .expect("a shell");
    let particulars = Particulars {
        session_type: Some("support".to_owned()),
        lseq: Some("42".to_owned()),
        external_key: Some("INC-7".to_owned()),
        ..Particulars::default()
    };
    let named = |format: &str, artifact: &ArtifactId| {
        let format = format.parse::<FileNameFormat>().ok()?;
        let values =
            NameValues { artifact, site_label: "hq", particulars: &particulars, extension: "xml" };
        Some(format.render(&values).to_string())
    };
    for (sentence, format, artifact, name) in [
        (
            "All special replacement values start and end with a percent sign (%).",
            "%LSID",
            &data,
            None,
        ),
        ("(text that is no replacement value stays)", "LSID", &data, Some("LSID")),
        (
            "Only UPPER CASE characters and underscores (_) are valid characters between the percent signs.",
            "%LSID 1%",
            &data,
            None,
        ),
        ("Replacement values are case sensitive.", "%Lsid%", &data, None),
        (
            "%LSEQ%: An incrementing number that can be used if your application needs to represent sessions in a \
             non-string format.",
            "%LSEQ%",
            &data,
            Some("42"),
        ),
        ("%LSID%: The session's unique string ID.", "%LSID%", &data, Some("da3a0a3c")),
        ("%EXTERNAL_KEY%: The session's external key.", "%EXTERNAL_KEY%", &data, Some("INC-7")),
        ("%SESSION_TYPE%: The session's type name.", "%SESSION_TYPE%", &data, Some("support")),
        (
            "%SUPPORT_SITE_HOST%: The hostname of the site from which the session data or the site backup was \
             downloaded.",
            "%SUPPORT_SITE_HOST%",
            &data,
            Some("access.example.com"),
        ),
        (
            "%INSTANCE%: The instance number of the command shell recording or Show My Screen recording.",
            "s%INSTANCE%",
            &shell,
            Some("s3"),
        ),
        ("%EXTENSION%: The file extension name.", "a.%EXTENSION%", &data, Some("a.xml")),
    ] {
        assert_eq!(named(format, artifact).as_deref(), name, "{sentence}");
    }
}
