//! A real NATS server and a stand-in appliance, for the tests of this crate.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use appliance::Clients;
use appliance_simulator::{Options, RunningSimulator, SessionState, Simulator};
use chrono::{DateTime, Utc};
use domain::facts::{Again, AgainMode, Asked, BackupDue, End, RecordingDue, SessionEnded};
use domain::{
    ApplianceTime, ArtifactId, ArtifactKey, Coverage, Family, Kind, Lsid, Particulars, SiteHost,
    Slot,
};
use messages::Fact;
use nats_server::NatsServer;
use queue::{Announced, Log, LogOptions};
use settings::{Needs, Settings};

use crate::scan::{DailyRecord, Found, Records, Scanner};
use crate::sweep::{By, key};

/// A condition that takes longer will not come.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Rig {
    pub site: RunningSimulator,
    pub log: Log,
    pub settings: Settings,
}

impl Rig {
    /// A site with these options, a log of its own, and these lines of settings behind those of the site.
    pub async fn with(options: Options, lines: &str) -> Rig {
        Rig::on(NatsServer::shared(), options, lines).await
    }

    /// The same on a server of one's own.
    pub async fn on(server: &NatsServer, options: Options, lines: &str) -> Rig {
        let log = LogOptions {
            prefix: server.fresh_prefix(),
            ..LogOptions::plain(&server.url(), "poller's tests")
        };
        let log = Log::connect(&log).await.expect("the server runs");
        let options = Options { rate_per_second: 0, rate_per_hour: 0, ..options };
        let site = Simulator::start(options).await.expect("a free port");
        let settings = settings(&format!("{}\n{lines}", site_table("hq", &site)));
        Rig { site, log, settings }
    }

    /// A site whose clock stands still.
    pub async fn new(options: Options) -> Rig {
        let now = options.now.unwrap_or_else(|| Utc::now().timestamp());
        Rig::with(Options { now: Some(now), ..options }, "").await
    }

    pub fn host(&self) -> SiteHost {
        self.settings.sites[0].host.clone()
    }

    /// As a process that has just started has them.
    pub fn clients(&self) -> Clients {
        Clients::from_settings(&self.settings).expect("the settings are good")
    }

    /// As a process that has just started has it.
    pub async fn scanner(&self, holder: &str) -> Scanner {
        let site = &self.settings.sites[0];
        let records = Records::open(&self.log, holder).await.expect("the server runs");
        let client = self.clients().of(&site.host).expect("every site has one").clone();
        Scanner::new(client, self.log.clone(), records, site)
    }

    /// One scan by a process that has just started.
    pub async fn scan(&self) -> Found {
        scan(&self.scanner("one").await).await
    }

    pub async fn coverage(&self, by: By) -> Option<Coverage> {
        let scans = self.log.bucket("scans").await.expect("the server runs");
        let kept = scans.get(&key(&self.host(), Family::Session, by)).await;
        kept.expect("the server runs").map(|kept| kept.value)
    }

    /// A day goes by on our clock since everything was scanned: the record is set back.
    pub async fn a_day_goes_by(&self) {
        let daily = self.log.bucket::<DailyRecord>("daily").await.expect("it runs");
        let key = format!("{}.session", messages::escape(self.host().as_str()));
        let record = daily.get(&key).await.expect("it runs").expect("it was noted").value;
        let began_at = record.began_at - chrono::TimeDelta::hours(24);
        daily.put(&key, &DailyRecord { began_at, ..record }).await.expect("it runs");
    }

    /// How many facts are due in all.
    pub async fn due(&self) -> u64 {
        let streams = self.log.streams().await.expect("the server runs");
        let due = streams.iter().find(|stream| stream.name.ends_with("-DUE"));
        due.expect("there is such a stream").messages
    }

    /// Whether the log holds this fact. It does afterwards, so that this is for the end of a test.
    pub async fn held(&self, fact: Fact) -> bool {
        self.log.announce(&fact).await.expect("the server runs") == Announced::Already
    }

