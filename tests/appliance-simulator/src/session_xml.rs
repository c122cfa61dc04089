//! A session's report as XML.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::chance::Dice;
use crate::clock::report_time;
use crate::event_xml::write_event;
use crate::events::{Event, events_of};
use crate::options::{Options, Product};
use crate::people::{Cast, Customer, Representative};
use crate::recordings::RecordingKind;
use crate::timeline::{Outline, site_key};
use crate::urls::{Target, Urls};
use crate::xml::Xml;

const FORM: u64 = 50;

/// The `session` element as it stands at `now`. If `half`, it is what an appliance gives that has not gathered everything yet.
pub(crate) fn session_xml(
    options: &Options,
    outline: &Outline,
    urls: &mut Urls,
    now: i64,
    half: bool,
) -> String {
    let key = site_key(options);
    let cast = Cast::of(key, outline.number.value(), options.product);
    let mut events = events_of(key, outline, &cast, options, now);
    if half {
        events.truncate(events.len() / 2);
    }
    let mut dice = Dice::of(&[key, FORM, outline.number.value()]);
    let mut parts = head(options, outline, now);
    parts.extend(counts(&events));
    parts.extend(surroundings(outline, &cast, &mut dice));
    if outline.has_ended(now) && !half {
        parts.extend(addresses(outline, urls));
    }
    parts.extend(people(options, outline, &cast, now));
    // Elements come in no fixed order.
    if dice.happens(0.5) {
        dice.shuffle(&mut parts);
    }
    parts.push(details(&events, outline, urls, &mut dice));

    let line_end = if dice.happens(0.5) { "\n" } else { "" };
    let mut xml = Xml::default();
    xml.open("session", &[("lsid", &outline.lsid)]);
    for part in parts {
        xml.raw(line_end);
        xml.raw(&part);
    }
    xml.raw(line_end);
    xml.close("session");
    xml.finish()
}

