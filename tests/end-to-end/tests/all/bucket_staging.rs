//! Staging in a bucket: the same promises as in a folder.

use std::fs;
use std::time::Duration;

use end_to_end::{Arrived, Rig, SettingsFile};
use object_stores::{Bucket, Gate, StandIn, Way};

use crate::kills::{self, Fleet};
use crate::lost_log::{complete, downloads, forget_two_thirds, store, with_a_new_database};

/// A new bucket; none where there is no stand-in.
fn bucket() -> Option<Bucket> {
    let stand_in = StandIn::s3();
    if stand_in.is_none() {
        println!("skipped: there is no moto_server (make tools)");
    }
    stand_in.map(StandIn::bucket)
}

/// A rig whose programs find a bucket's stand-in.
async fn rig(bucket: &Bucket, sessions: u64) -> Rig {
    let mut rig = Rig::new(sessions).await;
    for (name, value) in &bucket.settings {
        rig.variable(&name.to_ascii_uppercase(), value);
    }
    rig
}

fn in_bucket(bucket: &Bucket, settings: SettingsFile) -> SettingsFile {
    SettingsFile { staging: format!("url = {:?}\n", bucket.url), ..settings }
}

async fn said(rig: &Rig, arguments: &[&str]) -> String {
    let output = rig.sluice(arguments).await;
    let [printed, told] =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{arguments:?}: {printed}\n{told}");
    format!("{printed}{told}")
}

#[tokio::test(flavor = "multi_thread")]
async fn all_arrives_and_a_lost_log_is_put_back_from_the_bucket() {
    let Some(bucket) = bucket() else { return };
    let plain = Rig::new(30).await;
    plain.settle(&SettingsFile::default());
    plain.once().await;
    let expected = Arrived::at(&plain).await;

    let rig = rig(&bucket, 30).await;
    rig.settle(&in_bucket(&bucket, SettingsFile::default()));
    let checked = said(&rig, &["check"]).await;
    assert!(checked.contains(&bucket.url), "{checked}");
    rig.once().await;
    Arrived::at(&rig).await.assert_equal(&expected);
    assert!(!rig.path("data/staging").exists(), "nothing is staged elsewhere");

    fs::remove_dir_all(store(&rig)).expect("it is there");
    forget_two_thirds(&rig);
    let before = downloads(&rig);
    rig.settle(&in_bucket(&bucket, with_a_new_database()));
    rig.once().await;
    complete(&rig, &expected).await;
    assert_eq!(downloads(&rig), before, "what is staged is not fetched again");

    let mut up = rig.start("sluice", &["up"]);
    end_to_end::until("it answers", async || {
        rig.sluice(&["status"]).await.status.success().then_some(())
    })
    .await;
    let status = said(&rig, &["status"]).await;
    assert!(status.contains("Staging holds") && !status.contains("are free"), "{status}");
    let verified = said(&rig, &["verify", "--to", "sessions"]).await;
    assert!(verified.contains("0 differences") && !verified.contains("not seen"), "{verified}");
    up.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_services_lose_nothing() {
    let Some(bucket) = bucket() else { return };
    let expected = kills::expected().await;
    let total = expected.files.len();
    let mut fleet = Fleet::staging_at(bucket.url.clone(), rig(&bucket, kills::SESSIONS).await);
    for (point, service) in [
        (1, "sluice-fetcher"),
        (total / 4, "sluice-file-sink"),
        (total / 2, "sluice-fetcher"),
        (total * 2 / 3, "sluice-sql-sink"),
    ] {
        kills::progress(&fleet.rig, point).await;
        fleet.kill_and_restart(service);
    }
    kills::complete(&fleet.rig, &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_away_for_a_while_costs_time_and_no_session() {
    let Some(bucket) = bucket() else { return };
    let expected = kills::expected().await;
    let total = expected.files.len();
    let (gate, through) = Gate::before(&bucket);
    let fleet = Fleet::staging_at(bucket.url.clone(), rig(&through, kills::SESSIONS).await);
    for (point, way) in [
        (1, Way::Closed),
        (total / 3, Way::Answered("503 Service Unavailable", "")),
        (total / 2, Way::Answered("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>")),
    ] {
        kills::progress(&fleet.rig, point).await;
        gate.set(way);
        tokio::time::sleep(Duration::from_secs(4)).await;
        gate.set(Way::Open);
    }
    kills::complete(&fleet.rig, &expected).await;
    let letters = said(&fleet.rig, &["dead-letters", "list"]).await;
    assert!(letters.contains("There are no dead letters"), "{letters}");
}
