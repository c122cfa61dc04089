use std::sync::Arc;

use super::*;
use crate::columns::SessionRows;

const ROUTE: &str = "deliver";

fn revision(position: u64) -> Revision {
    Revision { epoch: 7, position }
}

fn incoming(lsid: &str, position: u64, content: &str) -> Incoming {
    let rows = SessionRows {
        session: Vec::new(),
        representatives: Vec::new(),
        customers: Vec::new(),
        teams: Vec::new(),
        custom_attributes: Vec::new(),
        events: Vec::new(),
    };
    Incoming {
        site: "a.example".parse().expect("a host"),
        lsid: lsid.parse().expect("an LSID"),
        revision: revision(position),
        content: Digest::of(content.as_bytes()),
        even_if_done: false,
        rows: Arc::new(rows),
        route: ROUTE.into(),
        position,
    }
}

fn asked_by_a_person(incoming: Incoming) -> Incoming {
    Incoming { even_if_done: true, ..incoming }
}

/// A ledger that holds session `s` as position 5, with content "old".
fn ledger() -> HashMap<Key, LedgerRow> {
    let key = ("a.example".parse().expect("a host"), "s".parse().expect("an LSID"));
    let row = LedgerRow { revision: revision(5), content: Digest::of(b"old"), session_id: 42 };
    HashMap::from([(key, row)])
}

fn planned(batch: &[Incoming]) -> (Vec<Written>, Vec<(usize, Content)>) {
    let plan = Plan::of(batch, &ledger());
    let changes = plan.changes.iter().map(|change| (change.incoming, change.content)).collect();
    (plan.outcomes, changes)
}

const REPLACE: Content = Content::Replace { session_id: 42 };

#[test]
fn one_message_is_decided_by_revision_then_content_then_who_asks() {
    let cases = [
        ("unknown", incoming("new", 1, "x"), Written::Inserted, Some(Content::Insert)),
        ("newer, other content", incoming("s", 6, "new"), Written::Replaced, Some(REPLACE)),
        ("newer, equal content", incoming("s", 6, "old"), Written::Unchanged, Some(Content::Keep)),
        ("the same again", incoming("s", 5, "old"), Written::Unchanged, None),
        ("older", incoming("s", 4, "new"), Written::Older, None),
        ("same revision, other content", incoming("s", 5, "new"), Written::Older, None),
        (
            "a person asks for what is there",
            asked_by_a_person(incoming("s", 5, "old")),
            Written::Replaced,
            Some(REPLACE),
        ),
        (
            "a person asks, but newer is there",
            asked_by_a_person(incoming("s", 4, "new")),
            Written::Older,
            None,
        ),
    ];
    for (case, incoming, written, content) in cases {
        let (outcomes, changes) = planned(&[incoming]);
        assert_eq!(outcomes, [written], "{case}");
        assert_eq!(
            changes,
            content.map(|content| (0, content)).into_iter().collect::<Vec<_>>(),
            "{case}"
        );
    }
}

#[test]
fn several_messages_of_one_session_end_as_if_each_had_come_alone() {
    let (outcomes, changes) = planned(&[
        incoming("n", 1, "a"),
        incoming("n", 3, "b"),
        incoming("n", 2, "c"),
        incoming("n", 3, "b"),
    ]);
    assert_eq!(
        outcomes,
        [Written::Inserted, Written::Replaced, Written::Older, Written::Unchanged]
    );
    assert_eq!(changes, [(3, Content::Insert)], "written once, and as what came last");
}

#[test]
fn a_raised_revision_keeps_an_older_content_out() {
    let (outcomes, changes) = planned(&[incoming("s", 8, "old"), incoming("s", 7, "between")]);
    assert_eq!(outcomes, [Written::Unchanged, Written::Older]);
    assert_eq!(changes, [(0, Content::Keep)]);
}

#[test]
fn one_lsid_of_two_sites_is_two_sessions() {
    let elsewhere =
        Incoming { site: "b.example".parse().expect("a host"), ..incoming("s", 1, "x") };
    let (outcomes, _) = planned(&[elsewhere]);
    assert_eq!(outcomes, [Written::Inserted]);
}

#[test]
fn the_mark_is_the_highest_position_whatever_became_of_the_message() {
    let plan = Plan::of(&[incoming("s", 4, "x"), incoming("s", 2, "x")], &ledger());
    assert_eq!(plan.marks, BTreeMap::from([(ROUTE.to_owned(), 4)]));
}
