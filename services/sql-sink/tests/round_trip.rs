//! Every value that a report holds for a documented column is found in the tables: reports of any content go the whole
//! way, as XML, through the reader, the mapping and each engine, and are compared with what they said.

#[allow(dead_code, reason = "another program uses the rest")]
#[path = "../../../shared/session-report/tests/reports/generated.rs"]
mod generated;
#[path = "suite/server.rs"]
mod server;
#[allow(dead_code, reason = "another program uses the rest")]
#[path = "../../../shared/session-report/tests/reports/writer.rs"]
mod writer;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::DateTime;
use domain::{Digest, Lsid, Revision, SiteHost};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use session_report::{Limits, Moment, Session, Text};
use sql_sink::columns::{SessionRows, TABLES};
use sql_sink::store::{Incoming, SqlServer, Sqlite, Store, Written};

const SITE: &str = "support.example.com";

/// A table's rows under the session's LSID and the row's place: by column, what stands there.
type Said = BTreeMap<&'static str, Vec<(String, HashMap<&'static str, Option<String>>)>>;

/// Sessions of any content, with numbers and times where most reports have them, and now and then a long text.
fn sessions() -> impl Strategy<Value = Vec<Session>> {
    let number = prop_oneof![Just(0), Just(-1), Just(i64::MAX), 0_i64..100_000];
    let time = prop_oneof![Just(0), Just(253_402_300_799), 1_600_000_000_i64..1_900_000_000];
    let long = prop_oneof![9 => Just(0_usize), 1 => 300_usize..70_000];
    let one = (generated::session(), vec(number, 3), vec(time, 2), any::<bool>(), long);
    vec(
        one.prop_map(|(session, numbers, times, numbered, long)| {
            told(session, &numbers, &times, numbered, long)
        }),
        1..12,
    )
}

fn told(
    mut session: Session,
    numbers: &[i64],
    times: &[i64],
    numbered: bool,
    long: usize,
) -> Session {
    let text = |number: i64| Some(Text::from(number.to_string()));
    if numbered {
        session.lseq = text(numbers[0]);
        session.file_transfer_count = text(numbers[1]);
        session.start_time = Some(Moment { timestamp: text(times[0]), text: None });
        for representative in &mut session.representatives {
            representative.seconds_involved = text(numbers[2]);
            representative.session_owner = text(numbers[2].clamp(0, 1));
        }
        for event in &mut session.events {
            event.timestamp = text(times[1]);
        }
    }
    if long > 0 {
        session.external_key = Some(format!("{}🦀", "ü".repeat(long)).into());
        session.jump_group = None;
    }
    session
}

fn lsid_of(place: usize) -> Lsid {
    format!("L{place}").parse().expect("an LSID")
}

fn incoming(session: &Session, place: usize) -> Incoming {
    let session = Session { lsid: Some(lsid_of(place)), ..session.clone() };
    let style = if place.is_multiple_of(2) { writer::PLAIN } else { writer::ORNATE };
    let xml = style.document(std::slice::from_ref(&session));
    let read = session_report::read(xml.as_bytes(), &Limits::default()).expect("a report");
    let site: SiteHost = SITE.parse().expect("a host");
    let lsid = lsid_of(place);
    Incoming {
        revision: Revision { epoch: 1, position: place as u64 + 1 },
        content: Digest::of(xml.as_bytes()),
        even_if_done: false,
        rows: Arc::new(SessionRows::of(&read, &site, &lsid, true)),
        route: "deliver".into(),
        position: place as u64 + 1,
        site,
        lsid,
    }
}

fn kept(text: &Option<Text>) -> Option<String> {
    text.as_ref().map(|text| text.replace('\0', "\u{FFFD}"))
}

fn filled(text: &Option<Text>) -> Option<String> {
    kept(text).filter(|text| !text.is_empty())
}

fn number(text: &Option<Text>) -> Option<String> {
    let number: i64 = text.as_ref()?.trim().parse().ok()?;
    Some(number.to_string())
}

fn flag(is_one: bool) -> Option<String> {
    Some(i64::from(is_one).to_string())
}

fn time(secs: Option<i64>) -> Option<String> {
    let instant = DateTime::from_timestamp(secs?, 0)?;
    let year = instant.format("%Y").to_string().parse::<i64>().ok()?;
    (1..=9999).contains(&year).then(|| instant.format("%Y-%m-%d %H:%M:%S").to_string())
}

fn moment(moment: &Option<Moment>) -> Option<String> {
    let moment = moment.as_ref()?;
    match &moment.timestamp {
        Some(timestamp) => time(timestamp.trim().parse().ok()),
        None => {
            let text = moment.text.as_ref()?.trim();
            time(Some(DateTime::parse_from_rfc3339(text).ok()?.timestamp()))
        }
    }
}

