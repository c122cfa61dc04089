//! Shares that are full, or not there. They need the right to mount; without it these tests say that they were skipped.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use domain::Conflict;
use file_sink::{Directory, DirectoryError, WithoutIdentity};
use queue::{Failure, Worker as _};
use small_disk::Mount;
use tempfile::TempDir;

use crate::house::House;
use crate::stand::{open, rules};

const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_at_each_tenth_of_a_file_gets_it_whole_when_there_is_room() {
    let point = tempfile::tempdir().expect("a folder");
    let Some(disk) = Mount::small(24, point.path()) else { return };
    let root = point.path().to_owned();
    let directory = open(&root, rules(Conflict::AppendNumber));
    let house = House::with(tempfile::tempdir().expect("a folder"), directory).await;
    for tenth in 0..10 {
        let lsid = format!("at-{tenth}");
        let content: Vec<u8> = (0..5 * MIB).map(|at| (at % 249) as u8).collect();
        let task = house.stage(&lsid, &content).await;
        disk.fill_but(content.len() as u64 * tenth / 10);
        let refused = house.work(&task).await;
        assert!(matches!(refused, Err(Failure::Down(_))), "{tenth}: {refused:?}");
        assert!(house.sink.probe().await.is_err(), "{tenth}: it is still full");
        assert!(!root.join(format!("{lsid}.xml")).exists(), "{tenth}");
        disk.free();
        house.sink.probe().await.expect("there is room");
        house.work(&task).await.expect("delivered");
        let file = root.join(format!("{lsid}.xml"));
        assert!(fs::read(&file).expect("it is there") == content, "{tenth}");
        fs::remove_file(&file).expect("it is there");
        let left = fs::read_dir(root.join(".sluice/tmp")).expect("there is one").count();
        assert_eq!(left, 0, "{tenth}");
    }
}

