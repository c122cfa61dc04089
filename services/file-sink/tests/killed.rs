//! Workers that are killed at any moment, again and again.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use domain::{Conflict, RelativePath};

mod stand;
use stand::{Delivered, Stand, deliver, files, open, report, rules};

const ITEMS: u64 = 60;
const VARIABLE: &str = "KILLED_WORKER_OF";

/// Each artifact in two revisions, all with one name.
fn items() -> Vec<Delivered> {
    let item = |at: u64| {
        let (lsid, revision) = (at % (ITEMS / 2), at / (ITEMS / 2));
        let content = format!("{lsid} in revision {revision}");
        report(&format!("lsid-{lsid}"), "a.xml", at + 1, &content)
    };
    (0..ITEMS).map(item).collect()
}

fn work(root: &Path, rule: Conflict) {
    let directory = open(root, rules(rule));
    let items = items();
    thread::scope(|scope| {
        for worker in 0..4 {
            let (directory, items) = (&directory, &items);
            scope.spawn(move || {
                let start = worker * items.len() / 4;
                for item in items[start..].iter().chain(&items[..start]) {
                    deliver(directory, item).expect("it can be delivered");
                }
            });
        }
    });
}

fn worker(root: &Path, test: &str) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", test])
        .env(VARIABLE, root)
        .stdout(Stdio::null())
        .spawn()
        .expect("this program runs")
}

/// Kills a worker as soon as it has written a few more entries, until one gets to the end.
fn killed_again_and_again(rule: Conflict, test: &str) -> Stand {
    let stand = Stand::new(rule);
    let entries = || files(&stand.folder().join(".sluice/entries"));
    let mut ended = false;
    while !ended {
        let before = entries();
        let mut worker = worker(stand.folder(), test);
        while !ended {
            let changed = entries().iter().filter(|(at, now)| before.get(*at) != Some(now)).count();
            if changed >= 7 {
                worker.kill().expect("it can be killed");
                break;
            }
            ended = worker.try_wait().expect("it can be asked").is_some();
        }
        worker.wait().expect("it ended");
    }
    work(stand.folder(), rule);
    assert_eq!(stand.left_overs(), 0);
    stand
}

#[test]
fn all_is_there_once_and_numbered_without_gaps() {
    if let Some(root) = std::env::var_os(VARIABLE) {
        return work(root.as_ref(), Conflict::AppendNumber);
    }
    let stand = killed_again_and_again(
        Conflict::AppendNumber,
        "all_is_there_once_and_numbered_without_gaps",
    );
    let wanted: RelativePath = "a.xml".parse().expect("a path");
    let numbers = (1..).take(ITEMS as usize / 2 - 1).map(|n| wanted.numbered(n).to_string());
    let names: BTreeSet<String> = numbers.chain([wanted.to_string()]).collect();
    let files = stand.files();
    assert_eq!(files.keys().cloned().collect::<BTreeSet<_>>(), names);
    let newest = (0..ITEMS / 2).map(|lsid| format!("{lsid} in revision 1")).collect();
    assert_eq!(files.into_values().collect::<BTreeSet<_>>(), newest);
}

#[test]
fn the_last_in_the_log_stays_under_overwrite() {
    if let Some(root) = std::env::var_os(VARIABLE) {
        return work(root.as_ref(), Conflict::Overwrite);
    }
    let stand =
        killed_again_and_again(Conflict::Overwrite, "the_last_in_the_log_stays_under_overwrite");
    let last = items().pop().expect("there are some").content;
    assert_eq!(stand.files(), [("a.xml".to_owned(), last)].into());
}
