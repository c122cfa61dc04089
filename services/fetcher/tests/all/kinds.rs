//! Promises about recordings, presentations and backups.

use std::collections::BTreeSet;

use crate::house::{House, digest, is_not_yet, kind_of, quick, until};
use appliance_simulator::{Asked, Fault, Language, Options, Speech, backup_bytes, recording_bytes};
use chrono::DateTime;
use domain::facts::{BackupDue, End};
use domain::{ArtifactId, Digest, Family, Kind, Slot};
use messages::Fact;
use queue::{Failure, Outcome};

const ALL: [Speech; 7] = [
    Speech::Html,
    Speech::Json,
    Speech::Xml,
    Speech::OtherXml,
    Speech::Words,
    Speech::ManyWords,
    Speech::Nothing,
];

fn options() -> Options {
    Options {
        sessions: 3,
        recordings: 1.0,
        shells: 1.0,
        show_my_screen: 1.0,
        presentations: 3,
        recording_bytes: 100_000,
        backup_bytes: 70_000,
        ..Options::default()
    }
}

fn slot(secs: i64) -> Slot {
    Slot::at(DateTime::from_timestamp(secs, 0).expect("an instant"))
}

fn backup_due(house: &House, slot: Slot) -> Fact {
    Fact::BackupDue(BackupDue { site: house.host(), slot })
}

