//! What goes from staging, and what stays.

use std::time::Duration;

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use domain::facts::{ArtifactStaged, Cause, ClaimCheck};
use domain::{ArtifactId, ArtifactKey, DestinationId, Kind, Particulars};
use fetcher::expire;
use futures::TryStreamExt as _;
use messages::Fact;
use nats_server::NatsServer;
use queue::{KnownDestination, Log, LogOptions, Route};
use settings::{Needs, Settings};
use staging::Staging;
use tempfile::TempDir;

struct House {
    log: Log,
    staging: Staging,
    _folder: TempDir,
}

impl House {
    async fn build() -> Self {
        let server = NatsServer::shared();
        let options = LogOptions {
            prefix: server.fresh_prefix(),
            ..LogOptions::plain(&server.url(), "expiry-test")
        };
        let log = Log::connect(&options).await.expect("the server is there");
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("file://{}", folder.path().display());
        let staging = Staging::open(&url).await.expect("a folder can be staging");
        House { log, staging, _folder: folder }
    }

    /// Stages an artifact, says so in the log, and lays the fact beside it.
    async fn stage(&self, kind: Kind, lsid: &str) -> (ArtifactId, u64) {
        let (artifact, claim) = self.attempt(kind, lsid).await;
        let object = claim.object.clone();
        let fact = Fact::ArtifactStaged(ArtifactStaged {
            artifact: artifact.clone(),
            claim,
            particulars: Particulars::default(),
            staged_at: Utc::now(),
            cause: Cause { subject: "x".to_owned(), sequence: 1 },
            revision: None,
        });
        let position = self.log.publish(&fact).await.expect("it can be published");
        let laid = messages::encode(&fact).expect("a fact can be written");
        self.staging.lay_fact(&object, &laid).await.expect("it is laid");
        (artifact, position)
    }

    async fn attempt(&self, kind: Kind, lsid: &str) -> (ArtifactId, ClaimCheck) {
        let site = "hq.example.com".parse().expect("a host");
        let key = ArtifactKey::Lsid(lsid.parse().expect("an LSID"));
        let artifact = ArtifactId::new(site, kind, key, None).expect("an artifact");
        let pieces = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"x"))]);
        let staged = self.staging.put(&artifact, "flv", pieces).await.expect("it can be staged");
        let claim = ClaimCheck {
            object: staged.object,
            size: staged.size,
            digest: staged.digest,
            content: staged.digest,
            extension: "flv".to_owned(),
        };
        (artifact, claim)
    }

    /// What is left after so many days.
    async fn left_after(&self, days: i64, kinds: &str) -> Vec<String> {
        let now = Utc::now() + TimeDelta::days(days);
        expire(&self.log, &self.staging, &settings(kinds), now).await.expect("log and staging");
        let objects: Vec<_> = self.staging.objects("").try_collect().await.expect("listed");
        let name = |name: &str| {
            let parts: Vec<&str> = name.split('/').collect();
            let lsid = parts[3].split('.').next().unwrap_or_default();
            format!("{} {lsid}", parts[1])
        };
        let mut left: Vec<String> = objects.iter().map(|object| name(&object.name)).collect();
        left.sort();
        left
    }
}

/// Settings that bring these kinds to one destination.
fn settings(kinds: &str) -> Settings {
    let text = format!(
        "[site.hq]\nhost = \"hq.example.com\"\nproduct = \"remote-support\"\nclient_id = \"a\"\n\
         client_secret = {{ env = \"A\" }}\n[destination.archive]\ntype = \"files\"\nurl = \"file:///srv/a\"\n\
         [schedule.s]\nevery = \"5m\"\ntransfers = [{{ site = \"hq\", destination = \"archive\", kinds = [{kinds}] }}]\n"
    );
    settings::parse(&text, "sluice.toml", Needs::NONE, &|_| None).expect("they are right")
}

const BOTH: &str = "\"session-data\", \"session-recording\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_was_never_opened_holds_everything_back() {
    let house = House::build().await;
    house.stage(Kind::SessionRecording, "1").await;
    assert_eq!(house.left_after(900, BOTH).await, ["session-recording 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_transfer_wants_goes_when_it_is_old_and_reports_stay() {
    let house = House::build().await;
    house.stage(Kind::SessionData, "1").await;
    house.stage(Kind::SessionRecording, "1").await;
    let all = ["session-data 1", "session-recording 1"];
    assert_eq!(house.left_after(6, "\"session-data\"").await, all);
    assert_eq!(house.left_after(8, "\"session-data\"").await, ["session-data 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_attempt_left_goes_after_two_days_and_what_a_fact_names_does_not() {
    let house = House::build().await;
    house.attempt(Kind::SessionRecording, "given-up").await;
    let (artifact, claim) = house.attempt(Kind::SessionRecording, "not-laid-yet").await;
    let fact = Fact::ArtifactStaged(ArtifactStaged {
        artifact,
        claim,
        particulars: Particulars::default(),
        staged_at: Utc::now(),
        cause: Cause { subject: "x".to_owned(), sequence: 1 },
        revision: None,
    });
    house.log.publish(&fact).await.expect("it can be published");
    let both = ["session-recording given-up", "session-recording not-laid-yet"];
    assert_eq!(house.left_after(1, BOTH).await, both);
    assert_eq!(house.left_after(3, BOTH).await, ["session-recording not-laid-yet"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_route_has_not_passed_stays_and_what_it_has_passed_goes() {
    let house = House::build().await;
    let id = DestinationId::from_random([7; 16]);
    let known = KnownDestination {
        id: id.clone(),
        label: "archive".to_owned(),
        place: "file:///srv/a".to_owned(),
        seen_at: Utc::now(),
    };
    house.log.know_destination(&known).await.expect("the server confirms it");
    let site = "hq.example.com".parse().expect("a host");
    let route = Route::deliver(&house.log, &id, &site, Kind::SessionRecording);
    house.log.ensure_route(&route).await.expect("it can be made");
    house.stage(Kind::SessionRecording, "1").await;
    house.stage(Kind::SessionRecording, "2").await;
    let both = ["session-recording 1", "session-recording 2"];
    assert_eq!(house.left_after(900, BOTH).await, both);
    settle(&house, &route).await;
    assert_eq!(house.left_after(6, BOTH).await, both);
    assert_eq!(house.left_after(8, BOTH).await, [""; 0]);
}

/// Works through a route with a worker that finds all of it done.
async fn settle(house: &House, route: &Route) {
    use queue::{Done, Failure, Lease, Outcome, Runner, RunnerOptions, Task, Worker};

    struct Content;
    impl Worker for Content {
        fn name(&self) -> &'static str {
            "test"
        }
        fn destination(&self) -> Option<DestinationId> {
            None
        }
        async fn work(&self, tasks: &[Task], _: &Lease) -> Result<Vec<Outcome>, Failure> {
            Ok(tasks.iter().map(|_| Ok(Done::nothing())).collect())
        }
        async fn probe(&self) -> Result<(), Failure> {
            Ok(())
        }
    }
    let stop = tokio_util::sync::CancellationToken::new();
    let runner =
        Runner::new(house.log.clone(), Content, vec![route.clone()], RunnerOptions::slots(2));
    let run = tokio::spawn(runner.run(stop.child_token()));
    loop {
        let state = house.log.route_state(route).await.expect("the server answers");
        let state = state.expect("it was made");
        if state.waiting == 0 && state.in_hand == 0 && state.settled_to > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    run.await.expect("it does not panic").expect("it can go on");
}
