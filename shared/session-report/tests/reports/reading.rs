use domain::{Instance, Kind, SiteHost};
use session_report::*;

use crate::{list, read_text, session};

fn some(text: &str) -> Option<Text> {
    Some(text.into())
}

#[test]
fn namespaces_and_prefixes_do_not_matter() {
    for uri in [
        "http://www.bomgar.com/namespaces/API/reporting",
        "http://www.beyondtrust.com/sra/namespaces/API/reporting",
        "https://www.beyondtrust.com/namespaces/API/reporting",
    ] {
        let plain = format!(
            "<session_list xmlns='{uri}'><session lsid='a'><lseq>8</lseq></session></session_list>"
        );
        let prefixed = format!(
            "<b:session_list xmlns:b='{uri}'><b:session lsid='a'><b:lseq>8</b:lseq></b:session></b:session_list>"
        );
        for xml in [plain, prefixed] {
            assert_eq!(read_text(&xml).expect(&xml).lseq, some("8"));
        }
    }
}

#[test]
fn the_attribute_without_a_prefix_counts() {
    let xml = "<session_list xmlns:a='u'><session a:lsid='other' lsid='mine'/></session_list>";
    assert_eq!(read_text(xml).expect("a report").lsid.expect("an id").as_str(), "mine");
}

#[test]
fn what_is_missing_differs_from_what_is_empty() {
    let empty = session("<external_key/><end_time></end_time><jump_group/><lseq> </lseq>");
    assert_eq!(empty.external_key, some(""));
    assert_eq!(empty.end_time, Some(Moment { timestamp: None, text: some("") }));
    assert_eq!(empty.jump_group, Some(JumpGroup { name: some(""), ..JumpGroup::default() }));
    assert_eq!(empty.lseq, some(" "));
    assert_eq!(empty.ended(), None);
    assert_eq!(Session { lsid: None, ..session("") }, Session::default());
}

#[test]
fn text_is_what_xml_makes_of_it() {
    for (xml, text) in [
        ("a&lt;b&amp;&gt;&quot;&apos;", "a<b&>\"'"),
        ("&#65;&#x42;&#x1F600;", "AB\u{1f600}"),
        ("<![CDATA[<b>&amp;]]]]><![CDATA[>]]>", "<b>&amp;]]>"),
        ("a\r\nb\rc\nd", "a\nb\nc\nd"),
        ("a&#13;\nb", "a\r\nb"),
        ("<![CDATA[a\r\nb]]>", "a\nb"),
        ("  a\n\tb  ", "  a\n\tb  "),
        ("a<!-- no -->b<?no no?>c", "abc"),
        ("a<b>ignored</b>c", "ac"),
        ("Sitzung \u{fc}ber \u{65e5}\u{672c}", "Sitzung \u{fc}ber \u{65e5}\u{672c}"),
        ("Unknown", "Unknown"),
        ("-1", "-1"),
    ] {
        assert_eq!(
            session(&format!("<external_key>{xml}</external_key>")).external_key,
            some(text),
            "{xml:?}"
        );
    }
}

#[test]
fn attributes_are_normalised() {
    for (xml, text) in [
        ("a\nb\tc\r\nd", "a b c d"),
        ("&#10;&#9;&#13;", "\n\t\r"),
        ("&quot;&lt;&amp;lt;", "\"<&lt;"),
        (" a  b ", " a  b "),
    ] {
        let read = session(&format!("<public_site id=\"{xml}\"/>"));
        assert_eq!(read.public_site.expect("there").id, some(text), "{xml:?}");
    }
}

#[test]
fn the_order_of_elements_does_not_matter_and_strangers_are_passed_over() {
    let read = session(
        "<new><lseq>no</lseq><x/></new><primary_rep id='1' gsnumber='21'>Admin</primary_rep><cust_survey_list/>\
         <jump_group id='-1' type='personal'>Mine</jump_group><session_type>support</session_type>",
    );
    assert_eq!(read.lseq, None);
    assert_eq!(
        read.primary_rep,
        Some(Actor { gsnumber: some("21"), id: some("1"), kind: None, name: some("Admin") })
    );
    assert_eq!(
        read.jump_group,
        Some(JumpGroup { id: some("-1"), kind: some("personal"), name: some("Mine") })
    );
    assert_eq!(read.session_type, some("support"));
}

