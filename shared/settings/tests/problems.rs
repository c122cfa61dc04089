//! Each way to get the settings wrong is named, at its line and column.

use settings::{Needs, Problems, parse};

/// A file that is right; the cases below each make one thing of it wrong.
const RIGHT: &str = r#"[site.hq]
host = "access.example.com"
product = "privileged-remote-access"
client_id = "id"
client_secret = { env = "HQ" }

[destination.archive]
type = "files"
url = "file:///srv/archive"

[destination.db]
type = "sqlite"
path = "sluice.db"

[schedule.often]
every = "5m"
transfers = [{ site = "hq", destination = "archive", kinds = ["session-data", "site-backup"] }]
"#;

fn env(variable: &str) -> Option<String> {
    (variable == "HQ" || variable == "DB").then(|| "hunter2".to_owned())
}

fn problems(text: &str) -> Problems {
    parse(text, "sluice.toml", Needs::ALL, &env).expect_err("something is wrong with it")
}

/// The file with one piece replaced that must be there.
fn with(wrong: &str, instead_of: &str) -> String {
    assert!(RIGHT.contains(instead_of), "{instead_of:?} is not in it");
    RIGHT.replacen(instead_of, wrong, 1)
}

/// The file with something added at its end, which is line 18.
fn plus(wrong: &str) -> String {
    format!("{RIGHT}{wrong}")
}

/// Each expectation is the whole of a problem: position, message, help.
#[track_caller]
fn assert_one(text: &str, expected: &str) {
    let found = problems(text);
    let only = found.iter().next().expect("never empty").to_string();
    assert_eq!(only, format!("sluice.toml:{expected}"), "of {found}");
    assert_eq!(found.count(), 1, "{found}");
}

#[test]
fn the_right_file_has_no_problem() {
    let settings = parse(RIGHT, "sluice.toml", Needs::ALL, &env).expect("it is right");
    assert_eq!(settings.sites.len(), 1);
}

#[test]
fn what_is_not_toml_is_named_where_it_breaks() {
    let found = problems("[site.hq\nhost = \"a\"\n").to_string();
    assert!(found.starts_with("sluice.toml:1:9: "), "{found}");
    let found = problems("a = 1\na = 2\n").to_string();
    assert!(found.starts_with("sluice.toml:2:1: duplicate key"), "{found}");
}

#[test]
fn broken_lines_are_all_named_and_never_quoted() {
    let text = "[site.hq]\nclient_secret = \"hunter2\nhost == 3\nurl = hunter2\nca = [1, 2\n";
    let found = problems(text).to_string();
    assert!(!found.contains("hunter2"), "{found}");
    let lines: Vec<&str> = found.lines().filter_map(|line| line.split(':').nth(1)).collect();
    for line in ["2", "3", "4"] {
        assert!(lines.contains(&line), "{found}");
    }
}

#[test]
fn unknown_keys_are_named_with_what_was_meant() {
    assert_one(
        &with("hots = \"access.example.com\"", "host = \"access.example.com\""),
        "2:1: unknown key `hots` in [site.hq]\n  help: did you mean `host`?",
    );
    assert_one(
        &plus("[staging]\ncolour = 1\n"),
        "19:1: unknown key `colour` in [staging]\n  help: known here: `url`, `keep`, `floor`, \
         `lowest_floor`",
    );
    assert_one(
        &plus("[sites.x]\n"),
        "18:2: unknown key `sites` in the settings\n  help: did you mean `site`?",
    );
    assert_one(
        &with("connection = 1\npath", "path"),
        "13:1: unknown key `connection` in [destination.db]\n  help: known here: `type`, `workers`, `start`, `path`, \
         `store_system_information`, `batch_sessions_max`, `migrate_at_start`",
    );
}

