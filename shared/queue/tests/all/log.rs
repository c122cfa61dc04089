//! What the log promises to those who publish and read.

use std::time::Duration;

use crate::support::*;
use async_nats::jetstream::stream::{Config, StorageType};
use messages::Fact;
use nats_server::NatsServer;
use queue::{Announced, ConnectError, Log, LogError, LogOptions, Published, Stored};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_first_announcement_is_refused() {
    let log = log().await;
    assert!(matches!(log.announce(&ended(1)).await, Ok(Announced::At(_))));
    assert!(matches!(log.announce(&ended(1)).await, Ok(Announced::Already)));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_announcements_only_the_new_ones_count() {
    let log = log().await;
    announce_ends(&log, 300).await;
    let facts: Vec<Fact> = (200..1_000).map(ended).collect();
    assert_eq!(log.announce_all(&facts).await.expect("the log answers"), 700);
    assert_eq!(log.announce_all(&[]).await.expect("the log answers"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closing_fact_that_somebody_overtook_is_refused() {
    let log = log().await;
    let Ok(Published::At(first)) = log.publish_after(&staged(1, "a"), 0).await else {
        panic!("nobody was quicker");
    };
    assert!(matches!(log.publish_after(&staged(1, "b"), 0).await, Ok(Published::Overtaken)));
    let last = log.last_staged(&report(1)).await.expect("the log answers").expect("it stands");
    assert_eq!((Fact::ArtifactStaged(last.fact).name(), last.sequence), ("artifact-staged", first));
    assert!(matches!(log.publish_after(&staged(1, "b"), first).await, Ok(Published::At(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_published_reads_as_nothing() {
    let log = log().await;
    assert!(log.last_staged(&report(9)).await.expect("the log answers").is_none());
    assert!(log.last_unavailable(&report(9)).await.expect("the log answers").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_changes_only_by_who_read_it_last_and_keeps_nothing_of_what_is_removed() {
    let log = log().await;
    let bucket = log.bucket::<u32>("numbers").await.expect("a bucket");
    let Ok(Stored::At(revision)) = bucket.set("a", &1, None).await else { panic!("it was new") };
    assert_eq!(bucket.set("a", &2, None).await.expect("an answer"), Stored::Overtaken);
    assert!(matches!(bucket.set("a", &2, Some(revision)).await, Ok(Stored::At(_))));
    assert_eq!(bucket.set("a", &3, Some(revision)).await.expect("an answer"), Stored::Overtaken);
    bucket.remove("a").await.expect("an answer");
    assert_eq!(bucket.get("a").await.expect("an answer"), None);
    assert!(matches!(bucket.set("a", &4, None).await, Ok(Stored::At(_))));
    bucket.remove("a").await.expect("an answer");
    let jetstream = outsider(NatsServer::shared()).await;
    let stream = format!("KV_{}-numbers", log.subjects().prefix());
    let stream = jetstream.get_stream(stream).await.expect("the bucket's stream");
    assert_eq!(stream.cached_info().state.messages, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_opened_again_as_it_is() {
    let server = NatsServer::shared();
    let first = log().await;
    announce_ends(&first, 3).await;
    let second = log_at(server, first.subjects().prefix()).await;
    let (one, other) = (first.revision_at(7).await, second.revision_at(7).await);
    assert_eq!(one.expect("the log answers"), other.expect("the log answers"));
    assert_eq!(second.streams().await.expect("the log answers")[0].messages, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_a_person_changed_is_set_right() {
    let server = NatsServer::shared();
    let log = log().await;
    let prefix = log.subjects().prefix();
    let jetstream = outsider(server).await;
    let name = format!("{prefix}-DUE");
    let stream = jetstream.get_stream(&name).await.expect("it is there");
    let ours = stream.cached_info().config.clone();
    let theirs = Config { max_age: Duration::from_secs(3_600), ..ours.clone() };
    jetstream.update_stream(&theirs).await.expect("the server lets a person");
    log_at(server, prefix).await;
    let stream = jetstream.get_stream(&name).await.expect("it is there");
    assert_eq!(stream.cached_info().config.max_age, ours.max_age);
}

async fn connected_beside(config: Config) -> Result<Log, ConnectError> {
    let server = NatsServer::shared();
    let prefix = server.fresh_prefix();
    let config = Config { name: format!("{prefix}-DUE"), ..config };
    outsider(server).await.create_stream(config).await.expect("a stream");
    Log::connect(&LogOptions { prefix, ..LogOptions::plain(&server.url(), "a test") }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_the_server_would_not_change_is_told_plainly() {
    let server = NatsServer::shared();
    let prefix = server.fresh_prefix();
    let config = Config {
        name: format!("{prefix}-DUE"),
        subjects: vec![format!("{prefix}.session.ended.>")],
        storage: StorageType::Memory,
        ..Config::default()
    };
    outsider(server).await.create_stream(config).await.expect("a stream");
    let options = LogOptions { prefix, ..LogOptions::plain(&server.url(), "a test") };
    let error = Log::connect(&options).await.expect_err("it keeps facts in memory");
    let text = chain(&error);
    assert!(matches!(error, ConnectError::Prepare { cause: LogError::StreamDiffers { .. }, .. }));
    assert!(text.contains("does another program use that name"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_programs_stream_is_left_alone() {
    let foreign = Config { subjects: vec!["invoices.>".into()], ..Config::default() };
    let error = connected_beside(foreign).await.expect_err("it is not ours");
    assert!(matches!(error, ConnectError::Prepare { cause: LogError::StreamDiffers { .. }, .. }));
    let names: Vec<String> = {
        use futures::TryStreamExt;
        let jetstream = outsider(NatsServer::shared()).await;
        jetstream.streams().map_ok(|info| info.config.subjects.concat()).try_collect().await
    }
    .expect("the server lists");
    assert!(names.contains(&"invoices.>".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_jetstream_is_told_plainly() {
    let server = NatsServer::start_without_jetstream();
    let error = Log::connect(&LogOptions::plain(&server.url(), "a test")).await;
    let text = chain(&error.expect_err("there is nothing to keep a log in"));
    assert!(text.contains("JetStream switched off") && text.contains(&server.url()), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_too_old_is_told_plainly() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (connection, _) = listener.accept().await.expect("a client");
        let (input, mut output) = connection.into_split();
        let info = format!(
            "INFO {{\"server_id\":\"X\",\"version\":\"2.9.25\",\"proto\":1,\"host\":\"127.0.0.1\",\"port\":{},\
             \"headers\":true,\"max_payload\":1048576,\"jetstream\":true}}\r\n",
            address.port()
        );
        output.write_all(info.as_bytes()).await.expect("the client reads");
        let mut lines = BufReader::new(input).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if line.starts_with("PING") && output.write_all(b"PONG\r\n").await.is_err() {
                break;
            }
        }
    });
    let options = LogOptions::plain(&format!("nats://user:secret@{address}"), "a test");
    let error = Log::connect(&options).await.expect_err("it is too old");
    let text = chain(&error);
    assert!(matches!(error, ConnectError::TooOld { .. }), "{text}");
    assert!(text.contains("2.9.25") && text.contains("2.10") && !text.contains("secret"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_nobody_started_is_told_plainly_and_soon() {
    let server = NatsServer::start();
    server.kill();
    let options = LogOptions {
        patience: Duration::from_millis(200),
        ..LogOptions::plain(&server.url(), "a test")
    };
    let text = chain(&Log::connect(&options).await.expect_err("nobody is there"));
    assert!(text.contains("is nats-server running there"), "{text}");
}
