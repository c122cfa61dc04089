//! Workers that stop anywhere, and what the next one makes of it.

use std::fs;
use std::process::Command;

use bytes::Bytes;
use domain::Conflict::{self, AppendNumber};
use file_sink::{Begun, Directory, DirectoryError, NoClobber, Settled, WithoutIdentity};

mod stand;
use stand::{Stand, deliver, open, report, rules, write};

/// Stops after each step in turn, and does it all again, as a redelivery does.
#[test]
fn stopped_between_any_two_steps_it_ends_the_same() {
    for rule in Conflict::ALL {
        for steps in 0..=3 {
            let stand = Stand::new(rule);
            let item = report("1", "a.xml", 1, "one");
            {
                let worker = stand.again(rule);
                if steps >= 1 {
                    let begun = worker.begin(&item.wanted).expect("begun");
                    assert!(matches!(begun, Begun::Write(_)));
                }
                if steps >= 2 {
                    let written = write(&worker, &item, &item.wanted.name);
                    if steps >= 3 {
                        worker.finish(&item.wanted, &written).expect("finished");
                    }
                }
            }
            deliver(&stand.again(rule), &item).expect("delivered");
            let after = (stand.files(), stand.left_overs());
            assert_eq!(
                after,
                ([("a.xml".to_owned(), "one".to_owned())].into(), 0),
                "{rule} {steps}"
            );
        }
    }
}

/// The rename was made, and nothing after it: the ledger still says that a name is reserved.
#[test]
fn stopped_right_after_the_rename_the_file_is_recognised() {
    for rule in Conflict::ALL {
        let stand = Stand::new(rule);
        let item = report("1", "a.xml", 1, "one");
        stand.directory.begin(&item.wanted).expect("begun");
        stand.put("a.xml", "one");
        assert!(matches!(stand.deliver(&item), Settled::AlreadyThere(_)), "{rule}");
        assert_eq!(stand.names(), ["a.xml"], "{rule}");
    }
}

#[test]
fn stopped_right_after_the_rename_a_newer_revision_replaces_the_file() {
    let stand = Stand::new(AppendNumber);
    stand.directory.begin(&report("1", "a.xml", 1, "old").wanted).expect("begun");
    stand.put("a.xml", "old");
    stand.deliver(&report("1", "a.xml", 2, "new"));
    assert_eq!(stand.files(), [("a.xml".to_owned(), "new".to_owned())].into());
}

#[test]
fn a_reserved_name_that_somebody_else_took_is_given_up() {
    let stand = Stand::new(AppendNumber);
    let item = report("1", "a.xml", 1, "one");
    stand.directory.begin(&item.wanted).expect("begun");
    let written = write(&stand.directory, &item, &item.wanted.name);
    stand.put("a.xml", "somebody else's");
    let settled = stand.directory.finish(&item.wanted, &written).expect("finished");
    assert_eq!(settled, Settled::Placed("a.1.xml".parse().expect("a path")));
    assert_eq!(stand.read("a.xml"), "somebody else's");
}

#[test]
fn what_was_half_written_is_never_seen_and_is_cleaned_up() {
    let stand = Stand::new(AppendNumber);
    let item = report("1", "a.xml", 1, "whole");
    let mut half = stand.directory.temporary(&item.wanted, &item.wanted.name).expect("begun");
    half.append(&[Bytes::from_static(b"wh")]).expect("written");
    assert!(stand.names().is_empty());
    half.complete(&item.wanted.stamp).expect_err("it is not what was promised");
    assert_eq!(stand.left_overs(), 0);
}

