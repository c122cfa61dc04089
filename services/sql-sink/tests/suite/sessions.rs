//! Sessions to write, and what the tables must then say.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::{Digest, Revision};
use session_report::{
    Actor, Category, CustomAttribute, Customer, Event, Moment, Representative, Session, Team, Text,
    Value,
};
use sql_sink::columns::{Cell, Row, SessionRows, TABLES};
use sql_sink::store::Incoming;

fn some(text: &str) -> Option<Text> {
    Some(text.into())
}

fn at(secs: u64) -> Option<Moment> {
    Some(Moment { timestamp: Some(secs.to_string().into()), text: None })
}

/// A session with rows in every table; `word` is found in all of them.
fn session(word: &str) -> Session {
    let secs = 1_700_000_000;
    let event = |number: u64| Event {
        event_type: some("Chat Message"),
        timestamp: Some((secs + number).to_string().into()),
        performed_by: Some(Actor {
            name: some("Jane"),
            kind: some("representative"),
            ..Actor::default()
        }),
        body: Some(format!("{word} {number}").into()),
        values: (0..number)
            .map(|n| Value { name: format!("n{n}").into(), value: word.into() })
            .collect(),
        system_information: vec![Category {
            name: some(word),
            headings: vec!["Drive".into()],
            rows: vec![vec![format!("C: {number}").into()]],
        }],
        ..Event::default()
    };
    Session {
        session_type: some("support"),
        external_key: some(word),
        start_time: at(secs),
        end_time: at(secs + 600),
        lseq: some("77"),
        representatives: ["jane", "joe"]
            .map(|name| Representative {
                username: some(name),
                display_name: some(word),
                session_owner: some("1"),
                ..Representative::default()
            })
            .into(),
        customers: vec![Customer {
            info_details: some(word),
            hostname: some("CUSTOMER-PC"),
            ..Customer::default()
        }],
        teams: vec![Team { id: some("3"), name: some(word), primary_team: None }],
        custom_attributes: vec![CustomAttribute {
            display_name: some("Ticket"),
            code_name: some("ticket"),
            value: some(word),
        }],
        events: (0..5).map(event).collect(),
        ..Session::default()
    }
}

/// A session of this site whose content is made of `word`, staged at `position`.
pub fn incoming(site: &str, lsid: &str, position: u64, word: &str) -> Incoming {
    let site = site.parse().expect("a host");
    let lsid = lsid.parse().expect("an LSID");
    Incoming {
        revision: Revision { epoch: 1_700_000_000_000, position },
        content: Digest::of(word.as_bytes()),
        even_if_done: false,
        rows: Arc::new(SessionRows::of(&session(word), &site, &lsid, true)),
        route: "deliver-test".into(),
        position,
        site,
        lsid,
    }
}

/// The same of one site, for texts.
pub fn telling(lsid: &str, position: u64, text: &str) -> Incoming {
    incoming("a.example", lsid, position, text)
}

/// The eight tables of a dump, computed from what was written.
pub fn expectation(batch: &[Incoming]) -> Vec<(&'static str, Vec<String>)> {
    let mut tables: Vec<(&'static str, Vec<String>)> =
        TABLES.iter().map(|table| (table.name, Vec::new())).collect();
    let mut add = |table: &str, key: String, row: &Row| {
        let (_, lines) = tables.iter_mut().find(|(name, _)| *name == table).expect("a known table");
        let cells: Vec<String> = row.iter().map(shown).collect();
        lines.push(format!("{key} | {}", cells.join(" | ")));
    };
    for Incoming { site, lsid, rows, .. } in batch {
        let session = format!("{site}/{lsid}");
        add("session", session.clone(), &rows.session);
        for (table, rows) in rows.leaves() {
            for (row, place) in rows.iter().zip(1..) {
                add(table.name, format!("{session}#{place:05}"), row);
            }
        }
        for (rows, place) in rows.events.iter().zip(1..) {
            let event = format!("{session}#{place:05}");
            add("session_event", event.clone(), &rows.event);
            for (row, place) in rows.data.iter().zip(1..) {
                add("session_event_data", format!("{event}#{place:05}"), row);
            }
            for (row, place) in rows.system_information.iter().zip(1..) {
                add("system_information", format!("{event}#{place:05}"), row);
            }
        }
    }
    for (_, lines) in &mut tables {
        lines.sort();
    }
    tables
}

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Text(text) => format!("{text:?}"),
        Cell::Integer(number) => format!("\"{number}\""),
        Cell::Time(instant) => format!("\"{}\"", instant.format("%Y-%m-%d %H:%M:%S")),
    }
}

/// The keys of a dump's sessions.
pub fn keys(lines: &[String]) -> BTreeSet<String> {
    lines.iter().filter_map(|line| line.split_once(" | ")).map(|(key, _)| key.to_owned()).collect()
}

/// The keys of a dump's ledger.
pub fn ledger_keys(lines: &[String]) -> BTreeSet<String> {
    lines.iter().filter_map(|line| line.split_once(' ')).map(|(key, _)| key.to_owned()).collect()
}

/// Where two tables begin to differ, short enough to be read.
pub fn first_difference(one: &[String], other: &[String]) -> String {
    let cut = |line: Option<&String>| line.map(|line| line.chars().take(200).collect::<String>());
    let place = (0..one.len().max(other.len())).find(|place| one.get(*place) != other.get(*place));
    place.map_or("nowhere".to_owned(), |place| {
        let lengths = (one.get(place).map(String::len), other.get(place).map(String::len));
        format!(
            "line {place} {lengths:?}: {:?} and {:?}",
            cut(one.get(place)),
            cut(other.get(place))
        )
    })
}
