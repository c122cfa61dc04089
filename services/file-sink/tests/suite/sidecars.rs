//! The small files that an auditor's tools check the others by.

use domain::{Conflict, Digest, Retention};
use file_sink::{Directory, Rules};

use crate::stand::{Delivered, Stand, backup, deliver, report, rules};

fn attested(stand: &Stand, rules: Rules, items: &[Delivered]) -> Directory {
    let directory = stand.open(rules).with_sidecars(true);
    for item in items {
        deliver(&directory, item).expect("it can be delivered");
        directory.attest(&item.wanted.artifact).expect("it can be attested");
        directory.retire(item.wanted.artifact.site()).expect("old ones can be retired");
    }
    directory
}

#[test]
fn each_file_has_its_digest_beside_it_as_sha256sum_reads_it() {
    let stand = Stand::new(Conflict::AppendNumber);
    let item = report("1", "a/b.xml", 1, "one");
    attested(&stand, rules(Conflict::AppendNumber), &[item.clone(), item]);
    assert_eq!(stand.names(), ["a/b.xml", "a/b.xml.sha256"]);
    let sidecar = stand.read("a/b.xml.sha256");
    let last = sidecar.lines().last().expect("it says something");
    assert_eq!(last, format!("{}  b.xml", Digest::of(b"one")));
    let told = "# sluice: session-data 1 of support.example.com\n# 3 bytes, revision 1/1, staged 2026-11-22T02:00:00Z\n";
    assert!(sidecar.starts_with(told), "{sidecar}");
    if !stand.is_bucket() {
        let check = std::process::Command::new("sha256sum")
            .args(["--check", "--strict", "b.xml.sha256"])
            .current_dir(stand.folder().join("a"))
            .output();
        assert!(check.is_ok_and(|check| check.status.success()));
    }
}

#[test]
fn a_newer_revision_has_its_own_and_nobody_elses_file_is_touched() {
    let stand = Stand::new(Conflict::AppendNumber);
    stand.put("b.xml.sha256", "somebody else's");
    let items = [
        report("1", "a.xml", 1, "one"),
        report("1", "a.xml", 2, "two"),
        report("2", "b.xml", 3, "b"),
    ];
    attested(&stand, rules(Conflict::AppendNumber), &items);
    assert!(stand.read("a.xml.sha256").contains(&Digest::of(b"two").to_string()));
    assert_eq!(stand.read("b.xml.sha256"), "somebody else's");
}

#[test]
fn a_retired_backup_takes_its_own_with_it() {
    let stand = Stand::new(Conflict::AppendNumber);
    let rules = Rules { conflict: Conflict::AppendNumber, retention: Retention::Prior(0) };
    attested(&stand, rules, &[backup(1, "one"), backup(2, "two")]);
    assert_eq!(stand.names(), ["backup-02.nsb", "backup-02.nsb.sha256"]);
}

#[test]
fn a_retired_backup_takes_its_own_with_it_also_after_sidecars_were_switched_off() {
    let stand = Stand::new(Conflict::AppendNumber);
    let rules = Rules { conflict: Conflict::AppendNumber, retention: Retention::Prior(0) };
    attested(&stand, rules, &[backup(1, "one")]);
    stand.put("backup-02.nsb.sha256", "somebody else's");
    let without = stand.open(rules);
    for item in [backup(2, "two"), backup(3, "three")] {
        deliver(&without, &item).expect("it can be delivered");
        without.retire(item.wanted.artifact.site()).expect("old ones can be retired");
    }
    assert_eq!(stand.names(), ["backup-02.nsb.sha256", "backup-03.nsb"]);
}

#[test]
fn what_lost_its_name_to_another_says_nothing_beside_the_others_file() {
    let stand = Stand::new(Conflict::Overwrite);
    let (first, second) = (report("1", "a.xml", 1, "one"), report("2", "a.xml", 2, "two"));
    // The first comes again, as after a kill or into a copy.
    attested(&stand, rules(Conflict::Overwrite), &[first.clone(), second, first]);
    assert_eq!(stand.read("a.xml"), "two");
    let sidecar = stand.read("a.xml.sha256");
    assert!(sidecar.contains(&Digest::of(b"two").to_string()), "{sidecar}");
}