/// Words as the element that carries them.
pub(crate) fn encoded(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

fn leaf(name: &str, attributes: &[(&str, &str)], text: &str) -> String {
    let mut xml = Xml::default();
    xml.leaf(name, attributes, text);
    xml.finish()
}

fn head(options: &Options, outline: &Outline, now: i64) -> Vec<String> {
    let seconds = outline.duration(now);
    let time =
        |name: &str, at: i64| leaf(name, &[("timestamp", &at.to_string())], &report_time(at));
    let mut parts = vec![
        leaf("session_type", &[], "support"),
        leaf("lseq", &[], &outline.lseq.to_string()),
        time("start_time", outline.start),
        leaf(
            "duration",
            &[],
            &format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
        ),
        leaf("external_key", &[], &outline.external_key),
    ];
    match outline.end.filter(|end| *end <= now) {
        Some(end) => parts.push(time("end_time", end)),
        // A running session has none, one that closed abnormally an empty one.
        None if outline.number.family == crate::lsid::Family::Abnormal => {
            parts.push(empty("end_time"))
        }
        None => {}
    }
    if options.product == Product::RemoteSupport && outline.number.place.is_multiple_of(3) {
        parts.push(time("rep_join_time", outline.start));
    }
    parts
}

fn empty(name: &str) -> String {
    let mut xml = Xml::default();
    xml.empty(name, &[]);
    xml.finish()
}

fn counts(events: &[Event]) -> Vec<String> {
    let count = |kinds: &[&str]| {
        events.iter().filter(|event| kinds.contains(&event.kind)).count().to_string()
    };
    vec![
        leaf("file_transfer_count", &[], &count(&["File Download", "File Upload"])),
        leaf("file_move_count", &[], &count(&["File Moved"])),
        leaf("file_delete_count", &[], &count(&["File Deleted"])),
    ]
}

fn surroundings(outline: &Outline, cast: &Cast, dice: &mut Dice) -> Vec<String> {
    let named =
        |element: &str, id: i64, name: &str| leaf(element, &[("id", &id.to_string())], name);
    let mut parts = Vec::new();
    if let Some(site) = &cast.public_site {
        parts.push(named("public_site", site.id, &site.name));
    }
    if let Some(jumpoint) = &cast.jumpoint {
        parts.push(named("jumpoint", jumpoint.id, &jumpoint.name));
    }
    if let Some(group) = &cast.jump_group {
        let kind = if group.shared { "shared" } else { "personal" };
        parts.push(leaf(
            "jump_group",
            &[("type", kind), ("id", &group.named.id.to_string())],
            &group.named.name,
        ));
    }
    if let Some(team) = cast.teams.first() {
        parts.push(named("primary_team", team.id, &team.name));
    }
    parts.push(custom_attributes(outline, dice));
    parts
}

fn custom_attributes(outline: &Outline, dice: &mut Dice) -> String {
    let mut xml = Xml::default();
    xml.open("custom_attributes", &[]);
    let count = if dice.happens(0.5) { outline.number.place as usize % 5 } else { 0 };
    for (display, code, value) in crate::names::ATTRIBUTES.iter().take(count) {
        xml.leaf("custom_attribute", &[("display_name", display), ("code_name", code)], value);
    }
    xml.close("custom_attributes");
    xml.finish()
}

fn addresses(outline: &Outline, urls: &mut Urls) -> Vec<String> {
    let mut parts = Vec::new();
    let (view, download) = urls.pair(&outline.lsid, Target::Chat);
    parts.push(leaf("session_chat_view_url", &[], &view));
    parts.push(leaf("session_chat_download_url", &[], &download));
    if outline.screen_recording {
        let (view, download) =
            urls.pair(&outline.lsid, Target::Recording(RecordingKind::Screen, 0));
        parts.push(leaf("session_recording_view_url", &[], &view));
        parts.push(leaf("session_recording_download_url", &[], &download));
    }
    parts.extend(instances(
        outline,
        urls,
        "command_shell_recording",
        RecordingKind::CommandShell,
        outline.shells,
    ));
    let shown = outline.show_my_screens;
    parts.extend(instances(
        outline,
        urls,
        "show_my_screen_recording",
        RecordingKind::ShowMyScreen,
        shown,
    ));
    parts
}

fn instances(
    outline: &Outline,
    urls: &mut Urls,
    name: &str,
    kind: RecordingKind,
    count: u32,
) -> Option<String> {
    if count == 0 {
        return None;
    }
    let list = format!("{name}s");
    let mut xml = Xml::default();
    xml.open(&list, &[]);
    for instance in 0..count {
        let (view, download) = urls.pair(&outline.lsid, Target::Recording(kind, instance));
        xml.open(name, &[("instance", &instance.to_string())]);
        xml.leaf("download_url", &[], &download);
        xml.leaf("view_url", &[], &view);
        xml.close(name);
    }
    xml.close(&list);
    Some(xml.finish())
}

fn people(options: &Options, outline: &Outline, cast: &Cast, now: i64) -> Vec<String> {
    let support = options.product == Product::RemoteSupport;
    let (customer, primary) = (&cast.customer, cast.primary());
    let mut parts = vec![
        leaf("primary_customer", &[("gsnumber", &customer.gsnumber.to_string())], &customer.name),
        leaf(
            "primary_rep",
            &[("gsnumber", &primary.gsnumber.to_string()), ("id", &primary.id.to_string())],
            &primary.private_name,
        ),
        customers(customer, support),
    ];
    let mut xml = Xml::default();
    xml.open("rep_list", &[]);
    for one in &cast.representatives {
        write_representative(&mut xml, one, outline.duration(now), support);
    }
    xml.close("rep_list");
    parts.push(xml.finish());
    if support {
        parts.push(teams(cast));
        parts.push(survey("cust_survey_list", "cust_exit_survey", customer.gsnumber));
        parts.push(survey("rep_survey_list", "rep_exit_survey", primary.gsnumber));
    }
    parts
}

fn customers(customer: &Customer, support: bool) -> String {
    let mut xml = Xml::default();
    xml.open("customer_list", &[]);
    xml.open("customer", &[("gsnumber", &customer.gsnumber.to_string())]);
    xml.leaf("username", &[], &customer.name);
    xml.leaf("public_ip", &[], &customer.public_ip);
    xml.leaf("private_ip", &[], &customer.private_ip);
    xml.leaf("hostname", &[], &customer.host_name);
    xml.leaf("os", &[], &customer.system);
    if support {
        xml.leaf("primary_cust", &[], "1");
        xml.open("info", &[]);
        xml.leaf("name", &[], &customer.name);
        xml.leaf("company", &[], &customer.company);
        xml.leaf("company_code", &[], if customer.company.is_empty() { "" } else { "C-01" });
        xml.leaf("issue", &[], &customer.issue);
        xml.leaf("details", &[], &customer.details);
        xml.close("info");
    }
    xml.close("customer");
    xml.close("customer_list");
    xml.finish()
}

fn write_representative(xml: &mut Xml, one: &Representative, seconds: i64, support: bool) {
    let flag = |set: bool| if set { "1" } else { "0" };
    xml.open(
        "representative",
        &[("gsnumber", &one.gsnumber.to_string()), ("id", &one.id.to_string())],
    );
    xml.leaf("username", &[], &one.user_name);
    xml.leaf("display_name", &[], &one.private_name);
    xml.leaf("public_display_name", &[], &one.public_name);
    xml.leaf("private_display_name", &[], &one.private_name);
    xml.leaf("public_ip", &[], &one.public_ip);
    xml.leaf("private_ip", &[], &one.private_ip);
    if let Some(host_name) = &one.host_name {
        xml.leaf("hostname", &[], host_name);
    }
    xml.leaf("os", &[], &one.system);
    xml.leaf("session_owner", &[], flag(one.owner));
    xml.leaf("seconds_involved", &[], &(seconds * one.share as i64 / 100).to_string());
    if support {
        xml.leaf("display_number", &[], &(1000 + one.id).to_string());
        xml.leaf("primary_rep", &[], flag(one.primary));
    }
    if one.invited {
        xml.leaf("invited", &[], "1");
    }
    xml.close("representative");
}

fn teams(cast: &Cast) -> String {
    let mut xml = Xml::default();
    xml.open("team_list", &[]);
    for (place, team) in cast.teams.iter().enumerate() {
        xml.open("team", &[("id", &team.id.to_string())]);
        xml.leaf("name", &[], &team.name);
        xml.leaf("primary_team", &[], if place == 0 { "1" } else { "0" });
        xml.close("team");
    }
    xml.close("team_list");
    xml.finish()
}

fn survey(list: &str, name: &str, gsnumber: u64) -> String {
    let mut xml = Xml::default();
    xml.open(list, &[]);
    if gsnumber.is_multiple_of(2) {
        xml.empty(name, &[("gsnumber", &gsnumber.to_string())]);
    }
    xml.close(list);
    xml.finish()
}

fn details(events: &[Event], outline: &Outline, urls: &mut Urls, dice: &mut Dice) -> String {
    let mut xml = Xml::default();
    xml.open("session_details", &[]);
    for event in events {
        write_event(&mut xml, event, &outline.lsid, urls, dice);
    }
    xml.close("session_details");
    xml.finish()
}