/// Runs itself as another process that is killed while it writes.
#[test]
fn the_left_overs_of_a_killed_process_are_removed_by_the_next() {
    if let Some(root) = std::env::var_os("KILLED_IN") {
        let directory = open(root.as_ref(), rules(AppendNumber));
        let item = report("1", "a.xml", 1, "whole");
        let mut half = directory.temporary(&item.wanted, &item.wanted.name).expect("begun");
        half.append(&[Bytes::from_static(b"half")]).expect("written");
        directory.mark("route", 7, None).expect("marked");
        std::process::abort();
    }
    let stand = Stand::new(AppendNumber);
    let item = report("2", "b.xml", 1, "whole");
    let mine = stand.directory.temporary(&item.wanted, &item.wanted.name).expect("begun");
    let status = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "the_left_overs_of_a_killed_process_are_removed_by_the_next"])
        .env("KILLED_IN", stand.folder())
        .output()
        .expect("this program runs")
        .status;
    assert!(!status.success());
    assert_eq!(stand.left_overs(), 2);
    let next = stand.again(AppendNumber);
    assert_eq!(stand.left_overs(), 1, "what is being written by the living stays");
    assert_eq!(next.marks().expect("marks"), [("route".to_owned(), 7)].into());
    drop(mine);
}

#[test]
fn marks_only_rise_and_all_workers_count() {
    let stand = Stand::new(AppendNumber);
    let other = stand.again(AppendNumber);
    stand.directory.mark("a", 5, None).expect("marked");
    stand.directory.mark("a", 3, None).expect("marked");
    other.mark("a", 4, None).expect("marked");
    other.mark("b", 1, None).expect("marked");
    let marks = [("a".to_owned(), 5), ("b".to_owned(), 1)].into();
    assert_eq!(stand.directory.marks().expect("marks"), marks);
}

#[test]
fn marks_that_were_put_back_under_a_worker_are_not_raised_before_they_were_looked_at() {
    let stand = Stand::new(AppendNumber);
    let marks = stand.folder().join(".sluice/marks");
    let file = fs::read_dir(&marks).expect("a folder").next().expect("one").expect("it").path();
    stand.directory.mark("a", 5, None).expect("marked");
    let backup = fs::read(&file).expect("marks");
    stand.directory.mark("a", 7, None).expect("marked");
    fs::write(&file, backup).expect("they are put back");
    for _ in 0..2 {
        stand.directory.mark("a", 8, None).expect_err("somebody has to look first");
    }
    assert_eq!(stand.directory.marks().expect("marks"), [("a".to_owned(), 5)].into());
    stand.directory.accept_marks().expect("they can be read");
    stand.directory.mark("a", 8, None).expect("marked");
    assert_eq!(stand.directory.marks().expect("marks"), [("a".to_owned(), 8)].into());
}

#[test]
fn an_entry_that_a_loss_of_power_emptied_is_no_entry() {
    let stand = Stand::new(AppendNumber);
    let item = report("1", "a.xml", 1, "one");
    stand.directory.begin(&item.wanted).expect("begun");
    for folder in ["entries", "names"] {
        for shard in fs::read_dir(stand.folder().join(".sluice").join(folder)).expect(folder) {
            for entry in fs::read_dir(shard.expect("a shard").path()).expect("a shard") {
                fs::write(entry.expect("an entry").path(), "").expect("it can be emptied");
            }
        }
    }
    stand.deliver(&item);
    assert_eq!(stand.names(), ["a.xml"]);
}

/// Every record in a folder of the ledger.
fn records(stand: &Stand, folder: &str) -> Vec<std::path::PathBuf> {
    let shards = fs::read_dir(stand.folder().join(".sluice").join(folder)).expect(folder);
    let shards = shards.map(|shard| shard.expect("a shard").path());
    let records = shards.flat_map(|shard| fs::read_dir(shard).expect("a shard"));
    records.map(|record| record.expect("a record").path()).collect()
}

