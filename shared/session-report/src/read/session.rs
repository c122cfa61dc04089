use domain::Instance;

use super::{events, lsid};
use crate::cursor::Cursor;
use crate::{
    Actor, CustomAttribute, Customer, JumpGroup, Moment, Named, ReportError, Representative,
    Session, Team,
};

/// Reads the session that has just opened. Whatever stands in it without being known is passed over.
pub(super) fn session(cursor: &mut Cursor<'_>) -> Result<Session, ReportError> {
    let lsid = lsid(cursor.attributes.get("lsid"), 1)?;
    let mut session = Session::default();
    while let Some(name) = cursor.child()? {
        match name {
            "session_type" => cursor.keep(&mut session.session_type)?,
            "lseq" => cursor.keep(&mut session.lseq)?,
            "start_time" => first(&mut session.start_time, moment(cursor)?),
            "end_time" => first(&mut session.end_time, moment(cursor)?),
            "duration" => cursor.keep(&mut session.duration)?,
            "public_site" => first(&mut session.public_site, named(cursor)?),
            "jumpoint" => first(&mut session.jumpoint, named(cursor)?),
            "jump_group" => first(&mut session.jump_group, jump_group(cursor)?),
            "external_key" => cursor.keep(&mut session.external_key)?,
            "custom_attributes" => custom_attributes(cursor, &mut session.custom_attributes)?,
            "session_recording_view_url"
            | "session_recording_download_url"
            | "presentation_recording_view_url"
            | "presentation_recording_download_url" => {
                session.has_session_recording |= !cursor.text()?.trim().is_empty();
            }
            "command_shell_recordings" => {
                instances(
                    cursor,
                    "command_shell_recording",
                    lsid.as_str(),
                    &mut session.command_shell_recordings,
                )?;
            }
            "show_my_screen_recordings" => {
                instances(
                    cursor,
                    "show_my_screen_recording",
                    lsid.as_str(),
                    &mut session.show_my_screen_recordings,
                )?;
            }
            "file_transfer_count" => cursor.keep(&mut session.file_transfer_count)?,
            "file_move_count" => cursor.keep(&mut session.file_move_count)?,
            "file_delete_count" => cursor.keep(&mut session.file_delete_count)?,
            "primary_customer" => first(&mut session.primary_customer, actor(cursor)?),
            "primary_rep" => first(&mut session.primary_rep, actor(cursor)?),
            "primary_team" => first(&mut session.primary_team, named(cursor)?),
            "customer_list" => each(cursor, "customer", &mut session.customers, customer)?,
            "rep_list" => {
                each(cursor, "representative", &mut session.representatives, representative)?
            }
            "team_list" => each(cursor, "team", &mut session.teams, team)?,
            "session_details" => each(cursor, "event", &mut session.events, events::event)?,
            _ => cursor.skip()?,
        }
    }
    session.lsid = Some(lsid);
    Ok(session)
}

/// Of several elements of one name, where one is meant, the first counts.
pub(super) fn first<T>(place: &mut Option<T>, value: T) {
    place.get_or_insert(value);
}

/// Reads each child of this name in the element that has just opened.
pub(super) fn each<'x, T>(
    cursor: &mut Cursor<'x>,
    item: &str,
    items: &mut Vec<T>,
    read: impl Fn(&mut Cursor<'x>) -> Result<T, ReportError>,
) -> Result<(), ReportError> {
    while let Some(name) = cursor.child()? {
        if name == item {
            items.push(read(cursor)?);
        } else {
            cursor.skip()?;
        }
    }
    Ok(())
}

fn moment(cursor: &mut Cursor<'_>) -> Result<Moment, ReportError> {
    Ok(Moment { timestamp: cursor.attributes.owned("timestamp"), text: Some(cursor.text()?) })
}

fn named(cursor: &mut Cursor<'_>) -> Result<Named, ReportError> {
    Ok(Named { id: cursor.attributes.owned("id"), name: Some(cursor.text()?) })
}

fn jump_group(cursor: &mut Cursor<'_>) -> Result<JumpGroup, ReportError> {
    Ok(JumpGroup {
        id: cursor.attributes.owned("id"),
        kind: cursor.attributes.owned("type"),
        name: Some(cursor.text()?),
    })
}

pub(super) fn actor(cursor: &mut Cursor<'_>) -> Result<Actor, ReportError> {
    Ok(Actor {
        gsnumber: cursor.attributes.owned("gsnumber"),
        id: cursor.attributes.owned("id"),
        kind: cursor.attributes.owned("type"),
        name: Some(cursor.text()?),
    })
}

