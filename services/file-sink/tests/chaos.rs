//! Artifacts of all kinds in several revisions, some of one name, delivered by workers that are killed at random: what is
//! there at the end is exactly what should be.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Stdio};
use std::time::Duration;

use domain::{
    ArtifactId, ArtifactKey, Conflict, FileNameFormat, Instance, Kind, NameValues, Particulars,
    RelativePath,
};
use file_sink::{DeliveryError, Directory, NoClobber};

mod stand;
use stand::{Delivered, GROUND, Stand, deliver, delivered, open_elsewhere, rules};

const SIZE: &str = "SLUICE_TEST_ARTIFACTS";
const RULE: &str = "SLUICE_TEST_RULE";
const SEED: &str = "SLUICE_TEST_SEED";
const WORKERS: usize = 4;
/// The runner's, unless the settings say another.
const TRIES_MAX: u32 = 10;
/// What wants one name.
const CROWD_NAME: &str = "crowd/one name.xml";

/// Numbers that look random and are the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).expect("it is below the bound")
    }
}

fn artifact(at: usize) -> ArtifactId {
    let kind = Kind::ALL[at % Kind::ALL.len()];
    let site = ["one.example", "two.example"][at / 7 % 2].parse().expect("a host");
    let key = match kind {
        Kind::SiteBackup => {
            let slot = chrono::DateTime::from_timestamp(1_790_000_000 + at as i64 * 60, 0);
            ArtifactKey::Slot(domain::Slot::at(slot.expect("an instant")))
        }
        _ => ArtifactKey::Lsid(format!("{:08x}", at / 14).parse().expect("an LSID")),
    };
    let instance = kind.has_instances().then_some(Instance(0));
    ArtifactId::new(site, kind, key, instance).expect("an artifact")
}

fn name(artifact: &ArtifactId) -> RelativePath {
    let particulars = Particulars::default();
    let extension = if artifact.kind().is_report() { "xml" } else { "bin" };
    let values = NameValues { artifact, site_label: "hq", particulars: &particulars, extension };
    let format: FileNameFormat =
        "%SUPPORT_SITE_HOST%/%KIND%/%LSID%%DATE%%TIME%%START_HH%-%START_MIN%-%INSTANCE%.%EXTENSION%"
            .parse()
            .expect("a format");
    format.render(&values)
}

/// Every delivery in the order of the log: each artifact once, a third of them twice, a ninth thrice. The first fifty
/// (or a third of few) want one name.
fn items(count: usize) -> Vec<Delivered> {
    let crowd = 50.min(count / 3);
    let mut items = Vec::new();
    for revision in 0..3_u32 {
        for at in (0..count).filter(|at| at % 3_usize.pow(revision) == 0) {
            let artifact = artifact(at);
            let name = if at < crowd { CROWD_NAME.to_owned() } else { name(&artifact).to_string() };
            let content = format!("{artifact} in revision {revision}");
            let position = items.len() as u64 + 1;
            items.push(delivered(artifact, &name, position, &content));
        }
    }
    items
}

/// What a worker that is killed at any time does: all, in an order of its own, some of it twice.
fn work(count: usize, rule: Conflict, seed: u64) {
    let directory = open_elsewhere(rules(rule)).expect("a test started this");
    let mut items = items(count);
    let mut numbers = Numbers(seed | 1);
    for at in (1..items.len()).rev() {
        items.swap(at, numbers.below(at + 1));
    }
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (directory, items) = (&directory, &items);
            scope.spawn(move || {
                for (at, item) in items.iter().enumerate().skip(thread).step_by(2) {
                    persistently(directory, item);
                    if at.is_multiple_of(10) {
                        persistently(directory, item);
                    }
                }
            });
        }
    });
}

/// Delivers as the runner does, which tries some again.
fn persistently(directory: &Directory, item: &Delivered) {
    let mut failed = 0;
    while let Err(error) = deliver(directory, item) {
        failed += 1;
        let again = failed < TRIES_MAX && may_succeed_later(directory, &error);
        assert!(again, "it can't be delivered, after {failed} tries: {error:?}");
    }
}

/// What others, or the death of one, may bring about. In a directory locks end with their holder, and nothing may fail but by
/// others being quicker; in a bucket the turn of a killed worker is waited for, and so is that of one who waits for such a turn.
fn may_succeed_later(directory: &Directory, error: &DeliveryError) -> bool {
    match error {
        DeliveryError::Crowded { .. } => true,
        DeliveryError::NoNumber { .. } | DeliveryError::Unexpected { .. } => false,
        _ => directory.no_clobber() == NoClobber::ConditionalPut,
    }
}

fn worker(stand: &Stand, count: usize, rule: Conflict, seed: u64) -> Child {
    stand
        .command()
        .args(["--exact", "workers_of_the_others", "--include-ignored"])
        .env(SIZE, count.to_string())
        .env(RULE, rule.to_string())
        .env(SEED, seed.to_string())
        .stdout(Stdio::null())
        .spawn()
        .expect("this program runs")
}

/// Does nothing unless another test of this program started it as a worker.
#[test]
fn workers_of_the_others() {
    let Ok(count) = std::env::var(SIZE) else { return };
    let told = |variable| std::env::var(variable).expect("who starts a worker says it");
    let rule = Conflict::ALL.into_iter().find(|rule| rule.to_string() == told(RULE));
    let seed = told(SEED).parse().expect("a number");
    work(count.parse().expect("a number"), rule.expect("a rule"), seed);
}

