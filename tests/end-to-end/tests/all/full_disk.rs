//! The broker's disk is full, and free again: nothing is lost, and nobody has to do anything but make room.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
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

/// Has the rig's programs tell of their health.
fn listening(rig: &Rig) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("it has an address").port();
    let mut settings =
        OpenOptions::new().append(true).open(rig.path("sluice.toml")).expect("it was written");
    write!(settings, "\n[service]\nlisten = \"127.0.0.1:{port}\"\n").expect("a writable file");
    port
}

/// What a program says of its readiness.
fn readyz(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").ok()?;
    let mut said = String::new();
    stream.read_to_string(&mut said).ok()?;
    Some(said)
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
    let port = listening(&rig);
    rig.once().await;
    let up = rig.start("sluice", &["up"]);
    until("it is ready", async || readyz(port).filter(|said| said.contains("200 OK"))).await;
    disk.fill();
    for site in &rig.sites {
        site.add_sessions(SESSIONS as u32);
        site.advance_clock(120);
    }
    until("it is down, with the reason", async || {
        readyz(port).filter(|said| said.contains("is full") && said.contains("could not write"))
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
