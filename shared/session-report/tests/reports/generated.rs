//! Reports of any content, for whoever has to keep what they say.

use domain::{Instance, Lsid};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use session_report::*;

/// Texts of many kinds, short ones.
pub fn text() -> BoxedStrategy<Text> {
    prop_oneof![
        4 => "[ -~]{0,12}",
        1 => "[ \t\n\r<>&\"']{0,6}",
        1 => Just("]]>&lt;\r\n".to_owned()),
        1 => "[\u{80}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]{0,6}",
        1 => prop_oneof![Just("Unknown"), Just("-1"), Just("[2001:db8::1]:56722"), Just("")].prop_map(str::to_owned),
    ]
    .prop_map(Text::from)
    .boxed()
}

fn texts<const N: usize>() -> impl Strategy<Value = [Option<Text>; N]> {
    vec(of(text()), N).prop_map(|texts| texts.try_into().expect("as many as asked for"))
}

fn actor() -> BoxedStrategy<Actor> {
    (texts::<3>(), text())
        .prop_map(|([gsnumber, id, kind], name)| Actor { gsnumber, id, kind, name: Some(name) })
        .boxed()
}

fn named() -> impl Strategy<Value = Named> {
    (of(text()), text()).prop_map(|(id, name)| Named { id, name: Some(name) })
}

fn moment() -> impl Strategy<Value = Moment> {
    (of(text()), text()).prop_map(|(timestamp, text)| Moment { timestamp, text: Some(text) })
}

fn customer() -> BoxedStrategy<Customer> {
    texts::<13>()
        .prop_map(
            |[
                gsnumber,
                username,
                public_ip,
                private_ip,
                hostname,
                os,
                primary_cust,
                rpat_support,
                info_name,
                info_company,
                info_company_code,
                info_issue,
                info_details,
            ]| Customer {
                gsnumber,
                username,
                public_ip,
                private_ip,
                hostname,
                os,
                primary_cust,
                rpat_support,
                info_name,
                info_company,
                info_company_code,
                info_issue,
                info_details,
            },
        )
        .boxed()
}

fn representative() -> BoxedStrategy<Representative> {
    texts::<15>()
        .prop_map(
            |[
                gsnumber,
                id,
                username,
                display_name,
                public_display_name,
                private_display_name,
                display_number,
                public_ip,
                private_ip,
                hostname,
                os,
                session_owner,
                primary_rep,
                seconds_involved,
                invited,
            ]| Representative {
                gsnumber,
                id,
                username,
                display_name,
                public_display_name,
                private_display_name,
                display_number,
                public_ip,
                private_ip,
                hostname,
                os,
                session_owner,
                primary_rep,
                seconds_involved,
                invited,
            },
        )
        .boxed()
}

fn values(name: impl Strategy<Value = Text>) -> impl Strategy<Value = Vec<Value>> {
    vec((name, text()).prop_map(|(name, value)| Value { name, value }), 0..3)
}

fn category() -> impl Strategy<Value = Category> {
    (of(text()), vec(text(), 0..3), vec(vec(text(), 0..3), 0..3))
        .prop_map(|(name, headings, rows)| Category { name, headings, rows })
}

fn event() -> BoxedStrategy<Event> {
    let values = values(text());
    let files = values_of_files();
    (texts::<6>(), of(actor()), of(actor()), values, files, vec(category(), 0..2))
        .prop_map(
            |(
                [event_type, timestamp, body, encoded_body, filename, filesize],
                performed_by,
                destination,
                values,
                files,
                system_information,
            )| Event {
                event_type,
                timestamp,
                performed_by,
                destination,
                body,
                encoded_body,
                filename,
                filesize,
                values,
                files,
                system_information,
            },
        )
        .boxed()
}

fn values_of_files() -> impl Strategy<Value = Vec<Value>> {
    values("[a-z_][a-z0-9_.-]{0,9}".prop_map(Text::from))
}

fn instances() -> impl Strategy<Value = Vec<Instance>> {
    proptest::collection::btree_set(any::<u32>(), 0..3)
        .prop_map(|all| all.into_iter().map(Instance).collect())
}

/// A session with anything in it.
pub fn session() -> BoxedStrategy<Session> {
    let lsid = "[A-Za-z0-9<>&\"' \u{e9}-]{1,40}"
        .prop_map(|text| text.parse::<Lsid>().expect("short and visible"));
    let head =
        (lsid, texts::<7>(), of(moment()), of(moment()), of(named()), of(named()), of(named()));
    let recordings = (any::<bool>(), instances(), instances());
    let group = of((texts::<2>(), text()).prop_map(|([id, kind], name)| JumpGroup {
        id,
        kind,
        name: Some(name),
    }));
    let attribute = (texts::<2>(), text()).prop_map(|([display_name, code_name], value)| {
        CustomAttribute { display_name, code_name, value: Some(value) }
    });
    let team = texts::<3>().prop_map(|[id, name, primary_team]| Team { id, name, primary_team });
    let people = (
        of(actor()),
        of(actor()),
        vec(customer(), 0..2),
        vec(representative(), 0..2),
        vec(team, 0..2),
        vec(event(), 0..3),
    );
    (head, recordings, group, vec(attribute, 0..2), people)
        .prop_map(|(head, recordings, jump_group, custom_attributes, people)| {
            let (lsid, texts, start_time, end_time, public_site, jumpoint, primary_team) = head;
            let [session_type, lseq, duration, external_key, transfers, moves, deletes] = texts;
            let (primary_customer, primary_rep, customers, representatives, teams, events) = people;
            Session {
                lsid: Some(lsid),
                session_type,
                lseq,
                start_time,
                end_time,
                duration,
                public_site,
                jumpoint,
                jump_group,
                external_key,
                custom_attributes,
                has_session_recording: recordings.0,
                command_shell_recordings: recordings.1,
                show_my_screen_recordings: recordings.2,
                file_transfer_count: transfers,
                file_move_count: moves,
                file_delete_count: deletes,
                primary_customer,
                primary_rep,
                primary_team,
                customers,
                representatives,
                teams,
                events,
            }
        })
        .boxed()
}
