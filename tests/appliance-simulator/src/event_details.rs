//! What an event of each type holds. Where public material does not say, the names are a guess and the values harmless.

use crate::chance::Dice;
use crate::event_registry::registry_values;
use crate::events::{Event, Words};
use crate::names::{ACTIONS, COMMANDS, GROUPS, HOSTS, PATHS, PROGRAMS, SENTENCES, TEAMS};
use crate::people::{Actor, Cast};

const CONTROLS: [&str; 3] =
    ["bell \u{7} rings", "\u{1b}[31mred\u{1b}[0m ist rot", "nul \u{0} inside & ünïcode"];
const LONG_SENTENCES: usize = 800;

pub(crate) fn details_of(dice: &mut Dice, mut event: Event, cast: &Cast) -> Event {
    let customer = cast.customer.actor();
    let representative = dice.pick(&cast.representatives).actor();
    event.performed_by = Some(representative.clone());
    match event.kind {
        "Chat Message" => chat(dice, &mut event, customer, representative),
        "Session Note Added" => event.details.words = Some(words(dice)),
        "Files Shared" => {
            event.details.files = (0..dice.between(1, 3)).map(|_| file(dice)).collect();
        }
        kind if kind.starts_with("File ") || kind == "Directory Created" => {
            if dice.happens(0.5) {
                event.performed_by = Some(customer.clone());
                event.destination = Some(representative);
            } else {
                event.destination = Some(customer);
            }
            file_event(dice, &mut event);
        }
        kind if kind.starts_with("Registry ") => {
            event.destination = Some(customer);
            event.details.values = registry_values(dice, kind);
        }
        kind if kind.starts_with("Session Window")
            || kind.starts_with("Session Mouse")
            || kind.ends_with("Window Changed") =>
        {
            event.performed_by = Some(customer);
            event.details.values = window_values(dice, kind);
        }
        kind if kind.starts_with("Credential ") => {
            event.details.values = credential_values(dice, kind)
        }
        kind if kind.starts_with("Jump Item ") => {
            event.details.values = jump_values(dice, kind, cast)
        }
        kind if kind.contains("Queue") => {
            event.destination = Some(Actor::system(dice.pick(&TEAMS)))
        }
        kind if kind.starts_with("Representative Monitoring") => {
            event.destination = Some(cast.primary().actor())
        }
        kind => event.details.values = other_values(dice, kind, cast),
    }
    event
}

fn chat(dice: &mut Dice, event: &mut Event, customer: Actor, representative: Actor) {
    let everyone = Actor { kind: "everyone", gsnumber: 0, name: "Everyone".to_owned() };
    (event.performed_by, event.destination) = match dice.below(3) {
        0 => (Some(customer), Some(representative)),
        1 => (Some(representative), Some(customer)),
        _ => (Some(representative), Some(everyone)),
    };
    event.details.words = Some(words(dice));
}

fn words(dice: &mut Dice) -> Words {
    match dice.below(100) {
        0 => Words::Plain(
            (0..LONG_SENTENCES).map(|_| dice.pick(&SENTENCES)).collect::<Vec<_>>().join(" "),
        ),
        1..=10 => Words::Encoded(dice.pick(&CONTROLS).to_owned()),
        11 => Words::Plain(String::new()),
        _ => Words::Plain(dice.pick(&SENTENCES).to_owned()),
    }
}

fn file(dice: &mut Dice) -> (String, u64) {
    (dice.pick(&PATHS).to_owned(), dice.below(5_000_000_000))
}