#[test]
fn missing_keys_are_named_at_their_table() {
    assert_one(&with("", "client_id = \"id\"\n"), "1:1: [site.hq] lacks `client_id`");
    assert_one(
        &with("", ", kinds = [\"session-data\", \"site-backup\"]"),
        "17:14: a transfer of [schedule.often] lacks `kinds`",
    );
    assert_one(&with("", "type = \"sqlite\"\n"), "11:1: [destination.db] lacks `type`");
}

#[test]
fn wrong_types_are_named_with_the_right_one() {
    assert_one(
        &with("client_id = 7", "client_id = \"id\""),
        "4:13: `client_id` is a string, not a whole number",
    );
    assert_one(&plus("[log]\nprefix = true\n"), "19:10: `prefix` is a string, not true or false");
    assert_one(
        &plus("[destination]\nx = 3\n"),
        "19:5: [destination.x] is a table, not a whole number",
    );
    assert_one(
        &format!(
            "site = []\n{}",
            &RIGHT[RIGHT.find("[destination").expect("there")
                ..RIGHT.find("[schedule").expect("there")]
        ),
        "1:8: [site.…] is a table, not a list",
    );
    assert_one(
        &with("every = 5", "every = \"5m\""),
        "16:9: `every` is a string, not a whole number",
    );
}

#[test]
fn values_out_of_bounds_are_named_with_the_bounds() {
    assert_one(
        &with("downloads_max = 0\n\n[destination.archive]", "\n[destination.archive]"),
        "6:17: `downloads_max` is 1 to 64, not 0",
    );
    assert_one(
        &with("bytes_per_second = 1\n\n[destination.archive]", "\n[destination.archive]"),
        "6:20: `bytes_per_second` is 65536 to 2000000000, not 1",
    );
    assert_one(
        &with("proxy_user = \"me\"\n\n[destination.archive]", "\n[destination.archive]"),
        "6:14: `proxy_user` is for a `proxy`, and there is none",
    );
    assert_one(
        &with("requests_per_second = 0x1_000\n\n[destination.archive]", "\n[destination.archive]"),
        "6:23: `requests_per_second` is 1 to 1000, not 0x1000",
    );
    assert_one(
        &with("overlap = \"2d\"\n\n[destination.archive]", "\n[destination.archive]"),
        "6:11: `overlap` is 0s to 1d",
    );
    assert_one(
        &with("workers = 99999999999999999999\npath", "path"),
        "13:11: `workers` is 1 to 64, not 99999999999999999999",
    );
    assert_one(&plus("[log]\nreplicas = 6\n"), "19:12: `replicas` is 1 to 5, not 6");
    assert_one(
        &plus("[log]\nprefix = \"Sluice\"\n"),
        "19:10: `prefix`: \"Sluice\" is no prefix: 1 to 32 of a-z, 0-9 and '-' are",
    );
}

#[test]
fn missing_secrets_are_named_by_their_variable() {
    assert_one(
        &with("HQ_SECRET", "HQ"),
        "5:17: `client_secret`: environment variable HQ_SECRET is not set\n  \
         help: set HQ_SECRET in the environment of this process",
    );
    let found = problems(&with("{ file = \"nowhere/secret\" }", "{ env = \"HQ\" }")).to_string();
    let expected = "sluice.toml:5:17: `client_secret`: file nowhere/secret could not be read: ";
    assert!(found.starts_with(expected), "{found}");
}

#[test]
fn a_secret_in_the_file_is_refused_and_not_shown() {
    assert_one(
        &with("\"hunter2\"", "{ env = \"HQ\" }"),
        "5:17: `client_secret` is a secret, which never stands in this file\n  \
         help: write { env = \"NAME\" } or { file = \"path\" }",
    );
    assert_one(
        &with("{ env = \"hunter 2\" }", "{ env = \"HQ\" }"),
        "5:25: `env`: not the name of an environment variable: letters, digits and '_' are",
    );
    assert_one(
        &with("{ }", "{ env = \"HQ\" }"),
        "5:17: `client_secret` comes from one variable or one file\n  \
         help: write { env = \"NAME\" } or { file = \"path\" }",
    );
}