/// Nobody may write into such a directory, not even who may do everything.
fn sealed(directory: &Path, sealed: bool) -> bool {
    let how = if sealed { "+i" } else { "-i" };
    let done = Command::new("chattr").arg(how).arg(directory).output();
    done.is_ok_and(|done| done.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_may_not_be_written_is_down_even_if_its_ledger_may_be() {
    let house = House::build().await;
    let task = house.stage("1", b"one").await;
    if !sealed(house.destination.path(), true) {
        return println!("skipped: no directory can be sealed here");
    }
    let (refused, probed) = (house.work(&task).await, house.sink.probe().await);
    assert!(sealed(house.destination.path(), false));
    assert!(matches!(refused, Err(Failure::Down(_))), "{refused:?}");
    assert!(matches!(probed, Err(Failure::Down(_))), "{probed:?}");
    house.sink.probe().await.expect("it can be written");
    house.work(&task).await.expect("delivered");
    assert_eq!(house.files(), [("1.xml".to_owned(), 3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_it_that_may_not_be_written_holds_up_only_what_goes_into_it() {
    let house = House::build().await.named("%LSID%/%LSID%.%EXTENSION%");
    let (first, second) = (house.stage("1", b"one").await, house.stage("2", b"two").await);
    let folder = house.destination.path().join("1");
    fs::create_dir(&folder).expect("a folder");
    if !sealed(&folder, true) {
        return println!("skipped: no directory can be sealed here");
    }
    let (refused, probed) = (house.work(&first).await, house.sink.probe().await);
    let other = house.work(&second).await;
    assert!(sealed(&folder, false));
    let Err(refused @ Failure::Retry(_)) = refused else { panic!("{refused:?}") };
    let reason = refused.to_string();
    assert!(reason.contains(&format!("{}/1.xml", folder.display())), "{reason}");
    probed.expect("the rest can be written");
    other.expect("delivered");
    house.work(&first).await.expect("delivered");
    assert_eq!(house.files(), [("1/1.xml".to_owned(), 3), ("2/2.xml".to_owned(), 3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_the_ledger_that_may_not_be_written_is_down_until_it_may_be() {
    for name in ["entries", "names", "tmp", "marks"] {
        let house = House::build().await;
        let task = house.stage("1", b"one").await;
        let folder = house.destination.path().join(".sluice").join(name);
        if !sealed(&folder, true) {
            return println!("skipped: no directory can be sealed here");
        }
        let (refused, probed) = (house.work(&task).await, house.sink.probe().await);
        assert!(sealed(&folder, false));
        assert!(matches!(refused, Err(Failure::Down(_))), "{name}: {refused:?}");
        assert!(matches!(probed, Err(Failure::Down(_))), "{name}: {probed:?}");
        house.sink.probe().await.expect("it can be written");
        house.work(&task).await.expect("delivered");
        assert_eq!(house.files(), [("1.xml".to_owned(), 3)], "{name}");
    }
}

#[test]
fn a_check_removes_what_one_that_was_killed_left_long_ago() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, hours) in [(".sluice-check-1", 25), (".sluice-check-2", 1), ("theirs", 25)] {
        let path = folder.path().join(name);
        fs::create_dir(&path).expect("a folder");
        let at = SystemTime::now() - Duration::from_secs(hours * 60 * 60);
        fs::File::open(&path).and_then(|it| it.set_modified(at)).expect("it can be set");
    }
    Directory::check(folder.path()).expect("it can be written");
    let left = fs::read_dir(folder.path()).expect("it can be listed");
    let mut left: Vec<_> = left.map(|one| one.expect("an entry").file_name()).collect();
    left.sort();
    assert_eq!(left, [".sluice-check-2", "theirs"]);
}

/// A share that can be mounted and unmounted, and keeps what it has.
struct Share {
    real: TempDir,
    point: TempDir,
}

impl Share {
    fn new() -> Self {
        let folder = || tempfile::tempdir().expect("a folder");
        Share { real: folder(), point: folder() }
    }

    fn mount(&self) -> Option<Mount> {
        self.mount_as("rw")
    }

    fn mount_as(&self, how: &str) -> Option<Mount> {
        let real = self.real.path().to_str().expect("plain");
        Mount::new(&["--bind", "-o", how, real], self.point.path())
    }

    fn is_bare(&self) -> bool {
        fs::read_dir(self.point.path()).expect("it can be listed").count() == 0
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_that_is_unmounted_while_delivering_gets_all_when_it_is_back() {
    let share = Share::new();
    let Some(mount) = share.mount() else { return };
    let directory = open(share.point.path(), rules(Conflict::AppendNumber));
    let house = House::with(tempfile::tempdir().expect("a folder"), directory).await;
    let content = vec![7; 3 * MIB];
    let (first, second) = (house.stage("1", b"one").await, house.stage("2", &content).await);
    house.work(&first).await.expect("delivered");
    drop(mount);
    for task in [&first, &second] {
        assert!(matches!(house.work(task).await, Err(Failure::Down(_))));
    }
    assert!(house.sink.probe().await.is_err());
    assert!(share.is_bare());
    let Some(_mount) = share.mount() else { panic!("it could be mounted before") };
    house.sink.probe().await.expect("it is back");
    for task in [&first, &second] {
        house.work(task).await.expect("delivered");
    }
    let wanted = [("1.xml".to_owned(), 3), ("2.xml".to_owned(), content.len())];
    assert_eq!(House::files_in(share.point.path()), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_that_turns_read_only_is_down_until_it_can_be_written() {
    let share = Share::new();
    let Some(mount) = share.mount() else { return };
    let directory = open(share.point.path(), rules(Conflict::AppendNumber));
    let house = House::with(tempfile::tempdir().expect("a folder"), directory).await;
    let (small, large) = (house.stage("1", b"one").await, house.stage("2", &[7; 2 * MIB]).await);
    drop(mount);
    let Some(sealed) = share.mount_as("ro") else { panic!("it could be mounted before") };
    for task in [&small, &large] {
        let refused = house.work(task).await;
        assert!(matches!(refused, Err(Failure::Down(_))), "{refused:?}");
    }
    assert!(house.sink.probe().await.is_err());
    drop(sealed);
    let Some(_mount) = share.mount() else { panic!("it could be mounted before") };
    house.sink.probe().await.expect("it can be written");
    for task in [&small, &large] {
        house.work(task).await.expect("delivered");
    }
    let wanted = [("1.xml".to_owned(), 3), ("2.xml".to_owned(), 2 * MIB)];
    assert_eq!(House::files_in(share.point.path()), wanted);
}

#[test]
fn a_share_that_goes_between_the_content_and_its_name_is_not_filled() {
    let share = Share::new();
    let Some(mount) = share.mount() else { return };
    let directory = open(share.point.path(), rules(Conflict::AppendNumber));
    let item = crate::stand::report("1", "a/b.xml", 1, "one");
    directory.begin(&item.wanted).expect("begun");
    let written = crate::stand::write(&directory, &item, &item.wanted.name);
    drop(mount);
    assert!(directory.finish(&item.wanted, &written).is_err());
    drop(written);
    assert!(share.is_bare());
    let Some(_mount) = share.mount() else { panic!("it could be mounted before") };
    crate::stand::deliver(&directory, &item).expect("it is back");
    assert_eq!(House::files_in(share.point.path()), [("a/b.xml".to_owned(), 3)]);
}

#[test]
fn a_share_that_is_not_mounted_at_the_start_is_down_and_stays_bare() {
    let share = Share::new();
    let opened = || {
        Directory::open(share.point.path(), rules(Conflict::AppendNumber), WithoutIdentity::Down)
    };
    let Some(mount) = share.mount() else { return };
    let id = open(share.point.path(), rules(Conflict::AppendNumber)).identity().clone();
    drop(mount);
    assert!(matches!(opened(), Err(DirectoryError::Unknown { .. })));
    assert!(share.is_bare());
    let Some(_mount) = share.mount() else { panic!("it could be mounted before") };
    assert_eq!(*opened().expect("it is back").identity(), id);
}
