//! Several workers in one directory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use domain::{Conflict, DestinationId, RelativePath};
use file_sink::{Begun, DeliveryError, DirectoryError, Settled};

use crate::stand::{Delivered, Ground, Stand, deliver, report, rules, write};

/// Each of these is delivered by every worker, each worker beginning elsewhere: duplicated and reordered.
fn race(stand: &Stand, rule: Conflict, items: &[Delivered], workers: usize) {
    thread::scope(|scope| {
        for worker in 0..workers {
            scope.spawn(move || {
                let directory = stand.again(rule);
                let start = worker * items.len() / workers;
                for item in items[start..].iter().chain(&items[..start]) {
                    deliver(&directory, item).expect("it can be delivered");
                }
            });
        }
    });
}

/// Many files of one name; fewer where each costs many requests.
fn crowd(stand: &Stand, name: &str) -> Vec<Delivered> {
    let item = |at: u64| report(&format!("lsid-{at}"), name, at, &format!("content {at}"));
    (1..=if stand.is_bucket() { 6 } else { 50 }).map(item).collect()
}

#[test]
fn many_files_of_one_name_get_numbers_without_gaps() {
    let stand = Stand::new(Conflict::AppendNumber);
    let items = crowd(&stand, "a.xml");
    race(&stand, Conflict::AppendNumber, &items, 4);
    let wanted: RelativePath = "a.xml".parse().expect("a path");
    let mut names: BTreeSet<String> =
        (1..).take(items.len() - 1).map(|n| wanted.numbered(n).to_string()).collect();
    names.insert(wanted.to_string());
    let files = stand.files();
    assert_eq!(files.keys().cloned().collect::<BTreeSet<_>>(), names);
    let contents: BTreeSet<String> = files.into_values().collect();
    let all: BTreeSet<String> = items.into_iter().map(|item| item.content).collect();
    assert_eq!(contents, all);
}

#[test]
fn of_many_files_of_one_name_the_last_in_the_log_stays_under_overwrite() {
    let stand = Stand::new(Conflict::Overwrite);
    let mut items = crowd(&stand, "a.xml");
    race(&stand, Conflict::Overwrite, &items, 4);
    let last = items.pop().expect("there are some").content;
    assert_eq!(stand.files(), [("a.xml".to_owned(), last)].into());
}

#[test]
fn of_many_files_of_one_name_one_stays_under_skip() {
    let stand = Stand::new(Conflict::Skip);
    race(&stand, Conflict::Skip, &crowd(&stand, "a.xml"), 4);
    assert_eq!(stand.names(), ["a.xml"]);
}

#[test]
fn revisions_that_race_leave_the_newest_in_the_one_file() {
    let stand = Stand::new(Conflict::AppendNumber);
    let revision = |lsid: usize, at: u64| {
        report(&format!("lsid-{lsid}"), &format!("{lsid}/a.xml"), at, &format!("revision {at}"))
    };
    let newest = if stand.is_bucket() { 2 } else { 8 };
    let items: Vec<Delivered> =
        (1..=newest).flat_map(|at| (0..4).map(move |lsid| revision(lsid, at))).collect();
    race(&stand, Conflict::AppendNumber, &items, 4);
    let left: BTreeMap<_, _> =
        (0..4).map(|lsid| (format!("{lsid}/a.xml"), format!("revision {newest}"))).collect();
    assert_eq!(stand.files(), left);
    assert_eq!(stand.left_overs(), 0);
}

#[test]
fn one_file_that_all_deliver_is_written_once() {
    let stand = Stand::new(Conflict::AppendNumber);
    let item = report("1", "a.xml", 1, "one");
    let placed = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                if matches!(stand.deliver(&item), Settled::Placed(_)) {
                    placed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(placed.into_inner(), 1);
    assert_eq!(stand.names(), ["a.xml"]);
}

#[test]
fn a_name_that_somebody_takes_while_a_large_file_is_on_its_way_costs_neither_file() {
    let stand = Stand::new(Conflict::AppendNumber);
    // More than one request of a bucket takes.
    let content = "large ".repeat(1_600_000);
    let item = report("1", "a.xml", 1, &content);
    assert!(matches!(stand.directory.begin(&item.wanted), Ok(Begun::Write(_))));
    let written = write(&stand.directory, &item, &item.wanted.name);
    stand.put("a.xml", "somebody else's");
    // Its parts were promised one name: it is sent once more, under another.
    match stand.directory.finish(&item.wanted, &written) {
        Err(DeliveryError::Crowded { .. }) if stand.is_bucket() => {}
        Ok(Settled::Placed(_)) if !stand.is_bucket() => {}
        other => panic!("{other:?}"),
    }
    drop(written);
    stand.deliver(&item);
    let files = stand.files();
    assert!(files["a.1.xml"] == content, "{} bytes", files["a.1.xml"].len());
    assert_eq!(files["a.xml"], "somebody else's");
    assert_eq!(files.len(), 2);
}

#[test]
fn two_that_open_a_new_directory_at_once_agree_on_its_identity() {
    let ground = Ground::of_tests();
    let identity = || ground.open(rules(Conflict::Skip)).identity().clone();
    let identities: BTreeSet<_> = thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(identity)).collect();
        all.into_iter().map(|one| one.join().expect("it opens")).collect()
    });
    assert_eq!(identities.len(), 1);
}

#[test]
fn of_those_who_give_a_destination_another_identity_at_once_one_does() {
    let ground = Ground::of_tests();
    let directories: Vec<_> = (0..4).map(|_| ground.open(rules(Conflict::Skip))).collect();
    let renew = |(at, directory): (usize, &file_sink::Directory)| {
        let new = DestinationId::from_random([at as u8; 16]);
        directory.renew(&new).expect("it can be written")
    };
    let renewed = thread::scope(|scope| {
        let all: Vec<_> =
            directories.iter().enumerate().map(|one| scope.spawn(move || renew(one))).collect();
        all.into_iter().map(|one| one.join().expect("it ends")).collect::<Vec<_>>()
    });
    assert_eq!(renewed.iter().filter(|renewed| **renewed).count(), 1);
    for directory in &directories {
        assert!(matches!(directory.stands(), Err(DirectoryError::Another { .. })));
    }
}