/// What the tables must say of a session, written down from the documentation and not from the mapping.
fn expected(session: &Session, place: usize, said: &mut Said) {
    let key = lsid_of(place).to_string();
    let site = session.public_site.clone().unwrap_or_default();
    let group = session.jump_group.clone();
    let site_id = filled(&site.id);
    add(
        said,
        "session",
        key.clone(),
        vec![
            ("lsid", Some(key.clone())),
            ("host_name", Some(SITE.to_owned())),
            ("type", kept(&session.session_type)),
            ("start_time", moment(&session.start_time)),
            ("end_time", moment(&session.end_time)),
            ("duration", kept(&session.duration)),
            ("file_transfers", number(&session.file_transfer_count)),
            ("external_key", kept(&session.external_key)),
            (
                "public_site_id",
                if site_id.is_none() { Some("1".to_owned()) } else { number(&site.id) },
            ),
            ("public_site_name", filled(&site.name).or(Some("Default".to_owned()))),
            ("lseq", number(&session.lseq)),
            ("jump_group_id", group.as_ref().and_then(|group| kept(&group.id))),
            ("jump_group_name", group.as_ref().and_then(|group| kept(&group.name))),
            ("jump_group_type", group.as_ref().and_then(|group| kept(&group.kind))),
        ],
    );
    representatives(session, &key, said);
    customers(session, &key, said);
    teams_and_attributes(session, &key, said);
    events(session, &key, said);
}

