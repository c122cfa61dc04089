//! Newer, older and equal revisions of one artifact.

use domain::{Conflict, Digest};
use file_sink::{Begun, Settled};

use crate::stand::{Stand, deliver, report, write};

#[test]
fn a_newer_revision_replaces_its_file_in_place_whatever_the_rule() {
    for rule in Conflict::ALL {
        let stand = Stand::new(rule);
        stand.deliver(&report("1", "a.xml", 1, "old"));
        let settled = stand.deliver(&report("1", "another-name.xml", 2, "new"));
        assert_eq!(settled, Settled::Placed("a.xml".parse().expect("a path")), "{rule}");
        assert_eq!(stand.files(), [("a.xml".to_owned(), "new".to_owned())].into(), "{rule}");
    }
}

#[test]
fn an_older_revision_changes_nothing() {
    let stand = Stand::new(Conflict::AppendNumber);
    stand.deliver(&report("1", "a.xml", 2, "new"));
    stand.deliver(&report("1", "a.xml", 1, "old"));
    stand.deliver(&report("1", "a.xml", 1, "old").even_if_done());
    assert_eq!(stand.files(), [("a.xml".to_owned(), "new".to_owned())].into());
}

#[test]
fn equal_content_raises_the_revision_so_that_a_late_older_one_restores_nothing() {
    let stand = Stand::new(Conflict::AppendNumber);
    stand.deliver(&report("1", "a.xml", 1, "same"));
    let mut newer = report("1", "a.xml", 3, "same, with another token");
    newer.wanted.stamp.content = Digest::of(b"same");
    assert!(matches!(stand.deliver(&newer), Settled::AlreadyThere(_)));
    assert_eq!(stand.read("a.xml"), "same", "equal content is not written again");
    stand.deliver(&report("1", "a.xml", 2, "something else, and late"));
    assert_eq!(stand.read("a.xml"), "same");
}

#[test]
fn a_late_writer_leaves_the_newest_in_place() {
    let stand = Stand::new(Conflict::AppendNumber);
    let (old, new) = (report("1", "a.xml", 1, "old"), report("1", "a.xml", 2, "new"));
    let begun = stand.directory.begin(&old.wanted).expect("begun");
    assert!(matches!(begun, Begun::Write(_)));
    let late = write(&stand.directory, &old, &old.wanted.name);
    deliver(&stand.again(Conflict::AppendNumber), &new).expect("the newer one is quicker");
    let settled = stand.directory.finish(&old.wanted, &late).expect("the older one is late");
    assert!(matches!(settled, Settled::AlreadyThere(_)));
    drop(late);
    assert_eq!(stand.files(), [("a.xml".to_owned(), "new".to_owned())].into());
    assert_eq!(stand.left_overs(), 0);
}

#[test]
fn a_file_that_a_person_moved_away_is_not_written_again() {
    let stand = Stand::new(Conflict::AppendNumber);
    let item = report("1", "a.xml", 1, "one");
    stand.deliver(&item);
    stand.remove("a.xml");
    stand.deliver(&item);
    assert!(stand.names().is_empty(), "not by a redelivery");
    let newer = report("1", "a.xml", 2, "two");
    assert!(matches!(stand.deliver(&newer), Settled::MovedAway(_)));
    assert!(stand.names().is_empty(), "not by a newer revision");
    stand.deliver(&newer.even_if_done());
    assert_eq!(stand.read("a.xml"), "two", "but when a person asks for it");
}

#[test]
fn a_person_gets_a_file_written_once_more() {
    let stand = Stand::new(Conflict::AppendNumber);
    let item = report("1", "a.xml", 1, "one");
    stand.deliver(&item);
    stand.put("a.xml", "damaged");
    stand.deliver(&item);
    assert_eq!(stand.read("a.xml"), "damaged");
    stand.deliver(&item.even_if_done());
    assert_eq!(stand.files(), [("a.xml".to_owned(), "one".to_owned())].into());
}
