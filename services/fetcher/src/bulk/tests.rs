use chrono::DateTime;
use domain::facts::Cause;
use domain::{ArtifactId, Particulars};

use super::*;

fn wanted(family: Family, lsid: &str) -> Wanted {
    let site = "support.example.com".parse().expect("a host");
    Wanted {
        artifact: ArtifactId::report(site, family, lsid.parse().expect("an LSID")),
        cause: Cause { subject: "x".to_owned(), sequence: 1 },
        again: None,
        particulars: Particulars::default(),
        ended: true,
        since: DateTime::UNIX_EPOCH,
    }
}

#[test]
fn a_request_holds_one_family_and_no_session_twice() {
    let all = [
        wanted(Family::Session, "a"),
        wanted(Family::Presentation, "a"),
        wanted(Family::Session, "b"),
        wanted(Family::Session, "a"),
        wanted(Family::Session, "c,d"),
        wanted(Family::Session, "e"),
    ];
    let all: Vec<&Wanted> = all.iter().collect();
    assert_eq!(requests(&all), [vec![0, 2, 5], vec![1], vec![3], vec![4]]);
}

#[test]
fn a_request_holds_fifty_sessions_at_most() {
    let all: Vec<Wanted> =
        (0..125).map(|number| wanted(Family::Session, &format!("s{number}"))).collect();
    let all: Vec<&Wanted> = all.iter().collect();
    let sizes: Vec<usize> = requests(&all).iter().map(Vec::len).collect();
    assert_eq!(sizes, [50, 50, 25]);
}

#[test]
fn halves_are_two_or_one() {
    let sizes =
        |count: usize| halves((0..count).collect()).map(|half| half.len()).collect::<Vec<_>>();
    assert_eq!(sizes(5), [2, 3]);
    assert_eq!(sizes(1), [1]);
}
