//! Destinations whose ledger can't be read as a whole.

use std::fs;

use domain::{Difference, Finding};
use queue::Period;
use settings::{Needs, Settings};

use crate::house::House;

/// Settings with this house's destination alone.
fn settings(house: &House) -> Settings {
    let text = format!(
        "[site.hq]\nhost = \"support.example.com\"\nproduct = \"remote-support\"\nclient_id = \"a\"\n\
         client_secret = {{ env = \"A\" }}\n[destination.archive]\ntype = \"files\"\nurl = \"file://{}\"\n\
         [schedule.s]\nevery = \"5m\"\n\
         transfers = [{{ site = \"hq\", destination = \"archive\", kinds = [\"session-data\"] }}]\n",
        house.destination.path().display()
    );
    settings::parse(&text, "sluice.toml", Needs::NONE, &|_| None).expect("they are right")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_file_system_does_not_let_be_read_is_named_and_the_rest_goes_on() {
    let house = House::build().await;
    for lsid in ["1", "2", "3"] {
        let task = house.stage(lsid, b"content").await;
        house.work(&task).await.expect("delivered");
    }
    fs::remove_file(house.destination.path().join("2.xml")).expect("it is there");
    let entries = house.destination.path().join(".sluice/entries");
    let is_free = |shard: &String| !entries.join(shard).exists();
    let shards: Vec<_> = (0..256).map(|at| format!("{at:02x}")).filter(is_free).take(2).collect();
    // A record that is none, and a shard that is none: neither can be read, not even by who may do everything.
    fs::create_dir_all(entries.join(&shards[0]).join(format!("{}.json", "c".repeat(62))))
        .expect("made");
    fs::write(entries.join(&shards[1]), "no folder").expect("written");
    let settings = settings(&house);
    let destination = settings.destination("archive").expect("it is there");
    let of = (destination, destination.target.files().expect("it is a folder"));
    let (mut gone, mut unproven) = (Vec::new(), Vec::new());
    let verified = file_sink::verify(&house.log, &settings, of, |finding| match finding {
        Finding { what, difference: Difference::Gone } => gone.push(what),
        Finding { what, difference: Difference::Unproven { .. } } => unproven.push(what),
        other => panic!("{other:?}"),
    });
    verified.await.expect("the rest goes on");
    assert!(gone.len() == 1 && gone[0].contains('2'), "{gone:?}");
    unproven.sort();
    assert!(unproven.len() == 2, "{unproven:?}");
    for (what, shard) in unproven.iter().zip(&shards) {
        assert!(what.contains(&format!(".sluice/entries/{shard}")), "{unproven:?}");
    }
    let compared = file_sink::reconcile(&house.log, &settings, of, None, Period::default()).await;
    assert!(compared.is_err(), "what can't be read would be asked for");
}
