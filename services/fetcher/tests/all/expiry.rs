//! What goes from staging, and what stays.

use std::time::Duration;

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use domain::facts::{
    Again, AgainMode, ArtifactStaged, Asked, Cause, ClaimCheck, DeadLetter, Letter, Verdict,
};
use domain::{ArtifactId, ArtifactKey, Debtor, DestinationId, Kind, Particulars};
use fetcher::{debts, expire, make_room};
use futures::TryStreamExt as _;
use messages::Fact;
use nats_server::NatsServer;
use queue::{KnownDestination, Log, LogOptions, Period, Route};
use settings::{Needs, Settings};
use staging::Staging;
use tempfile::TempDir;

struct House {
    log: Log,
    staging: Staging,
    folder: TempDir,
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
        House { log, staging, folder }
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

    /// The identity that stands in the place of the archive.
    async fn known(&self, random: u8) -> DestinationId {
        let known = KnownDestination {
            id: DestinationId::from_random([random; 16]),
            label: "archive".to_owned(),
            place: "file:///srv/a".to_owned(),
            seen_at: Utc::now(),
        };
        self.log.know_destination(&known).await.expect("the server confirms it");
        known.id
    }

    /// The archive, opened, and its route of recordings.
    async fn archive(&self) -> (DestinationId, Route) {
        let id = self.known(7).await;
        let site = "hq.example.com".parse().expect("a host");
        let route = Route::deliver(&self.log, &id, &site, Kind::SessionRecording);
        self.log.ensure_route(&route).await.expect("it can be made");
        (id, route)
    }

    async fn bury(&self, artifact: ArtifactId, destination: &DestinationId) {
        let letter = Letter {
            stream: "ARTIFACTS".to_owned(),
            subject: "x".to_owned(),
            sequence: 1,
            payload: Vec::new(),
        };
        let dead = Fact::DeadLetter(DeadLetter {
            worker: "file-sink".to_owned(),
            destination: Some(destination.clone()),
            artifact: Some(artifact),
            verdict: Verdict::Rejected,
            reason: "a test says so".to_owned(),
            attempts: 1,
            settled_at: Utc::now(),
            letter,
        });
        self.log.publish(&dead).await.expect("it can be published");
    }

    /// What is left after so many days.
    async fn left_after(&self, days: i64, kinds: &str) -> Vec<String> {
        let now = Utc::now() + TimeDelta::days(days);
        expire(&self.log, &self.staging, &settings(kinds), now).await.expect("log and staging");
        self.left().await
    }

    /// What is left where room is lacking.
    async fn left_under_the_floor(&self) -> Vec<String> {
        let made = make_room(&self.log, &self.staging, &settings(BOTH), Utc::now()).await;
        made.expect("log and staging");
        self.left().await
    }

