//! A schedule for the night and one for the day on one site: recordings travel at night, and all of them do.

use std::collections::BTreeSet;
use std::time::Duration;

use appliance_simulator::Fault;
use domain::{Kind, SiteHost};
use end_to_end::{Arrived, Destinations, Rig, SettingsFile, until};
use nats_server::NatsServer;
use queue::{Log, LogOptions};
use serde_json::{Value, json};

const SESSIONS: u64 = 6;
const DAY_SECS: u32 = 86_400;

/// Nights come when the test says so: a night's run is due when the record of the last one is a day older.
struct House {
    rig: Rig,
    log: Log,
    site: SiteHost,
}

impl House {
    /// Reports go every minute, recordings at two in the night.
    async fn new(nats: &NatsServer) -> House {
        let rig = Rig::with(|options| {
            options.sessions = SESSIONS;
            options.recordings = 1.0;
            options.shells = 0.0;
            options.now = None;
        })
        .await;
        let staging = format!("file://{}", rig.path("staging").display());
        rig.settle(&SettingsFile {
            shared: Some((nats.url(), staging)),
            files_of_all_kinds: false,
            second_site: false,
            more: "[schedule.night]\nevery = \"1d\"\nat = \"02:00\"\ntransfers = [\
                   { site = \"support\", destination = \"files\", kinds = [\"session-recording\"] }]\n"
                .to_owned(),
            destinations: Destinations {
                files: vec!["files"],
                sqlite: vec!["sessions.db"],
                ..Destinations::default()
            },
            ..SettingsFile::default()
        });
        let log = Log::connect(&LogOptions::plain(&nats.url(), "test")).await.expect("a log");
        let site = rig.sites[0].options().host.parse().expect("a host");
        House { rig, log, site }
    }

    fn key(&self) -> String {
        format!("night.{}", messages::escape(self.site.as_str()))
    }

    /// Whether the night's run holds its routes open.
    async fn is_open(&self) -> Option<bool> {
        let open = self.log.bucket::<Value>("open").await.expect("a log");
        open.get(&self.key()).await.expect("a log").and_then(|kept| kept.value["open"].as_bool())
    }

    async fn night_is_over(&self) {
        until("the night's run is closed", async || {
            (self.is_open().await == Some(false)).then_some(())
        })
        .await;
    }

    /// Makes the last night's run one of the night before.
    async fn a_day_passes(&self) {
        let runs = self.log.bucket::<Value>("runs").await.expect("a log");
        let kept = runs.get(&self.key()).await.expect("a log").expect("it ran");
        let slot: domain::Slot =
            serde_json::from_value(kept.value["slot"].clone()).expect("it went well");
        let before = domain::Slot::at(slot.instant() - Duration::from_secs(u64::from(DAY_SECS)));
        let mut record = kept.value;
        record["slot"] = json!(before);
        runs.put(&self.key(), &record).await.expect("a log");
    }

    /// Recordings that are announced and that nobody has fetched. One may have come for a pull from before the route was
    /// closed: it was handed back, and waits to come again.
    async fn waiting(&self) -> u64 {
        let name = queue::names::fetch(&self.site, Kind::SessionRecording);
        let routes = self.log.routes().await.expect("a log");
        let found = routes.iter().find(|route| route.name == name);
        found.map_or(0, |route| route.waiting + route.in_hand)
    }

    async fn recordings(&self) -> BTreeSet<String> {
        let files = Arrived::at(&self.rig).await.files;
        files.into_keys().filter(|name| !name.ends_with(".xml")).collect()
    }

    async fn recordings_are(&self, count: usize) {
        until("these recordings are delivered", async || {
            (self.recordings().await.len() == count).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos"]
async fn recordings_travel_at_night_all_of_them_also_when_the_night_is_interrupted() {
    let nats = NatsServer::start();
    let house = House::new(&nats).await;
    let mut sluice = house.rig.start("sluice", &["up"]);
    // The slot that was missed before the first start is run once.
    house.recordings_are(SESSIONS as usize).await;
    house.night_is_over().await;

    // By day reports arrive, and their recordings wait.
    let new = house.rig.sites[0].add_sessions(4);
    let reports = SESSIONS as usize + new.len();
    until("the day's reports are delivered", async || {
        (Arrived::at(&house.rig).await.sessions() == reports).then_some(())
    })
    .await;
    until("their recordings are announced", async || (house.waiting().await == 4).then_some(()))
        .await;
    assert_eq!(house.recordings().await.len(), SESSIONS as usize);
    assert_eq!(house.is_open().await, Some(false));

    // At night one of them is not ready; and the night is interrupted as soon as it has begun.
    let late = house.rig.sites[0].now() + i64::from(DAY_SECS);
    house.rig.sites[0].add_fault(Fault::NotReady {
        lsids: new.iter().take(1).cloned().collect(),
        kind: None,
        until: late,
    });
    sluice.kill();
    house.a_day_passes().await;
    let mut sluice = house.rig.start("sluice", &["up"]);
    until("the night has begun", async || (house.is_open().await == Some(true)).then_some(()))
        .await;
    sluice.kill();
    assert_eq!(house.is_open().await, Some(true));
    let mut sluice = house.rig.start("sluice", &["up"]);
    house.recordings_are(SESSIONS as usize + 3).await;

    // What waits for longer than an hour holds no night open: here an hour has passed when the log says so.
    let waits = house.log.bucket::<Value>("waits").await.expect("a log");
    let route = queue::names::fetch(&house.site, Kind::SessionRecording);
    let name = format!("{route}.{}", house.sequence_of(&new[0]).await);
    let tomorrow =
        json!({ "until": chrono::Utc::now() + Duration::from_secs(u64::from(DAY_SECS)) });
    waits.put(&name, &tomorrow).await.expect("a log");
    house.night_is_over().await;
    assert_eq!(house.recordings().await.len(), SESSIONS as usize + 3);

    // On the next day it becomes ready; in the next night it is fetched and delivered.
    house.rig.sites[0].advance_clock(DAY_SECS);
    waits.remove(&name).await.expect("a log");
    sluice.kill();
    house.a_day_passes().await;
    let sluice = house.rig.start("sluice", &["up"]);
    house.recordings_are(SESSIONS as usize + 4).await;
    house.night_is_over().await;
    assert!(sluice.stop().await, "it stops in good order");
}

impl House {
    /// Where in the log the recording of this session is announced.
    async fn sequence_of(&self, lsid: &str) -> u64 {
        let lsid = lsid.parse().expect("an LSID");
        let due = self.log.recordings_due_of(&self.site, &lsid).await.expect("a log");
        let recording = due.first().expect("it is announced");
        let announced = self.log.recording_due(recording).await.expect("a log");
        announced.expect("it is announced").sequence
    }
}
