//! What holds of every destination, whatever it lies in: a directory, a file system that has no rename without
//! replacing, and buckets. Each ground runs all other tests of this program in a process of its own.

use std::process::Command;

use object_stores::StandIn;

#[path = "../stand/mod.rs"]
mod stand;

mod archive;
mod backups;
mod conflicts;
mod examined;
mod guide;
mod hostile;
mod racing;
mod revisions;
mod sidecars;

/// Runs the other tests on another ground.
fn everything_on(ground: &str) {
    if std::env::var_os(stand::GROUND).is_some() {
        return; // This is such a run.
    }
    let run = Command::new(std::env::current_exe().expect("this program"))
        .args(["--skip", "grounds"])
        .env(stand::GROUND, ground)
        .output()
        .expect("this program runs");
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "on {ground}: {told}");
    assert!(told.contains("test result: ok."), "on {ground}: {told}");
}

mod grounds {
    use super::{StandIn, everything_on};

    #[test]
    fn a_file_system_that_only_links() {
        everything_on("link");
    }

    #[test]
    fn a_file_system_that_can_neither_rename_without_replacing_nor_link() {
        everything_on("create-and-rename");
    }

    #[test]
    fn an_s3_bucket() {
        match StandIn::s3() {
            Some(_) => everything_on("s3"),
            None => println!("skipped: there is no moto_server (make tools)"),
        }
    }

    #[test]
    fn an_azure_container() {
        match StandIn::azure() {
            Some(_) => everything_on("azure"),
            None => println!("skipped: there is no azurite-blob (make tools)"),
        }
    }
}
