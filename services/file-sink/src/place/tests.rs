use domain::{ArtifactId, Digest, Family};

use super::*;
use crate::entry::VERSION;

fn at(position: u64) -> Revision {
    Revision { epoch: 1, position }
}

fn stamp(position: u64, content: &str) -> Stamp {
    let digest = Digest::of(content.as_bytes());
    Stamp {
        revision: at(position),
        digest,
        content: digest,
        size: content.len() as u64,
        staged_at: None,
    }
}

fn entry(state: State) -> Entry {
    let site = "a.example".parse().expect("a host");
    let artifact = ArtifactId::report(site, Family::Session, "1".parse().expect("an LSID"));
    Entry { version: VERSION, artifact, stamp: stamp(5, "old"), state }
}

fn name() -> domain::RelativePath {
    "a.xml".parse().expect("a path")
}

#[test]
fn a_redelivered_file_does_not_grow_a_number() {
    let placed = entry(State::Placed { name: name() });
    assert_eq!(course(Some(&placed), true, &stamp(5, "old"), false), Course::Settled);
    assert_eq!(place(Conflict::AppendNumber, Occupant::Ours, at(5)), Placement::Take);
    assert_eq!(
        place(Conflict::AppendNumber, Occupant::OursInPlace, at(5)),
        Placement::AlreadyThere
    );
}

#[test]
fn revisions_of_an_artifact_that_has_its_file() {
    for state in [State::Placed { name: name() }, State::Adopted { name: name() }] {
        let entry = entry(state);
        for (what, position, content, even_if_done, course_wanted) in [
            ("an older one changes nothing", 4, "older", false, Course::Settled),
            ("an older one changes nothing, whoever asks", 4, "older", true, Course::Settled),
            ("the same one changes nothing", 5, "old", false, Course::Settled),
            ("the same one is written again for a person", 5, "old", true, Course::Rewrite),
            ("equal content raises the revision only", 6, "old", false, Course::Raise),
            ("equal content is written again for a person", 6, "old", true, Course::Rewrite),
            ("a newer one replaces its file", 6, "new", false, Course::Rewrite),
        ] {
            let incoming = stamp(position, content);
            let course = course(Some(&entry), true, &incoming, even_if_done);
            assert_eq!(course, course_wanted, "{what}");
        }
    }
}

#[test]
fn an_artifact_without_a_file_looks_again_only_for_a_newer_revision_or_a_person() {
    for state in
        [State::Skipped { taken: name() }, State::Overwritten { name: name() }, State::Retired]
    {
        let entry = entry(state);
        assert_eq!(course(Some(&entry), false, &stamp(5, "old"), false), Course::Settled);
        assert_eq!(course(Some(&entry), false, &stamp(5, "old"), true), Course::Choose);
        assert_eq!(course(Some(&entry), false, &stamp(6, "new"), false), Course::Choose);
    }
}

#[test]
fn a_file_that_a_person_moved_away_is_written_again_only_for_a_person() {
    let moved = entry(State::MovedAway { name: name() });
    assert_eq!(course(Some(&moved), true, &stamp(6, "new"), false), Course::Raise);
    assert_eq!(course(Some(&moved), true, &stamp(5, "old"), true), Course::Rewrite);
}

#[test]
fn a_reservation_of_any_revision_settles_nothing() {
    let reserved = entry(State::Reserved { name: name() });
    assert_eq!(course(Some(&reserved), true, &stamp(4, "older"), false), Course::Choose);
}

#[test]
fn a_conflict_is_handled_as_the_rule_says() {
    use Conflict::{AppendNumber, Overwrite, Skip};
    let other = |position, placed| Occupant::OtherArtifact { revision: at(position), placed };
    let different = Occupant::Foreign { same: false };
    for (rule, occupant, placement) in [
        (AppendNumber, different, Placement::Next),
        (AppendNumber, other(4, true), Placement::Next),
        (AppendNumber, other(4, false), Placement::Next),
        (Overwrite, different, Placement::Overwrite),
        (Overwrite, other(4, true), Placement::Overwrite),
        (Overwrite, other(6, true), Placement::GiveWay),
        (Overwrite, other(6, false), Placement::TakeReserved),
        (Skip, different, Placement::Skip),
        (Skip, other(4, true), Placement::Skip),
        (Skip, other(4, false), Placement::TakeReserved),
    ] {
        assert_eq!(place(rule, occupant, at(5)), placement, "{rule} {occupant:?}");
    }
    for rule in Conflict::ALL {
        assert_eq!(place(rule, Occupant::Nobody, at(5)), Placement::Take);
        assert_eq!(place(rule, Occupant::Foreign { same: true }, at(5)), Placement::Adopt);
    }
}
