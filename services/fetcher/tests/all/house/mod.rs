//! A real NATS server, a stand-in appliance and a staging folder, with a fetcher between them.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use appliance::{Client, Clients};
use appliance_simulator::{Options, RecordingKind, RunningSimulator, Simulator};
use chrono::Utc;
use domain::facts::{
    Again, AgainMode, ArtifactStaged, Asked, ClaimCheck, End, RecordingDue, SessionEnded,
};
use domain::{
    ApplianceTime, ArtifactId, ArtifactKey, Digest, Family, Instance, Kind, Particulars, SiteHost,
};
use fetcher::{Fetcher, StagingRoom};
use futures::TryStreamExt;
use messages::Fact;
use nats_server::NatsServer;
use queue::{
    Done, Failure, Lease, Log, LogOptions, Origin, Outcome, Published, RetryPolicy, Route,
    RunError, Runner, RunnerOptions, Task, Worker as _,
};
use settings::{Needs, Settings};
use sha2::{Digest as _, Sha256};
use small_disk::Mount;
use staging::Staging;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A condition that takes longer will not come.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct House {
    pub site: RunningSimulator,
    pub log: Log,
    pub staging: Staging,
    settings: Settings,
    // Gone before the folder that it covers.
    disk: Option<Mount>,
    folder: TempDir,
}

/// Runners under way; they end with this value.
pub struct Running {
    pub stop: CancellationToken,
    runs: JoinSet<Result<(), RunError>>,
}

impl House {
    pub async fn new(options: Options) -> House {
        House::with(options, "").await
    }

    /// With these lines behind those of the site in the settings.
    pub async fn with(options: Options, lines: &str) -> House {
        let folder = tempfile::tempdir().expect("a folder");
        House::at(options, lines, folder, None).await
    }

    /// With staging on a disk of this size; none where nothing can be mounted.
    pub async fn on_disk(options: Options, lines: &str, mib: u32) -> Option<House> {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = Mount::small(mib, folder.path())?;
        Some(House::at(options, lines, folder, Some(disk)).await)
    }

    async fn at(options: Options, lines: &str, folder: TempDir, disk: Option<Mount>) -> House {
        let options = Options { rate_per_second: 0, rate_per_hour: 0, ..options };
        let site = Simulator::start(options).await.expect("a free port");
        let server = NatsServer::shared();
        let log = LogOptions {
            prefix: server.fresh_prefix(),
            ..LogOptions::plain(&server.url(), "fetcher's tests")
        };
        let log = Log::connect(&log).await.expect("the server runs");
        let url = format!("file://{}", folder.path().display());
        let staging = Staging::open(&url).await.expect("a folder can be staging");
        let settings = settings(&site, lines);
        House { site, log, staging, settings, disk, folder }
    }

    /// The disk that staging lies on.
    pub fn disk(&self) -> &Mount {
        self.disk.as_ref().expect("it was built on one")
    }