fn add(
    said: &mut Said,
    table: &'static str,
    key: String,
    cells: Vec<(&'static str, Option<String>)>,
) {
    said.entry(table).or_default().push((key, cells.into_iter().collect()));
}

fn primary(own: &Option<Text>, id: &Option<Text>, named: Option<&Option<Text>>) -> Option<String> {
    match filled(own) {
        Some(own) => flag(own.trim() == "1"),
        None => flag(filled(id).is_some() && named.is_some_and(|named| named == id)),
    }
}

fn representatives(session: &Session, key: &str, said: &mut Said) {
    for (n, rep) in session.representatives.iter().enumerate() {
        let primary_rep = session.primary_rep.as_ref().map(|actor| &actor.gsnumber);
        add(
            said,
            "representative",
            format!("{key}/{n}"),
            vec![
                ("gs_number", kept(&rep.gsnumber)),
                ("user_id", kept(&rep.id)),
                ("user_name", kept(&rep.username)),
                ("display_name", filled(&rep.private_display_name).or(kept(&rep.display_name))),
                ("public_display_name", kept(&rep.public_display_name)),
                ("display_number", kept(&rep.display_number)),
                ("public_ip", kept(&rep.public_ip)),
                ("private_ip", kept(&rep.private_ip)),
                ("is_owner", flag(number(&rep.session_owner).as_deref() == Some("1"))),
                ("is_primary", primary(&rep.primary_rep, &rep.gsnumber, primary_rep)),
                ("duration", number(&rep.seconds_involved)),
                ("host_name", kept(&rep.hostname)),
                ("operating_system", kept(&rep.os)),
            ],
        );
    }
}

fn customers(session: &Session, key: &str, said: &mut Said) {
    for (n, customer) in session.customers.iter().enumerate() {
        add(
            said,
            "customer",
            format!("{key}/{n}"),
            vec![
                ("gs_number", kept(&customer.gsnumber)),
                ("issue", kept(&customer.info_issue)),
                ("issue_description", kept(&customer.info_details)),
                ("display_name", filled(&customer.info_name).or(kept(&customer.username))),
                ("company_name", kept(&customer.info_company)),
                ("company_code", kept(&customer.info_company_code)),
                ("public_ip", kept(&customer.public_ip)),
                ("private_ip", kept(&customer.private_ip)),
                ("rpat_support", number(&customer.rpat_support)),
                ("host_name", kept(&customer.hostname)),
                ("operating_system", kept(&customer.os)),
            ],
        );
    }
}

fn teams_and_attributes(session: &Session, key: &str, said: &mut Said) {
    for (n, team) in session.teams.iter().enumerate() {
        let primary_team = session.primary_team.as_ref().map(|team| &team.id);
        add(
            said,
            "team",
            format!("{key}/{n}"),
            vec![
                ("team_id", kept(&team.id)),
                ("name", kept(&team.name)),
                ("is_primary", primary(&team.primary_team, &team.id, primary_team)),
            ],
        );
    }
    for (n, attribute) in session.custom_attributes.iter().enumerate() {
        add(
            said,
            "custom_attribute",
            format!("{key}/{n}"),
            vec![
                ("display_name", kept(&attribute.display_name)),
                ("code_name", kept(&attribute.code_name)),
                ("value", kept(&attribute.value)),
            ],
        );
    }
}

fn events(session: &Session, key: &str, said: &mut Said) {
    for (n, event) in session.events.iter().enumerate() {
        let of = format!("{key}/{n}");
        let actor = |actor: &Option<session_report::Actor>| actor.clone().unwrap_or_default();
        let (by, to) = (actor(&event.performed_by), actor(&event.destination));
        add(
            said,
            "session_event",
            of.clone(),
            vec![
                ("type", kept(&event.event_type)),
                (
                    "event_time",
                    time(event.timestamp.as_ref().and_then(|secs| secs.trim().parse().ok())),
                ),
                ("performed_by", kept(&by.name)),
                ("performed_by_type", kept(&by.kind)),
                ("destination", kept(&to.name)),
                ("destination_type", kept(&to.kind)),
            ],
        );
        for (m, (name, value)) in pairs(event).into_iter().enumerate() {
            let cells = vec![("name", Some(name)), ("value", Some(value))];
            add(said, "session_event_data", format!("{of}/{m}"), cells);
        }
        for (m, category) in event.system_information.iter().enumerate() {
            let cells = vec![
                ("category", kept(&category.name)),
                ("information", Some(information(category))),
            ];
            add(said, "system_information", format!("{of}/{m}"), cells);
        }
    }
}

/// All cells under their headings, as XML.
fn information(category: &session_report::Category) -> String {
    let text = |text: &str| {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        text.replace('\r', "&#13;")
    };
    let name =
        |name: &str| text(name).replace('"', "&quot;").replace('\n', "&#10;").replace('\t', "&#9;");
    let mut xml = String::new();
    for row in &category.rows {
        xml.push_str("<row>");
        for (place, cell) in row.iter().enumerate() {
            let heading = category.headings.get(place).map_or("", |heading| heading.as_str());
            let cell = cell.trim_matches([' ', '\t', '\r', '\n']);
            xml.push_str(&format!("<field name=\"{}\">{}</field>", name(heading), text(cell)));
        }
        xml.push_str("</row>");
    }
    xml
}

/// Pairs, body, the file's name and size unless said already, files.
fn pairs(event: &session_report::Event) -> Vec<(String, String)> {
    let said: Vec<(String, String)> = event
        .values
        .iter()
        .chain(&event.files)
        .map(|value| (value.name.to_string(), value.value.to_string()))
        .collect();
    let (values, files) = said.split_at(event.values.len());
    let mut pairs = values.to_vec();
    if let Some(body) = event.body_text() {
        pairs.push((body.name().to_owned(), body.text().replace('\0', "\u{FFFD}")));
    }
    for (name, value) in [("filename", &event.filename), ("filesize", &event.filesize)] {
        let pair = value.as_ref().map(|value| (name.to_owned(), value.to_string()));
        pairs.extend(pair.filter(|pair| !said.contains(pair)));
    }
    pairs.extend(files.to_vec());
    pairs
}

/// What a database says, in the same form.
async fn stored<S: Store>(store: &S) -> Said {
    let mut said = Said::new();
    let mut keys: HashMap<(&str, i64), String> = HashMap::new();
    for table in TABLES {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for row in store.rows(table, None).await.expect("rows") {
            let cells: HashMap<&'static str, Option<String>> =
                table.columns.iter().map(|column| column.name).zip(row.cells).collect();
            let key = match (&table.parent, row.parent) {
                (Some(parent), Some(id)) => {
                    let of = keys[&(parent.table, id)].clone();
                    let count = counts.entry(of.clone()).or_default();
                    *count += 1;
                    format!("{of}/{}", *count - 1)
                }
                _ => cells["lsid"].clone().expect("an LSID"),
            };
            keys.insert((table.name, row.id), key.clone());
            said.entry(table.name).or_default().push((key, cells));
        }
    }
    said
}

async fn keeps_all<S: Store>(store: &S, sessions: &[Session]) {
    let batch: Vec<Incoming> =
        sessions.iter().enumerate().map(|(place, session)| incoming(session, place)).collect();
    let written = store.write(&batch).await.expect("a database that takes all of it");
    assert!(written.iter().all(|written| *written == Written::Inserted));
    let mut wanted = Said::new();
    for (place, session) in sessions.iter().enumerate() {
        expected(session, place, &mut wanted);
    }
    let mut found = stored(store).await;
    for (table, mut wanted) in wanted {
        let mut found = found.remove(table).unwrap_or_default();
        wanted.sort_by(|one, other| one.0.cmp(&other.0));
        found.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(wanted.len(), found.len(), "rows of {table}");
        for ((key, wanted), (found_key, found)) in wanted.into_iter().zip(found) {
            assert_eq!(key, found_key, "{table}");
            for (column, value) in wanted {
                assert_eq!(found[column], value, "{table}.{column} of {key}");
            }
        }
    }
    assert!(found.is_empty(), "rows that no report holds: {found:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_report_says_stands_in_the_tables_of_sqlite(sessions in sessions()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let folder = tempfile::tempdir().expect("a folder");
            let store = Sqlite::open(&folder.path().join("sessions.db")).await.expect("a file");
            keeps_all(&store, &sessions).await;
        });
    }
}

#[tokio::test]
async fn what_a_report_says_stands_in_the_tables_of_sql_server() {
    let Ok(server) = std::env::var(server::VARIABLE) else {
        eprintln!("skipped: {} is not set", server::VARIABLE);
        return;
    };
    let database = server::Fresh::at(&server).await;
    let mut runner = TestRunner::default();
    let mut generated: Vec<Session> = Vec::new();
    while generated.len() < 40 {
        generated.extend(sessions().new_tree(&mut runner).expect("sessions").current());
    }
    let store = SqlServer::open(&database.connection()).await.expect("a database");
    keeps_all(&store, &generated).await;
    drop(store);
    database.dropped().await;
}
