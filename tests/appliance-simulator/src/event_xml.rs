//! An event as XML.

use crate::chance::Dice;
use crate::events::{Event, Words};
use crate::people::Actor;
use crate::session_xml::encoded;
use crate::system_information::Category;
use crate::urls::{Target, Urls};
use crate::xml::Xml;

pub(crate) fn write_event(
    xml: &mut Xml,
    event: &Event,
    lsid: &str,
    urls: &mut Urls,
    dice: &mut Dice,
) {
    let at = event.at.to_string();
    let attributes = [("timestamp", at.as_str()), ("event_type", event.kind)];
    if is_bare(event) {
        xml.empty("event", &attributes);
        return;
    }
    xml.open("event", &attributes);
    write_actor(xml, "performed_by", event.performed_by.as_ref());
    write_actor(xml, "destination", event.destination.as_ref());
    match &event.details.words {
        Some(Words::Plain(text)) if dice.happens(0.1) => {
            xml.open("body", &[]);
            xml.cdata(text);
            xml.close("body");
        }
        Some(Words::Plain(text)) => xml.leaf("body", &[], text),
        Some(Words::Encoded(text)) => xml.leaf("encoded_body", &[], &encoded(text)),
        None => {}
    }
    if let Some((name, size)) = &event.details.file {
        write_file(xml, name, *size);
    }
    write_files(xml, &event.details.files);
    write_values(xml, event, lsid, urls);
    write_system_information(xml, &event.details.categories);
    xml.close("event");
}

fn is_bare(event: &Event) -> bool {
    let details = &event.details;
    event.performed_by.is_none()
        && event.destination.is_none()
        && details.words.is_none()
        && details.values.is_empty()
        && details.categories.is_empty()
}

fn write_actor(xml: &mut Xml, name: &str, actor: Option<&Actor>) {
    if let Some(actor) = actor {
        xml.leaf(
            name,
            &[("type", actor.kind), ("gsnumber", &actor.gsnumber.to_string())],
            &actor.name,
        );
    }
}

fn write_file(xml: &mut Xml, name: &str, size: u64) {
    xml.leaf("filename", &[], name);
    xml.leaf("filesize", &[], &size.to_string());
}

fn write_files(xml: &mut Xml, files: &[(String, u64)]) {
    if files.is_empty() {
        return;
    }
    xml.open("files", &[]);
    for (name, size) in files {
        xml.open("file", &[]);
        write_file(xml, name, *size);
        xml.close("file");
    }
    xml.close("files");
}

fn write_values(xml: &mut Xml, event: &Event, lsid: &str, urls: &mut Urls) {
    if event.details.values.is_empty() && event.details.recording.is_none() {
        return;
    }
    xml.open("data", &[]);
    for (name, value) in &event.details.values {
        xml.empty("value", &[("name", name), ("value", value)]);
    }
    if let Some((kind, instance)) = event.details.recording {
        let (view, download) = urls.pair(lsid, Target::Recording(kind, instance));
        xml.empty("value", &[("name", "download_url"), ("value", &download)]);
        xml.empty("value", &[("name", "view_url"), ("value", &view)]);
    }
    xml.close("data");
}

fn write_system_information(xml: &mut Xml, categories: &[Category]) {
    if categories.is_empty() {
        return;
    }
    xml.open("system_information", &[]);
    for category in categories {
        xml.open("category", &[("name", category.name)]);
        xml.open("description", &[]);
        for column in category.columns {
            xml.empty("field", &[("name", column)]);
        }
        xml.close("description");
        xml.open("data", &[]);
        for row in &category.rows {
            xml.open("row", &[]);
            for cell in row {
                xml.leaf("field", &[], cell);
            }
            xml.close("row");
        }
        xml.close("data");
        xml.close("category");
    }
    xml.close("system_information");
}
