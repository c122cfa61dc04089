use chrono::{DateTime, Datelike, Utc};
use domain::{Lsid, SiteHost};
use session_report::{
    Actor, CustomAttribute, Customer, Event, Moment, Representative, Session, Team, Value,
};

use super::system_information::information;
use super::tables::{CUSTOM_ATTRIBUTE, CUSTOMER, REPRESENTATIVE, TEAM, Table};
use super::{Cell, Row};

/// All rows of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRows {
    /// Its row of `session`.
    pub session: Row,
    /// Its rows of `representative`.
    pub representatives: Vec<Row>,
    /// Its rows of `customer`.
    pub customers: Vec<Row>,
    /// Its rows of `team`.
    pub teams: Vec<Row>,
    /// Its rows of `custom_attribute`.
    pub custom_attributes: Vec<Row>,
    /// Its events, in the report's order.
    pub events: Vec<EventRows>,
}

/// All rows of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRows {
    /// Its row of `session_event`.
    pub event: Row,
    /// Its rows of `session_event_data`.
    pub data: Vec<Row>,
    /// Its rows of `system_information`.
    pub system_information: Vec<Row>,
}

impl SessionRows {
    /// The rows of a session of this site. The id is the artifact's: what a report says of itself is checked before.
    pub fn of(
        session: &Session,
        site: &SiteHost,
        lsid: &Lsid,
        store_system_information: bool,
    ) -> Self {
        let primary_rep = session.primary_rep.as_ref().and_then(|rep| rep.gsnumber.as_deref());
        let primary_team = session.primary_team.as_ref().and_then(|team| team.id.as_deref());
        SessionRows {
            session: session_row(session, site, lsid),
            representatives: session
                .representatives
                .iter()
                .map(|representative| representative_row(representative, primary_rep))
                .collect(),
            customers: session.customers.iter().map(customer_row).collect(),
            teams: session.teams.iter().map(|team| team_row(team, primary_team)).collect(),
            custom_attributes: session.custom_attributes.iter().map(custom_attribute_row).collect(),
            events: session
                .events
                .iter()
                .map(|event| event_rows(event, store_system_information))
                .collect(),
        }
    }

