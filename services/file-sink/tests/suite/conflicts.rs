//! Names that are taken, and whose they are.

use domain::Conflict::{self, AppendNumber, Overwrite, Skip};
use file_sink::Settled;

use crate::stand::{Stand, report};

const WANTED: &str = "support.example.com-support-1234.flv";

#[test]
fn append_number_numbers_the_new_file() {
    let stand = Stand::new(AppendNumber);
    for lsid in ["1", "2", "3"] {
        stand.deliver(&report(lsid, WANTED, 1, lsid));
    }
    assert_eq!(stand.read(WANTED), "1");
    assert_eq!(stand.read("support.example.com-support-1234.1.flv"), "2");
    assert_eq!(stand.read("support.example.com-support-1234.2.flv"), "3");
}

#[test]
fn append_number_takes_the_smallest_number_that_is_free() {
    let stand = Stand::new(AppendNumber);
    for taken in ["a.flv", "a.1.flv", "a.3.flv"] {
        stand.put(taken, "somebody else's");
    }
    let name = |text: &str| text.parse().expect("a path");
    assert_eq!(stand.deliver(&report("1", "a.flv", 1, "x")), Settled::Placed(name("a.2.flv")));
    assert_eq!(stand.deliver(&report("2", "a.flv", 1, "y")), Settled::Placed(name("a.4.flv")));
}

#[test]
fn overwrite_replaces_the_contents() {
    let stand = Stand::new(Overwrite);
    stand.put("a.xml", "somebody else's");
    stand.deliver(&report("1", "a.xml", 1, "one"));
    assert_eq!(stand.read("a.xml"), "one");
    stand.deliver(&report("2", "a.xml", 2, "two"));
    assert_eq!(stand.read("a.xml"), "two");
    assert_eq!(stand.names(), ["a.xml"]);
}

#[test]
fn skip_leaves_the_existing_file_and_makes_none() {
    let stand = Stand::new(Skip);
    stand.put("a.xml", "somebody else's");
    let taken = Settled::Skipped("a.xml".parse().expect("a path"));
    assert_eq!(stand.deliver(&report("1", "a.xml", 1, "one")), taken);
    stand.deliver(&report("2", "b.xml", 2, "two"));
    stand.deliver(&report("3", "b.xml", 3, "three"));
    assert_eq!(stand.read("a.xml"), "somebody else's");
    assert_eq!(stand.read("b.xml"), "two");
    assert_eq!(stand.names(), ["a.xml", "b.xml"]);
}

#[test]
fn a_redelivery_is_never_a_conflict() {
    for rule in Conflict::ALL {
        let stand = Stand::new(rule);
        let item = report("1", "a.xml", 1, "one");
        stand.deliver(&item);
        let there = Settled::AlreadyThere("a.xml".parse().expect("a path"));
        assert_eq!(stand.deliver(&item), there, "{rule}");
        assert_eq!(
            crate::stand::deliver(&stand.again(rule), &item).expect("again"),
            there,
            "{rule}"
        );
        assert_eq!(stand.names(), ["a.xml"], "{rule}");
    }
}

#[test]
fn what_was_skipped_stays_skipped_until_a_person_asks() {
    let stand = Stand::new(Skip);
    stand.put("a.xml", "somebody else's");
    let item = report("1", "a.xml", 1, "one");
    stand.deliver(&item);
    stand.remove("a.xml");
    stand.deliver(&item);
    assert!(stand.names().is_empty());
    stand.deliver(&item.even_if_done());
    assert_eq!(stand.read("a.xml"), "one");
}

#[test]
fn of_two_artifacts_with_one_name_the_later_in_the_log_stays() {
    let stand = Stand::new(Overwrite);
    stand.deliver(&report("late", "a.xml", 9, "nine"));
    let settled = stand.deliver(&report("early", "a.xml", 5, "five"));
    assert_eq!(settled, Settled::Overwritten("a.xml".parse().expect("a path")));
    assert_eq!(stand.read("a.xml"), "nine");
    stand.deliver(&report("early", "a.xml", 12, "twelve"));
    assert_eq!(stand.read("a.xml"), "twelve");
    stand.deliver(&report("late", "a.xml", 9, "nine"));
    assert_eq!(stand.read("a.xml"), "twelve");
}

/// Some share takes each pair for one, and a second file would replace the first.
#[test]
fn names_that_some_share_takes_for_one_are_one_under_each_rule() {
    for (one, other) in [
        ("Name.XML", "name.xml"),
        ("caf\u{e9}.xml", "cafe\u{301}.xml"),
        ("STRASSE.xml", "stra\u{df}e.xml"),
        ("a.xml", "a\u{200d}.xml"),
    ] {
        let number = other.parse::<domain::RelativePath>().expect("a path").numbered(1);
        for (rule, left) in [
            (AppendNumber, vec![(one, "one"), (number.as_str(), "two")]),
            (Overwrite, vec![(one, "two")]),
            (Skip, vec![(one, "one")]),
        ] {
            let stand = Stand::new(rule);
            stand.deliver(&report("1", one, 1, "one"));
            stand.deliver(&report("2", other, 2, "two"));
            let left = left.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned()));
            assert_eq!(stand.files(), left.collect(), "{rule} {one:?} {other:?}");
        }
    }
}

#[test]
fn a_file_that_is_the_same_is_adopted_whatever_the_rule() {
    for rule in Conflict::ALL {
        let stand = Stand::new(rule);
        stand.put("a.xml", "the same");
        let settled = stand.deliver(&report("1", "a.xml", 1, "the same"));
        assert_eq!(settled, Settled::Adopted("a.xml".parse().expect("a path")), "{rule}");
        assert_eq!(stand.names(), ["a.xml"], "{rule}");
    }
}

#[test]
fn an_adopted_file_is_one_artifacts_only() {
    let stand = Stand::new(AppendNumber);
    stand.put("a.xml", "other");
    stand.put("a.1.xml", "the same");
    stand.deliver(&report("1", "a.xml", 1, "the same"));
    stand.deliver(&report("2", "a.xml", 2, "the same"));
    assert_eq!(stand.names(), ["a.1.xml", "a.2.xml", "a.xml"]);
}

#[test]
fn a_number_that_a_failed_delivery_reserved_is_free_again() {
    let stand = Stand::new(AppendNumber);
    let (first, failed, next) =
        (report("1", "a.xml", 1, "1"), report("2", "a.xml", 2, "2"), report("3", "a.xml", 3, "3"));
    stand.deliver(&first);
    stand.directory.begin(&failed.wanted).expect("it is reserved");
    stand.directory.release(&failed.wanted.artifact).expect("it is released");
    stand.deliver(&next);
    assert_eq!(stand.names(), ["a.1.xml", "a.xml"]);
    stand.deliver(&failed);
    assert_eq!(stand.read("a.2.xml"), "2");
}

#[test]
fn a_release_takes_nothing_from_what_is_placed() {
    let stand = Stand::new(AppendNumber);
    let item = report("1", "a.xml", 1, "1");
    stand.deliver(&item);
    stand.directory.release(&item.wanted.artifact).expect("there is nothing to release");
    assert!(matches!(stand.deliver(&item), Settled::AlreadyThere(_)));
}

#[test]
fn a_directory_in_the_way_is_a_name_that_is_taken() {
    let stand = Stand::new(AppendNumber);
    if stand.is_bucket() {
        return; // In a bucket nothing is in the way of another name.
    }
    stand.put("a.xml/inside", "");
    let placed = stand.deliver(&report("1", "a.xml", 1, "1"));
    assert_eq!(placed, Settled::Placed("a.1.xml".parse().expect("a path")));
}
