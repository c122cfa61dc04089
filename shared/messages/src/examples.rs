//! One example of each fact; the files under `schema/messages` are made of them and checked against them.

use chrono::{DateTime, Utc};
use domain::facts::*;
use domain::{
    ApplianceTime, ArtifactId, ArtifactKey, Digest, Family, Instance, Kind, Particulars, Revision,
};
use serde::Serialize;

use crate::{DecodeError, Fact, Subjects, VERSION, decode, encode};

fn instant() -> DateTime<Utc> {
    "2026-11-22T02:00:00Z".parse().expect("an instant")
}

fn report() -> ArtifactId {
    ArtifactId::report(
        "support.example.com".parse().expect("a host"),
        Family::Session,
        "0123456789abcdef0123456789abcdef".parse().expect("an id"),
    )
}

fn shell() -> ArtifactId {
    let lsid = report().lsid().expect("a report has one").clone();
    let key = ArtifactKey::Lsid(lsid);
    ArtifactId::new(report().site().clone(), Kind::CommandShellRecording, key, Some(Instance(0)))
        .expect("a shell has an instance")
}

fn particulars() -> Particulars {
    Particulars {
        session_type: Some("support".into()),
        lseq: Some("8".into()),
        external_key: Some("INC0001".into()),
        started: Some(instant() - chrono::Duration::minutes(15)),
        ended: Some(instant()),
    }
}

fn cause() -> Cause {
    Cause {
        subject: "sluice.session.ended.support=2Eexample=2Ecom.0123456789abcdef0123456789abcdef"
            .into(),
        sequence: 17,
    }
}

fn destination() -> DestinationId {
    DestinationId::from_random([0xab; 16])
}

pub fn all() -> Vec<Fact> {
    let site = report().site().clone();
    let lsid = report().lsid().expect("a report has one").clone();
    vec![
        Fact::SessionEnded(SessionEnded {
            site: site.clone(),
            family: Family::Session,
            lsid,
            end: End::Seen,
            noticed_at: ApplianceTime::read_off(instant()),
        }),
        Fact::BackupDue(BackupDue { site, slot: domain::Slot::at(instant()) }),
        Fact::RecordingDue(RecordingDue { recording: shell(), particulars: particulars() }),
        Fact::ArtifactStaged(ArtifactStaged {
            artifact: report(),
            claim: ClaimCheck {
                object: "support.example.com/session-data/2026-11/0123456789abcdef0123456789abcdef/1a2b3c4d.xml".into(),
                size: 18_432,
                digest: Digest::of(b"the bytes"),
                content: Digest::of(b"the content"),
                extension: "xml".into(),
            },
            particulars: particulars(),
            staged_at: instant(),
            cause: cause(),
            revision: None,
        }),
        Fact::ArtifactUnavailable(ArtifactUnavailable {
            artifact: shell(),
            reason: "This recording has expired and can no longer be viewed or downloaded.".into(),
            found_at: instant(),
            cause: cause(),
        }),
        Fact::Again(Again {
            artifact: report(),
            to: Asked::Deliver(destination()),
            ask: "retry-17".into(),
            mode: AgainMode::IfMissing,
            why: "a dead letter is retried".into(),
            asked_by: "operator".into(),
            asked_at: instant(),
            destinations: Vec::new(),
            import: None,
        }),
        Fact::DeadLetter(DeadLetter {
            worker: "fetch".into(),
            destination: None,
            artifact: Some(report()),
            verdict: Verdict::Rejected,
            reason: "the report is not XML: it starts with \"garbage\"".into(),
            attempts: 1,
            settled_at: instant(),
            letter: Letter {
                stream: "sluice-DUE".into(),
                subject: cause().subject,
                sequence: 17,
                payload: vec![0x83, 0xa4],
            },
        }),
        Fact::Activity(Activity {
            deed: Deed::Delivered,
            by: "sql-sink".into(),
            at: instant(),
            artifact: Some(report()),
            destination: Some(destination()),
            revision: Some(Revision { epoch: 1_795_312_800_000, position: 9 }),
            note: String::new(),
        }),
    ]
}