    /// The rows that belong to the session itself and have no rows of their own below them.
    pub fn leaves(&self) -> [(&'static Table, &[Row]); 4] {
        [
            (&REPRESENTATIVE, &self.representatives),
            (&CUSTOMER, &self.customers),
            (&TEAM, &self.teams),
            (&CUSTOM_ATTRIBUTE, &self.custom_attributes),
        ]
    }

    /// How many rows it has in all tables.
    pub fn count(&self) -> usize {
        let leaves: usize = self.leaves().iter().map(|(_, rows)| rows.len()).sum();
        let of_event = |event: &EventRows| 1 + event.data.len() + event.system_information.len();
        1 + leaves + self.events.iter().map(of_event).sum::<usize>()
    }
}

fn session_row(session: &Session, site: &SiteHost, lsid: &Lsid) -> Row {
    let public_site = session.public_site.as_ref();
    let jump_group = session.jump_group.as_ref();
    vec![
        text(Some(lsid.as_str())),
        text(session.session_type.as_deref()),
        moment(session.start_time.as_ref()),
        moment(session.end_time.as_ref()),
        text(session.duration.as_deref()),
        integer(session.file_transfer_count.as_deref()),
        text(Some(site.as_str())),
        text(session.external_key.as_deref()),
        integer(filled(public_site.and_then(|site| site.id.as_deref())).or(Some("1"))),
        text(filled(public_site.and_then(|site| site.name.as_deref())).or(Some("Default"))),
        integer(session.lseq.as_deref()),
        text(jump_group.and_then(|group| group.id.as_deref())),
        text(jump_group.and_then(|group| group.name.as_deref())),
        text(jump_group.and_then(|group| group.kind.as_deref())),
    ]
}

fn representative_row(representative: &Representative, primary: Option<&str>) -> Row {
    let display_name = filled(representative.private_display_name.as_deref())
        .or(representative.display_name.as_deref());
    vec![
        text(representative.gsnumber.as_deref()),
        text(representative.id.as_deref()),
        text(representative.username.as_deref()),
        text(display_name),
        text(representative.public_display_name.as_deref()),
        text(representative.display_number.as_deref()),
        text(representative.public_ip.as_deref()),
        text(representative.private_ip.as_deref()),
        flag(representative.session_owner.as_deref()),
        primary_flag(
            representative.primary_rep.as_deref(),
            representative.gsnumber.as_deref(),
            primary,
        ),
        integer(representative.seconds_involved.as_deref()),
        text(representative.hostname.as_deref()),
        text(representative.os.as_deref()),
    ]
}

fn customer_row(customer: &Customer) -> Row {
    let display_name = filled(customer.info_name.as_deref()).or(customer.username.as_deref());
    vec![
        text(customer.gsnumber.as_deref()),
        text(customer.info_issue.as_deref()),
        text(customer.info_details.as_deref()),
        text(display_name),
        text(customer.info_company.as_deref()),
        text(customer.info_company_code.as_deref()),
        text(customer.public_ip.as_deref()),
        text(customer.private_ip.as_deref()),
        integer(customer.rpat_support.as_deref()),
        text(customer.hostname.as_deref()),
        text(customer.os.as_deref()),
    ]
}

fn team_row(team: &Team, primary: Option<&str>) -> Row {
    vec![
        text(team.id.as_deref()),
        text(team.name.as_deref()),
        primary_flag(team.primary_team.as_deref(), team.id.as_deref(), primary),
    ]
}

fn custom_attribute_row(attribute: &CustomAttribute) -> Row {
    vec![
        text(attribute.display_name.as_deref()),
        text(attribute.code_name.as_deref()),
        text(attribute.value.as_deref()),
    ]
}

fn event_rows(event: &Event, store_system_information: bool) -> EventRows {
    let name = |actor: &Option<Actor>| text(actor.as_ref().and_then(|a| a.name.as_deref()));
    let kind = |actor: &Option<Actor>| text(actor.as_ref().and_then(|a| a.kind.as_deref()));
    let categories = event.system_information.iter().filter(|_| store_system_information);
    EventRows {
        event: vec![
            text(event.event_type.as_deref()),
            unix_time(event.timestamp.as_deref()),
            name(&event.performed_by),
            kind(&event.performed_by),
            name(&event.destination),
            kind(&event.destination),
        ],
        data: data_rows(event),
        system_information: categories
            .map(|category| {
                vec![text(category.name.as_deref()), text(Some(&information(category)))]
            })
            .collect(),
    }
}

/// Pairs, then body, then the file's name and size where no pair says the same, then the files.
fn data_rows(event: &Event) -> Vec<Row> {
    let pair = |name: &str, value: &str| vec![text(Some(name)), text(Some(value))];
    let said = |name: &str, value: &str| {
        let same = |said: &Value| said.name == name && said.value == value;
        event.values.iter().any(same) || event.files.iter().any(same)
    };
    let direct = |name: &str, value: Option<&str>| {
        value.filter(|value| !said(name, value)).map(|value| pair(name, value))
    };
    let of_value = |value: &Value| pair(&value.name, &value.value);

    let mut rows: Vec<Row> = event.values.iter().map(of_value).collect();
    rows.extend(event.body_text().map(|body| pair(body.name(), body.text())));
    rows.extend(direct("filename", event.filename.as_deref()));
    rows.extend(direct("filesize", event.filesize.as_deref()));
    rows.extend(event.files.iter().map(of_value));
    rows
}

/// In "A, else B" an empty A counts as missing.
fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// U+0000 reaches us only through a body that came encoded; neither engine's tools show text that holds it.
fn text(text: Option<&str>) -> Cell {
    match text {
        None => Cell::Null,
        Some(text) if text.contains('\0') => Cell::Text(text.replace('\0', "\u{FFFD}")),
        Some(text) => Cell::Text(text.to_owned()),
    }
}

fn integer(text: Option<&str>) -> Cell {
    text.and_then(|text| text.trim().parse().ok()).map_or(Cell::Null, Cell::Integer)
}

fn flag(text: Option<&str>) -> Cell {
    Cell::Integer(i64::from(integer(text) == Cell::Integer(1)))
}

/// What the element says of itself counts; only where it says nothing, what the session says of it.
fn primary_flag(own: Option<&str>, id: Option<&str>, primary: Option<&str>) -> Cell {
    match filled(own) {
        Some(own) => flag(Some(own)),
        None => Cell::Integer(i64::from(filled(id).is_some() && id == primary)),
    }
}

fn moment(moment: Option<&Moment>) -> Cell {
    time(moment.and_then(Moment::instant))
}

fn unix_time(text: Option<&str>) -> Cell {
    let secs = text.and_then(|text| text.trim().parse().ok());
    time(secs.and_then(|secs| DateTime::from_timestamp(secs, 0)))
}

/// No engine of ours holds a year beyond these.
fn time(instant: Option<DateTime<Utc>>) -> Cell {
    instant.filter(|instant| (1..=9999).contains(&instant.year())).map_or(Cell::Null, Cell::Time)
}
