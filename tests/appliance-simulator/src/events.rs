//! What happened in a session, in order.

use crate::chance::Dice;
use crate::event_details::details_of;
use crate::event_types::{Cause, event_types};
use crate::lsid::Family;
use crate::options::Options;
use crate::people::{Actor, Cast};
use crate::recordings::RecordingKind;
use crate::system_information::{Category, system_information};
use crate::timeline::Outline;

const EVENTS: u64 = 30;
const COMMON: [&str; 4] =
    ["Chat Message", "Session Foreground Window Changed", "File Download", "File Upload"];

/// Words that an event carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Words {
    Plain(String),
    /// Holds characters that XML forbids, so it travels as base64.
    Encoded(String),
}

/// One event.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) at: i64,
    pub(crate) kind: &'static str,
    pub(crate) performed_by: Option<Actor>,
    pub(crate) destination: Option<Actor>,
    pub(crate) details: Details,
}

/// What an event holds besides who and whom.
#[derive(Debug, Clone, Default)]
pub(crate) struct Details {
    pub(crate) words: Option<Words>,
    pub(crate) values: Vec<(&'static str, String)>,
    /// Name and size as elements of their own: the older form.
    pub(crate) file: Option<(String, u64)>,
    pub(crate) files: Vec<(String, u64)>,
    pub(crate) categories: Vec<Category>,
    /// Whose view and download addresses stand among the values.
    pub(crate) recording: Option<(RecordingKind, u32)>,
}

/// The events of a session that have happened by `now`.
pub(crate) fn events_of(
    site_key: u64,
    outline: &Outline,
    cast: &Cast,
    options: &Options,
    now: i64,
) -> Vec<Event> {
    let mut dice = Dice::of(&[site_key, EVENTS, outline.number.value()]);
    let planned = match (outline.number.family, outline.end) {
        // What has happened must not move when the session is ended by hand.
        (Family::Open | Family::Abnormal, _) | (_, None) => dice.between(600, 7_200) as i64,
        (_, Some(end)) => end - outline.start,
    };
    let mut events = opening(&mut dice, outline, cast);
    events.extend(recorded(&mut dice, outline, cast, planned));
    let frame = events.len() as u64 + 2;
    events.extend(by_chance(&mut dice, outline, cast, options, planned, frame));
    let until = outline.end.map_or(now, |end| end.min(now));
    events.retain(|event| event.at <= until);
    events.sort_by_key(|event| event.at);
    if let Some(end) = outline.end.filter(|end| *end <= now) {
        events.extend(closing(cast, end));
    }
    events
}

/// An event with nothing in it.
pub(crate) fn bare(at: i64, kind: &'static str) -> Event {
    Event { at, kind, performed_by: None, destination: None, details: Details::default() }
}

fn opening(dice: &mut Dice, outline: &Outline, cast: &Cast) -> Vec<Event> {
    let at = outline.start;
    let pre_start = "Pre-start Conference".to_owned();
    let mut owner = bare(at, "Conference Owner Changed");
    owner.destination = Some(Actor::system(&pre_start));
    owner.details.values = vec![("owner", pre_start)];
    let mut events = vec![bare(at, "Session Start"), owner];

    let customer = &cast.customer;
    let mut added = bare(at, "Conference Member Added");
    added.performed_by = Some(customer.actor());
    added.details.values = vec![
        ("name", customer.name.clone()),
        ("private_ip", customer.private_ip.clone()),
        ("public_ip", customer.public_ip.clone()),
        ("hostname", customer.host_name.clone()),
        ("os", customer.system.clone()),
    ];
    events.push(added);
    for (place, representative) in cast.representatives.iter().enumerate() {
        events.push(representative_added(at + place as i64, cast, place));
        let mut state = bare(at + place as i64, "Conference Member State Changed");
        state.performed_by = Some(representative.actor());
        state.details.values = vec![("state", "connected".to_owned())];
        events.push(state);
    }
    if dice.happens(0.6) {
        let mut information = bare(at + 5, "System Information Retrieved");
        information.details.categories = system_information(dice);
        events.push(information);
    }
    events
}

fn representative_added(at: i64, cast: &Cast, place: usize) -> Event {
    let representative = &cast.representatives[place];
    let teams: Vec<&str> = cast.teams.iter().map(|team| team.name.as_str()).collect();
    let mut added = bare(at, "Conference Member Added");
    added.performed_by = Some(representative.actor());
    added.details.values = vec![
        ("private_name", representative.private_name.clone()),
        ("public_name", representative.public_name.clone()),
        ("username", representative.user_name.clone()),
        ("private_ip", representative.private_ip.clone()),
        ("public_ip", representative.public_ip.clone()),
        ("hostname", representative.host_name.clone().unwrap_or_else(|| "Unknown".to_owned())),
        ("os", representative.system.clone()),
        ("user_id", representative.id.to_string()),
        ("support_teams", teams.join(", ")),
    ];
    added
}

fn recorded(dice: &mut Dice, outline: &Outline, cast: &Cast, planned: i64) -> Vec<Event> {
    let screen = outline.screen_recording.then_some(("Screen Recording", RecordingKind::Screen, 0));
    let shells = (0..outline.shells)
        .map(|n| ("Command Shell Session Started", RecordingKind::CommandShell, n));
    let shown = (0..outline.show_my_screens)
        .map(|n| ("Show My Screen Recording", RecordingKind::ShowMyScreen, n));
    let all: Vec<_> = screen.into_iter().chain(shells).chain(shown).collect();
    all.into_iter()
        .map(|(kind, recording, instance)| {
            let mut event = bare(moment(dice, outline, planned), kind);
            event.performed_by = Some(cast.primary().actor());
            if recording != RecordingKind::Screen {
                event.details.values.push(("instance", instance.to_string()));
            }
            event.details.recording = Some((recording, instance));
            event
        })
        .collect()
}

fn by_chance(
    dice: &mut Dice,
    outline: &Outline,
    cast: &Cast,
    options: &Options,
    planned: i64,
    frame: u64,
) -> Vec<Event> {
    let mean = u64::from(options.events_mean);
    let wanted = match dice.below(200) {
        0 => mean * 10,
        _ => dice.between(mean / 2, mean + mean / 2),
    };
    let kinds: Vec<&'static str> = event_types(options.product)
        .filter(|one| one.cause == Cause::Chance)
        .map(|one| one.name)
        .collect();
    // Half of them go through all types in turn, so that a few sessions have every one.
    let mut turn = outline.number.place as usize * 7;
    (0..wanted.saturating_sub(frame))
        .map(|count| {
            let kind = if count % 2 == 0 {
                turn += 1;
                kinds[turn % kinds.len()]
            } else {
                dice.pick(&COMMON)
            };
            let at = moment(dice, outline, planned);
            details_of(dice, bare(at, kind), cast)
        })
        .collect()
}

fn closing(cast: &Cast, end: i64) -> Vec<Event> {
    let mut departed = bare(end, "Conference Member Departed");
    departed.performed_by = Some(cast.primary().actor());
    vec![departed, bare(end, "Session End")]
}

fn moment(dice: &mut Dice, outline: &Outline, planned: i64) -> i64 {
    outline.start + 10.min(planned) + dice.below((planned - 10).max(1) as u64) as i64
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::lsid::Number;
    use crate::options::Product;
    use crate::timeline::{Timeline, site_key};

    const NOW: i64 = 1_750_000_000;

    fn events(options: &Options, family: Family, place: u64, now: i64) -> Vec<Event> {
        let outline = Timeline::new(options, NOW).outline(Number { family, place });
        let outline = outline.expect("the options have a session at this place");
        let cast = Cast::of(site_key(options), outline.number.value(), options.product);
        events_of(site_key(options), &outline, &cast, options, now)
    }

    #[test]
    fn every_event_type_occurs() {
        for product in [Product::RemoteSupport, Product::PrivilegedRemoteAccess] {
            let options = Options { product, sessions: 60, ..Options::default() };
            let seen: HashSet<&str> = (0..60)
                .flat_map(|place| events(&options, Family::Ended, place, NOW))
                .map(|event| event.kind)
                .collect();
            let missing: Vec<&str> = event_types(product)
                .map(|one| one.name)
                .filter(|name| !seen.contains(name))
                .collect();
            assert!(missing.is_empty(), "{missing:?}");
        }
    }

    #[test]
    fn events_come_in_order_between_start_and_end() {
        let options = Options { sessions: 30, ..Options::default() };
        for place in 0..30 {
            let events = events(&options, Family::Ended, place, NOW);
            assert!(events.is_sorted_by_key(|event| event.at));
            assert_eq!(events.first().map(|event| event.kind), Some("Session Start"));
            assert_eq!(events.last().map(|event| event.kind), Some("Session End"));
        }
    }

    #[test]
    fn a_running_session_gains_events_and_loses_none() {
        let options = Options { open: 1, ..Options::default() };
        let start = Timeline::new(&options, NOW)
            .outline(Number { family: Family::Open, place: 0 })
            .expect("one session is open")
            .start;
        let counts: Vec<usize> = [10, 600, 7_200]
            .map(|later| events(&options, Family::Open, 0, start + later).len())
            .to_vec();
        assert!(counts.is_sorted() && counts[0] < counts[2], "{counts:?}");
    }

    #[test]
    fn the_mean_number_of_events_is_near_what_was_asked_for() {
        let options = Options { sessions: 400, events_mean: 60, ..Options::default() };
        let total: usize =
            (0..400).map(|place| events(&options, Family::Ended, place, NOW).len()).sum();
        assert!((50..75).contains(&(total / 400)), "{}", total / 400);
    }

    #[test]
    fn words_that_xml_forbids_travel_encoded() {
        let options = Options { sessions: 60, ..Options::default() };
        let all: Vec<Event> =
            (0..60).flat_map(|place| events(&options, Family::Ended, place, NOW)).collect();
        let encoded = |event: &Event| matches!(event.details.words, Some(Words::Encoded(_)));
        assert!(all.iter().any(encoded));
        for event in all {
            if let Some(Words::Plain(text)) = event.details.words {
                assert!(text.chars().all(crate::xml::is_allowed));
            }
        }
    }
}
