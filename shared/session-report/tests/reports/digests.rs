use session_report::{Limits, Report};

use crate::list;

fn digest(content: &str) -> domain::Digest {
    let xml = list(&format!("<session lsid='a'>{content}</session>"));
    Report::read(xml.as_bytes(), &Limits::default()).expect(content).content
}

#[test]
fn how_a_report_is_written_does_not_matter() {
    let plain = "<jump_group id='1' type='shared'>a&lt;b</jump_group><custom_attributes><x/></custom_attributes>";
    for other in [
        "<jump_group type=\"shared\"\n id='&#49;'>a&#60;b</jump_group><custom_attributes><x></x></custom_attributes>",
        "<jump_group id='1' type='shared'><![CDATA[a<b]]></jump_group><custom_attributes><x/></custom_attributes>",
        "<p:jump_group xmlns:p='u' id='1' type='shared'>a<!-- c -->&lt;<?p i?>b</p:jump_group>\n <custom_attributes>\r\n<x/> </custom_attributes>\n",
    ] {
        assert_eq!(digest(other), digest(plain), "{other}");
    }
}

#[test]
fn the_root_does_not_matter() {
    let of = |xml: &str| Report::read(xml.as_bytes(), &Limits::default()).expect(xml).content;
    let session = "<lseq>1</lseq>";
    assert_eq!(
        of(&format!(
            "<?xml version='1.0'?><session_list a='b'><session lsid='a'>{session}</session><new/></session_list>"
        )),
        digest(session)
    );
}

#[test]
fn tokens_in_urls_do_not_matter() {
    let with = |token: &str| {
        digest(&format!(
            "<session_chat_view_url>https://s/{token}</session_chat_view_url><command_shell_recordings>\
             <command_shell_recording instance='0'><download_url a='{token}'><x>{token}</x></download_url>\
             </command_shell_recording></command_shell_recordings><session_details><event event_type='Command Shell'>\
             <data><value name='instance' value='0'/><value name='view_url' value='https://s/{token}'/></data></event></session_details>"
        ))
    };
    assert_eq!(with("1"), with("2"));
}

#[test]
fn whatever_a_report_says_matters() {
    let base = "<jump_group id='1' type='shared'>ab</jump_group><x><y/></x>";
    for other in [
        "<jump_group id='1' type='shared'>a b</jump_group><x><y/></x>",
        "<jump_group id='1' type='shared'>ab </jump_group><x><y/></x>",
        "<jump_group id='1' typ='eshared'>ab</jump_group><x><y/></x>",
        "<jump_group id='1'>ab</jump_group><x><y/></x>",
        "<jump_group id='shared' type='1'>ab</jump_group><x><y/></x>",
        "<jump_group id='1' type='shared'>ab</jump_group><x/><y/>",
        "<jump_group id='1' type='shared'>ab</jump_group><y><x/></y>",
        "<x><y/></x><jump_group id='1' type='shared'>ab</jump_group>",
        "<jump_group id='1' type='shared'>ab</jump_group><x><y> </y></x>",
        "<jump_group id='1' type='shared'>ab</jump_group><x>t<y/></x>",
        "<jump_group id='1' type='shared'>ab</jump_group><x><y/></x><z/>",
    ] {
        assert_ne!(digest(other), digest(base), "{other}");
    }
}

#[test]
fn the_form_does_not_change_between_versions() {
    // Facts in the log carry it: another value would make every report look new.
    let xml = list("<session lsid='a'><lseq b='2' a='1'>7</lseq> <e/></session>");
    let digest = Report::read(xml.as_bytes(), &Limits::default()).expect("a report").content;
    let canonical = b"\x01\x07session\x01\x04lsid\x01a\x01\x04lseq\x02\x01a\x011\x01b\x012\x02\x017\x03\x01\x01e\x00\x03\x03";
    assert_eq!(digest, domain::Digest::of(canonical));
}
