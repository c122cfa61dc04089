//! A large file from staging into a directory, beside `cp --reflink=never` followed by a sync on the same disk.
//!
//! `SLUICE_BENCH_DIR` names the disk, `SLUICE_BENCH_MIB` the size.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use domain::{ArtifactId, Conflict, Digest, Family, Retention, Revision};
use file_sink::{Begun, Directory, Rules, Stamp, Wanted, WithoutIdentity};
use sha2::{Digest as _, Sha256};

const ROUNDS: usize = 9;

fn main() {
    let disk = std::env::var("SLUICE_BENCH_DIR").unwrap_or_else(|_| ".".to_owned());
    let mib = std::env::var("SLUICE_BENCH_MIB").ok().and_then(|mib| mib.parse().ok());
    let mib: usize = mib.unwrap_or(1024);
    let folder = tempfile::tempdir_in(&disk).expect("a folder on that disk");
    let source = folder.path().join("staged");
    let digest = written(&source, mib);
    let root = folder.path().join("destination");
    fs::create_dir(&root).expect("a folder");
    let rules = Rules { conflict: Conflict::AppendNumber, retention: Retention::All };
    let directory = Directory::open(&root, rules, WithoutIdentity::New).expect("it opens");

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        theirs.push(timed(|| copied(&source, &folder.path().join("copy"))));
        fs::remove_file(folder.path().join("copy")).expect("it is there");
        sync();
        ours.push(timed(|| delivered(&directory, &source, round, mib, digest)));
        fs::remove_file(root.join(format!("{round}.flv"))).expect("it is there");
        sync();
    }
    ours.sort_by(f64::total_cmp);
    theirs.sort_by(f64::total_cmp);
    let (ours, theirs) = (ours[ROUNDS / 2], theirs[ROUNDS / 2]);
    println!(
        "{mib} MiB: delivered in {ours:.2} s, cp --reflink=never and sync in {theirs:.2} s: {:.2} times as fast \
         (medians of {ROUNDS})",
        theirs / ours
    );
}

fn timed(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64()
}

fn sync() {
    assert!(Command::new("sync").status().expect("sync runs").success());
}

/// A file that nothing compresses, on the disk.
fn written(path: &Path, mib: usize) -> Digest {
    let mut file = File::create(path).expect("a file");
    let mut hasher = Sha256::new();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block = vec![0; 1 << 20];
    for _ in 0..mib {
        for word in block.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        hasher.update(&block);
        file.write_all(&block).expect("written");
    }
    file.sync_all().expect("flushed");
    Digest::finish(hasher)
}

fn copied(source: &Path, to: &Path) {
    let copy = Command::new("cp").arg("--reflink=never").args([source, to]).status();
    assert!(copy.expect("cp runs").success());
    let sync = Command::new("sync").arg(to).status();
    assert!(sync.expect("sync runs").success());
}

fn delivered(directory: &Directory, source: &Path, round: usize, mib: usize, digest: Digest) {
    let site = "access.example.com".parse().expect("a host");
    let lsid = round.to_string().parse().expect("an LSID");
    let position = round as u64 + 1;
    let wanted = Wanted {
        artifact: ArtifactId::report(site, Family::Session, lsid),
        name: format!("{round}.flv").parse().expect("a path"),
        stamp: Stamp {
            revision: Revision { epoch: 1, position },
            digest,
            content: digest,
            size: (mib as u64) << 20,
            staged_at: None,
        },
        even_if_done: false,
    };
    let Begun::Write(name) = directory.begin(&wanted).expect("begun") else {
        panic!("it is new");
    };
    let mut from = File::open(source).expect("it is there");
    let copied = directory.copy(&wanted, &name, &mut from, &AtomicU64::new(0));
    let written = copied.expect("copied").expect("a directory copies");
    directory.finish(&wanted, &written).expect("finished");
}