#[test]
fn transfers_of_unknown_things_are_named() {
    assert_one(
        &with("site = \"hr\"", "site = \"hq\""),
        "17:23: there is no [site.hr]\n  help: sites: `hq`",
    );
    assert_one(
        &with("destination = \"archiv\"", "destination = \"archive\""),
        "17:43: there is no [destination.archiv]\n  help: did you mean `archive`?",
    );
    assert_one(
        &with("\"session-date\"", "\"session-data\""),
        "17:63: a kind: there is no \"session-date\"\n  help: did you mean `session-data`?",
    );
    assert_one(
        &with("\"video\"", "\"session-data\""),
        "17:63: a kind: there is no \"video\"\n  help: one of: `session-data`, `session-recording`, \
         `command-shell-recording`, `show-my-screen-recording`, `presentation-data`, `presentation-recording`, \
         `site-backup`",
    );
}

#[test]
fn empty_lists_are_named() {
    assert_one(
        &with("[]", "[\"session-data\", \"site-backup\"]"),
        "17:62: `kinds` is an empty list",
    );
    assert_one(
        &plus("[schedule.idle]\nevery = \"1h\"\ntransfers = []\n"),
        "20:13: `transfers` is an empty list",
    );
}

#[test]
fn kinds_that_cannot_go_there_are_named() {
    assert_one(
        &with("\"db\"", "\"archive\""),
        "17:74: \"db\" can't take site-backup: a database holds session-data alone\n  \
         help: give it a destination with type = \"files\"",
    );
    assert_one(
        &with("\"presentation-data\"", "\"session-data\""),
        "17:63: \"hq\" has no presentation-data: its product is privileged-remote-access",
    );
}

#[test]
fn two_of_one_are_named() {
    let second_site = "[site.x]\nhost = \"ACCESS.example.com\"\nproduct = \"remote-support\"\nclient_id = \"i\"\n\
                       client_secret = { env = \"HQ\" }\n";
    assert_one(
        &plus(second_site),
        "19:8: access.example.com is the host of another site (line 2)\n  \
         help: a host is one site; schedules can name it as often as they like",
    );
    let same_place = "the same place is another destination";
    let help = "\n  help: a place is one destination; transfers can name it as often as they like";
    assert_one(
        &plus("[destination.x]\ntype = \"files\"\nurl = \"file:///srv//archive/\"\n"),
        &format!("20:7: {same_place} (line 9){help}"),
    );
    assert_one(
        &plus("[destination.x]\ntype = \"sqlite\"\npath = \"./data/../sluice.db\"\n"),
        &format!("20:8: {same_place} (line 13){help}"),
    );
    let server = "type = \"sql-server\"\nconnection =";
    assert_one(
        &plus(&format!(
            "[destination.x]\n{server} {{ env = \"DB\" }}\n[destination.y]\n{server} {{ env = \"DB\" }}\n"
        )),
        &format!("23:14: {same_place} (line 20){help}"),
    );
    assert_one(
        &plus("[staging]\nurl = \"file:///srv/archive\"\n"),
        "9:7: the same place is the staging store",
    );
    assert_one(
        &plus(
            "[staging]\nurl = \"s3://a/b\"\n[destination.x]\ntype = \"files\"\nurl = \"s3://a/b/\"\n",
        ),
        "22:7: the same place is the staging store",
    );
}

