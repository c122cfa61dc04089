//! Whatever is killed, whenever: after a restart the end is the same.

use end_to_end::{Arrived, Program, Rig, SettingsFile, until};
use nats_server::NatsServer;

pub(crate) const SESSIONS: u64 = 40;
const SERVICES: [&str; 4] =
    ["sluice-poller", "sluice-fetcher", "sluice-file-sink", "sluice-sql-sink"];

pub(crate) async fn expected() -> Arrived {
    let rig = Rig::new(SESSIONS).await;
    rig.settle(&SettingsFile::default());
    rig.once().await;
    Arrived::at(&rig).await
}

fn files(rig: &Rig) -> usize {
    std::fs::read_dir(rig.path("files")).map_or(0, |entries| entries.count().saturating_sub(1))
}

/// Waits until that many files have arrived.
pub(crate) async fn progress(rig: &Rig, count: usize) {
    until("enough files have arrived", async || (files(rig) >= count).then_some(())).await;
}

pub(crate) async fn complete(rig: &Rig, expected: &Arrived) {
    until("everything has arrived", async || {
        if files(rig) < expected.files.len() || !rig.path("sessions.db").exists() {
            return None;
        }
        (Arrived::at(rig).await.sessions() >= expected.sessions()).then_some(())
    })
    .await;
    Arrived::at(rig).await.assert_equal(expected);
}

pub(crate) struct Fleet {
    pub(crate) rig: Rig,
    nats: NatsServer,
    programs: Vec<(&'static str, Program)>,
}

impl Fleet {
    async fn start() -> Fleet {
        let rig = Rig::new(SESSIONS).await;
        let staging = format!("file://{}", rig.path("staging").display());
        Fleet::staging_at(staging, rig)
    }

    /// The four services, staging at this URL.
    pub(crate) fn staging_at(staging: String, rig: Rig) -> Fleet {
        let nats = NatsServer::start();
        rig.settle(&SettingsFile {
            // A bucket has no floor.
            staging: if staging.starts_with("file:") {
                SettingsFile::default().staging
            } else {
                String::new()
            },
            shared: Some((nats.url(), staging)),
            ..SettingsFile::default()
        });
        let programs = SERVICES.map(|name| (name, rig.start(name, &[]))).into();
        Fleet { rig, nats, programs }
    }

    pub(crate) fn kill_and_restart(&mut self, name: &str) {
        for (other, program) in &mut self.programs {
            if *other == name {
                program.kill();
                *program = self.rig.start(name, &[]);
            }
        }
    }
}

async fn survives_kills_of(name: &str) {
    let expected = expected().await;
    let total = expected.files.len();
    let mut fleet = Fleet::start().await;
    for point in [1, total / 3, total * 2 / 3] {
        progress(&fleet.rig, point).await;
        fleet.kill_and_restart(name);
    }
    complete(&fleet.rig, &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_poller_loses_nothing() {
    survives_kills_of("sluice-poller").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_fetcher_loses_nothing() {
    survives_kills_of("sluice-fetcher").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_file_sink_loses_nothing() {
    survives_kills_of("sluice-file-sink").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_sql_sink_loses_nothing() {
    survives_kills_of("sluice-sql-sink").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_nats_server_loses_nothing() {
    let expected = expected().await;
    let total = expected.files.len();
    let fleet = Fleet::start().await;
    for point in [1, total / 3, total * 2 / 3] {
        progress(&fleet.rig, point).await;
        tokio::task::block_in_place(|| fleet.nats.restart());
    }
    complete(&fleet.rig, &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_sluice_up_takes_its_server_with_it_and_loses_nothing() {
    let expected = expected().await;
    let total = expected.files.len();
    let rig = Rig::new(SESSIONS).await;
    rig.settle(&SettingsFile::default());
    for point in [0, 1, total / 3, total * 2 / 3] {
        let mut up = rig.start("sluice", &["up"]);
        progress(&rig, point).await;
        let server = server_of(&rig).await;
        up.kill();
        until("its nats-server has ended, too", async || (!lives(server)).then_some(())).await;
    }
    let up = rig.start("sluice", &["up"]);
    complete(&rig, &expected).await;
    assert!(up.stop().await, "it stops in good order");
}

/// The process id of the rig's own nats-server.
async fn server_of(rig: &Rig) -> u32 {
    let path = rig.path("data/nats/pid");
    until("nats-server has started", async || {
        let pid = std::fs::read_to_string(&path).ok()?.trim().parse().ok()?;
        lives(pid).then_some(pid)
    })
    .await
}

/// Whether a process is there and no zombie.
fn lives(pid: u32) -> bool {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    status.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z'))
}
