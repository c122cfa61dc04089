use session_report::{Actor, Category, Event, Session, Text};

use super::*;

fn event_rows(event: Event) -> EventRows {
    let session = Session { events: vec![event], ..Session::default() };
    rows_of(&session).events.remove(0)
}

fn data(event: Event) -> Vec<(String, String)> {
    let pair = |row: &Row| match (&row[0], &row[1]) {
        (Cell::Text(name), Cell::Text(value)) => (name.clone(), value.clone()),
        other => panic!("{other:?} is no pair"),
    };
    event_rows(event).data.iter().map(pair).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn an_event_names_its_actors_by_text_and_type() {
    let actor = |name: &str, kind: &str| {
        Some(Actor { name: some(name), kind: some(kind), ..Actor::default() })
    };
    let event = Event {
        event_type: some("Chat Message"),
        timestamp: some("1700000000"),
        performed_by: actor("Jane", "representative"),
        destination: actor("", "everyone"),
        ..Event::default()
    };
    let expected = vec![
        text("Chat Message"),
        at(1_700_000_000),
        text("Jane"),
        text("representative"),
        text(""),
        text("everyone"),
    ];
    assert_eq!(event_rows(event).event, expected);
    assert_eq!(event_rows(Event::default()).event, vec![Cell::Null; 6]);
}

#[test]
fn an_events_data_stand_in_the_documented_order() {
    let event = Event {
        values: vec![value("b", "2"), value("a", "1"), value("a", "1"), value("", "")],
        body: some("hello"),
        filename: some("x.txt"),
        filesize: some("10"),
        files: vec![value("filename", "y.txt"), value("filesize", "11")],
        ..Event::default()
    };
    let expected = [
        ("b", "2"),
        ("a", "1"),
        ("a", "1"),
        ("", ""),
        ("body", "hello"),
        ("filename", "x.txt"),
        ("filesize", "10"),
        ("filename", "y.txt"),
        ("filesize", "11"),
    ];
    assert_eq!(data(event), pairs(&expected));
}

#[test]
fn a_file_that_a_pair_names_already_is_not_stored_twice() {
    let event = Event {
        values: vec![value("filesize", "10")],
        filename: some("x.txt"),
        filesize: some("10"),
        files: vec![value("filename", "x.txt")],
        ..Event::default()
    };
    assert_eq!(data(event), pairs(&[("filesize", "10"), ("filename", "x.txt")]));
    let other_name =
        Event { values: vec![value("name", "x.txt")], filename: some("x.txt"), ..Event::default() };
    assert_eq!(data(other_name), pairs(&[("name", "x.txt"), ("filename", "x.txt")]));
    let empty = Event { filename: some(""), ..Event::default() };
    assert_eq!(data(empty), pairs(&[("filename", "")]));
}

#[test]
fn a_body_is_stored_decoded_or_under_its_own_name_and_not_when_empty() {
    let of = |body: Option<&str>, encoded: Option<&str>| {
        data(Event {
            body: body.map(Text::from),
            encoded_body: encoded.map(Text::from),
            ..Event::default()
        })
    };
    assert_eq!(of(Some("plain"), None), pairs(&[("body", "plain")]));
    assert_eq!(of(None, Some("Z3LDvMOf\nZQ==")), pairs(&[("body", "grüße")]));
    assert_eq!(of(None, Some("/w==")), pairs(&[("encoded_body", "/w==")]), "not UTF-8");
    assert_eq!(of(Some(""), None), pairs(&[]));
    assert_eq!(of(None, Some("")), pairs(&[]));
}

#[test]
fn the_null_character_becomes_the_replacement_character() {
    let event = Event { encoded_body: some("YQBi"), ..Event::default() };
    assert_eq!(data(event), pairs(&[("body", "a\u{FFFD}b")]));
}

#[test]
fn text_is_not_trimmed_folded_or_cut() {
    let long = format!(" \t{}\r\n🦀é ", "x".repeat(70_000));
    let session = Session { external_key: Some(Text::from(&long)), ..Session::default() };
    assert_eq!(session_cell(session, "external_key"), Cell::Text(long));
}

#[test]
fn system_information_is_one_xml_text_for_each_category() {
    let category = Category {
        name: some("Drives"),
        headings: vec!["Drive".into(), "Used <%> \"now\"".into()],
        rows: vec![
            vec![" C: \n".into(), "1 < 2 & 3".into(), "extra".into()],
            vec![Text::default()],
        ],
    };
    let expected = "<row><field name=\"Drive\">C:</field>\
        <field name=\"Used &lt;%&gt; &quot;now&quot;\">1 &lt; 2 &amp; 3</field>\
        <field name=\"\">extra</field></row><row><field name=\"Drive\"></field></row>";
    let event =
        Event { system_information: vec![category, Category::default()], ..Event::default() };
    let rows = event_rows(event).system_information;
    assert_eq!(rows, [vec![text("Drives"), text(expected)], vec![Cell::Null, text("")]]);
}

#[test]
fn system_information_is_left_out_where_it_is_not_wanted() {
    let site = "a.example".parse().expect("a host");
    let rows = SessionRows::of(&full(), &site, &"L".parse().expect("an LSID"), false);
    assert!(rows.events[0].system_information.is_empty());
    assert_eq!(rows.events[0].data.len(), 1, "the rest of the event is there");
}