fn custom_attributes(
    cursor: &mut Cursor<'_>,
    all: &mut Vec<CustomAttribute>,
) -> Result<(), ReportError> {
    each(cursor, "custom_attribute", all, |cursor| {
        Ok(CustomAttribute {
            display_name: cursor.attributes.owned("display_name"),
            code_name: cursor.attributes.owned("code_name"),
            value: Some(cursor.text()?),
        })
    })
}

/// The appliance counts recordings from 0; where it does not say the number, their order does.
fn instances(
    cursor: &mut Cursor<'_>,
    item: &str,
    lsid: &str,
    instances: &mut Vec<Instance>,
) -> Result<(), ReportError> {
    let mut count = 0;
    while let Some(name) = cursor.child()? {
        if name == item {
            let instance = match cursor.attributes.get("instance").map(str::trim) {
                None | Some("") => count,
                Some(number) => number.parse().map_err(|_| ReportError::Instance {
                    lsid: lsid.to_owned(),
                    instance: number.to_owned(),
                })?,
            };
            if !instances.contains(&Instance(instance)) {
                instances.push(Instance(instance));
            }
            count += 1;
        }
        cursor.skip()?;
    }
    Ok(())
}

fn customer(cursor: &mut Cursor<'_>) -> Result<Customer, ReportError> {
    let mut customer =
        Customer { gsnumber: cursor.attributes.owned("gsnumber"), ..Customer::default() };
    while let Some(name) = cursor.child()? {
        match name {
            "username" => cursor.keep(&mut customer.username)?,
            "public_ip" => cursor.keep(&mut customer.public_ip)?,
            "private_ip" => cursor.keep(&mut customer.private_ip)?,
            "hostname" => cursor.keep(&mut customer.hostname)?,
            "os" => cursor.keep(&mut customer.os)?,
            "primary_cust" => cursor.keep(&mut customer.primary_cust)?,
            "rpat_support" => cursor.keep(&mut customer.rpat_support)?,
            "info" => customer_info(cursor, &mut customer)?,
            _ => cursor.skip()?,
        }
    }
    Ok(customer)
}

fn customer_info(cursor: &mut Cursor<'_>, customer: &mut Customer) -> Result<(), ReportError> {
    while let Some(name) = cursor.child()? {
        match name {
            "name" => cursor.keep(&mut customer.info_name)?,
            "company" => cursor.keep(&mut customer.info_company)?,
            "company_code" => cursor.keep(&mut customer.info_company_code)?,
            "issue" => cursor.keep(&mut customer.info_issue)?,
            "details" => cursor.keep(&mut customer.info_details)?,
            _ => cursor.skip()?,
        }
    }
    Ok(())
}

fn representative(cursor: &mut Cursor<'_>) -> Result<Representative, ReportError> {
    let mut rep = Representative {
        gsnumber: cursor.attributes.owned("gsnumber"),
        id: cursor.attributes.owned("id"),
        ..Representative::default()
    };
    while let Some(name) = cursor.child()? {
        match name {
            "username" => cursor.keep(&mut rep.username)?,
            "display_name" => cursor.keep(&mut rep.display_name)?,
            "public_display_name" => cursor.keep(&mut rep.public_display_name)?,
            "private_display_name" => cursor.keep(&mut rep.private_display_name)?,
            "display_number" => cursor.keep(&mut rep.display_number)?,
            "public_ip" => cursor.keep(&mut rep.public_ip)?,
            "private_ip" => cursor.keep(&mut rep.private_ip)?,
            "hostname" => cursor.keep(&mut rep.hostname)?,
            "os" => cursor.keep(&mut rep.os)?,
            "session_owner" => cursor.keep(&mut rep.session_owner)?,
            "primary_rep" => cursor.keep(&mut rep.primary_rep)?,
            "seconds_involved" => cursor.keep(&mut rep.seconds_involved)?,
            "invited" => cursor.keep(&mut rep.invited)?,
            _ => cursor.skip()?,
        }
    }
    Ok(rep)
}

fn team(cursor: &mut Cursor<'_>) -> Result<Team, ReportError> {
    let mut team = Team { id: cursor.attributes.owned("id"), ..Team::default() };
    while let Some(name) = cursor.child()? {
        match name {
            "name" => cursor.keep(&mut team.name)?,
            "primary_team" => cursor.keep(&mut team.primary_team)?,
            _ => cursor.skip()?,
        }
    }
    Ok(team)
}