async fn digest_of(house: &House, artifact: &ArtifactId) -> (Digest, String) {
    let staged = house.staged(artifact).await.unwrap_or_else(|| panic!("{artifact} is missing"));
    (Digest::of(&house.content(&staged.claim).await), staged.claim.extension)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_that_the_product_has_is_staged_byte_by_byte() {
    let house = House::new(options()).await;
    for lsid in house.lsids() {
        house.log.announce(&house.ended(&lsid)).await.expect("the server runs");
    }
    for one in house.site.presentations() {
        let over = house.over(Family::Presentation, &one.lsid, End::Seen);
        house.log.announce(&over).await.expect("the server runs");
    }
    let running = house.run(&Kind::ALL[..6], quick(3)).await;
    house.drained().await;
    running.ended().await;
    assert_eq!(house.dead().await, [""; 0]);
    let mut wanted = Vec::new();
    for session in house.site.sessions() {
        wanted.extend(
            session
                .recordings
                .into_iter()
                .map(|one| (session.lsid.clone(), one.kind, one.instance)),
        );
    }
    let recorded = house.site.presentations().into_iter().filter(|one| one.recorded);
    let presented = appliance_simulator::RecordingKind::Presentation;
    wanted.extend(recorded.map(|one| (one.lsid, presented, 0)));
    let kinds: BTreeSet<Kind> = wanted.iter().map(|(_, kind, _)| kind_of(*kind)).collect();
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    for (lsid, kind, instance) in wanted {
        let by_instance =
            matches!(kind_of(kind), Kind::CommandShellRecording | Kind::ShowMyScreenRecording);
        let artifact = house.recording(&lsid, kind_of(kind), by_instance.then_some(instance));
        let expected = digest(recording_bytes(house.site.options(), &lsid, kind, instance));
        assert_eq!(digest_of(&house, &artifact).await, (expected, "flv".to_owned()), "{artifact}");
    }
    for one in house.site.presentations() {
        let lsid = one.lsid.parse().expect("an LSID");
        let report = ArtifactId::report(house.host(), Family::Presentation, lsid);
        let staged = house.staged(&report).await.expect("it is staged");
        assert_eq!(staged.particulars.ended.map(|end| end.timestamp()), Some(one.end));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_staged_with_and_without_a_password() {
    for (lines, with_password) in [("", false), ("backup_password = { env = \"PASSWORD\" }", true)]
    {
        let house = House::with(options(), lines).await;
        let slot = slot(1_790_000_000);
        house.fetched(backup_due(&house, slot)).await;
        let expected = digest(backup_bytes(house.site.options(), 1, with_password));
        let artifact = ArtifactId::backup(house.host(), slot);
        assert_eq!(digest_of(&house, &artifact).await, (expected, "nsb".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_whose_time_is_over_is_not_made_of_what_the_site_is_later() {
    let house = House::new(options()).await;
    let (before, now) = (slot(1_790_000_000), slot(1_790_086_400));
    let first = house.task(backup_due(&house, before)).await;
    let last = house.task(backup_due(&house, now)).await;
    let backup = ArtifactId::backup(house.host(), before);
    let retried = house.again(backup, "retry-7", domain::facts::AgainMode::IfMissing);
    for task in [first, house.task(Fact::Again(retried)).await] {
        let done = house.work(&[task]).await.remove(0).expect("it is nobody's failure");
        let closing = done.closing.expect("somebody has to be told").fact;
        let Fact::ArtifactUnavailable(gone) = closing else { panic!("{closing:?}") };
        assert!(gone.reason.contains(&now.to_string()), "{}", gone.reason);
    }
    assert_eq!(house.site.counters().backups, 0);
    assert!(house.work(&[last]).await[0].is_ok());
    assert_eq!(house.site.counters().backups, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recordings_extension_follows_its_content() {
    let recording_format = appliance_simulator::RecordingFormat::Mp4;
    let house = House::new(Options { recording_format, ..options() }).await;
    let artifact = house.recording(&house.lsids()[0], Kind::SessionRecording, None);
    house.fetched(house.due(artifact.clone())).await;
    assert_eq!(digest_of(&house, &artifact).await.1, "mp4");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_says_is_never_stored_as_content() {
    let house = House::new(options()).await;
    let lsid = house.lsids().remove(0);
    let recording = house.recording(&lsid, Kind::SessionRecording, None);
    for speech in ALL {
        for (of, fact) in [
            (Asked::Recording, house.due(recording.clone())),
            (Asked::Backup, backup_due(&house, slot(1_790_000_000))),
            (Asked::Report, house.ended(&lsid)),
        ] {
            house.site.add_fault(Fault::Instead { of, speech });
            let outcome = house.work_one(fact).await;
            assert!(outcome.is_err(), "{of:?} {speech:?}: {outcome:?}");
        }
    }
    assert_eq!(house.objects().await, 0);
    house.site.clear_faults();
    house.fetched(house.due(recording)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_has_expired_is_unavailable_in_the_appliances_words() {
    let house = House::new(options()).await;
    let recording = house.recording(&house.lsids()[0], Kind::SessionRecording, None);
    house.site.add_fault(Fault::Expired { lsids: BTreeSet::new(), kind: None });
    let done = house.fetched(house.due(recording.clone())).await;
    assert!(done.closing.is_some());
    let gone = house.log.last_unavailable(&recording).await.expect("the server runs");
    let reason = gone.expect("it was told").fact.reason;
    assert!(reason.ends_with("can no longer be viewed or downloaded."), "{reason}");
    let repeated = house.work_one(house.due(recording)).await.expect("it is settled");
    assert!(repeated.closing.is_none());
    assert_eq!(house.requests("SupportSessionRecording"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_is_not_ready_is_waited_for_and_no_attempt_counts() {
    let house = House::new(options()).await;
    let recording = house.recording(&house.lsids()[0], Kind::SessionRecording, None);
    let until_ready = house.site.now() + 3_600;
    house.site.add_fault(Fault::NotReady {
        lsids: BTreeSet::new(),
        kind: None,
        until: until_ready,
    });
    for language in [Language::English, Language::French, Language::German] {
        house.site.add_fault(Fault::Localized { language });
        let outcome: Outcome = house.work_one(house.due(recording.clone())).await;
        assert!(is_not_yet(&outcome), "{outcome:?}");
    }
    // A single failure would be one too many.
    let running = house.run(&[Kind::SessionRecording], quick(1)).await;
    let asked = || house.requests("SupportSessionRecording");
    let before = asked();
    until("it was asked for by the runner", async || asked() > before).await;
    house.site.advance_clock(3_600);
    house.drained().await;
    running.ended().await;
    assert_eq!(house.dead().await, [""; 0]);
    assert!(house.staged(&recording).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_no_report_has_named_is_not_guessed() {
    let house = House::new(options()).await;
    let recording = house.recording(&house.lsids()[0], Kind::SessionRecording, None);
    let again = house.again(recording, "x", domain::facts::AgainMode::IfMissing);
    let outcome = house.work_one(Fact::Again(again)).await;
    assert!(matches!(outcome, Err(Failure::Reject(_))), "{outcome:?}");
}
