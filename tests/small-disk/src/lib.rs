//! File systems of their own for tests: small ones that can be full, and others that come and go.
//!
//! **Purpose.** A disk that fills, and a share that vanishes, are the file system's own answers and no pretence.
//!
//! **Facts in and out.** None.
//!
//! **Why a repeat is harmless.** What was mounted is unmounted with the value that stands for it.
//!
//! **Absent on purpose.** Mounting without the right to: those tests say that they were skipped.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FallocateFlags, fallocate};

/// What is mounted at a folder; gone with this value, also while files are open in it, as when a cable is pulled.
#[derive(Debug)]
pub struct Mount(PathBuf);

impl Mount {
    /// Mounts with these arguments of `mount`, and makes the folder if there is none. Where that is not allowed, it says so,
    /// and there is nothing.
    pub fn new(arguments: &[&str], on: &Path) -> Option<Mount> {
        fs::create_dir_all(on).expect("a writable folder");
        let mounted = Command::new("mount").args(arguments).arg(on).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Mount(on.to_owned()));
        }
        eprintln!("skipped: this process may not mount a file system");
        None
    }

    /// A disk of this many MiB, in memory.
    pub fn small(mib: u32, on: &Path) -> Option<Mount> {
        Mount::new(&["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"], on)
    }

    /// Takes all the room that is left.
    pub fn fill(&self) {
        let file = File::options().append(true).create(true).open(self.ballast());
        let file = file.expect("a file");
        let mut at = file.metadata().expect("it is there").len();
        for piece in [1 << 20, 4096] {
            while fallocate(&file, FallocateFlags::empty(), at, piece).is_ok() {
                at += piece;
            }
        }
    }

    /// Takes all the room that is left but this many bytes.
    pub fn fill_but(&self, bytes: u64) {
        let disk = rustix::fs::statvfs(&self.0).expect("it is mounted");
        let taken = (disk.f_bavail * disk.f_frsize).saturating_sub(bytes);
        let file = File::create(self.ballast()).expect("a file");
        if taken > 0 {
            fallocate(&file, FallocateFlags::empty(), 0, taken).expect("there is room for it");
        }
    }

    /// Gives back what was taken.
    pub fn free(&self) {
        fs::remove_file(self.ballast()).expect("it is full");
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}
