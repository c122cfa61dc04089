use session_report::{Documents, Limits, Listing, ReportError, read};

use crate::list;

/// What each way of reading makes of it.
fn told(xml: &str) -> Vec<(String, Option<String>)> {
    let mut all = vec![
        Documents::new(xml.as_bytes()).last().map(|last| last.map(drop)),
        Listing::new(xml.as_bytes()).last().map(|last| last.map(drop)),
    ];
    if !xml.contains("summary") {
        all.push(Some(read(xml.as_bytes(), &Limits::default()).map(drop)));
    }
    all.into_iter()
        .filter(|told| !matches!(told, Some(Err(ReportError::UnexpectedRoot { .. }))))
        .map(|told| match told {
            Some(Err(ReportError::Appliance { message, code })) => (message, code),
            other => panic!("{xml}: {other:?}"),
        })
        .collect()
}

#[test]
fn an_error_is_told_wherever_it_stands() {
    let nothing = "No Support report information matching your chosen criteria is available.";
    for xml in [
        format!("<error>{nothing}</error>"),
        format!("<?xml version='1.0'?>\n<e:error xmlns:e='u'>\n {nothing}\n</e:error>\n"),
        format!(
            "<error xmlns='http://www.bomgar.com/namespaces/API/reporting'><![CDATA[{nothing}]]></error>"
        ),
        list(&format!("<error>{nothing}</error>")),
        list(&format!("\n<messages><new/><error>{nothing}</error></messages>\n")),
        format!("<session_summary_list><error>{nothing}</error></session_summary_list>"),
    ] {
        let all = told(&xml);
        assert!(
            !all.is_empty()
                && all.iter().all(|(message, code)| message == nothing && code.is_none()),
            "{xml}"
        );
    }
}

#[test]
fn its_language_and_code_are_kept() {
    let xml = "<error xmlns='u' code=\"authentication_failed\">Aucune donn&#233;e n\u{2019}est <b>disponible</b>.</error>";
    for (message, code) in told(xml) {
        assert_eq!(message, "Aucune donn\u{e9}e n\u{2019}est disponible.");
        assert_eq!(code.as_deref(), Some("authentication_failed"));
    }
}

#[test]
fn an_error_without_words_is_an_error() {
    for xml in ["<error/>", "<error></error>", "<session_list><error/></session_list>"] {
        assert!(told(xml).iter().all(|(message, _)| message.is_empty()));
    }
}

#[test]
fn what_a_session_calls_an_error_is_none() {
    let xml = list("<session lsid='a'><error>in the session</error></session>");
    assert!(Documents::new(xml.as_bytes()).all(|document| document.is_ok()));
    assert!(read(xml.as_bytes(), &Limits::default()).is_ok());
}

#[test]
fn nothing_follows_an_error() {
    let xml = list("<session lsid='a'/><error>e</error><session lsid='b'/>");
    let documents: Vec<_> = Documents::new(xml.as_bytes()).collect();
    assert!(matches!(&documents[..], [Ok(_), Err(ReportError::Appliance { .. })]));
}

#[test]
fn an_error_that_is_cut_off_is_truncated() {
    let documents: Vec<_> = Documents::new(&b"<error>No sess"[..]).collect();
    assert!(matches!(&documents[..], [Err(ReportError::Truncated)]));
}