#[test]
fn of_two_elements_where_one_is_meant_the_first_counts() {
    assert_eq!(session("<lseq>1</lseq><lseq>2</lseq>").lseq, some("1"));
}

#[test]
fn addresses_keep_their_form() {
    let read = session(
        "<rep_list><representative gsnumber='21'><public_ip>[2001:db8::1]:56722</public_ip>\
         <private_ip>Unknown</private_ip></representative></rep_list>",
    );
    assert_eq!(read.representatives[0].public_ip, some("[2001:db8::1]:56722"));
    assert_eq!(read.representatives[0].private_ip, some("Unknown"));
    assert_eq!(read.representatives[0].hostname, None);
}

#[test]
fn instants_come_from_the_attribute_and_from_the_text_only_without_it() {
    let read = session(
        "<start_time timestamp='1733239565'>nonsense</start_time><end_time>2024-12-03T16:41:07+01:00</end_time>",
    );
    let particulars = read.particulars();
    assert_eq!(particulars.started.map(|t| t.timestamp()), Some(1_733_239_565));
    assert_eq!(particulars.ended.map(|t| t.timestamp()), Some(1_733_240_467));
}

#[test]
fn the_report_names_its_recordings() {
    let read = session(
        "<session_recording_view_url>https://site/x</session_recording_view_url>\
         <command_shell_recordings><command_shell_recording instance='0'/><command_shell_recording instance='3'>\
         <view_url>u</view_url></command_shell_recording></command_shell_recordings>\
         <show_my_screen_recordings><show_my_screen_recording/><show_my_screen_recording/></show_my_screen_recordings>",
    );
    assert_eq!(read.command_shell_recordings, [Instance(0), Instance(3)]);
    assert_eq!(read.show_my_screen_recordings, [Instance(0), Instance(1)]);
    let site: SiteHost = "support.example.com".parse().expect("a host");
    let kinds: Vec<Kind> =
        read.recordings(&site).iter().map(|recording| recording.kind()).collect();
    use Kind::*;
    assert_eq!(
        kinds,
        [
            SessionRecording,
            CommandShellRecording,
            CommandShellRecording,
            ShowMyScreenRecording,
            ShowMyScreenRecording
        ]
    );
}

#[test]
fn an_empty_url_names_no_recording() {
    assert!(
        !session("<session_recording_view_url> </session_recording_view_url>")
            .has_session_recording
    );
}

#[test]
fn a_recording_without_a_usable_number_is_an_error_that_names_it() {
    let error = read_text(&list(
        "<session lsid='a'><command_shell_recordings><command_shell_recording instance='x'/></command_shell_recordings></session>",
    ));
    assert!(matches!(error, Err(ReportError::Instance { instance, .. }) if instance == "x"));
}

#[test]
fn events_keep_their_order_and_their_data() {
    let read = session(
        "<session_details><event timestamp='1' event_type='Session Start' /><event timestamp='2' event_type='File Download'>\
         <performed_by type='system' gsnumber='0'>S</performed_by><destination type='everyone'>Everyone</destination>\
         <data><value name='filename' value='C:\\a.pdf' /><value name='filesize'/></data><data><value value='x'/></data>\
         <filename>C:\\a.pdf</filename><files><file><filename>f</filename><filesize>1</filesize></file>\
         <file><filename>g</filename></file></files></event></session_details>",
    );
    let types: Vec<_> =
        read.events.iter().filter_map(|event| event.event_type.as_deref()).collect();
    assert_eq!(types, ["Session Start", "File Download"]);
    let event = &read.events[1];
    let pairs = |values: &[Value]| -> Vec<(Text, Text)> {
        values.iter().map(|v| (v.name.clone(), v.value.clone())).collect()
    };
    let pair = |name: &str, value: &str| (name.into(), value.into());
    assert_eq!(
        pairs(&event.values),
        [pair("filename", "C:\\a.pdf"), pair("filesize", ""), pair("", "x")]
    );
    assert_eq!(
        pairs(&event.files),
        [pair("filename", "f"), pair("filesize", "1"), pair("filename", "g")]
    );
    assert_eq!(event.destination.as_ref().and_then(|d| d.kind.as_deref()), Some("everyone"));
}

