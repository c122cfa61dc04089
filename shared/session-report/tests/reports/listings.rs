use session_report::{ListedSession, Listing, ReportError};

use crate::list;

fn listed(xml: &str) -> Vec<(String, Option<bool>, Option<String>)> {
    Listing::new(xml.as_bytes())
        .map(|session| session.expect(xml))
        .map(|ListedSession { lsid, has_recording, external_key }| {
            (lsid.to_string(), has_recording, external_key)
        })
        .collect()
}

#[test]
fn a_listing_is_read() {
    let xml = "<?xml version='1.0'?>\n<session_summary_list xmlns='u'>\n<session_summary lsid=\"a\"  has_recording=\"0\" />\n\
        <session_summary lsid='b' has_recording='1' external_key='INC&amp;1'></session_summary>\
        <session_summary lsid='c' has_recording='?'/><new/></session_summary_list>";
    assert_eq!(
        listed(xml),
        [
            ("a".to_owned(), Some(false), None),
            ("b".to_owned(), Some(true), Some("INC&1".to_owned())),
            ("c".to_owned(), None, None)
        ]
    );
}

#[test]
fn elements_may_say_what_attributes_do() {
    let xml = "<session_summary_list><session_summary lsid='a'><x><external_key>no</external_key></x><has_recording>1</has_recording>\
        <external_key>I<![CDATA[NC]]>&#49;</external_key></session_summary></session_summary_list>";
    assert_eq!(listed(xml), [("a".to_owned(), Some(true), Some("INC1".to_owned()))]);
}

#[test]
fn whole_sessions_are_a_listing_too() {
    let xml = list(
        "<session lsid='a'><external_key>k</external_key><session_recording_view_url>u</session_recording_view_url></session>\
         <session lsid='b'><customer_list><customer><external_key>no</external_key></customer></customer_list></session>",
    );
    assert_eq!(
        listed(&xml),
        [("a".to_owned(), Some(true), Some("k".to_owned())), ("b".to_owned(), None, None)]
    );
}

#[test]
fn an_empty_listing_lists_nothing() {
    assert!(listed("<session_summary_list xmlns='u'/>").is_empty());
    assert!(listed("<presentation_summary_list>\n</presentation_summary_list>").is_empty());
}

#[test]
fn a_listing_that_ends_early_is_told() {
    let all: Vec<_> =
        Listing::new(&b"<session_summary_list><session_summary lsid='a'/><session_summary ls"[..])
            .collect();
    assert!(matches!(&all[..], [Ok(_), Err(ReportError::Truncated)]));
}

#[test]
fn other_lists_are_named() {
    let all: Vec<_> = Listing::new(&b"<summary_list><summary/></summary_list>"[..]).collect();
    assert!(
        matches!(&all[..], [Err(ReportError::UnexpectedRoot { root })] if root == "summary_list")
    );
}