#[test]
fn a_destination_within_staging_or_around_it_is_named() {
    for (staging, destination) in [
        ("file:///srv/staging", "file:///srv/staging/archive"),
        ("file:///srv/x/staging", "file:///srv/x/"),
        ("s3://a/b", "s3://a/b/c"),
        ("s3://a/b/", "s3://a"),
    ] {
        assert_one(
            &plus(&format!(
                "[staging]\nurl = {staging:?}\n[destination.x]\ntype = \"files\"\nurl = {destination:?}\n"
            )),
            "22:7: this and the staging store lie one within the other\n  \
             help: each takes what lies below it for its own: give them places side by side",
        );
    }
    for (staging, destination) in [
        ("file:///srv/staging", "file:///srv/staging2"),
        ("s3://a/b", "s3://a/bc"),
        ("s3://a", "az://a/b"),
        ("s3://ab", "s3://a/b"),
    ] {
        let text = plus(&format!(
            "[staging]\nurl = {staging:?}\n[destination.x]\ntype = \"files\"\nurl = {destination:?}\n"
        ));
        parse(&text, "sluice.toml", Needs::ALL, &env).expect("they lie side by side");
    }
}

#[test]
fn a_transfer_twice_in_one_schedule_is_named() {
    let twice = "transfers = [{ site = \"hq\", destination = \"db\", kinds = [\"session-data\"] },\n\
                 { site = \"hq\", destination = \"db\", kinds = [\"session-data\"] },";
    assert_one(
        &with(twice, "transfers = ["),
        "18:45: session-data from \"hq\" to \"db\" is in this schedule twice",
    );
    assert_one(
        &with("\"session-data\", \"session-data\"", "\"session-data\""),
        "17:79: session-data is in this list twice",
    );
}

#[test]
fn backups_of_a_site_stand_in_one_schedule() {
    let second = "[schedule.nightly]\nevery = \"1d\"\n\
                  transfers = [{ site = \"hq\", destination = \"archive\", kinds = [\"site-backup\"] }]\n";
    assert_one(
        &plus(second),
        "20:63: backups of \"hq\" are in [schedule.often] already, and stand in one schedule only\n  \
         help: give one schedule all transfers of this site's backups",
    );
}

#[test]
fn schedules_that_cannot_be_kept_are_named() {
    assert_one(
        &with("\"30s\"", "\"5m\""),
        "16:9: `every`: a schedule runs every 1m to 7d, not every 30s",
    );
    assert_one(
        &with("\"8d\"", "\"5m\""),
        "16:9: `every`: a schedule runs every 1m to 7d, not every 8d",
    );
    assert_one(
        &with("\"often\"", "\"5m\""),
        "16:9: `every`: \"often\" is no length of time: a whole number and s, m, h or d is, such as \"90s\", \"5m\", \
         \"24h\" or \"7d\"",
    );
    assert_one(
        &with("\"36h\"\nat = \"02:00\"", "\"5m\""),
        "17:1: `at` is set, but a time of day goes with a whole number of days, not with every 36h\n  \
         help: make `every` 1d to 7d, or drop `at`",
    );
    assert_one(
        &with("\"1d\"\nat = \"2:60\"", "\"5m\""),
        "17:6: `at`: \"2:60\" is no time of day: \"00:00\" to \"23:59\" are",
    );
    assert_one(
        &format!("time_zone = \"Europe/Berlni\"\n{RIGHT}"),
        "1:13: there is no time zone \"Europe/Berlni\"\n  help: did you mean `Europe/Berlin`?",
    );
}

#[test]
fn file_settings_that_make_no_sense_are_named() {
    let url = "\"file:///srv/archive\"";
    assert_one(
        &with("\"ftp://server/folder\"", url),
        "9:7: `url`: ftp:// is none of file://, s3:// (S3), az:// (Azure Blob), gs:// (Google)",
    );
    assert_one(
        &with("\"file:///a\"\nstorage_class = \"COLD\"", url),
        "10:1: `storage_class` goes only with a bucket\n  help: a folder has no storage classes",
    );
    assert_one(
        &with("\"replace\"", url).replacen("url =", "url = \"file:///a\"\non_conflict =", 1),
        "10:15: `on_conflict`: there is no \"replace\"\n  help: one of: `append-number`, `overwrite`, `skip`",
    );
    let found =
        problems(&plus("[destination.archive.file_names]\nsession-data = \"%LSIX%.xml\"\n"))
            .to_string();
    assert!(
        found.starts_with("sluice.toml:19:16: `session-data`: %LSIX% at character 1 is not known"),
        "{found}"
    );
    let found = problems(&with(&format!("{url}\nfile_name = \"a%\""), url)).to_string();
    assert!(found.starts_with("sluice.toml:10:13: `file_name`: the percent sign"), "{found}");
}

