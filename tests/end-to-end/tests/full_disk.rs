//! The broker's disk is full, and free again: nothing is lost, and nobody has to do anything but make room.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use end_to_end::{Arrived, Rig, SettingsFile, until};

const SESSIONS: u64 = 20;

/// A small disk of its own below a rig's folder; gone with this value.
struct Disk<'a>(&'a Path);

impl Disk<'_> {
    fn mount(folder: &Path) -> Option<Disk<'_>> {
        fs::create_dir_all(folder).expect("a writable folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"])
            .arg(folder)
            .status();
        mounted.is_ok_and(|status| status.success()).then_some(Disk(folder))
    }

    /// Writes until not a byte fits any more.
    fn fill(&self) {
        let mut file = File::create(self.0.join("fill")).expect("a file");
        for size in [1 << 20, 1 << 12, 1] {
            while file.write(&vec![b'x'; size]).is_ok_and(|written| written == size) {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.0.join("fill")).expect("it is there");
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos: it waits for a minute, and mounts a file system"]
async fn a_full_disk_stops_everything_and_a_free_one_sets_it_going_again() {
    let rig = Rig::new(SESSIONS).await;
    rig.settle(&SettingsFile::default());
    let data = rig.path("data");
    let Some(disk) = Disk::mount(&data) else {
        eprintln!("skipped: this process may not mount a file system");
        return;
    };
    rig.once().await;
    let up = rig.start("sluice", &["up"]);
    until("the log answers", async || rig.sluice(&["status"]).await.status.success().then_some(()))
        .await;
    disk.fill();
    for site in &rig.sites {
        site.add_sessions(SESSIONS as u32);
        site.advance_clock(120);
    }
    until("it is down, with the reason", async || {
        let log = rig.logged("sluice");
        (log.contains("is full") && log.contains("did not confirm")
            || log.contains("could not write")
            || log.contains("No space left"))
        .then_some(())
    })
    .await;
    disk.free();
    let sessions = 2 * 2 * SESSIONS as usize;
    until("everything has arrived", async || {
        (Arrived::at(&rig).await.sessions() == sessions).then_some(())
    })
    .await;
    let log = rig.logged("sluice");
    assert!(log.contains("starting the server again"), "{log}");
    let letters = rig.sluice(&["dead-letters", "list"]).await;
    let letters = String::from_utf8_lossy(&letters.stdout).into_owned();
    assert!(letters.contains("There are no dead letters"), "{letters}");
    assert!(up.stop().await, "it stops in good order");
}