fn body(fact: &Fact) -> serde_json::Value {
    fn json<B: Serialize>(body: &B) -> serde_json::Value {
        serde_json::to_value(body).expect("facts are plain values")
    }
    match fact {
        Fact::SessionEnded(body) => json(body),
        Fact::BackupDue(body) => json(body),
        Fact::RecordingDue(body) => json(body),
        Fact::ArtifactStaged(body) => json(body),
        Fact::ArtifactUnavailable(body) => json(body),
        Fact::Again(body) => json(body),
        Fact::DeadLetter(body) => json(body),
        Fact::Activity(body) => json(body),
    }
}

fn schema(fact: &Fact) -> serde_json::Value {
    let schema = match fact {
        Fact::SessionEnded(_) => schemars::schema_for!(SessionEnded),
        Fact::BackupDue(_) => schemars::schema_for!(BackupDue),
        Fact::RecordingDue(_) => schemars::schema_for!(RecordingDue),
        Fact::ArtifactStaged(_) => schemars::schema_for!(ArtifactStaged),
        Fact::ArtifactUnavailable(_) => schemars::schema_for!(ArtifactUnavailable),
        Fact::Again(_) => schemars::schema_for!(Again),
        Fact::DeadLetter(_) => schemars::schema_for!(DeadLetter),
        Fact::Activity(_) => schemars::schema_for!(Activity),
    };
    schema.to_value()
}

/// The file of that name beside the schemas. With `SLUICE_WRITE_SCHEMAS=1` a missing or different one is written
/// first (never a golden one that exists: old messages must stay readable), so that the difference shows in git.
fn kept(name: &str, made: &[u8], golden: bool) -> Vec<u8> {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema/messages").join(name);
    let write = std::env::var_os("SLUICE_WRITE_SCHEMAS").is_some() && !(golden && path.exists());
    if write {
        std::fs::write(&path, made).expect("the schema folder is writable");
    }
    std::fs::read(&path)
        .unwrap_or_else(|cause| panic!("{}: {cause}; run `make schemas`", path.display()))
}

fn pretty(value: &serde_json::Value) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("a value prints");
    text.push(b'\n');
    text
}

#[test]
fn schemas_and_examples_on_disk_are_those_of_the_types() {
    for fact in all() {
        let name = fact.name();
        for (file, value) in [
            (format!("{name}.v{VERSION}.schema.json"), schema(&fact)),
            (format!("{name}.v{VERSION}.example.json"), body(&fact)),
        ] {
            let made = pretty(&value);
            assert!(kept(&file, &made, false) == made, "{file} is out of date; run `make schemas`");
        }
    }
}

#[test]
fn a_message_written_long_ago_is_still_read() {
    for fact in all() {
        let bytes = encode(&fact).expect("facts encode");
        let golden = kept(&format!("{}.v1.msgpack", fact.name()), &bytes, true);
        assert_eq!(decode(&golden).expect("golden bytes decode"), fact);
        assert_eq!(golden, bytes, "{} is written differently under the same version", fact.name());
    }
}

#[test]
fn a_newer_version_is_told_apart_from_damage() {
    #[derive(Serialize)]
    struct Future {
        fact: &'static str,
        version: u16,
        body: u8,
    }
    let newer =
        rmp_serde::to_vec_named(&Future { fact: "backup-due", version: VERSION + 1, body: 0 })
            .expect("a map encodes");
    assert!(matches!(decode(&newer), Err(DecodeError::NewerVersion { .. })));
    assert!(matches!(decode(b"\xc1garbage"), Err(DecodeError::Unreadable { .. })));
    assert!(matches!(decode(b""), Err(DecodeError::Unreadable { .. })));
}

#[test]
fn every_subject_of_a_fact_lies_in_a_stream() {
    let subjects = Subjects::new("sluice").expect("a prefix");
    let filters =
        [subjects.of_due(), subjects.of_artifacts(), subjects.of_activity(), subjects.of_dead()]
            .concat();
    for fact in all() {
        let subject = subjects.of(&fact);
        let inside = |filter: &String| subject.starts_with(filter.trim_end_matches('>'));
        assert!(filters.iter().any(inside), "{subject}");
    }
}