#[test]
fn a_line_that_a_loss_of_power_cut_short_was_never_said() {
    for tail in ["{\"version\":1,\"art", "\0\0\0\0"] {
        let stand = Stand::new(AppendNumber);
        let item = report("1", "a.xml", 1, "one");
        stand.directory.begin(&item.wanted).expect("begun");
        let record = records(&stand, "entries").pop().expect("an entry");
        let said = fs::read_to_string(&record).expect("text");
        fs::write(&record, said + tail).expect("it can be written");
        stand.deliver(&item);
        let later = report("1", "a.xml", 2, "two");
        stand.deliver(&later);
        assert_eq!(stand.names(), ["a.xml"]);
        assert_eq!(stand.read("a.xml"), "two");
    }
}

#[test]
fn a_file_whose_claim_a_loss_of_power_took_keeps_its_name() {
    let stand = Stand::new(AppendNumber);
    stand.deliver(&report("1", "a.xml", 1, "one"));
    for claim in records(&stand, "names") {
        fs::remove_file(claim).expect("it can be removed");
    }
    stand.deliver(&report("1", "a.xml", 2, "two"));
    stand.deliver(&report("2", "a.xml", 3, "three"));
    assert_eq!(stand.names(), ["a.1.xml", "a.xml"]);
    assert_eq!(stand.read("a.xml"), "two");
}

#[test]
fn a_share_that_is_not_mounted_is_down_and_stays_empty() {
    let stand = Stand::new(AppendNumber);
    let mounted = stand.folder().join(".sluice");
    let away = tempfile::tempdir_in(stand.folder().parent().expect("a parent")).expect("a folder");
    fs::rename(&mounted, away.path().join("ledger")).expect("it can be moved");
    let item = report("1", "a/b.xml", 1, "one");
    assert!(deliver(&stand.directory, &item).is_err());
    assert!(matches!(stand.directory.probe(), Err(DirectoryError::Unknown { .. })));
    let opened = Directory::open(stand.folder(), rules(AppendNumber), WithoutIdentity::Down);
    assert!(matches!(opened, Err(DirectoryError::Unknown { .. })));
    assert_eq!(fs::read_dir(stand.folder()).expect("listed").count(), 0);
    fs::rename(away.path().join("ledger"), &mounted).expect("it can be moved back");
    stand.directory.probe().expect("it is back");
    stand.deliver(&item);
    assert_eq!(stand.names(), ["a/b.xml"]);
}

#[test]
fn a_share_that_vanishes_while_a_file_is_written_is_not_filled() {
    let stand = Stand::new(AppendNumber);
    let item = report("1", "a/b.xml", 1, "one");
    stand.directory.begin(&item.wanted).expect("begun");
    let written = write(&stand.directory, &item, &item.wanted.name);
    let away = tempfile::tempdir_in(stand.folder().parent().expect("a parent")).expect("a folder");
    fs::rename(stand.folder().join(".sluice"), away.path().join("ledger")).expect("moved");
    assert!(stand.directory.finish(&item.wanted, &written).is_err());
    assert_eq!(fs::read_dir(stand.folder()).expect("listed").count(), 0);
}

#[test]
fn a_directory_keeps_its_identity_and_two_have_two() {
    let (one, two) = (Stand::new(AppendNumber), Stand::new(AppendNumber));
    assert_eq!(one.again(AppendNumber).identity(), one.directory.identity());
    assert_ne!(one.directory.identity(), two.directory.identity());
}

#[test]
fn a_directory_that_does_not_exist_is_not_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing");
    let opened = Directory::open(&missing, rules(AppendNumber), WithoutIdentity::New);
    assert!(matches!(opened, Err(DirectoryError::Missing { .. })));
    assert!(!missing.exists());
}

#[test]
fn a_check_says_what_is_wrong_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(Directory::check(folder.path()).expect("it can be used"), NoClobber::Rename);
    assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 0);
    let missing = Directory::check(&folder.path().join("missing"));
    assert!(matches!(missing, Err(DirectoryError::Missing { .. })));
    let stand = Stand::new(AppendNumber);
    Directory::check(stand.folder()).expect("it can be used");
    assert_eq!(stand.left_overs(), 0);
}
