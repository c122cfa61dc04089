//! Sessions flow, in one process and in several, and destinations that are added later fill themselves.

use end_to_end::{Arrived, Destinations, Rig, SettingsFile, until};
use nats_server::NatsServer;

const SESSIONS: u64 = 25;

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_and_a_second_run_delivers_nothing_twice() {
    let rig = Rig::new(SESSIONS).await;
    rig.settle(&SettingsFile::default());
    rig.once().await;
    let arrived = Arrived::at(&rig).await;
    let recordings: usize =
        rig.sites.iter().flat_map(|site| site.sessions()).map(|s| s.recordings.len()).sum();
    assert_eq!(arrived.sessions(), 2 * SESSIONS as usize);
    assert_eq!(
        arrived.files.len(),
        2 * SESSIONS as usize + recordings + 2,
        "reports, recordings, backups"
    );

    let printed = rig.once().await;
    for line in
        printed.lines().filter(|line| line.contains("delivered") || line.contains("announced"))
    {
        assert!(line.trim_end().ends_with(" 0"), "{printed}");
    }
    Arrived::at(&rig).await.assert_equal(&arrived);
}

#[tokio::test(flavor = "multi_thread")]
async fn separate_processes_bring_about_the_same_as_one() {
    let one = Rig::new(SESSIONS).await;
    one.settle(&SettingsFile::default());
    one.once().await;
    let expected = Arrived::at(&one).await;

    let nats = NatsServer::start();
    let several = Rig::new(SESSIONS).await;
    let staging = format!("file://{}", several.path("staging").display());
    several
        .settle(&SettingsFile { shared: Some((nats.url(), staging)), ..SettingsFile::default() });
    let mut programs = vec![several.start("sluice-poller", &[])];
    for program in ["sluice-fetcher", "sluice-file-sink", "sluice-sql-sink"] {
        programs.push(several.start(program, &[]));
        programs.push(several.start(program, &[]));
    }
    arrived(&several, &expected).await;
    for program in programs {
        assert!(program.stop().await, "a service stops in good order");
    }
    Arrived::at(&several).await.assert_equal(&expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_added_later_fills_itself_with_all_that_went_before() {
    let all = Rig::new(SESSIONS).await;
    all.settle(&SettingsFile::default());
    all.once().await;
    let expected = Arrived::at(&all).await;

    let rig = Rig::new(SESSIONS).await;
    let first = SettingsFile {
        files_of_all_kinds: false,
        second_site: false,
        destinations: Destinations { files: vec!["files"], ..Destinations::default() },
        ..SettingsFile::default()
    };
    rig.settle(&first);
    rig.once().await;
    // A second site, more kinds, and a database.
    rig.settle(&SettingsFile::default());
    rig.once().await;
    Arrived::at(&rig).await.assert_equal(&expected);
}

/// Waits until as much is there as is expected.
async fn arrived(rig: &Rig, expected: &Arrived) {
    until("everything has arrived", async || {
        if !rig.path("sessions.db").exists() {
            return None;
        }
        let now = Arrived::at(rig).await;
        (now.files.len() >= expected.files.len() && now.sessions() >= expected.sessions())
            .then_some(())
    })
    .await;
}
