//! A site's whole past costs few requests: sessions come many in one, whatever the number of processes.

use std::time::{Duration, Instant};

use appliance_simulator::Counters;
use end_to_end::{Destinations, Program, Rig, SettingsFile, within};
use nats_server::NatsServer;
use queue::{Log, LogOptions};

/// A past, and who fetches it.
struct Past {
    sessions: u64,
    /// The fraction of sessions with a recording.
    recorded: f64,
    pollers: usize,
    fetchers: usize,
    /// What the appliance allows in a second; 0 for anything.
    rate_per_second: u32,
    patience: Duration,
}

/// What it cost.
struct Cost {
    recordings: u64,
    took: Duration,
    counters: Counters,
}

impl Cost {
    fn of(&self, request: &str) -> u64 {
        self.counters.requests.get(request).copied().unwrap_or_default()
    }

    fn total(&self) -> u64 {
        self.counters.requests.values().sum()
    }

    fn print(&self, past: &Past) {
        println!(
            "{} sessions, {} recordings, {} pollers, {} fetchers: {:.1} s; requests {:?}; 429: {}; most in a second: {}",
            past.sessions,
            self.recordings,
            past.pollers,
            past.fetchers,
            self.took.as_secs_f64(),
            self.counters.requests,
            self.counters.throttled,
            self.counters.most_in_a_second,
        );
    }

    /// One request for each recording, one for twenty sessions at most, and listings.
    fn is_low(&self, past: &Past) {
        let listings = self.of("reporting SupportSessionListing");
        let bound = self.recordings + past.sessions / 20 + listings;
        let recordings = self.of("reporting SupportSessionRecording");
        assert_eq!(recordings, self.recordings, "each recording is asked for once");
        assert!(self.total() <= bound, "{} requests, at most {bound}", self.total());
    }
}

/// Has real processes fetch everything into staging.
async fn caught_up(past: &Past) -> Cost {
    let nats = NatsServer::start();
    let rig = Rig::with(|options| {
        options.sessions = past.sessions;
        options.recordings = past.recorded;
        options.shells = 0.0;
        options.days = 80;
        options.rate_per_second = past.rate_per_second;
    })
    .await;
    rig.settle(&SettingsFile {
        shared: Some((nats.url(), format!("file://{}", rig.path("staging").display()))),
        second_site: false,
        requests_per_second: if past.rate_per_second > 0 { past.rate_per_second } else { 500 },
        destinations: Destinations { files: vec!["files"], ..Destinations::default() },
        ..SettingsFile::default()
    });
    let site = &rig.sites[0];
    let recordings = site.sessions().iter().map(|one| one.recordings.len() as u64).sum();
    let log = Log::connect(&LogOptions::plain(&nats.url(), "test")).await.expect("a log");
    let began = Instant::now();
    let names = [("sluice-poller", past.pollers), ("sluice-fetcher", past.fetchers)];
    let programs: Vec<Program> =
        names.iter().flat_map(|(name, count)| (0..*count).map(|_| rig.start(name, &[]))).collect();
    // The backup of the site comes on top.
    let wanted = past.sessions + recordings + 1;
    within(past.patience, "everything is staged", async || {
        let streams = log.streams().await.ok()?;
        (streams[1].messages >= wanted).then_some(())
    })
    .await;
    let took = began.elapsed();
    for program in programs {
        assert!(program.stop().await, "a service stops in good order");
    }
    assert_eq!(log.streams().await.expect("a log")[1].messages, wanted, "nothing came twice");
    assert!(log.dead_letters().list().await.expect("a log").is_empty());
    Cost { recordings, took, counters: site.counters() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_is_caught_up_with_in_few_requests() {
    let past = Past {
        sessions: 1_000,
        recorded: 0.05,
        pollers: 1,
        fetchers: 2,
        rate_per_second: 0,
        patience: Duration::from_secs(240),
    };
    let cost = caught_up(&past).await;
    cost.print(&past);
    cost.is_low(&past);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos"]
async fn a_large_past_is_caught_up_with_by_many_processes_within_the_appliances_limits() {
    let past = Past {
        sessions: 20_000,
        recorded: 0.2,
        pollers: 3,
        fetchers: 4,
        rate_per_second: 20,
        patience: Duration::from_secs(3_600),
    };
    let cost = caught_up(&past).await;
    cost.print(&past);
    cost.is_low(&past);
    assert_eq!(cost.counters.throttled, 0, "the processes together keep the appliance's limits");
}