    /// Where staging lies.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn host(&self) -> SiteHost {
        self.settings.sites[0].host.clone()
    }

    /// As a process that has just started has it.
    pub fn client(&self) -> Client {
        let clients = Clients::from_settings(&self.settings).expect("the settings are good");
        clients.of(&self.host()).expect("every site has one").clone()
    }

    pub fn fetcher(&self) -> Fetcher {
        self.fetcher_of(self.client())
    }

    /// The tests are to run on a disk with little room, too.
    fn fetcher_of(&self, client: Client) -> Fetcher {
        let floor = settings::Staging { floor: Some(32_000_000), ..settings::Staging::default() };
        let room = StagingRoom::new(self.staging.clone(), floor);
        Fetcher::new(self.log.clone(), self.staging.clone(), client).within(room)
    }

    pub fn lsids(&self) -> Vec<String> {
        self.site.sessions().into_iter().map(|session| session.lsid).collect()
    }

    pub fn report(&self, lsid: &str) -> ArtifactId {
        ArtifactId::report(self.host(), Family::Session, lsid.parse().expect("an LSID"))
    }

    pub fn recording(&self, lsid: &str, kind: Kind, instance: Option<u32>) -> ArtifactId {
        let key = ArtifactKey::Lsid(lsid.parse().expect("an LSID"));
        ArtifactId::new(self.host(), kind, key, instance.map(Instance)).expect("a recording")
    }

    pub fn ended(&self, lsid: &str) -> Fact {
        self.over(Family::Session, lsid, End::Seen)
    }

    pub fn over(&self, family: Family, lsid: &str, end: End) -> Fact {
        Fact::SessionEnded(SessionEnded {
            site: self.host(),
            family,
            lsid: lsid.parse().expect("an LSID"),
            end,
            noticed_at: ApplianceTime::read_off(Utc::now()),
        })
    }

    pub fn due(&self, recording: ArtifactId) -> Fact {
        Fact::RecordingDue(RecordingDue { recording, particulars: Particulars::default() })
    }

    pub fn again(&self, artifact: ArtifactId, ask: &str, mode: AgainMode) -> Again {
        Again {
            artifact,
            to: Asked::Fetch,
            ask: ask.to_owned(),
            mode,
            why: "a test asks".to_owned(),
            asked_by: "test".to_owned(),
            asked_at: Utc::now(),
            destinations: Vec::new(),
            import: None,
        }
    }

    /// Publishes a fact, and hands it out as a route would bring it.
    pub async fn task(&self, fact: Fact) -> Task {
        let sequence = self.log.publish(&fact).await.expect("the server runs");
        let origin = Origin {
            stream: "DUE".to_owned(),
            subject: self.log.subjects().of(&fact),
            sequence,
            published_at: Utc::now(),
            route: "fetch".to_owned(),
        };
        Task { fact, origin }
    }

    pub async fn work(&self, tasks: &[Task]) -> Vec<Outcome> {
        let lease = Lease::new("test", Duration::from_secs(60));
        self.fetcher().work(tasks, &lease).await.expect("a batch does not fail as a whole")
    }

    pub async fn work_one(&self, fact: Fact) -> Outcome {
        let task = self.task(fact).await;
        self.work(&[task]).await.remove(0)
    }

    /// What the runner does with what follows from a task, up to the acknowledgement.
    pub async fn conclude(&self, done: &Done) -> Option<Published> {
        self.log.announce_all(&done.announce).await.expect("the server runs");
        let closing = done.closing.as_ref()?;
        let published = self.log.publish_after(&closing.fact, closing.expected_last).await;
        let published = published.expect("the server runs");
        if let Published::At(position) = published {
            let revision = self.log.revision_at(position).await.expect("the server runs");
            self.fetcher().closed(&closing.fact, revision).await.expect("staging takes it");
        }
        Some(published)
    }

    /// Fetches what a fact asks for and publishes what follows.
    pub async fn fetched(&self, fact: Fact) -> Done {
        let done = self.work_one(fact).await.expect("it can be had");
        let published = self.conclude(&done).await;
        assert_ne!(published, Some(Published::Overtaken));
        done
    }

    /// Runs a fetcher on the routes of these kinds, as a process does.
    pub async fn run(&self, kinds: &[Kind], retry: RetryPolicy) -> Running {
        let host = self.host();
        let route = |kind: &Kind| Route::fetch(&self.log, &host, *kind);
        let (reports, files): (Vec<Kind>, Vec<Kind>) =
            kinds.iter().partition(|kind| kind.is_report());
        let mut small: Vec<Route> = reports.iter().map(route).collect();
        small.push(Route::again_fetch(&self.log, &host));
        let small: Vec<Route> = small.into_iter().map(|route| route.batched(50)).collect();
        let stop = CancellationToken::new();
        let mut runs = JoinSet::new();
        let client = self.client();
        let large: Vec<Route> = files.iter().map(route).collect();
        // A route that is not there yet has nothing that waits.
        for route in small.iter().chain(&large) {
            self.log.ensure_route(route).await.expect("the server runs");
        }
        for (routes, slots) in [(small, 3), (large, 2)] {
            let fetcher = self.fetcher_of(client.clone());
            let options = RunnerOptions { retry, ..RunnerOptions::slots(slots) };
            let runner = Runner::new(self.log.clone(), fetcher, routes, options);
            runs.spawn(runner.run(stop.child_token()));
        }
        Running { stop, runs }
    }

    /// Waits until nothing waits on any route and nothing is in hand.
    pub async fn drained(&self) {
        until("everything is fetched", async || {
            let routes = self.log.routes().await.expect("the server runs");
            for route in &routes {
                let all_taken = self.log.is_all_taken(route).await.expect("the server runs");
                if !all_taken || route.in_hand > 0 {
                    return false;
                }
            }
            !routes.is_empty()
        })
        .await;
    }

    pub async fn staged(&self, artifact: &ArtifactId) -> Option<ArtifactStaged> {
        let staged = self.log.last_staged(artifact).await.expect("the server runs");
        staged.map(|staged| staged.fact)
    }

    pub async fn staged_reports(&self) -> BTreeSet<String> {
        let mut staged = BTreeSet::new();
        for lsid in self.lsids() {
            if let Some(fact) = self.staged(&self.report(&lsid)).await {
                assert!(self.staging.holds(&fact.claim).await.expect("a folder"));
                assert!(self.staging.fact_laid(&fact.claim.object).await.expect("a folder"));
                staged.insert(lsid);
            }
        }
        staged
    }

    /// The bytes of a staged object, which are what its claim check says.
    pub async fn content(&self, claim: &ClaimCheck) -> Vec<u8> {
        let whole = self.staging.read_whole(claim, 1 << 30).await;
        whole.expect("the object is what the fact names").to_vec()
    }

    pub async fn objects(&self) -> usize {
        let objects: Vec<_> = self.staging.objects("").try_collect().await.expect("a folder");
        objects.len()
    }

    pub async fn dead(&self) -> Vec<String> {
        let letters = self.log.dead_letters().list().await.expect("the server runs");
        letters.into_iter().map(|lying| lying.letter.reason).collect()
    }

    /// Requests for a report of this name.
    pub fn requests(&self, report: &str) -> u64 {
        let requests = self.site.counters().requests;
        requests.get(&format!("reporting {report}")).copied().unwrap_or_default()
    }
}

