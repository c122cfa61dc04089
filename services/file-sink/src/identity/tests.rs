use std::fs;
use std::path::Path;

use domain::Revision;
use nats_server::NatsServer;
use queue::LogOptions;
use settings::Needs;

use super::*;

async fn log() -> Log {
    let server = NatsServer::shared();
    let options = LogOptions {
        prefix: server.fresh_prefix(),
        ..LogOptions::plain(&server.url(), "file-sink-test")
    };
    Log::connect(&options).await.expect("the server is there")
}

/// Settings with a destination in each of these folders, named after it.
fn settings(root: &Path, labels: &[&str]) -> Settings {
    let mut text =
        "[site.hq]\nhost = \"hq.example.com\"\nproduct = \"remote-support\"\nclient_id = \"a\"\n\
                    client_secret = { env = \"A\" }\n"
            .to_owned();
    for label in labels {
        let url = format!("file://{}", root.join(label).display());
        text += &format!("[destination.{label}]\ntype = \"files\"\nurl = \"{url}\"\n");
    }
    settings::parse(&text, "sluice.toml", Needs::NONE, &|_| None).expect("they are right")
}

async fn open_one(log: &Log, settings: &Settings, label: &str) -> Result<DestinationId, NotOpen> {
    let destination = settings.destination(label).expect("it is in the settings");
    let target = destination.target.files().expect("it is a folder");
    let opened = open(log, settings, destination, target).await;
    opened.map(|opened| opened.directory.identity().clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_begin_together_with_one_identity_one_gives_way_and_is_mended_as_it_is_told() {
    for _ in 0..5 {
        let root = tempfile::tempdir().expect("a folder");
        let settings = settings(root.path(), &["one", "two"]);
        // Both were filled by a log that is lost, and one is a copy of the other.
        let identity = root.path().join("one/.sluice/identity.json");
        fs::create_dir(root.path().join("one")).expect("made");
        fs::create_dir_all(root.path().join("two/.sluice")).expect("made");
        let lost = log().await;
        let known = open_one(&lost, &settings, "one").await.expect("it is new");
        fs::copy(identity, root.path().join("two/.sluice/identity.json")).expect("copied");
        let log = log().await;
        let (one, two) =
            tokio::join!(open_one(&log, &settings, "one"), open_one(&log, &settings, "two"));
        let (winner, loser) = match (one, two) {
            (Ok(_), Err(NotOpen::Twins { .. })) => ("one", "two"),
            (Err(NotOpen::Twins { .. }), Ok(_)) => ("two", "one"),
            other => panic!("{other:?}"),
        };
        assert_eq!(open_one(&log, &settings, winner).await.expect("it goes on"), known);
        assert!(matches!(open_one(&log, &settings, loser).await, Err(NotOpen::Twins { .. })));
        let copied = root.path().join(loser).join(".sluice/identity.json");
        fs::remove_file(copied).expect("it is there");
        let own = open_one(&log, &settings, loser).await.expect("a destination of its own");
        assert_ne!(own, known);
        assert_eq!(open_one(&log, &settings, winner).await.expect("it goes on"), known);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_was_put_back_from_a_backup_is_told_before_it_is_opened() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = root.path().join("one");
    fs::create_dir(&folder).expect("made");
    let (log, settings) = (log().await, settings(root.path(), &["one"]));
    let destination = settings.destination("one").expect("it is in the settings");
    let target = destination.target.files().expect("it is a folder");
    let opened = open(&log, &settings, destination, target).await.expect("it is new");
    let progress = Progress::new(log.clone(), Arc::clone(&opened.directory));
    let deliver = async |position| {
        let at = Revision { epoch: 1, position };
        opened.directory.mark(&queue::mark_key("route", 1), position, None).expect("marked");
        progress.raise("route", at).await.expect("raised");
    };
    let told = async || compared(&log, &settings, destination, target).await.expect("compared");
    deliver(1).await;
    assert_eq!(told().await, None);
    let marks = fs::read_dir(folder.join(".sluice/marks")).expect("there is one");
    let marks = marks.map(|one| one.expect("an entry").path()).next().expect("there are some");
    let backup = fs::read(&marks).expect("it can be read");
    deliver(2).await;
    assert_eq!(told().await, None);
    fs::write(&marks, backup).expect("it can be put back");
    assert_eq!(told().await, Some(OLDER));
}
