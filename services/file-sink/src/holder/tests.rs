use chrono::DateTime;
use domain::DestinationId;

use super::*;

fn known(id: u8, label: &str, minute: i64) -> KnownDestination {
    KnownDestination {
        id: DestinationId::from_random([id; 16]),
        label: label.to_owned(),
        place: format!("{label}'s"),
        seen_at: DateTime::from_timestamp(minute * 60, 0).expect("an instant"),
    }
}

#[test]
fn an_identity_stays_with_its_holder_until_that_was_seen_with_another() {
    let holder = known(1, "one", 5);
    for (others, holds) in [
        (vec![], true),
        (vec![known(2, "two", 9)], true),
        (vec![known(1, "one", 9)], true),
        // It had another before, and is not known by this one yet.
        (vec![known(2, "one", 1)], true),
        (vec![known(2, "one", 9)], false),
        (vec![known(1, "one", 7), known(2, "one", 9)], false),
    ] {
        assert_eq!(still_has(&others, &holder), holds, "{others:?}");
    }
}