impl Running {
    pub async fn ended(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.runs.join_next().await {
            ended.expect("a runner does not panic").expect("it runs well");
        }
    }
}

fn settings(site: &RunningSimulator, lines: &str) -> Settings {
    let options = site.options();
    let secret = options.client_secret.clone();
    let env = |name: &str| match name {
        "SECRET" => Some(secret.clone()),
        "PASSWORD" => Some("pass word".to_owned()),
        _ => None,
    };
    let text = format!(
        "[site.hq]\nhost = \"{}\"\nurl = \"{}\"\nproduct = \"remote-support\"\n\
         client_id = \"{}\"\nclient_secret = {{ env = \"SECRET\" }}\n\
         requests_per_second = 1000\nrequests_per_hour = 1000000\n{lines}\n\
         [destination.archive]\ntype = \"files\"\nurl = \"file:///srv/archive\"\n",
        options.host,
        site.url(),
        options.client_id,
    );
    let needs = Needs { sites: true, destinations: false };
    settings::parse(&text, "/test/sluice.toml", needs, &env)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// Retries that come at once, so that what can't succeed is given up before the test's patience ends.
pub fn quick(attempts_max: u32) -> RetryPolicy {
    let delay = Duration::from_millis(20);
    RetryPolicy { attempts_max, delay_first: delay, delay_max: delay }
}

/// The digest of what the stand-in sends.
pub fn digest(content: impl Iterator<Item = bytes::Bytes>) -> Digest {
    let mut hasher = Sha256::new();
    content.for_each(|piece| hasher.update(&piece));
    Digest::finish(hasher)
}

pub fn kind_of(kind: RecordingKind) -> Kind {
    match kind {
        RecordingKind::Screen => Kind::SessionRecording,
        RecordingKind::CommandShell => Kind::CommandShellRecording,
        RecordingKind::ShowMyScreen => Kind::ShowMyScreenRecording,
        RecordingKind::Presentation => Kind::PresentationRecording,
    }
}

pub fn is_not_yet(outcome: &Outcome) -> bool {
    matches!(outcome, Err(Failure::NotYet(_)))
}

/// Waits until a condition holds.
pub async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
