//! The example that ships is right, and no damage to it makes reading panic.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::{Kind, Slot};
use proptest::prelude::*;
use settings::{Needs, Problem, Secret, Settings, SettingsError, Target, load, parse};

const EXAMPLE: &str = include_str!("../../../schema/settings/sluice.example.toml");

fn env(variable: &str) -> Option<String> {
    Some(format!("hunter2-of-{variable}"))
}

/// The example in a folder of its own, beside the secret's file that it names.
fn example() -> Settings {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("secrets")).expect("a folder in it");
    let secret = folder.path().join("secrets/support-client-secret");
    std::fs::write(secret, "from the file\n").expect("a file in it");
    let name = folder.path().join("sluice.toml").display().to_string();
    parse(EXAMPLE, &name, Needs::ALL, &env).expect("the example is right")
}

#[test]
fn the_example_is_right_and_warns_of_nothing() {
    let settings = example();
    assert_eq!(settings.warnings, []);
    let labels: Vec<&str> = settings.sites.iter().map(|site| site.label.as_str()).collect();
    assert_eq!(labels, ["hq", "support"]);
    let labels: Vec<&str> = settings.destinations.iter().map(|d| d.label.as_str()).collect();
    assert_eq!(labels, ["archive", "cold", "warehouse", "local"]);
}

#[test]
fn what_the_example_shows_as_off_is_right_too() {
    // Together, except that a user needs no credentials file.
    let everything: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(shown) if is_setting(shown) && !shown.starts_with("credentials") => shown,
            Some(_) | None => line,
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let settings = parse(&everything, "sluice.toml", Needs::NONE, &env).expect("what is shown");
    assert_eq!(settings.log.servers(), ["nats://nats-1:4222", "nats://nats-2:4222"]);
    assert_eq!(settings.log.replicas, 3);
}

fn is_setting(line: &str) -> bool {
    let key = line.split(" = ").next().unwrap_or_default();
    line.contains(" = ") && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

#[test]
fn the_defaults_are_those_that_the_example_names() {
    let minimal = r#"
        [site.hq]
        host = "HQ.example.com"
        product = "remote-support"
        client_id = "id"
        client_secret = { env = "HQ" }
        [destination.archive]
        type = "files"
        url = "file:///srv/archive"
        [destination.db]
        type = "sqlite"
        path = "/var/lib/sluice.db"
    "#;
    let settings = parse(minimal, "sluice.toml", Needs::NONE, &env).expect("it is right");
    let named = example();
    let (bare, full) = (&settings.sites[0], &named.sites[0]);
    assert_eq!(bare.url, "https://hq.example.com");
    let limits = |site: &settings::Site| {
        let requests = (site.requests_per_second, site.requests_per_hour, site.downloads_max);
        (requests, site.overlap, site.abandoned_after, site.first_run_reach)
    };
    assert_eq!(limits(bare), limits(full));
    assert_eq!(limits(bare).3, Duration::from_secs(90 * 86_400));
    let workers = |settings: &Settings, at: usize| settings.destinations[at].workers;
    assert_eq!(workers(&settings, 0), workers(&named, 0));
    assert_eq!(workers(&settings, 1), workers(&named, 2));
    assert_eq!(settings.log.prefix, named.log.prefix);
    assert_eq!(settings.retry, named.retry);
    assert_eq!(settings.time_zone, chrono_tz::Tz::UTC);
}

#[test]
fn settings_without_a_schedule_are_a_warning() {
    let settings = parse("", "sluice.toml", Needs::ALL, &env).expect("nothing is wrong");
    let warnings: Vec<String> = settings.warnings.iter().map(Problem::to_string).collect();
    assert_eq!(
        warnings,
        [
            "sluice.toml:1:1: there is no schedule: nothing is scanned and nothing moves by itself\n  \
          help: add a [schedule.…] with `every` and `transfers`"
        ]
    );
}

#[test]
fn what_no_transfer_names_is_a_warning() {
    let unused =
        format!("{EXAMPLE}\n[destination.spare]\ntype = \"sqlite\"\npath = \"spare.db\"\n");
    let settings = parse(&unused, "sluice.toml", Needs::NONE, &env).expect("nothing is wrong");
    let messages: Vec<&str> = settings.warnings.iter().map(|w| w.message.as_str()).collect();
    assert_eq!(messages, ["no transfer names [destination.spare]"]);
}

#[test]
fn secrets_are_resolved_and_never_printed() {
    let settings = example();
    let exposed = |secret: &Secret| secret.expose().expect("all were needed").to_owned();
    assert_eq!(exposed(&settings.sites[0].client_secret), "hunter2-of-HQ_CLIENT_SECRET");
    assert_eq!(exposed(&settings.sites[1].client_secret), "from the file");
    let printed = format!("{settings:?} {settings:#?}");
    assert!(!printed.contains("hunter2"), "{printed}");
    assert!(!printed.contains("from the file"), "{printed}");
    assert!(printed.contains("HQ_CLIENT_SECRET"), "{printed}");
}

#[test]
fn secrets_of_others_are_not_looked_up() {
    let nobody = |variable: &str| -> Option<String> { panic!("{variable} was looked up") };
    let settings = parse(EXAMPLE, "sluice.toml", Needs::NONE, &nobody).expect("the file is right");
    let unresolved = settings.sites[0].client_secret.expose();
    assert_eq!(
        unresolved.expect_err("it was not needed").to_string(),
        "the secret in environment variable HQ_CLIENT_SECRET was not resolved when the settings were read"
    );
}

#[test]
fn relative_paths_start_from_the_folder_of_the_file() {
    let settings = parse(EXAMPLE, "/etc/sluice/sluice.toml", Needs::NONE, &env).expect("right");
    let local = settings.destination("local").expect("it is there");
    let Target::Sql(sql) = &local.target else {
        panic!("{local:?} is no database");
    };
    assert!(format!("{:?}", sql.engine).contains("/etc/sluice/sluice.db"));
}

#[test]
fn routes_are_looked_up_over_all_schedules() {
    let settings = example();
    let hq = &settings.site_labelled("hq").expect("it is there").host;
    assert_eq!(settings.site(hq).map(|site| site.label.as_str()), Some("hq"));
    let recordings = [Kind::SessionRecording, Kind::CommandShellRecording];
    let archive: BTreeSet<Kind> =
        [Kind::SessionData, Kind::SiteBackup].into_iter().chain(recordings).collect();
    assert_eq!(settings.kinds_of_route("archive", hq), archive);
    assert_eq!(settings.kinds_of_site(hq), archive);
    assert_eq!(settings.kinds_of_route("local", hq), BTreeSet::from([Kind::SessionData]));
    assert_eq!(settings.sites_of_destination("warehouse").len(), 2);
    let backups = settings.backup_schedule(hq).expect("it has one");
    assert_eq!(backups.label, "nightly");
    let noon = "2026-11-22T12:00:00Z".parse().expect("an instant");
    let night: Slot = "20261122T010000Z".parse().expect("a slot");
    assert_eq!(backups.timetable.latest(noon), night);
}

#[test]
fn a_database_takes_session_data_alone() {
    let settings = example();
    let takes = |label: &str| -> Vec<Kind> {
        let target = &settings.destination(label).expect("it is there").target;
        Kind::ALL.into_iter().filter(|kind| target.takes(*kind)).collect()
    };
    assert_eq!(takes("warehouse"), [Kind::SessionData]);
    assert_eq!(takes("local"), [Kind::SessionData]);
    assert_eq!(takes("archive"), Kind::ALL);
}

#[test]
fn a_file_is_loaded_with_the_digest_of_its_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sluice.toml");
    std::fs::write(&path, EXAMPLE).expect("a file in it");
    let settings = load(&path, Needs::NONE).expect("the file is right");
    assert_eq!(settings.digest, domain::Digest::of(EXAMPLE.as_bytes()));
}

