use std::cell::Cell;
use std::io::{self, BufReader, Read};

use session_report::{Documents, Limits, Listing, ReportError, read};

use crate::{list, read_text};

const LIMITS: Limits = Limits {
    session_bytes_max: 20_000,
    outside_bytes_max: 10_000,
    depth_max: 20,
    elements_max: 500,
    name_bytes_max: 100,
    attributes_max: 10,
};

/// A start, then one piece for ever; counts what is taken of it.
struct Endless<'a> {
    start: &'a [u8],
    piece: &'a [u8],
    at: usize,
    taken: &'a Cell<usize>,
}

impl Read for Endless<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = if self.start.is_empty() {
            let rest = &self.piece[self.at % self.piece.len()..];
            let bytes = rest.len().min(into.len());
            into[..bytes].copy_from_slice(&rest[..bytes]);
            self.at += bytes;
            bytes
        } else {
            self.start.read(into)?
        };
        self.taken.set(self.taken.get() + bytes);
        Ok(bytes)
    }
}

fn refused(start: &str, piece: &str) -> ReportError {
    let taken = Cell::new(0);
    let body =
        || Endless { start: start.as_bytes(), piece: piece.as_bytes(), at: 0, taken: &taken };
    let error = Documents::with_limits(BufReader::with_capacity(512, body()), LIMITS)
        .find_map(Result::err)
        .expect("it has no end");
    assert!(taken.get() <= 32_000, "{start} … {piece}: {} bytes", taken.get());
    taken.set(0);
    let listing = Listing::with_limits(BufReader::with_capacity(512, body()), LIMITS);
    assert!(listing.into_iter().find_map(Result::err).is_some());
    assert!(taken.get() <= 32_000, "{start} … {piece}: {} bytes", taken.get());
    error
}

#[test]
fn what_has_no_end_is_refused_before_it_is_held() {
    for (start, piece) in [
        ("", " "),
        ("<", "a"),
        ("<?xml ", "a"),
        ("<!-- ", "a"),
        ("<!DOCTYPE a [", "<!ENTITY a 'a'>"),
        ("<session_list a='", "a"),
        ("<session_list ", "a='a' "),
        ("<session_list>", "<!-- "),
        ("<session_list><session lsid='", "a"),
        ("<session_list><session lsid='a'>", "text"),
        ("<session_list><session lsid='a'>", "<a>"),
        ("<session_list><session lsid='a'>", "<a/>"),
        ("<session_list><session lsid='a'>", "<!-- a -->"),
        ("<session_list><session lsid='a'><![CDATA[", "a"),
        ("<session_list><session lsid='a'>&", "a"),
        ("<session_list><session lsid='a'><b c='", "a"),
        ("<session_list><session lsid='a'></", "a"),
        ("<session_list>", "<a>"),
        ("<session_list><error>", "a"),
        ("<error>", "a"),
        ("<error>", "<a>"),
        ("<session_list/>", "<!-- "),
    ] {
        let error = refused(start, piece);
        assert!(matches!(error, ReportError::TooLarge { .. }), "{start} … {piece}: {error}");
    }
}

#[test]
fn a_limit_is_named() {
    assert_eq!(
        refused("<session_list><session lsid='a'>", "text").to_string(),
        "a session has more bytes than the limit of 20000"
    );
}

#[test]
fn depth_names_attributes_and_elements_have_limits() {
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    let attributes = |count: usize| (0..count).map(|n| format!(" a{n}=''")).collect::<String>();
    for (allowed, refused) in [
        (nested(18), nested(19)),
        (format!("<{}/>", "a".repeat(100)), format!("<{}/>", "a".repeat(101))),
        ("<a/>".repeat(499), "<a/>".repeat(500)),
    ] {
        let session = |content: &str| list(&format!("<session lsid='a'>{content}</session>"));
        for (content, is_allowed) in [(&allowed, true), (&refused, false)] {
            let xml = session(content);
            let document = Documents::with_limits(xml.as_bytes(), LIMITS).next().expect("one");
            assert_eq!(document.is_ok(), is_allowed, "{document:?}");
            let session = read(xml.as_bytes(), &LIMITS);
            assert_eq!(session.is_ok(), is_allowed, "{session:?}");
        }
    }
    let session = |count| list(&format!("<session lsid='a'><a{}/></session>", attributes(count)));
    assert!(read(session(10).as_bytes(), &LIMITS).is_ok());
    assert!(matches!(
        read(session(11).as_bytes(), &LIMITS),
        Err(ReportError::TooLarge { max: 10, .. })
    ));
}

#[test]
fn a_session_as_large_as_the_limit_is_read() {
    let empty = "<session lsid='a'></session>";
    let session = |bytes: usize| {
        list(&format!("<session lsid='a'>{}</session>", "x".repeat(bytes - empty.len())))
    };
    let first = |xml: &str| Documents::with_limits(xml.as_bytes(), LIMITS).next().expect("one");
    assert!(first(&session(20_000)).is_ok());
    assert!(matches!(first(&session(20_001)), Err(ReportError::TooLarge { max: 20_000, .. })));
}

#[test]
fn a_doctype_is_refused_with_all_that_it_defines() {
    let bomb = "<?xml version='1.0'?><!DOCTYPE l [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><session_list><session lsid='&b;'>&b;</session></session_list>";
    assert!(matches!(read_text(bomb), Err(ReportError::Doctype)));
    let documents: Vec<_> = Documents::new(bomb.as_bytes()).collect();
    assert!(matches!(&documents[..], [Err(ReportError::Doctype)]));
    let inside = list("<session lsid='a'><!DOCTYPE x></session>");
    assert!(matches!(Documents::new(inside.as_bytes()).next(), Some(Err(ReportError::Doctype))));
}

#[test]
fn an_entity_that_nobody_defines_is_named() {
    for content in ["<session lsid='a'>&nbsp;</session>", "<session lsid='&nbsp;'/>"] {
        let xml = list(content);
        assert!(
            matches!(read_text(&xml), Err(ReportError::UnknownEntity { name }) if name == "nbsp")
        );
        let split = Documents::new(xml.as_bytes()).next();
        assert!(matches!(split, Some(Err(ReportError::UnknownEntity { name })) if name == "nbsp"));
    }
}