    async fn left(&self) -> Vec<String> {
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
async fn what_a_killed_fetcher_left_half_written_goes() {
    let house = House::build().await;
    let (_, claim) = house.attempt(Kind::SessionRecording, "whole").await;
    let half_written = |number: u8, age_s: u64| {
        let path = house.folder.path().join(format!("{}#{number}", claim.object));
        let file = std::fs::File::create(&path).expect("it can be made");
        let modified = std::time::SystemTime::now() - std::time::Duration::from_secs(age_s);
        file.set_modified(modified).expect("it can be set");
        path
    };
    let (abandoned, still_written) = (half_written(1, 2 * 3_600), half_written(2, 60));
    assert_eq!(house.left_after(0, BOTH).await, ["session-recording whole"]);
    assert!(!abandoned.exists() && still_written.exists());
    // No listing shows it, yet it takes room.
    let abandoned = half_written(1, 2 * 3_600);
    assert_eq!(house.left_under_the_floor().await, ["session-recording whole"]);
    assert!(!abandoned.exists() && still_written.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_route_has_not_passed_stays_and_what_it_has_passed_goes() {
    let house = House::build().await;
    let (_, route) = house.archive().await;
    house.stage(Kind::SessionRecording, "1").await;
    house.stage(Kind::SessionRecording, "2").await;
    let both = ["session-recording 1", "session-recording 2"];
    assert_eq!(house.left_after(900, BOTH).await, both);
    settle(&house, &route).await;
    assert_eq!(house.left_after(6, BOTH).await, both);
    assert_eq!(house.left_after(8, BOTH).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_room_is_lacking_what_all_have_goes_at_once_and_nothing_else() {
    let house = House::build().await;
    let (id, route) = house.archive().await;
    let (dead, _) = house.stage(Kind::SessionRecording, "dead").await;
    let (asked, _) = house.stage(Kind::SessionRecording, "asked").await;
    house.stage(Kind::SessionRecording, "delivered").await;
    house.stage(Kind::SessionData, "report").await;
    house.attempt(Kind::SessionRecording, "under-way").await;
    settle(&house, &route).await;
    house.stage(Kind::SessionRecording, "waiting").await;
    house.bury(dead, &id).await;
    let again = Route::again_deliver(&house.log, &id);
    house.log.ensure_route(&again).await.expect("it can be made");
    house.log.announce(&asked_again(asked, &id)).await.expect("it can be published");

    let archive = Debtor::Destination("archive".to_owned());
    let found = debts(&house.log, &house.staging, &settings(BOTH)).await.expect("they answer");
    let needed =
        |debtor: &Debtor| (found.of[debtor].needed.objects, found.of[debtor].would_go.objects);
    // Its route of reports was never made.
    assert_eq!(needed(&archive), (2, 1), "{found:?}");
    assert_eq!((needed(&Debtor::DeadLetter), needed(&Debtor::AskedAgain)), ((1, 1), (1, 1)));
    assert_eq!((found.delivered.objects, found.reports.objects, found.all.objects), (1, 1, 6));

    let rest =
        ["asked", "dead", "under-way", "waiting"].map(|one| format!("session-recording {one}"));
    let rest = [vec!["session-data report".to_owned()], rest.to_vec()].concat();
    assert_eq!(house.left_under_the_floor().await, rest);
    settle(&house, &again).await;
    settle(&house, &route).await;
    let rest: Vec<_> = rest
        .into_iter()
        .filter(|one| !one.ends_with("waiting") && !one.ends_with("asked"))
        .collect();
    assert_eq!(house.left_under_the_floor().await, rest);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replay_has_not_come_to_stays() {
    let house = House::build().await;
    let (id, route) = house.archive().await;
    house.stage(Kind::SessionRecording, "1").await;
    settle(&house, &route).await;
    let site = "hq.example.com".parse().expect("a host");
    let of = vec![(site, Kind::SessionRecording)];
    let replay = house.log.ask_replay(&id, of, Period::default(), "test").await.expect("asked");
    assert_eq!(house.left_under_the_floor().await, ["session-recording 1"]);
    house.log.end_replay(&replay).await.expect("it can be ended");
    assert_eq!(house.left_under_the_floor().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_the_destination_has_no_more_holds_nothing_back() {
    let house = House::build().await;
    let (old, _) = house.archive().await;
    house.stage(Kind::SessionRecording, "1").await;
    assert_eq!(house.left_under_the_floor().await, ["session-recording 1"]);
    let new = house.known(8).await;
    assert_ne!(old, new);
    let site = "hq.example.com".parse().expect("a host");
    let route = Route::deliver(&house.log, &new, &site, Kind::SessionRecording);
    house.log.ensure_route(&route).await.expect("it can be made");
    settle(&house, &route).await;
    assert_eq!(house.left_under_the_floor().await, [""; 0]);
}

fn asked_again(artifact: ArtifactId, by: &DestinationId) -> Fact {
    Fact::Again(Again {
        artifact,
        to: Asked::Deliver(by.clone()),
        ask: "test".to_owned(),
        mode: AgainMode::EvenIfDone,
        why: "a test asks".to_owned(),
        asked_by: "test".to_owned(),
        asked_at: Utc::now(),
        destinations: Vec::new(),
        import: None,
    })
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
        let all_taken = house.log.is_all_taken(&state).await.expect("the server answers");
        if all_taken && state.in_hand == 0 && state.settled_to > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    run.await.expect("it does not panic").expect("it can go on");
}