    pub fn ended(&self, lsid: &str) -> Fact {
        let noticed_at = at(self.site.now());
        let lsid = lsid.parse().expect("an LSID");
        let family = Family::Session;
        Fact::SessionEnded(SessionEnded {
            site: self.host(),
            family,
            lsid,
            end: End::Seen,
            noticed_at,
        })
    }

    pub fn again(&self, lsid: &str) -> Fact {
        self.again_as(lsid, "ended")
    }

    pub fn again_as(&self, lsid: &str, ask: &str) -> Fact {
        let lsid: Lsid = lsid.parse().expect("an LSID");
        Fact::Again(Again {
            artifact: ArtifactId::report(self.host(), Family::Session, lsid),
            to: Asked::Fetch,
            ask: ask.to_owned(),
            mode: AgainMode::EvenIfDone,
            why: String::new(),
            asked_by: "test".to_owned(),
            asked_at: Utc::now(),
            destinations: Vec::new(),
            import: None,
        })
    }

    pub fn recording(&self, lsid: &str) -> Fact {
        let key = ArtifactKey::Lsid(lsid.parse().expect("an LSID"));
        let recording = ArtifactId::new(self.host(), Kind::SessionRecording, key, None);
        let recording = recording.expect("it has all that it needs");
        Fact::RecordingDue(RecordingDue { recording, particulars: Particulars::default() })
    }

    pub fn backup(&self, slot: Slot) -> Fact {
        Fact::BackupDue(BackupDue { site: self.host(), slot })
    }

    /// The sessions that have ended, or not.
    pub fn sessions(&self, matches: impl Fn(&SessionState) -> bool) -> BTreeSet<String> {
        self.site.sessions().into_iter().filter(matches).map(|session| session.lsid).collect()
    }

    /// Holds that the log has exactly these sessions, each once, and nothing else.
    pub async fn expect_announced(&self, lsids: &BTreeSet<String>) {
        assert_eq!(self.due().await, lsids.len() as u64, "as many facts as sessions");
        let facts: Vec<Fact> = lsids.iter().map(|lsid| self.ended(lsid)).collect();
        let missing = self.log.announce_all(&facts).await.expect("the server runs");
        assert_eq!(missing, 0, "sessions that were not announced");
    }

    pub fn listings(&self) -> u64 {
        let requests = self.site.counters().requests;
        requests.iter().filter(|(what, _)| what.ends_with("Listing")).map(|(_, count)| count).sum()
    }
}

pub async fn scan(scanner: &Scanner) -> Found {
    let mut found = Found::default();
    scanner.scan(Family::Session, &mut found).await.expect("the scan goes well");
    found
}

pub fn at(secs: i64) -> ApplianceTime {
    ApplianceTime::read_off(DateTime::from_timestamp(secs, 0).expect("an instant"))
}

/// The settings of a site.
pub fn site_table(label: &str, site: &RunningSimulator) -> String {
    let options = site.options();
    format!(
        "[site.{label}]\nhost = \"{}\"\nurl = \"{}\"\nproduct = \"remote-support\"\n\
         client_id = \"{}\"\nclient_secret = {{ env = \"SECRET\" }}\n\
         requests_per_second = 1000\nrequests_per_hour = 1000000\n",
        options.host,
        site.url(),
        options.client_id,
    )
}

pub fn settings(text: &str) -> Settings {
    let secret = Options::default().client_secret;
    let env = |name: &str| match name {
        "SECRET" => Some(secret.clone()),
        "PATH" => Some("drawn-at-random-1".to_owned()),
        _ => None,
    };
    let text =
        format!("{text}\n[destination.archive]\ntype = \"files\"\nurl = \"file:///srv/archive\"\n");
    let needs = Needs { sites: true, destinations: false };
    settings::parse(&text, "/test/sluice.toml", needs, &env)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// Waits until a condition holds.
pub async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