#[test]
fn system_information_keeps_headings_and_cells_by_position() {
    let read = session(
        "<session_details><event><system_information><category name='Drives'><description><field name='Name'/><field/>\
         </description><data><row><field id='x'>\n C: \n</field><field/></row><row/></data></category>\
         </system_information></event></session_details>",
    );
    assert_eq!(
        read.events[0].system_information,
        [Category {
            name: some("Drives"),
            headings: vec!["Name".into(), Text::default()],
            rows: vec![vec!["\n C: \n".into(), Text::default()], vec![]],
        }]
    );
}

#[test]
fn a_body_is_decoded_where_it_came_encoded() {
    let event = |body: Option<&str>, encoded: Option<&str>| Event {
        body: body.map(Text::from),
        encoded_body: encoded.map(Text::from),
        ..Event::default()
    };
    let told = |event: Event| event.body_text().map(|body| (body.name(), body.text().to_owned()));
    let text = |name, text: &str| Some((name, text.to_owned()));
    assert_eq!(told(event(None, None)), None);
    assert_eq!(told(event(Some(""), None)), None);
    assert_eq!(told(event(Some(" "), None)), text("body", " "));
    assert_eq!(told(event(Some(""), Some("aGk="))), text("body", "hi"));
    assert_eq!(told(event(None, Some("\n  aG\r\nk\n"))), text("body", "hi"));
    assert_eq!(told(event(None, Some("AWEAYg=="))), text("body", "\u{1}a\0b"));
    assert_eq!(told(event(None, Some("/w=="))), text("encoded_body", "/w=="));
    assert_eq!(told(event(None, Some("not base64!"))), text("encoded_body", "not base64!"));
    assert_eq!(told(event(None, Some(" \n"))), None);
}

#[test]
fn a_session_without_a_usable_lsid_is_an_error() {
    assert!(matches!(
        read_text(&list("<session/>")),
        Err(ReportError::LsidMissing { position: 1 })
    ));
    assert!(matches!(read_text(&list("<session lsid=''/>")), Err(ReportError::LsidInvalid { .. })));
}

#[test]
fn a_document_holds_one_session() {
    assert!(matches!(read_text(&list("")), Err(ReportError::NotOneSession { count: "no" })));
    let two = list("<session lsid='a'/><session lsid='b'/>");
    assert!(matches!(read_text(&two), Err(ReportError::NotOneSession { count: "several" })));
}

#[test]
fn presentations_are_read_alike() {
    let xml = "<presentation_list><presentation lsid='p'><lseq>1</lseq></presentation></presentation_list>";
    assert_eq!(read_text(xml).expect("a report").lseq, some("1"));
}

#[test]
fn a_presentation_names_its_own_kind_of_recording() {
    let xml = "<presentation_list><presentation lsid='p'><presentation_recording_download_url>x\
               </presentation_recording_download_url></presentation></presentation_list>";
    let site = "support.example.com".parse().expect("a host");
    let read = read_text(xml).expect("a report");
    let recordings = read.recordings_in(&site, domain::Family::Presentation);
    let kinds: Vec<_> = recordings.iter().map(|recording| recording.kind()).collect();
    assert_eq!(kinds, [domain::Kind::PresentationRecording]);
}

#[test]
fn malformed_xml_yields_no_session() {
    for content in [
        "<session lsid='a'><lseq></session>",
        "<session lsid='a' lsid='b'/>",
        "<session lsid=a/>",
        "<session lsid='a'><lseq>&nbsp;</lseq></session>",
        "<session lsid='a&nbsp;'/>",
        "<session lsid='a'>&#0;</session>",
        "<session lsid='a'>\0</session>",
        "<session lsid='a'>a & b</session>",
        "<session lsid='a'><lseq x='<'/></session>",
        "<session lsid='a'>< lseq></ lseq></session>",
        "<session lsid='a'><></></session>",
        "<session lsid='a'><?xml version='1.0'?></session>",
        "<session lsid='a'/>stray",
        "<session lsid='a'/>]]><x/>",
    ] {
        assert!(read_text(&list(content)).is_err(), "{content:?}");
    }
    let whole = list("<session lsid='a'/>");
    for behind in ["<x/>", "x", "</x>", "<session_list/>", "<?xml version='1.0'?>"] {
        assert!(read_text(&format!("{whole}{behind}")).is_err(), "{behind:?}");
    }
    assert!(read_text(&format!("{whole}<!-- fine --> \n")).is_ok());
}
