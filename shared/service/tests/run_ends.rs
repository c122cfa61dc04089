//! How a whole program ends. Each promise runs this test binary again as the program.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};

use service::{Exit, LogFormat, Started, TelemetryOptions, USAGE};

/// Names what the program does; unset, `the_program` is no test.
const PART: &str = "SLUICE_TEST_PART";

#[derive(Debug, thiserror::Error)]
#[error("the settings name no site")]
struct NoSite(#[source] std::io::Error);

impl Exit for NoSite {
    fn code(&self) -> u8 {
        USAGE
    }
}

async fn part(part: String, started: Started) -> Result<(), NoSite> {
    if part.starts_with("fail") {
        return Err(NoSite(std::io::Error::other("the file is empty")));
    }
    eprintln!("running");
    started.stop.cancelled().await;
    eprintln!("cancelled");
    if part == "hang" {
        std::future::pending::<()>().await;
    }
    Ok(())
}

#[test]
fn the_program() {
    let Ok(name) = std::env::var(PART) else { return };
    let mut options = TelemetryOptions::new("poller", "hq-1", "1.2.3");
    if name == "fail json" {
        options.log_format = LogFormat::Json;
    }
    let code = service::run(options, |started| part(name, started));
    let known = [0, 1, 2].into_iter().find(|&known| code == ExitCode::from(known));
    std::process::exit(known.map_or(99, i32::from));
}

fn program(part: &str) -> Child {
    Command::new(std::env::current_exe().expect("a test knows its binary"))
        .args(["--exact", "the_program", "--nocapture"])
        .env(PART, part)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the test binary can be started")
}

fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(sent.expect("`kill` can be started").success());
}

/// Reads stderr up to the line; what follows stays in the reader.
fn read_to(lines: &mut impl std::io::BufRead, wanted: &str) {
    let found = lines.by_ref().lines().any(|line| line.expect("stderr is text") == wanted);
    assert!(found, "the program did not say {wanted:?}");
}

fn outcome(mut child: Child, mut stderr: impl std::io::Read) -> (Option<i32>, String) {
    let mut text = String::new();
    stderr.read_to_string(&mut text).expect("stderr is text");
    (child.wait().expect("the program ends").code(), text)
}

#[test]
fn an_error_is_told_once_with_its_causes_and_decides_the_exit_code() {
    let mut child = program("fail");
    let stderr = child.stderr.take().expect("stderr is piped");
    let (code, text) = outcome(child, stderr);
    assert_eq!(code, Some(2));
    assert!(
        text.ends_with("error: the settings name no site\n  caused by: the file is empty\n"),
        "{text}"
    );
    assert_eq!(text.matches("the settings name no site").count(), 1, "{text}");
}

#[test]
fn with_json_logs_every_line_of_stderr_is_json() {
    let mut child = program("fail json");
    let stderr = child.stderr.take().expect("stderr is piped");
    let (_, text) = outcome(child, stderr);
    for line in text.lines() {
        serde_json::from_str::<serde_json::Value>(line)
            .unwrap_or_else(|error| panic!("{line}: {error}"));
    }
    assert!(text.contains("the file is empty"), "{text}");
}

#[test]
fn a_first_signal_stops_in_good_order() {
    let mut child = program("drain");
    let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
    read_to(&mut stderr, "running");
    signal(&child, "-INT");
    read_to(&mut stderr, "cancelled");
    assert_eq!(outcome(child, stderr).0, Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    for (name, code) in [("-TERM", 143), ("-INT", 130)] {
        let mut child = program("hang");
        let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        read_to(&mut stderr, "running");
        signal(&child, "-TERM");
        read_to(&mut stderr, "cancelled");
        signal(&child, name);
        assert_eq!(outcome(child, stderr).0, Some(code));
    }
}
