use std::cell::Cell;
use std::io::{self, BufReader, Read};

use session_report::{Documents, Limits, ReportError, Sessions, read};

use crate::list;

const TWO: &str = "\u{feff}<?xml version='1.0'  encoding=\"utf-8\"?>\r\n<r:session_list a = 'x'\n xmlns:r=\"u\" >\r\n \
    <r:session  lsid = 'A' ><r:lseq>&lt;<![CDATA[<]]></r:lseq><!-- c --></r:session >\n<!-- between --><r:session lsid='B'/> </r:session_list>\n";

fn split(xml: &str) -> Vec<Result<(String, String), ReportError>> {
    Documents::new(xml.as_bytes())
        .map(|document| {
            document
                .map(|d| (d.lsid.to_string(), String::from_utf8(d.xml).expect("UTF-8 as it came")))
        })
        .collect()
}

#[test]
fn each_session_becomes_a_document_with_its_bytes_unchanged() {
    let documents: Vec<_> = split(TWO).into_iter().map(|d| d.expect("whole")).collect();
    let head =
        "<?xml version='1.0'  encoding=\"utf-8\"?>\r\n<r:session_list a = 'x'\n xmlns:r=\"u\" >\n";
    let first = "<r:session  lsid = 'A' ><r:lseq>&lt;<![CDATA[<]]></r:lseq><!-- c --></r:session >";
    assert_eq!(documents[0], ("A".to_owned(), format!("{head}{first}\n</r:session_list>\n")));
    assert_eq!(
        documents[1],
        ("B".to_owned(), format!("{head}<r:session lsid='B'/>\n</r:session_list>\n"))
    );
    assert_eq!(documents.len(), 2);
}

#[test]
fn a_document_is_the_same_alone_and_among_many() {
    for (_, xml) in split(TWO).into_iter().map(|d| d.expect("whole")) {
        let again = split(&xml);
        assert_eq!(again.into_iter().next().expect("one").expect("whole").1, xml);
    }
}

#[test]
fn no_declaration_is_invented() {
    let documents = split("  <session_list><session lsid='a'/></session_list>");
    let (_, xml) = documents.into_iter().next().expect("one").expect("whole");
    assert_eq!(xml, "<session_list>\n<session lsid='a'/>\n</session_list>\n");
}

#[test]
fn an_empty_list_has_no_documents() {
    for xml in
        [&list(""), &list(" \n "), "<session_list/>", "<presentation_list></presentation_list>"]
    {
        assert!(split(xml).is_empty(), "{xml:?}");
    }
}

#[test]
fn a_session_without_an_id_does_not_hide_the_next() {
    let documents = split(&list("<session><lseq/></session><session lsid='b'/>"));
    assert!(matches!(documents[0], Err(ReportError::LsidMissing { position: 1 })));
    assert!(matches!(&documents[1], Ok((lsid, _)) if lsid == "b"));
    assert_eq!(documents.len(), 2);
}

#[test]
fn a_body_that_ends_early_is_told_after_its_whole_sessions() {
    let whole = list("<session lsid='a'><lseq>1</lseq></session><session lsid='b'/>");
    let documents = split(&whole[..whole.len() - 3]);
    assert!(documents[0].is_ok() && documents[1].is_ok());
    assert!(matches!(documents[2], Err(ReportError::Truncated)));
    assert_eq!(documents.len(), 3);
    assert!(matches!(split("")[..], [Err(ReportError::Truncated)]));
}

#[test]
fn what_is_not_xml_is_shown() {
    let documents = split("{\"error\":\"access_denied\"}");
    assert!(
        matches!(&documents[..], [Err(ReportError::NotXml { beginning })] if beginning.starts_with("{\"error\""))
    );
    let documents: Vec<_> = Documents::new(&b"\x1f\x8b\x08\0gzip"[..]).collect();
    let [Err(ReportError::NotXml { beginning })] = &documents[..] else { panic!("{documents:?}") };
    assert!(!beginning.contains(char::is_control) && beginning.ends_with("gzip"), "{beginning:?}");
}

#[test]
fn other_xml_is_named() {
    for (xml, name) in [
        ("<html><session lsid='a'/></html>", "html"),
        ("<session_summary_list/>", "session_summary_list"),
    ] {
        let [Err(ReportError::UnexpectedRoot { root })] = &split(xml)[..] else { panic!("{xml}") };
        assert_eq!(root, name);
    }
}

#[test]
fn other_encodings_are_named() {
    let latin = "<?xml version='1.0' encoding='ISO-8859-1'?><session_list><session lsid='a'/></session_list>";
    assert!(
        matches!(&split(latin)[..], [Err(ReportError::Encoding { encoding })] if encoding == "ISO-8859-1")
    );
    let mut wrong = latin.as_bytes().to_vec();
    wrong.push(0xe9);
    let alone = read(&wrong, &Limits::default());
    assert!(matches!(alone, Err(ReportError::Encoding { encoding }) if encoding == "ISO-8859-1"));
    for bytes in [&b"\xff\xfe<\0s\0"[..], b"\xfe\xff\0<\0s", b"<\0s\0", b"\0<\0s"] {
        let documents: Vec<_> = Documents::new(bytes).collect();
        assert!(
            matches!(&documents[..], [Err(ReportError::Encoding { encoding })] if encoding == "UTF-16")
        );
    }
}

#[test]
fn bytes_that_are_no_utf8_are_refused() {
    let documents: Vec<_> =
        Documents::new(&b"<session_list><session lsid='a'>\xe9</session></session_list>"[..])
            .collect();
    assert!(matches!(&documents[..], [Err(ReportError::Malformed { .. })]));
}

#[test]
fn a_broken_connection_is_no_short_report() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let body = b"<session_list><session lsid='a'/><session".chain(Broken);
    let documents: Vec<_> = Documents::new(BufReader::new(body)).collect();
    assert!(documents[0].is_ok());
    assert!(
        matches!(&documents[1], Err(ReportError::Read(cause)) if cause.kind() == io::ErrorKind::ConnectionReset)
    );
}

#[test]
fn a_session_is_handed_out_before_the_next_is_read() {
    struct Counted<'a, R>(R, &'a Cell<usize>);
    impl<R: Read> Read for Counted<'_, R> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let bytes = self.0.read(into)?;
            self.1.set(self.1.get() + bytes);
            Ok(bytes)
        }
    }
    let taken = Cell::new(0);
    let session =
        format!("<session lsid='a'><external_key>{}</external_key></session>", "x".repeat(10_000));
    let body = list(&session.repeat(1_000));
    let mut sessions =
        Sessions::new(BufReader::with_capacity(1_000, Counted(body.as_bytes(), &taken)));
    let first = sessions.next().expect("one").expect("whole");
    assert_eq!(first.external_key.map(|key| key.len()), Some(10_000));
    assert!(taken.get() < 20_000, "{}", taken.get());
    assert_eq!(sessions.filter(Result::is_ok).count(), 999);
}
