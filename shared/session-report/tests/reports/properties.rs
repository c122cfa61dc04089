use std::io::BufReader;

use proptest::collection::vec;
use proptest::prelude::*;
use session_report::*;

use crate::generated::session;
use crate::writer::{ORNATE, PLAIN, Style};

fn style() -> impl Strategy<Value = Style> {
    (prop::sample::select(vec!["", "r:", "ns1:"]), any::<[bool; 4]>(), any::<u32>()).prop_map(
        |(prefix, [cdata, spaced, attributes_reversed, comments], url_token)| Style {
            prefix,
            cdata,
            spaced,
            attributes_reversed,
            comments,
            url_token,
            ..PLAIN
        },
    )
}

/// Hands out few bytes at a time, so that tokens are parted everywhere.
fn slow(xml: &[u8], bytes: usize) -> BufReader<&[u8]> {
    BufReader::with_capacity(bytes, xml)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_session_is_read_back_as_it_was_written(session in session(), style in style()) {
        let xml = style.document(std::slice::from_ref(&session));
        prop_assert_eq!(read(xml.as_bytes(), &Limits::default()).expect(&xml), session);
    }

    #[test]
    fn the_digest_is_that_of_what_is_said(session in session(), other in session(), style in style()) {
        let digest = |session: &Session, style: Style| {
            let xml = style.document(std::slice::from_ref(session));
            Report::read(xml.as_bytes(), &Limits::default()).expect(&xml).content
        };
        prop_assert_eq!(digest(&session, style), digest(&session, PLAIN));
        prop_assert_eq!(digest(&session, style) == digest(&other, ORNATE), session == other);
    }

    #[test]
    fn splitting_keeps_every_byte(sessions in vec(session(), 0..4), style in style(), bytes in 1_usize..9) {
        let xml = style.document(&sessions);
        let elements: Vec<String> = sessions.iter().map(|session| style.session(session)).collect();
        let head = &xml[..xml.find("session_list").and_then(|at| xml[at..].find('>').map(|end| at + end + 1)).expect("a root")];
        let documents: Vec<Document> = Documents::new(slow(xml.as_bytes(), bytes)).map(|d| d.expect(&xml)).collect();
        prop_assert_eq!(documents.len(), sessions.len());
        for ((document, element), session) in documents.iter().zip(&elements).zip(&sessions) {
            let whole = format!("{head}\n{element}\n</{}session_list>\n", style.prefix);
            prop_assert_eq!(std::str::from_utf8(&document.xml).expect("as it came"), &whole);
            prop_assert_eq!(Some(&document.lsid), session.lsid.as_ref());
            prop_assert_eq!(&read(&document.xml, &Limits::default()).expect(&whole), session);
        }
    }

    #[test]
    fn garbage_is_refused_in_peace(garbage in vec(any::<u8>(), 0..200), start in prop::sample::select(vec!["", "<", "<session_list>", "<session_list><session lsid='a'>"])) {
        let mut xml = start.as_bytes().to_vec();
        xml.extend(garbage);
        prop_assert!(read(&xml, &Limits::default()).is_err());
        for session in Sessions::new(slow(&xml, 3)).flatten() {
            prop_assert!(session.lsid.is_some());
        }
        Listing::new(slow(&xml, 3)).for_each(drop);
    }

    #[test]
    fn markup_in_disorder_is_met_in_peace(pieces in vec(prop::sample::select(vec![
        "<", ">", "/", "</", "/>", "<session lsid='a'>", "</session>", "<session_list>", "</session_list>", "<error>", "</error>",
        "<event>", "</event>", "&", ";", "&lt;", "&#", "&#x41;", "<![CDATA[", "]]>", "<!--", "-->", "<?xml version='1.0'?>", "<?", "?>",
        "<!", "<!DOCTYPE", "'", "\"", "=", " ", "\n", "a", "\u{e9}", "\u{feff}", "xmlns:a='b'", "a:", ":",
    ]), 0..40)) {
        let xml = pieces.concat();
        let whole = read(xml.as_bytes(), &Limits::default());
        let split: Vec<_> = Sessions::new(slow(xml.as_bytes(), 1)).collect();
        Listing::new(slow(xml.as_bytes(), 1)).for_each(drop);
        // Both ways to read agree.
        if let Ok(session) = whole {
            prop_assert_eq!(split.len(), 1);
            prop_assert_eq!(split.into_iter().next().expect("one").expect(&xml), session);
        }
    }

    #[test]
    fn a_changed_byte_is_met_in_peace(session in session(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut xml = ORNATE.document(&[session]).into_bytes();
        let at = at.index(xml.len());
        xml[at] = byte;
        let whole = read(&xml, &Limits::default());
        let split: Vec<_> = Sessions::new(slow(&xml, 5)).collect();
        if let Ok(session) = whole {
            prop_assert_eq!(split.into_iter().next().expect("one").expect("the same"), session);
        }
    }

    #[test]
    fn plain_elements_are_read_as_the_parser_reads_them(
        session in session(), style in style(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        pieces in vec(prop::sample::select(PIECES), 0..12),
    ) {
        let mut changed = style.document(&[session]).into_bytes();
        let at = at.index(changed.len());
        changed[at] = byte;
        let disorder = format!("<session_list><session lsid='a'>{}</session></session_list>", pieces.concat());
        for xml in [changed.as_slice(), disorder.as_bytes()] {
            // A carriage return anywhere leaves all to the parser.
            let told = |end: &[u8]| format!("{:?}", Report::read(&[xml, end].concat(), &Limits::default()));
            prop_assert_eq!(told(b"\n"), told(b"\r"), "{}", String::from_utf8_lossy(xml));
        }
    }
}

/// What elements are made of, whole and broken.
const PIECES: &[&str] = &[
    "<lseq>",
    "</lseq>",
    "<lseq",
    "</lseq",
    " >",
    ">",
    "/>",
    "/ >",
    " / >",
    "/",
    "<os/>",
    "<r:os>a</r:os>",
    "<r:os>a</os>",
    "<:a>b</:a>",
    "<a:b:c>d</a:b:c>",
    " a='1'",
    " a=\"1\"",
    " a = '>'",
    " a='\"<'",
    " a='&lt;\t'",
    " a='1'b='2'",
    " a",
    " b:a='\u{1}'",
    " xmlns='u'",
    "x",
    " ",
    "\u{e9}",
    "&amp;",
    "&",
    "&#65;",
    "&none;",
    "<![CDATA[c]]>",
    "<!-- <a>b</a> -->",
    "<?p i?>",
    "]]>",
    "<!DOCTYPE a>",
    "<",
    "<<",
    "<start_time timestamp='1'>t</start_time>",
    "<external_key>k</external_key >",
    "<external_key>k</external_keys>",
    "<1>",
    "<a.b->c</a.b->",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_report_that_is_cut_off_anywhere_is_truncated(session in session(), style in style()) {
        let xml = style.document(std::slice::from_ref(&session)).into_bytes();
        for end in 0..xml.len() {
            let whole = read(&xml[..end], &Limits::default());
            prop_assert!(matches!(whole, Err(ReportError::Truncated)), "{end}: {whole:?}");
            let last = Sessions::new(&xml[..end]).last();
            prop_assert!(matches!(last, Some(Err(ReportError::Truncated))), "{end}: {last:?}");
            for before in Sessions::new(&xml[..end]).flatten() {
                prop_assert_eq!(&before, &session);
            }
        }
    }
}