fn file_event(dice: &mut Dice, event: &mut Event) {
    let (name, size) = file(dice);
    match event.kind {
        "File Moved" => {
            event.details.values =
                vec![("old_path", name), ("new_path", dice.pick(&PATHS).to_owned())];
        }
        "File Transfer Complete" => {
            event.details.values = vec![("filename", name), ("sha256", dice.hex(64))]
        }
        "Directory Created" => event.details.values = vec![("path", name)],
        // Both forms are seen in the field.
        kind if !kind.ends_with("Failed") && dice.happens(0.3) => {
            event.details.file = Some((name, size))
        }
        kind => {
            event.details.values = vec![("filename", name), ("filesize", size.to_string())];
            if kind.ends_with("Failed") {
                event
                    .details
                    .values
                    .push(("failure_reason", "Zugriff verweigert (0x5)".to_owned()));
            }
        }
    }
}

fn window_values(dice: &mut Dice, kind: &str) -> Vec<(&'static str, String)> {
    let (program, window) = dice.pick(&PROGRAMS);
    let mut values = vec![("exeName", program.to_owned()), ("windowName", window.to_owned())];
    if kind.contains("Mouse") {
        values.extend([("targetName", "OK".to_owned()), ("targetType", "button".to_owned())]);
    }
    values
}

fn credential_values(dice: &mut Dice, kind: &str) -> Vec<(&'static str, String)> {
    let mut values = vec![
        ("attempt_id", dice.between(1, 999).to_string()),
        ("credential_id", dice.between(1, 99).to_string()),
        ("credential_name", "EXAMPLE\\administrator".to_owned()),
    ];
    if kind.ends_with("Failed") {
        values.push(("failure_reason", "The user name or password is incorrect.".to_owned()));
    }
    values
}

fn jump_values(dice: &mut Dice, kind: &str, cast: &Cast) -> Vec<(&'static str, String)> {
    let user = cast.primary();
    let mut values = vec![
        ("request_id", dice.between(1, 9_999).to_string()),
        ("jump_item_name", dice.pick(&HOSTS).to_owned()),
        ("jump_item_type", "Remote Jump".to_owned()),
        ("requesting_user", user.private_name.clone()),
        ("requesting_user_id", user.id.to_string()),
        ("request_reason", dice.pick(&SENTENCES).to_owned()),
    ];
    if kind.ends_with("Utilized") {
        values.extend([
            ("request_start_time", "2026-01-01 08:00".to_owned()),
            ("request_duration", "4 hour(s)".to_owned()),
            ("jump_policy_name", "Büro <hours>".to_owned()),
            ("push_agent_name", dice.pick(&HOSTS).to_owned()),
            ("approval_applies_to", "requesting user only".to_owned()),
            ("approver_name", "Zoë Brontë".to_owned()),
            ("request_approver", "approvers@example.com".to_owned()),
            ("approver_comments", String::new()),
        ]);
    }
    values
}

fn other_values(dice: &mut Dice, kind: &str, cast: &Cast) -> Vec<(&'static str, String)> {
    match kind {
        "Remote Shell Event" => vec![("text", dice.pick(&COMMANDS).to_owned())],
        "Special Action Executed" => vec![("action_name", dice.pick(&ACTIONS).to_owned())],
        "Service Access Allowed" => vec![
            ("granted_to", cast.primary().private_name.clone()),
            ("level", "full".to_owned()),
            ("service", "screen_sharing".to_owned()),
        ],
        "External Key" => vec![("external_key", format!("INC{:07}", dice.below(10_000)))],
        "Legal Agreement Response" | "Session Assignment Response" => {
            vec![("response", "accepted".to_owned())]
        }
        "Customer Exit Survey" | "Representative Exit Survey" => {
            vec![
                ("How satisfied are you?", dice.between(1, 5).to_string()),
                ("Comments", words_of_a_survey(dice)),
            ]
        }
        "Session Assigned" => vec![("assigned_to", dice.pick(&GROUPS).to_owned())],
        "Session Priority Changed" => vec![("priority", dice.between(1, 3).to_string())],
        _ => Vec::new(),
    }
}

fn words_of_a_survey(dice: &mut Dice) -> String {
    dice.pick(&SENTENCES).to_owned()
}