#[test]
fn the_servers_settings_fit_each_other() {
    assert_one(
        &plus("[log]\nreplicas = 3\n"),
        "19:1: `replicas` needs the `url` of a cluster\n  help: without `url` the log is a single server of our own",
    );
    assert_one(
        &plus("[log]\nurl = \"nats://a\"\nuser = \"u\"\n"),
        "20:1: `user` stands alone: [log] lacks `password`\n  help: set `password` too, or neither",
    );
    assert_one(
        &plus("[log]\nurl = \"nats://u:hunter2@a\"\n"),
        "19:7: `url`: names and passwords don't belong in a URL",
    );
    assert_one(
        &plus("[service]\nlisten = \"8080\"\n"),
        "19:10: `listen`: \"8080\" is no address to listen on: \"0.0.0.0:8080\" is",
    );
}

#[test]
fn waits_that_cannot_grow_are_named() {
    assert_one(
        &plus("[retry]\nfirst = \"1h\"\n"),
        "19:1: `first` makes the first wait longer than the longest\n  \
         help: `first` is at most `longest`",
    );
    assert_one(
        &plus("[retry]\nlongest = \"1s\"\n"),
        "19:1: `longest` makes the first wait longer than the longest\n  \
         help: `first` is at most `longest`",
    );
    assert_one(&plus("[retry]\nattempts = 0\n"), "19:12: `attempts` is 1 to 1000, not 0");
}

#[test]
fn all_problems_are_reported_at_once_in_the_order_of_the_file() {
    let text = r#"time_zone = "Mars"
[schedule.often]
every = "1s"
transfers = [{ site = "nope", destination = "b", kinds = ["x", "session-recording"] }]
[site.a]
host = "a b"
client_id = ""
colour = "red"
[destination.b]
type = "sqlite"
path = 3
[destination."c d"]
type = "tape"
"#;
    let expected = r#"sluice.toml:1:13: there is no time zone "Mars"
  help: names of the IANA time zone database are known, such as `Europe/Berlin`
sluice.toml:3:9: `every`: a schedule runs every 1m to 7d, not every 1s
sluice.toml:4:23: there is no [site.nope]
  help: sites: `a`
sluice.toml:4:59: a kind: there is no "x"
  help: one of: `session-data`, `session-recording`, `command-shell-recording`, `show-my-screen-recording`, `presentation-data`, `presentation-recording`, `site-backup`
sluice.toml:5:1: [site.a] lacks `product`
sluice.toml:5:1: [site.a] lacks `client_secret`
sluice.toml:6:8: `host`: "a b" is not a host name: letters, digits, '-' and '.' only, no scheme, no port, at most 253 characters
sluice.toml:7:13: `client_id` is empty or holds control characters
sluice.toml:8:1: unknown key `colour` in [site.a]
  help: known here: `host`, `url`, `product`, `client_id`, `client_secret`, `backup_password`, `requests_per_second`, `requests_per_hour`, `downloads_max`, `bytes_per_second`, `overlap`, `abandoned_after`, `first_run_reach`, `ca`, `tls_min`, `proxy`, `proxy_user`, `proxy_password`, `keep_connections`
sluice.toml:11:8: `path` is a string, not a whole number
sluice.toml:12:14: "c d" is no name for a destination
  help: 1 to 64 letters, digits, '-' and '_' are
sluice.toml:13:8: `type`: there is no "tape"
  help: one of: `files`, `sql-server`, `sqlite`
12 problems"#;
    assert_eq!(problems(text).to_string(), expected);
}

