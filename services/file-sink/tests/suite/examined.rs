//! What is there, compared with what the ledger says.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use domain::{Conflict, Digest};
use file_sink::{Directory, Found};

use crate::stand::{Stand, open_elsewhere, report, rules};

fn found(directory: &Directory, reading: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut tell = |one| {
        found.push(match one {
            Found::Whole(entry) => format!("whole {}", entry.artifact.key()),
            Found::Gone(entry) => format!("gone {}", entry.artifact.key()),
            Found::Altered(entry) => format!("altered {}", entry.artifact.key()),
            Found::Settled(entry) => format!("settled {}", entry.artifact.key()),
            Found::Foreign(name) => format!("foreign {name}"),
            Found::SidecarGone(entry) => format!("without sidecar {}", entry.artifact.key()),
            Found::SidecarAltered(entry) => format!("another sidecar {}", entry.artifact.key()),
            Found::Unproven { what, .. } => format!("unproven {what}"),
        });
    };
    directory.examine(reading, &mut tell).expect("it can be examined");
    found.sort();
    found
}

#[test]
fn what_is_gone_altered_or_foreign_is_named_and_the_rest_is_whole() {
    let stand = Stand::new(Conflict::Skip);
    for (lsid, name) in [("1", "a.xml"), ("2", "b/B.xml"), ("3", "c.xml"), ("4", "d.xml")] {
        stand.deliver(&report(lsid, name, 1, "four"));
    }
    stand.deliver(&report("5", "a.xml", 5, "skipped"));
    stand.remove("c.xml");
    stand.put("d.xml", "FOUR");
    stand.put("b/other.xml", "x");
    stand.put("a.xml.sha256", "a sidecar is no stranger");
    let read = ["altered 4", "foreign b/other.xml", "gone 3", "settled 5", "whole 1", "whole 2"];
    assert_eq!(found(&stand.directory, true), read);
    let by_size = ["foreign b/other.xml", "gone 3", "settled 5", "whole 1", "whole 2", "whole 4"];
    assert_eq!(found(&stand.directory, false), by_size);
}

#[test]
fn what_is_delivered_meanwhile_is_no_stranger() {
    let stand = Stand::new(Conflict::AppendNumber);
    stand.deliver(&report("1", "a.xml", 1, "one"));
    stand.put("x.xml", "a stranger");
    let mut foreign = Vec::new();
    // As one is looked at another comes, too late for this reading of the ledger.
    let mut tell = |one| match one {
        Found::Whole(_) => {
            stand.deliver(&report("2", "b.xml", 2, "two"));
        }
        Found::Foreign(name) => foreign.push(name),
        other => panic!("{other:?}"),
    };
    stand.directory.examine(true, &mut tell).expect("it can be examined");
    assert_eq!(foreign, ["x.xml"]);
}

#[test]
fn of_two_artifacts_with_one_file_the_one_that_has_it_tells_of_it() {
    let stand = Stand::new(Conflict::Overwrite);
    stand.deliver(&report("1", "a.xml", 1, "one"));
    stand.deliver(&report("2", "a.xml", 2, "two"));
    assert_eq!(found(&stand.directory, true), ["settled 1", "whole 2"]);
}

#[test]
fn a_sidecar_that_is_gone_or_says_something_else_is_named() {
    let stand = Stand::new(Conflict::AppendNumber);
    let directory = stand.again(Conflict::AppendNumber).with_sidecars(true);
    for lsid in ["1", "2", "3", "4", "5"] {
        let item = report(lsid, &format!("{lsid}.xml"), 1, lsid);
        stand.deliver(&item);
        directory.attest(&item.wanted.artifact).expect("it can be attested");
    }
    let zeroed = stand.read("1.xml.sha256").replace(&Digest::of(b"1").to_string(), &"0".repeat(64));
    stand.put("1.xml.sha256", &zeroed);
    stand.put("2.xml.sha256", "junk");
    stand.remove("3.xml.sha256");
    stand.put("4.xml.sha256", &format!("{} *4.xml", Digest::of(b"4")));
    let whole = ["whole 1", "whole 2", "whole 3", "whole 4", "whole 5"];
    let mut named = vec!["another sidecar 1", "another sidecar 2"];
    named.extend(whole);
    named.push("without sidecar 3");
    assert_eq!(found(&directory, true), named);
    assert_eq!(found(&stand.directory, true), whole, "where there are to be none");
}

#[test]
fn a_record_that_was_damaged_hides_no_other_and_what_is_no_record_is_passed_over() {
    let stand = Stand::new(Conflict::AppendNumber);
    stand.deliver(&report("1", "a.xml", 1, "one"));
    let record = format!(".sluice/entries/ab/{}.json", "c".repeat(62));
    stand.put(&record, "junk\n");
    stand.put(".sluice/entries/.DS_Store", "by a file browser");
    stand.put(".sluice/entries/ab/.nfs000000000000001", "by a share");
    let found = found(&stand.directory, true);
    assert!(found[0].starts_with("unproven ") && found[0].ends_with(&record), "{found:?}");
    assert_eq!(found[1..], ["whole 1"]);
}

const NOBODY: u32 = 65_534;

#[test]
fn a_folder_that_is_closed_hides_no_other() {
    let stand = Stand::new(Conflict::AppendNumber);
    if stand.is_bucket() {
        return;
    }
    stand.deliver(&report("1", "a.xml", 1, "one"));
    for name in ["b/c.xml", "closed/d.xml", "lost+found/e.xml"] {
        stand.put(name, "x");
    }
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(stand.folder());
        command.status().is_ok_and(|status| status.success())
    };
    if !run("chown", &["-R", &NOBODY.to_string(), "."]) {
        return println!("skipped: nothing can be given away here");
    }
    assert!(run("chown", &["0", "closed", "lost+found"]));
    assert!(run("chmod", &["700", "closed", "lost+found"]));
    let told = stand
        .command()
        .args(["--exact", "examined::as_nobody", "--nocapture"])
        .uid(NOBODY)
        .output();
    let Ok(told) = told else { return println!("skipped: nobody may run this program here") };
    let told = String::from_utf8_lossy(&told.stdout);
    let wanted = r#"["foreign b/c.xml", "unproven closed", "whole 1"]"#;
    assert!(told.contains(wanted), "{told}");
}

/// What the test above has somebody do who may do less.
#[test]
fn as_nobody() {
    if let Some(directory) = open_elsewhere(rules(Conflict::AppendNumber)) {
        println!("{:?}", found(&directory, true));
    }
}
