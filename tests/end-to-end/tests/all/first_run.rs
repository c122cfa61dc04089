//! A first run over ninety days, whose poller and fetcher are killed again and again.

use std::time::{Duration, Instant};

use appliance_simulator::Fault;
use domain::Coverage;
use end_to_end::{Destinations, Rig, SettingsFile, until};
use nats_server::NatsServer;
use queue::{Log, LogOptions};
use rusqlite::{Connection, OpenFlags};

const SESSIONS: i64 = 4_000;
const KILLS: u64 = 10;
/// A fetcher has the reports of so many sessions under way at most.
const UNDER_WAY_MAX: u64 = 100;
const DAY_SECS: u64 = 86_400;
/// Ninety days by their ends, and those by their starts in which a session could be abandoned by now.
const DAYS: u64 = 90 + 89;
/// What ends during all this is in SQL by then.
const LIVE_MAX: Duration = Duration::from_secs(60);

/// How many sessions the database holds.
fn rows(rig: &Rig) -> i64 {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    Connection::open_with_flags(rig.path("sessions.db"), flags)
        .and_then(|database| {
            database.query_row("SELECT count(*) FROM session", [], |row| row.get(0))
        })
        .unwrap_or(0)
}

fn holds(rig: &Rig, lsid: &str) -> bool {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    Connection::open_with_flags(rig.path("sessions.db"), flags)
        .and_then(|database| {
            let query = "SELECT count(*) FROM session WHERE lsid = ?1";
            database.query_row(query, [lsid], |row| row.get::<_, i64>(0))
        })
        .is_ok_and(|count| count == 1)
}

fn listings(rig: &Rig) -> u64 {
    let requests = rig.sites[0].counters().requests;
    requests.iter().filter(|(what, _)| what.ends_with("Listing")).map(|(_, count)| count).sum()
}

/// Whether nothing is left to be scanned, by ends or by starts.
async fn is_covered(rig: &Rig, log: &Log) -> bool {
    let scans = log.bucket::<Coverage>("scans").await.expect("a log");
    let site = messages::escape(&rig.sites[0].options().host);
    for key in [format!("{site}.session"), format!("{site}.session.started")] {
        let kept = scans.get(&key).await.expect("a log");
        if kept.is_none_or(|kept| kept.value.covered_until() < kept.value.watermark()) {
            return false;
        }
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos"]
async fn a_first_run_killed_ten_times_repeats_a_batch_and_a_window_each_time_and_delays_nobody() {
    let nats = NatsServer::start();
    let rig = Rig::with(|options| {
        options.sessions = SESSIONS.unsigned_abs();
        options.days = 89;
        options.now = None;
    })
    .await;
    let staging = format!("file://{}", rig.path("staging").display());
    rig.settle(&SettingsFile {
        shared: Some((nats.url(), staging)),
        files_of_all_kinds: false,
        second_site: false,
        destinations: Destinations { sqlite: vec!["sessions.db"], ..Destinations::default() },
        ..SettingsFile::default()
    });
    rig.sites[0].add_fault(Fault::Delay { millis: 100 });
    let sink = rig.start("sluice-sql-sink", &[]);
    let mut poller = rig.start("sluice-poller", &[]);
    let mut fetcher = rig.start("sluice-fetcher", &[]);
    let mut live = 0;
    for kill in 1..=KILLS {
        let before = listings(&rig);
        until("it scans", async || (listings(&rig) >= before + 14).then_some(())).await;
        poller.kill();
        fetcher.kill();
        let lsid = rig.sites[0].add_sessions(1).pop().expect("one");
        live += 1;
        let ended_at = Instant::now();
        poller = rig.start("sluice-poller", &[]);
        fetcher = rig.start("sluice-fetcher", &[]);
        // In every other round nobody waits: the next kill comes while much is under way.
        if kill % 2 == 0 {
            until("it is in SQL", async || holds(&rig, &lsid).then_some(())).await;
            println!("kill {kill}: in SQL {:?} after its end", ended_at.elapsed());
            assert!(ended_at.elapsed() < LIVE_MAX, "{:?}", ended_at.elapsed());
        }
    }
    let all = SESSIONS + live;
    until("everything is in SQL", async || (rows(&rig) == all).then_some(())).await;
    let log = Log::connect(&LogOptions::plain(&nats.url(), "test")).await.expect("a log");
    until("all ninety days are covered", async || is_covered(&rig, &log).await.then_some(())).await;
    for program in [sink, fetcher, poller] {
        assert!(program.stop().await, "a service stops in good order");
    }
    let counters = rig.sites[0].counters();
    let (reports, days) = (counters.reports, counters.listed_secs.div_ceil(DAY_SECS));
    println!(
        "{all} sessions, {KILLS} kills: {reports} reports asked for; {days} days listed in {} listings",
        listings(&rig)
    );
    assert!(reports <= all.unsigned_abs() + KILLS * UNDER_WAY_MAX, "{reports} reports for {all}");
    // What ends meanwhile is looked for in a window of minutes each time; all those make less than two days.
    assert!(
        days <= DAYS + KILLS + 2,
        "{days} days were listed, {DAYS} and a window for each kill expected"
    );
}
