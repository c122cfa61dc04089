//! How many backups are kept.

use domain::{Conflict, Retention};
use file_sink::{Rules, Settled};

use crate::stand::{Delivered, Stand, backup, deliver};

fn rules(prior: u32) -> Rules {
    Rules { conflict: Conflict::AppendNumber, retention: Retention::Prior(prior) }
}

fn deliver_all(stand: &Stand, items: &[Delivered]) {
    for item in items {
        stand.deliver(item);
        stand.directory.retire(item.wanted.artifact.site()).expect("old ones can be retired");
    }
}

#[test]
fn the_newest_and_so_many_prior_backups_are_kept() {
    let stand = Stand::with(rules(2));
    deliver_all(&stand, &(1..=5).map(|day| backup(day, "b")).collect::<Vec<_>>());
    assert_eq!(stand.names(), ["backup-03.nsb", "backup-04.nsb", "backup-05.nsb"]);
}

#[test]
fn without_a_number_all_backups_are_kept() {
    let stand = Stand::new(Conflict::AppendNumber);
    deliver_all(&stand, &(1..=5).map(|day| backup(day, "b")).collect::<Vec<_>>());
    assert_eq!(stand.names().len(), 5);
}

#[test]
fn a_late_backup_that_is_older_than_what_is_kept_is_not_written() {
    let stand = Stand::with(rules(1));
    deliver_all(&stand, &[backup(4, "b"), backup(5, "b")]);
    assert_eq!(stand.deliver(&backup(3, "b")), Settled::Retired);
    assert_eq!(stand.names(), ["backup-04.nsb", "backup-05.nsb"]);
}

#[test]
fn a_late_backup_pushes_out_the_oldest_by_its_slot() {
    let stand = Stand::with(rules(1));
    deliver_all(&stand, &[backup(1, "b"), backup(5, "b"), backup(3, "b")]);
    assert_eq!(stand.names(), ["backup-03.nsb", "backup-05.nsb"]);
}

#[test]
fn a_retired_backup_that_is_redelivered_stays_retired() {
    let stand = Stand::with(rules(0));
    deliver_all(&stand, &[backup(1, "b"), backup(2, "b")]);
    assert_eq!(stand.deliver(&backup(1, "b")), Settled::Retired);
    assert_eq!(stand.names(), ["backup-02.nsb"]);
}

#[test]
fn only_files_that_we_wrote_are_ever_deleted() {
    let stand = Stand::with(rules(0));
    stand.put("backup-01.nsb", "adopted");
    stand.put("vendor.nsb", "somebody else's");
    deliver_all(&stand, &[backup(1, "adopted"), backup(2, "changed later")]);
    stand.put("backup-02.nsb", "by a person");
    deliver_all(&stand, &[backup(3, "ours"), backup(4, "ours")]);
    let names = ["backup-01.nsb", "backup-02.nsb", "backup-04.nsb", "vendor.nsb"];
    assert_eq!(stand.names(), names);
}

#[test]
fn a_shrunk_number_deletes_the_surplus_after_the_next_success() {
    let stand = Stand::with(rules(3));
    deliver_all(&stand, &(1..=4).map(|day| backup(day, "b")).collect::<Vec<_>>());
    let shrunk = stand.open(rules(1));
    let item = backup(5, "b");
    deliver(&shrunk, &item).expect("it can be delivered");
    assert_eq!(shrunk.retire(item.wanted.artifact.site()).expect("retired").len(), 3);
    assert_eq!(stand.names(), ["backup-04.nsb", "backup-05.nsb"]);
}
