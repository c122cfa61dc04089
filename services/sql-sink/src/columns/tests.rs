mod events;

use session_report::{
    Actor, Category, CustomAttribute, Customer, Event, JumpGroup, Moment, Named, Representative,
    Session, Team, Text, Value,
};

use super::*;

fn rows_of(session: &Session) -> SessionRows {
    let site = "Access.Example.com".parse().expect("a host");
    SessionRows::of(session, &site, &"L1".parse().expect("an LSID"), true)
}

fn cell(table: &Table, row: &Row, column: &str) -> Cell {
    let place = table.columns.iter().position(|known| known.name == column);
    row[place.unwrap_or_else(|| panic!("{} has no column {column}", table.name))].clone()
}

fn some(text: &str) -> Option<Text> {
    Some(text.into())
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn at(secs: i64) -> Cell {
    Cell::Time(DateTime::from_timestamp(secs, 0).expect("an instant of our age"))
}

fn session_cell(session: Session, column: &str) -> Cell {
    cell(&SESSION, &rows_of(&session).session, column)
}

fn representative_cell(representative: Representative, column: &str) -> Cell {
    let session = Session {
        representatives: vec![representative],
        primary_rep: Some(Actor { gsnumber: some("7"), ..Actor::default() }),
        ..Session::default()
    };
    cell(&REPRESENTATIVE, &rows_of(&session).representatives[0], column)
}

fn value(name: &str, value: &str) -> Value {
    Value { name: name.into(), value: value.into() }
}

/// A session with something in every table.
fn full() -> Session {
    Session {
        representatives: vec![Representative::default()],
        customers: vec![Customer::default()],
        teams: vec![Team::default()],
        custom_attributes: vec![CustomAttribute::default()],
        events: vec![Event {
            values: vec![value("a", "b")],
            system_information: vec![Category::default()],
            ..Event::default()
        }],
        ..Session::default()
    }
}

#[test]
fn every_row_has_a_cell_for_every_column_and_of_its_type() {
    let rows = rows_of(&full());
    let event = &rows.events[0];
    let all = [
        (&SESSION, &rows.session),
        (&REPRESENTATIVE, &rows.representatives[0]),
        (&CUSTOMER, &rows.customers[0]),
        (&TEAM, &rows.teams[0]),
        (&CUSTOM_ATTRIBUTE, &rows.custom_attributes[0]),
        (&SESSION_EVENT, &event.event),
        (&SESSION_EVENT_DATA, &event.data[0]),
        (&SYSTEM_INFORMATION, &event.system_information[0]),
    ];
    assert_eq!(all.len(), TABLES.len());
    for (table, row) in all {
        assert_eq!(row.len(), table.columns.len(), "{}", table.name);
        for (cell, column) in row.iter().zip(table.columns) {
            let fits = match cell {
                Cell::Null => true,
                Cell::Text(_) => column.holds == Holds::Text,
                Cell::Integer(_) => column.holds == Holds::Integer,
                Cell::Time(_) => column.holds == Holds::Time,
            };
            assert!(fits, "{}.{} holds {cell:?}", table.name, column.name);
        }
    }
    assert_eq!(rows.count(), 8);
}

#[test]
fn a_report_that_says_nothing_gives_nulls_and_the_documented_defaults() {
    let row = rows_of(&Session::default()).session;
    for column in SESSION.columns {
        let expected = match column.name {
            "lsid" => text("L1"),
            "host_name" => text("access.example.com"),
            "public_site_id" => Cell::Integer(1),
            "public_site_name" => text("Default"),
            _ => Cell::Null,
        };
        assert_eq!(cell(&SESSION, &row, column.name), expected, "{}", column.name);
    }
}

#[test]
fn texts_of_a_session_are_kept_as_they_are() {
    let session = || Session {
        session_type: some("support"),
        duration: some("00:10:00"),
        external_key: some(" "),
        jump_group: Some(JumpGroup { id: some("-1"), kind: some("shared"), name: some("") }),
        ..Session::default()
    };
    let cases = [
        ("type", "support"),
        ("duration", "00:10:00"),
        ("external_key", " "),
        ("jump_group_id", "-1"),
        ("jump_group_type", "shared"),
        ("jump_group_name", ""),
    ];
    for (column, expected) in cases {
        assert_eq!(session_cell(session(), column), text(expected), "{column}");
    }
}

#[test]
fn numbers_are_numbers_and_anything_else_is_null() {
    let cases = [
        ("5", Cell::Integer(5)),
        ("-1", Cell::Integer(-1)),
        (" 12\n", Cell::Integer(12)),
        ("9223372036854775807", Cell::Integer(i64::MAX)),
        ("", Cell::Null),
        ("Unknown", Cell::Null),
        ("1.5", Cell::Null),
    ];
    for (written, expected) in cases {
        let session = || Session {
            file_transfer_count: some(written),
            lseq: some(written),
            ..Session::default()
        };
        assert_eq!(session_cell(session(), "file_transfers"), expected, "{written:?}");
        assert_eq!(session_cell(session(), "lseq"), expected, "{written:?}");
    }
}

#[test]
fn times_come_from_the_attribute_and_from_the_text_only_where_that_is_missing() {
    let moment = |timestamp: Option<&str>, text: Option<&str>| Moment {
        timestamp: timestamp.map(Text::from),
        text: text.map(Text::from),
    };
    let written = "2026-11-22T10:00:00+02:00";
    let cases = [
        (moment(Some("1700000000"), Some(written)), at(1_700_000_000)),
        (moment(None, Some(written)), at(1_795_334_400)),
        (moment(Some(""), None), Cell::Null),
        (moment(Some("Unknown"), None), Cell::Null),
        (moment(None, None), Cell::Null),
        (moment(Some("0"), None), at(0)),
        (moment(Some("253402300799"), None), at(253_402_300_799)),
        (moment(Some("253402300800"), None), Cell::Null),
    ];
    for (moment, expected) in cases {
        let started = Session { start_time: Some(moment.clone()), ..Session::default() };
        assert_eq!(session_cell(started, "start_time"), expected, "{moment:?}");
        let ended = Session { end_time: Some(moment.clone()), ..Session::default() };
        assert_eq!(session_cell(ended, "end_time"), expected, "{moment:?}");
    }
}

#[test]
fn a_public_site_falls_back_to_1_and_default_each_for_itself() {
    let of = |id: Option<&str>, name: Option<&str>, column: &str| {
        let named = Named { id: id.map(Text::from), name: name.map(Text::from) };
        session_cell(Session { public_site: Some(named), ..Session::default() }, column)
    };
    assert_eq!(of(Some("3"), Some("Help"), "public_site_id"), Cell::Integer(3));
    assert_eq!(of(Some("3"), Some("Help"), "public_site_name"), text("Help"));
    assert_eq!(of(Some(""), Some(""), "public_site_id"), Cell::Integer(1));
    assert_eq!(of(Some(""), Some(""), "public_site_name"), text("Default"));
    assert_eq!(of(Some("2"), None, "public_site_name"), text("Default"));
    assert_eq!(of(Some("Unknown"), None, "public_site_id"), Cell::Null);
}

#[test]
fn the_private_display_name_comes_before_the_display_name() {
    let of = |private: Option<&str>, display: Option<&str>| {
        let representative = Representative {
            private_display_name: private.map(Text::from),
            display_name: display.map(Text::from),
            ..Representative::default()
        };
        representative_cell(representative, "display_name")
    };
    assert_eq!(of(Some("Private"), Some("Shown")), text("Private"));
    assert_eq!(of(Some(""), Some("Shown")), text("Shown"));
    assert_eq!(of(None, Some("Shown")), text("Shown"));
    assert_eq!(of(None, Some("")), text(""));
    assert_eq!(of(Some(""), None), Cell::Null);
}

#[test]
fn flags_are_0_unless_something_says_1() {
    for (written, expected) in
        [(Some("1"), 1), (Some("0"), 0), (Some(""), 0), (Some("Unknown"), 0), (None, 0)]
    {
        let representative =
            Representative { session_owner: written.map(Text::from), ..Representative::default() };
        assert_eq!(
            representative_cell(representative, "is_owner"),
            Cell::Integer(expected),
            "{written:?}"
        );
    }
}

#[test]
fn who_is_primary_is_said_by_the_own_flag_or_else_by_the_session() {
    let of = |flag: Option<&str>, gsnumber: Option<&str>| {
        let representative = Representative {
            primary_rep: flag.map(Text::from),
            gsnumber: gsnumber.map(Text::from),
            ..Representative::default()
        };
        representative_cell(representative, "is_primary")
    };
    assert_eq!(of(Some("1"), Some("8")), Cell::Integer(1));
    assert_eq!(of(Some("0"), Some("7")), Cell::Integer(0), "the flag counts");
    assert_eq!(of(Some(""), Some("7")), Cell::Integer(1), "an empty flag does not");
    assert_eq!(of(None, Some("7")), Cell::Integer(1));
    assert_eq!(of(None, Some("8")), Cell::Integer(0));
    assert_eq!(of(None, None), Cell::Integer(0));
}

#[test]
fn a_team_is_primary_in_the_same_way() {
    let of = |flag: Option<&str>, primary: Option<&str>| {
        let session = Session {
            teams: vec![Team {
                id: some("3"),
                name: some("T"),
                primary_team: flag.map(Text::from),
            }],
            primary_team: Some(Named { id: primary.map(Text::from), name: None }),
            ..Session::default()
        };
        cell(&TEAM, &rows_of(&session).teams[0], "is_primary")
    };
    assert_eq!(of(Some("1"), None), Cell::Integer(1));
    assert_eq!(of(None, Some("3")), Cell::Integer(1));
    assert_eq!(of(Some("0"), Some("3")), Cell::Integer(0));
    assert_eq!(of(None, Some("4")), Cell::Integer(0));
    assert_eq!(of(None, None), Cell::Integer(0));
}

#[test]
fn a_representative_keeps_ids_as_text_and_seconds_as_a_number() {
    let representative = || Representative {
        gsnumber: some("-1"),
        id: some("0007"),
        username: some("jane"),
        public_display_name: some("J."),
        display_number: some("x1"),
        public_ip: some("[2001:db8::1]:56722"),
        private_ip: some(""),
        hostname: some("PC"),
        os: some("Windows"),
        seconds_involved: some("61"),
        ..Representative::default()
    };
    let cases = [
        ("gs_number", text("-1")),
        ("user_id", text("0007")),
        ("user_name", text("jane")),
        ("public_display_name", text("J.")),
        ("display_number", text("x1")),
        ("public_ip", text("[2001:db8::1]:56722")),
        ("private_ip", text("")),
        ("host_name", text("PC")),
        ("operating_system", text("Windows")),
        ("duration", Cell::Integer(61)),
    ];
    for (column, expected) in cases {
        assert_eq!(representative_cell(representative(), column), expected, "{column}");
    }
}

#[test]
fn a_customer_is_told_from_info_and_named_by_it_or_else_by_the_user() {
    let of = |customer: Customer, column: &str| {
        let session = Session { customers: vec![customer], ..Session::default() };
        cell(&CUSTOMER, &rows_of(&session).customers[0], column)
    };
    let customer = || Customer {
        gsnumber: some("2"),
        username: some("ann"),
        info_name: some("Ann"),
        info_company: some("ACME"),
        info_company_code: some("A1"),
        info_issue: some("-1"),
        info_details: some("broken"),
        hostname: some("HOST"),
        os: some("Mac"),
        rpat_support: some("Unknown"),
        ..Customer::default()
    };
    let cases = [
        ("gs_number", text("2")),
        ("display_name", text("Ann")),
        ("company_name", text("ACME")),
        ("company_code", text("A1")),
        ("issue", text("-1")),
        ("issue_description", text("broken")),
        ("host_name", text("HOST")),
        ("operating_system", text("Mac")),
        ("rpat_support", Cell::Null),
        ("public_ip", Cell::Null),
    ];
    for (column, expected) in cases {
        assert_eq!(of(customer(), column), expected, "{column}");
    }
    let nameless = Customer { info_name: some(""), ..customer() };
    assert_eq!(of(nameless, "display_name"), text("ann"));
    let supported = Customer { rpat_support: some("1"), ..customer() };
    assert_eq!(of(supported, "rpat_support"), Cell::Integer(1));
}

#[test]
fn custom_attributes_keep_their_three_texts() {
    let attribute =
        CustomAttribute { display_name: some("D"), code_name: some("c"), value: some("") };
    let session = Session { custom_attributes: vec![attribute], ..Session::default() };
    assert_eq!(rows_of(&session).custom_attributes, [vec![text("D"), text("c"), text("")]]);
}