/// Runs four workers, kills one at random again and again, and lets the last ones end.
fn delivered_in_chaos(count: usize, rule: Conflict, kills: usize) -> Stand {
    let stand = Stand::new(rule);
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut seed = 1_000;
    let mut start = |stand: &Stand| {
        seed += 1;
        worker(stand, count, rule, u64::wrapping_mul(seed, 0x2545_f491_4f6c_dd1d))
    };
    let mut workers: Vec<Child> = (0..WORKERS).map(|_| start(&stand)).collect();
    for _ in 0..kills {
        // Chaos is in time; nothing is waited for.
        std::thread::sleep(Duration::from_millis(20 + numbers.below(400) as u64));
        let victim = numbers.below(WORKERS);
        workers[victim].kill().expect("it can be killed");
        workers[victim].wait().expect("it ended");
        workers[victim] = start(&stand);
    }
    for mut worker in workers {
        assert!(worker.wait().expect("it ended").success(), "a worker failed");
    }
    stand
}

fn expected(
    count: usize,
    rule: Conflict,
    there: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut newest: BTreeMap<String, Delivered> = BTreeMap::new();
    for item in items(count) {
        newest.insert(item.wanted.artifact.to_string(), item);
    }
    let mut files = BTreeMap::new();
    let mut crowd = Vec::new();
    for item in newest.into_values() {
        if item.wanted.name.as_str() == CROWD_NAME {
            crowd.push(item);
        } else {
            files.insert(item.wanted.name.to_string(), item.content);
        }
    }
    crowd.sort_by_key(|item| item.wanted.stamp.revision);
    let wanted: RelativePath = CROWD_NAME.parse().expect("a path");
    match rule {
        Conflict::Overwrite => {
            let last = crowd.pop().expect("some want one name");
            files.insert(CROWD_NAME.to_owned(), last.content);
        }
        // Who was first is up to chance; it is one of them, in its newest revision.
        Conflict::Skip => {
            let one = there.get(CROWD_NAME).expect("one of them is there");
            assert!(crowd.iter().any(|item| item.content == *one), "{one}");
            files.insert(CROWD_NAME.to_owned(), one.clone());
        }
        // Who got which number is up to chance; there are no gaps, and each is there once.
        Conflict::AppendNumber => {
            let numbers = (1..).take(crowd.len() - 1).map(|number| wanted.numbered(number));
            let names: Vec<RelativePath> = [wanted.clone()].into_iter().chain(numbers).collect();
            let contents: BTreeSet<&str> = crowd.iter().map(|item| item.content.as_str()).collect();
            let found: BTreeSet<&str> = names
                .iter()
                .map(|name| there.get(name.as_str()).expect("no gap").as_str())
                .collect();
            assert_eq!(found, contents);
            let given = |name: RelativePath| {
                let content = there.get(name.as_str()).expect("no gap").clone();
                (name.to_string(), content)
            };
            files.extend(names.into_iter().map(given));
        }
    }
    files
}

fn chaos(count: usize, kills: usize) {
    for rule in Conflict::ALL {
        let stand = delivered_in_chaos(count, rule, kills);
        // What the killed left is cleaned up by the next that comes.
        let directory = stand.again(rule);
        let there = stand.files();
        let wanted = expected(count, rule, &there);
        assert_eq!(there.len(), wanted.len(), "{rule}");
        assert!(there == wanted, "{rule}: contents differ");
        if !stand.is_bucket() {
            assert_eq!(stand.left_overs(), 0, "{rule}");
        }
        let mut stray = Vec::new();
        let mut tell = |found| match found {
            file_sink::Found::Whole(_) | file_sink::Found::Settled(_) => {}
            other => stray.push(other),
        };
        directory.examine(true, &mut tell).expect("it can be examined");
        assert_eq!(stray, [], "{rule}");
        println!(
            "{rule}: {count} artifacts, {kills} kills: {} files as they should be",
            there.len()
        );
    }
}

#[test]
fn workers_that_are_killed_leave_exactly_what_should_be_there() {
    chaos(90, 4);
}

#[test]
#[ignore = "make chaos"]
fn five_thousand_artifacts_are_there_exactly_whoever_is_killed() {
    chaos(5_000, 60);
}

#[test]
#[ignore = "make chaos"]
fn the_same_on_other_grounds() {
    if std::env::var_os(GROUND).is_some() {
        return; // This is such a run.
    }
    let on = |ground: &str, test: &str| {
        let status = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", test, "--include-ignored", "--nocapture"])
            .env(GROUND, ground)
            .status()
            .expect("this program runs");
        assert!(status.success(), "on {ground}");
    };
    on("create-and-rename", "five_thousand_artifacts_are_there_exactly_whoever_is_killed");
    on("link", "workers_that_are_killed_leave_exactly_what_should_be_there");
    match object_stores::StandIn::s3() {
        Some(_) => on("s3", "workers_that_are_killed_leave_exactly_what_should_be_there"),
        None => println!("skipped: there is no moto_server (make tools)"),
    }
    match object_stores::StandIn::azure() {
        Some(_) => on("azure", "workers_that_are_killed_leave_exactly_what_should_be_there"),
        None => println!("skipped: there is no azurite-blob (npm install azurite)"),
    }
}
