//! The rules of the vendor's client about names, conflicts and retention, one row for each, in our words, and what each
//! comes to here.

use domain::Conflict::{AppendNumber, Overwrite, Skip};
use domain::{
    ArtifactId, ArtifactKey, FileNameFormat, Instance, Kind, NameValues, Particulars, Retention,
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
    for (rule, rules, there, items, left) in [
        (
            "append-number: a name that is taken makes a new file, the number before the last period",
            all(AppendNumber),
            &[RECORDING][..],
            vec![new("1")],
            vec![
                "access.example.com-support-1234.1.flv: new",
                "access.example.com-support-1234.flv: there before",
            ],
        ),
        (
            "append-number: where the number is taken too, the next one",
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
            "append-number: the number is the smallest that makes the name unique, gaps are filled",
            all(AppendNumber),
            &["a.2.flv", "a.flv"],
            vec![report("1", "a.flv", 5, "new"), report("2", "a.flv", 6, "newer")],
            vec!["a.1.flv: new", "a.2.flv: there before", "a.3.flv: newer", "a.flv: there before"],
        ),
        (
            "append-number: a name that is free gets no number",
            all(AppendNumber),
            &["other.flv"],
            vec![report("1", "a.flv", 5, "new")],
            vec!["a.flv: new", "other.flv: there before"],
        ),
        (
            "overwrite: what is there gives way to what comes",
            all(Overwrite),
            &[RECORDING],
            vec![new("1")],
            vec!["access.example.com-support-1234.flv: new"],
        ),
        (
            "overwrite: of several that come, the most recent one is there",
            all(Overwrite),
            &[],
            vec![report("1", "a.flv", 5, "older"), report("2", "a.flv", 6, "newer")],
            vec!["a.flv: newer"],
        ),
        (
            "skip: what is there stays, and no other file is made",
            all(Skip),
            &[RECORDING],
            vec![new("1"), report("2", "a.flv", 6, "free")],
            vec!["a.flv: free", "access.example.com-support-1234.flv: there before"],
        ),
        (
            "a sequence number may come twice: two sessions of one name are a conflict like any other",
            all(AppendNumber),
            &[],
            vec![report("1", "42.xml", 5, "one"), report("2", "42.xml", 6, "two")],
            vec!["42.1.xml: two", "42.xml: one"],
        ),
        (
            "a retention count is the number of backups that are kept beside the newest",
            rules(AppendNumber, Retention::Prior(1)),
            &[],
            days(),
            vec!["backup-03.nsb: b", "backup-04.nsb: b"],
        ),
        (
            "a retention count of none keeps the newest alone",
            rules(AppendNumber, Retention::Prior(0)),
            &[],
            days(),
            vec!["backup-04.nsb: b"],
        ),
        (
            "without a retention count every backup is kept",
            all(AppendNumber),
            &[],
            days(),
            vec!["backup-01.nsb: b", "backup-02.nsb: b", "backup-03.nsb: b", "backup-04.nsb: b"],
        ),
        (
            "a retention count is about backups, and counts nothing else",
            rules(AppendNumber, Retention::Prior(0)),
            &[],
            vec![report("1", "a.xml", 5, "one"), report("2", "b.xml", 6, "two"), backup(1, "b")],
            vec!["a.xml: one", "b.xml: two", "backup-01.nsb: b"],
        ),
    ] {
        assert_eq!(after(rules, there, &items), left, "{rule}");
    }
}

fn artifact(kind: Kind, instance: Option<u32>) -> ArtifactId {
    let site = "access.example.com".parse().expect("a host");
    let key = match kind {
        Kind::SiteBackup => ArtifactKey::Slot("20261122T020000Z".parse().expect("a slot")),
        _ => ArtifactKey::Lsid("da3a0a3c".parse().expect("an LSID")),
    };
    ArtifactId::new(site, kind, key, instance.map(Instance)).expect("an artifact")
}

#[test]
fn names() {
    let (data, backup) = (artifact(Kind::SessionData, None), artifact(Kind::SiteBackup, None));
    let shell = |instance| artifact(Kind::CommandShellRecording, Some(instance));
    let screen = |instance| artifact(Kind::ShowMyScreenRecording, Some(instance));
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
    let usual = "%SUPPORT_SITE_HOST%-%SESSION_TYPE%-%LSID%.%EXTENSION%";
    for (rule, format, artifact, name) in [
        ("a value starts with a percent sign and ends with one", "%LSID", &data, None),
        ("and so it does at its end", "LSID%", &data, None),
        ("text that is no value stays as it is", "LSID", &data, Some("LSID")),
        ("a value has no blanks and no digits", "%LSID 1%", &data, None),
        ("a value has no small letters", "%lsid%", &data, None),
        ("nor one of them: case counts", "%Lsid%", &data, None),
        ("a value that is none of the known ones is refused", "%LSDI%", &data, None),
        ("the session's sequence number", "%LSEQ%", &data, Some("42")),
        ("the session's unique id", "%LSID%", &data, Some("da3a0a3c")),
        ("the session's external key", "%EXTERNAL_KEY%", &data, Some("INC-7")),
        ("the session's type", "%SESSION_TYPE%", &data, Some("support")),
        (
            "the host of the session's site",
            "%SUPPORT_SITE_HOST%",
            &data,
            Some("access.example.com"),
        ),
        (
            "the host of the backup's site",
            "%SUPPORT_SITE_HOST%",
            &backup,
            Some("access.example.com"),
        ),
        ("which command shell of the session", "s%INSTANCE%", &shell(3), Some("s3")),
        ("a session has several of them, each its own name", "s%INSTANCE%", &shell(4), Some("s4")),
        ("which shared screen of the session", "s%INSTANCE%", &screen(0), Some("s0")),
        ("a session has several of those too", "s%INSTANCE%", &screen(1), Some("s1")),
        ("the extension of the file", "a.%EXTENSION%", &data, Some("a.xml")),
        ("one format is for data", usual, &data, Some("access.example.com-support-da3a0a3c.xml")),
        (
            "and for recordings",
            usual,
            &artifact(Kind::SessionRecording, None),
            Some("access.example.com-support-da3a0a3c.xml"),
        ),
        (
            "and for backups",
            "%SUPPORT_SITE_HOST%.%EXTENSION%",
            &backup,
            Some("access.example.com.xml"),
        ),
    ] {
        assert_eq!(named(format, artifact).as_deref(), name, "{rule}");
    }
}