#[test]
fn a_file_that_cannot_be_read_is_told_from_one_that_is_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = load(&folder.path().join("none.toml"), Needs::NONE);
    assert!(matches!(missing, Err(SettingsError::Read { .. })), "{missing:?}");
    let path = folder.path().join("latin-1.toml");
    std::fs::write(&path, b"# caf\xe9\n").expect("a file in it");
    let refused = load(&path, Needs::NONE).expect_err("it is not UTF-8").to_string();
    assert!(refused.contains("latin-1.toml:1:6: this byte is not UTF-8"), "{refused}");
}

/// One piece of damage: so many characters from a place on are replaced.
fn damaged(text: &str, (start, length, instead): &(usize, usize, String)) -> String {
    let characters: Vec<char> = text.chars().collect();
    let start = start % characters.len().max(1);
    let end = (start + length).min(characters.len());
    let mut whole: String = characters[..start].iter().collect();
    whole.push_str(instead);
    whole.extend(&characters[end..]);
    whole
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_makes_reading_panic(
        damage in prop::collection::vec((any::<usize>(), 0usize..40, "(\\PC|[\\[\\]{}=\"'.,\\\\#%:/\n0-9-]){0,8}"), 1..6),
    ) {
        let text = damage.iter().fold(EXAMPLE.to_owned(), |text, piece| damaged(&text, piece));
        if let Err(problems) = parse(&text, "sluice.toml", Needs::NONE, &env) {
            prop_assert!(problems.count() > 0);
            let lines = text.split('\n').count();
            for problem in problems.iter() {
                prop_assert!((1..=lines).contains(&problem.position.line), "{problem}");
            }
        }
    }

    #[test]
    fn no_value_of_another_type_makes_reading_panic(line in any::<usize>(), value in prop::sample::select(vec![
        "1", "-1", "1.5", "true", "\"\"", "\"\\u0000\"", "[]", "{}", "[[]]", "[{}]", "02:00:00", "\"%\"", "nan",
    ])) {
        let mut lines: Vec<String> = EXAMPLE.lines().map(str::to_owned).collect();
        let settings: Vec<usize> = (0..lines.len())
            .filter(|at| lines[*at].split(" = ").next().is_some_and(|key| !key.starts_with(['#', ' ', '[', ']']) && !key.is_empty()))
            .collect();
        let at = settings[line % settings.len()];
        let key = lines[at].split(" = ").next().expect("a key").to_owned();
        lines[at] = format!("{key} = {value}");
        if let Err(problems) = parse(&lines.join("\n"), "sluice.toml", Needs::NONE, &env) {
            prop_assert!(problems.count() > 0);
        }
    }
}