/// The file with these formats for its archive, and this schedule.
fn archived(formats: &str, every: &str) -> String {
    let url = "url = \"file:///srv/archive\"\n";
    with(&format!("{url}{formats}\n"), url).replacen("every = \"5m\"", every, 1)
}

#[test]
fn formats_under_which_two_backups_would_share_a_name_are_refused() {
    let help = "give backups a format of their own, as in [destination.….file_names] site-backup = \
                \"%SUPPORT_SITE_HOST%-backup-%DATE%T%TIME%.%EXTENSION%\"";
    for (formats, every, wrong) in [
        (
            "file_name = \"%LSID%\"",
            "every = \"1d\"",
            "10:13: two backups would have one name: %LSID% does not name the whole date",
        ),
        (
            "file_names = { site-backup = \"%DATE%\" }",
            "every = \"12h\"",
            "10:30: two backups would have one name: %DATE% is the same at 20260102T000000Z and at 20260102T120000Z",
        ),
    ] {
        let found = problems(&archived(formats, every)).to_string();
        assert!(found.contains(wrong) && found.contains(help), "{found}");
    }
    for (formats, every) in [
        ("file_names = { site-backup = \"%DATE%\" }", "every = \"1d\""),
        (
            "file_names = { site-backup = \"%START_YYYY%%START_MM%%START_DD%-%START_HH%\" }",
            "every = \"1h\"",
        ),
        ("file_names = { site-backup = \"%DATE%-%TIME%\" }", "every = \"1m\""),
    ] {
        let text = archived(formats, every);
        parse(&text, "sluice.toml", Needs::ALL, &env).expect("each backup has its name");
    }
}

#[test]
fn a_day_that_a_change_of_the_clocks_doubles_is_two_backups_of_one_name() {
    let daily =
        archived("file_names = { site-backup = \"%DATE%\" }", "every = \"1d\"\nat = \"00:30\"");
    let london = format!("time_zone = \"Europe/London\"\n{daily}");
    let found = problems(&london).to_string();
    assert!(
        found.contains("%DATE% is the same at 20260329T003000Z and at 20260329T233000Z"),
        "{found}"
    );
}

#[test]
fn artifacts_of_one_session_that_would_share_a_name_are_a_warning() {
    let shells = with(
        "[\"session-data\", \"command-shell-recording\"]",
        "[\"session-data\", \"site-backup\"]",
    );
    let text = shells.replacen(
        "url = \"file:///srv/archive\"",
        "url = \"file:///srv/archive\"\nfile_name = \"%LSID%.%EXTENSION%\"",
        1,
    );
    let settings = parse(&text, "sluice.toml", Needs::ALL, &env).expect("it is allowed");
    let warnings: Vec<String> = settings.warnings.iter().map(ToString::to_string).collect();
    let wanted = "sluice.toml:10:13: every command-shell-recording of a session would have one name\n  \
                  help: put %INSTANCE% into the format; as it is, `on_conflict` decides";
    assert!(warnings.iter().any(|warning| warning == wanted), "{warnings:#?}");
}

#[test]
fn floors_of_staging_are_sizes_that_leave_the_log_some_room() {
    for (floors, problem) in [
        (
            "floor = \"1.5GB\"",
            "19:9: `floor`: \"1.5GB\" is no size: a whole number and kB, MB, GB or TB is, such as \"500MB\"",
        ),
        ("lowest_floor = \"1MB\"", "19:16: `lowest_floor` is 32.0 MB to 1000 TB"),
        (
            "floor = \"1GB\"\nlowest_floor = \"2GB\"",
            "20:1: `lowest_floor` is above `floor`\n  help: `lowest_floor` is at most `floor`",
        ),
        (
            "url = \"s3://bucket/staging\"\nfloor = \"1GB\"",
            "20:1: `floor` has no meaning for a bucket\n  help: leave it out: only a disk tells its room",
        ),
    ] {
        assert_one(&plus(&format!("[staging]\n{floors}\n")), problem);
    }
}
