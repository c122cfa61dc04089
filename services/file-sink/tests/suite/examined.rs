//! What is there, compared with what the ledger says.

use domain::Conflict;
use file_sink::Found;

use crate::stand::{Stand, report};

fn found(stand: &Stand, reading: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut tell = |one| {
        found.push(match one {
            Found::Whole(entry) => format!("whole {}", entry.artifact.key()),
            Found::Gone(entry) => format!("gone {}", entry.artifact.key()),
            Found::Altered(entry) => format!("altered {}", entry.artifact.key()),
            Found::Settled(entry) => format!("settled {}", entry.artifact.key()),
            Found::Foreign(name) => format!("foreign {name}"),
        });
    };
    stand.directory.examine(reading, &mut tell).expect("it can be examined");
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
    assert_eq!(found(&stand, true), read);
    let by_size = ["foreign b/other.xml", "gone 3", "settled 5", "whole 1", "whole 2", "whole 4"];
    assert_eq!(found(&stand, false), by_size);
}

#[test]
fn of_two_artifacts_with_one_file_the_one_that_has_it_tells_of_it() {
    let stand = Stand::new(Conflict::Overwrite);
    stand.deliver(&report("1", "a.xml", 1, "one"));
    stand.deliver(&report("2", "a.xml", 2, "two"));
    assert_eq!(found(&stand, true), ["settled 1", "whole 2"]);
}
