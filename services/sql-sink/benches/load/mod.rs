//! What both engines' loads are measured with: the same sessions, and one way to print what they took.

use std::sync::Arc;
use std::time::Duration;

use domain::{Digest, Revision};
use session_report::{Actor, Customer, Event, Representative, Session, Text, Value};
use sql_sink::columns::SessionRows;
use sql_sink::store::Incoming;

const EVENTS_A_SESSION: usize = 30;

/// How many sessions the command line asks for.
pub fn asked() -> Option<usize> {
    std::env::args().find_map(|argument| argument.parse().ok())
}

/// How many rows these sessions have in all tables.
pub fn rows(all: &[Incoming]) -> usize {
    all.iter().map(|incoming| incoming.rows.count()).sum()
}

/// Prints what a load took.
pub fn line(name: &str, sessions: usize, rows: usize, took: Duration) {
    let rate = |count: usize| count as f64 / took.as_secs_f64();
    println!(
        "  {name:<28}{:>7.0} sessions/s{:>10.0} rows/s  ({:.2} s)",
        rate(sessions),
        rate(rows),
        took.as_secs_f64()
    );
}

/// A session that is to be written.
pub fn incoming(number: usize) -> Incoming {
    let site = "access.example.com".parse().expect("a host");
    let lsid = format!("{number:032x}").parse().expect("an LSID");
    let rows = SessionRows::of(&session(number), &site, &lsid, true);
    Incoming {
        revision: Revision { epoch: 1, position: number as u64 },
        content: Digest::of(&number.to_le_bytes()),
        even_if_done: false,
        rows: Arc::new(rows),
        route: "bench".into(),
        position: number as u64,
        site,
        lsid,
    }
}

fn session(number: usize) -> Session {
    let some = |text: &str| Some(Text::from(text));
    let actor = |name: &str| {
        Some(Actor { name: some(name), kind: some("representative"), ..Actor::default() })
    };
    let event = |n: usize| Event {
        event_type: some("Chat Message"),
        timestamp: Some((1_700_000_000 + n).to_string().into()),
        performed_by: actor("Jane Doe"),
        destination: actor("everyone"),
        body: Some(
            format!("Message {n} of session {number}, about as long as people write them here.")
                .into(),
        ),
        values: vec![Value { name: "n".into(), value: n.to_string().into() }],
        ..Event::default()
    };
    Session {
        session_type: some("support"),
        lseq: Some(number.to_string().into()),
        duration: some("00:10:00"),
        representatives: vec![Representative {
            username: some("jane"),
            display_name: some("Jane Doe"),
            public_ip: some("192.0.2.1:1234"),
            ..Representative::default()
        }],
        customers: vec![Customer {
            username: some("ann"),
            hostname: some("PC-1"),
            ..Customer::default()
        }],
        events: (0..EVENTS_A_SESSION).map(event).collect(),
        ..Session::default()
    }
}
