//! Servers that stand in for S3 and Azure Blob Storage in tests.
//!
//! **Purpose.** Destinations in buckets are tried against servers that speak their stores' protocols: moto (Python)
//! for S3, azurite (Node) for Azure, both from `make tools`. Each listens on loopback and forgets all.
//!
//! **Facts in and out.** None.
//!
//! **Why a repeat is harmless.** Every bucket is a new one.
//!
//! **Absent on purpose.** A stand-in for Google Cloud Storage; what the stores promise beyond their protocols
//! (durability, speed); use outside tests.

mod azure;
mod gate;
mod process;
mod s3;

pub use gate::{Gate, Way};

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use process::Process;

/// A new bucket of a stand-in.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Its URL, as in settings.
    pub url: String,
    /// How it is reached, as in the environment, in lower case.
    pub settings: Vec<(String, String)>,
}

/// A stand-in that runs for as long as this process.
#[derive(Debug)]
pub struct StandIn {
    port: u16,
    sort: Sort,
    buckets: AtomicU64,
    process: Process,
}

#[derive(Debug, Clone, Copy)]
enum Sort {
    S3,
    Azure,
}

/// The stand-ins that are there, each with a new bucket; of the others it says that they are skipped.
pub fn buckets() -> Vec<(&'static StandIn, Bucket)> {
    let all = [("moto_server", StandIn::s3()), ("azurite-blob", StandIn::azure())];
    let there = all.into_iter().filter_map(|(program, stand_in)| {
        if stand_in.is_none() {
            println!("skipped: there is no {program} (make tools)");
        }
        stand_in
    });
    there.map(|stand_in| (stand_in, stand_in.bucket())).collect()
}

impl StandIn {
    /// The stand-in for S3, if its program is there.
    pub fn s3() -> Option<&'static StandIn> {
        static SHARED: OnceLock<Option<StandIn>> = OnceLock::new();
        SHARED.get_or_init(|| StandIn::start(Sort::S3, s3::program()?)).as_ref()
    }

    /// The stand-in for Azure Blob Storage, if its program is there.
    pub fn azure() -> Option<&'static StandIn> {
        static SHARED: OnceLock<Option<StandIn>> = OnceLock::new();
        SHARED.get_or_init(|| StandIn::start(Sort::Azure, azure::program()?)).as_ref()
    }

    fn start(sort: Sort, program: PathBuf) -> Option<StandIn> {
        let arguments = match sort {
            Sort::S3 => s3::arguments,
            Sort::Azure => azure::arguments,
        };
        let (process, port) = Process::start(&program, arguments);
        Some(StandIn { port, sort, buckets: AtomicU64::new(0), process })
    }

    /// Makes a bucket.
    ///
    /// # Panics
    /// When the stand-in does not make it: a test can't go on without.
    pub fn bucket(&self) -> Bucket {
        let name = format!("bucket-{}", self.buckets.fetch_add(1, Ordering::Relaxed));
        match self.sort {
            Sort::S3 => s3::bucket(self.port, &name),
            Sort::Azure => azure::bucket(self.port, &name),
        }
    }

    /// The status and the headers of an object below the bucket's prefix, in small letters.
    pub fn head(&self, bucket: &Bucket, name: &str) -> String {
        let (_, place) = bucket.url.split_once("://").expect("it is a URL");
        match self.sort {
            Sort::S3 => s3::ask(self.port, "HEAD", &format!("/{place}/{name}")),
            Sort::Azure => azure::ask(self.port, "HEAD", &format!("/{place}/{name}"), None),
        }
        .to_ascii_lowercase()
    }

    /// How many uploads in parts were begun in a bucket and neither completed nor aborted. Of Azure nobody can tell.
    pub fn unfinished(&self, bucket: &Bucket) -> Option<usize> {
        let (_, place) = bucket.url.split_once("://").expect("it is a URL");
        let name = place.split('/').next().unwrap_or_default();
        match self.sort {
            Sort::S3 => {
                let listed = s3::ask(self.port, "GET", &format!("/{name}?uploads"));
                Some(listed.matches("<Upload>").count())
            }
            Sort::Azure => None,
        }
    }

    /// A storage class that it knows and that is not the one that it takes by itself.
    pub fn storage_class(&self) -> &'static str {
        match self.sort {
            Sort::S3 => "STANDARD_IA",
            Sort::Azure => "Cool",
        }
    }

    /// Its process, to be looked at.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// Sends a request without a body, with these headers beside the necessary ones, and reads all of its answer.
fn request(port: u16, line: &str, headers: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the stand-in listens");
    let head = format!(
        "{line} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).expect("it takes a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers in text");
    answer
}

/// The program that a variable names, or that is found in the tools folder, or on the PATH.
fn find(variable: &str, tool: &str, name: &str) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(variable) {
        return Some(PathBuf::from(named));
    }
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools").join(tool);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join(name));
    std::iter::once(tools).chain(on_path).find(|candidate| candidate.is_file())
}
