//! Processor seconds for a large file from staging into a bucket, beside plain clients that send the same file to the
//! same server: the library that the sink uses, curl, and Amazon's boto3. The server is the stand-in for S3.
//!
//! `SLUICE_BENCH_MIB` names the size. Fails if the sink needs 64 MiB of memory or more.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use domain::{ArtifactId, Conflict, Digest, Family, Retention, Revision};
use file_sink::{Begun, Bucket, Directory, Rules, Settled, Stamp, Wanted, WithoutIdentity};
use futures::stream;
use object_stores::StandIn;
use objects::Store;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;

const MIB: usize = 1 << 20;
/// How much of a file the plain client reads at a time.
const BLOCK_BYTES: usize = MIB;
/// The sink must stay below this.
const MEMORY_MIB_MAX: u64 = 64;

fn main() {
    let Some(stand_in) = StandIn::s3() else {
        println!("skipped: there is no moto_server (make tools)");
        return;
    };
    let mib = std::env::var("SLUICE_BENCH_MIB").ok().and_then(|mib| mib.parse().ok());
    let mib: usize = mib.unwrap_or(1024);
    let folder = tempfile::tempdir_in(".").expect("a folder");
    let source = folder.path().join("staged");
    let digest = written(&source, mib);
    let runtime = Runtime::new().expect("a runtime");
    let bucket = stand_in.bucket();
    let settings = bucket.settings.clone();
    let store = Store::open_bucket(&bucket.url, settings.clone()).expect("a bucket");
    let endpoint = settings.iter().find(|(name, _)| name == "aws_endpoint");
    let (_, endpoint) = endpoint.expect("the stand-in has one").clone();
    let plain = bucket.url.replace("s3://", &format!("{endpoint}/"));

    // The sink first, so that the peak of memory is its own.
    let ours = seconds(|| delivered(&store, &runtime, &source, mib, digest));
    let memory_mib = memory_peak_mib();
    let unsigned = settings.into_iter().chain([("aws_unsigned_payload".into(), "true".into())]);
    let unsigned = Store::open_bucket(&stand_in.bucket().url, unsigned).expect("a bucket");
    let unsigned = seconds(|| delivered(&unsigned, &runtime, &source, mib, digest));
    let library = seconds(|| runtime.block_on(put(&store, &source)));
    let curl = seconds(|| sent_by_curl(&plain, &source));
    let boto = sent_by_boto(&endpoint, &bucket.url, &source);
    let per_gb = |seconds: f64| seconds / (mib * MIB) as f64 * 1e9;
    let beside = |name: &str, theirs: Option<f64>| match theirs {
        Some(theirs) => {
            println!(
                "  {name}: {:.2} s/GB, the sink {:.2} times that",
                per_gb(theirs),
                ours / theirs
            );
        }
        None => println!("  {name}: not there"),
    };
    println!(
        "{mib} MiB into a bucket: the sink needs {:.2} processor seconds per GB and {memory_mib} MiB of memory",
        per_gb(ours)
    );
    println!("  with AWS_UNSIGNED_PAYLOAD=true, which is for TLS: {:.2} s/GB", per_gb(unsigned));
    beside("object_store, the same parts", Some(library));
    beside("curl, one request, unsigned", curl);
    beside("boto3's upload_file", boto);
    assert!(memory_mib < MEMORY_MIB_MAX, "{memory_mib} MiB");
}

/// The processor time of this process and the children that it has waited for.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux tells");
    let (_, fields) = stat.rsplit_once(')').expect("the name is in parentheses");
    let ticks = fields.split_whitespace().skip(11).take(4);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    // Linux counts hundredths for programs, whatever the kernel's own clock is.
    ticks as f64 / 100.0
}

fn seconds<T: Worked>(work: impl FnOnce() -> T) -> T::Told {
    let before = processor_seconds();
    let worked = work();
    worked.told(processor_seconds() - before)
}

/// Whether a client is there at all.
trait Worked {
    type Told;
    fn told(self, seconds: f64) -> Self::Told;
}

impl Worked for () {
    type Told = f64;
    fn told(self, seconds: f64) -> f64 {
        seconds
    }
}

impl Worked for bool {
    type Told = Option<f64>;
    fn told(self, seconds: f64) -> Option<f64> {
        self.then_some(seconds)
    }
}

fn memory_peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("it tells the peak");
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
    kib.expect("it is a number") / 1024
}

/// A file that nothing compresses.
fn written(path: &Path, mib: usize) -> Digest {
    let mut file = File::create(path).expect("a file");
    let mut hasher = Sha256::new();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block = vec![0; MIB];
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
    Digest::finish(hasher)
}

fn delivered(store: &Store, runtime: &Runtime, source: &Path, mib: usize, digest: Digest) {
    let rules = Rules { conflict: Conflict::AppendNumber, retention: Retention::All };
    let bucket = Bucket::new(store.clone(), None, runtime.handle().clone());
    let directory = Directory::open_bucket(bucket, rules, WithoutIdentity::New).expect("it opens");
    let site = "access.example.com".parse().expect("a host");
    let wanted = Wanted {
        artifact: ArtifactId::report(site, Family::Session, "1".parse().expect("an LSID")),
        name: "1.flv".parse().expect("a path"),
        stamp: Stamp {
            revision: Revision { epoch: 1, position: 1 },
            digest,
            content: digest,
            size: (mib * MIB) as u64,
            staged_at: None,
        },
        even_if_done: false,
    };
    let Ok(Begun::Write(name)) = directory.begin(&wanted) else { panic!("it is new") };
    let mut from = File::open(source).expect("it is there");
    let copied = directory.copy(&wanted, &name, &mut from, &AtomicU64::new(0));
    let written = copied.expect("copied").expect("a bucket takes files");
    let settled = directory.finish(&wanted, &written).expect("finished");
    assert_eq!(settled, Settled::Placed(name));
}

async fn put(store: &Store, source: &Path) {
    let file = File::open(source).expect("it is there");
    let pieces = stream::iter(std::iter::from_fn(move || {
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        match (&file).take(BLOCK_BYTES as u64).read_to_end(&mut block) {
            Ok(0) => None,
            Ok(_) => Some(Ok(Bytes::from(block))),
            Err(cause) => Some(Err(cause)),
        }
    }));
    store.put("plain.flv", pieces, 0).await.expect("it is taken");
}

fn sent_by_curl(url: &str, source: &Path) -> bool {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--fail", "--upload-file"]).arg(source).arg(format!("{url}/curl.flv"));
    curl.stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Says its own processor time, without that of Python's start.
fn sent_by_boto(endpoint: &str, url: &str, source: &Path) -> Option<f64> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/moto/bin/python");
    let (name, prefix) = url.strip_prefix("s3://")?.split_once('/')?;
    let sent = Command::new(python)
        .args(["-c", BOTO, endpoint, name, prefix])
        .arg(source)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    String::from_utf8(sent.stdout).ok()?.trim().parse().ok()
}

const BOTO: &str = "
import os, sys, boto3
endpoint, bucket, prefix, source = sys.argv[1:]
client = boto3.client('s3', endpoint_url=endpoint, region_name='us-east-1',
                      aws_access_key_id='test', aws_secret_access_key='test')
client.list_objects_v2(Bucket=bucket)
before = os.times()
client.upload_file(source, bucket, prefix + '/boto.flv')
after = os.times()
print(after.user + after.system - before.user - before.system)
";
