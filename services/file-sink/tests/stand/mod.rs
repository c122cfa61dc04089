//! A directory to deliver into, and artifacts to deliver.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use bytes::Bytes;
use domain::{
    ArtifactId, Conflict, Digest, Family, FileNameFormat, NameValues, Particulars, RelativePath,
    Retention, Revision,
};
use file_sink::{
    Begun, Bucket, DeliveryError, Directory, NoClobber, Rules, Settled, Stamp, Wanted,
    WithoutIdentity, Written,
};
use futures::TryStreamExt as _;
use object_stores::StandIn;
use objects::Store;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Where the destinations of the tests lie: in a directory, unless this variable names something else.
pub const GROUND: &str = "SLUICE_TEST_GROUND";

pub struct Stand {
    ground: Ground,
    pub directory: Directory,
}

pub enum Ground {
    Folder { folder: TempDir, no_clobber: Option<NoClobber> },
    Bucket { store: Store, bucket: object_stores::Bucket },
}

/// Where a process that a test starts finds the destination of that test.
const ELSEWHERE: &str = "SLUICE_TEST_ELSEWHERE";

pub fn rules(conflict: Conflict) -> Rules {
    Rules { conflict, retention: Retention::All }
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime can be made"))
}

/// Whether the tests run on another ground than a directory of their own machine.
pub fn is_elsewhere() -> bool {
    std::env::var_os(GROUND).is_some()
}

fn no_clobber_of_tests() -> Option<NoClobber> {
    match std::env::var(GROUND).as_deref() {
        Err(_) => None,
        Ok("link") => Some(NoClobber::Link),
        Ok("create-and-rename") => Some(NoClobber::CreateAndRename),
        Ok(other) => panic!("{other} is no ground to test on"),
    }
}

impl Ground {
    pub fn of_tests() -> Self {
        let folder = |no_clobber| {
            // The other ways to take a name are tried in memory, where no disk is waited for.
            let memory = Path::new("/dev/shm");
            let folder = match is_elsewhere() && memory.is_dir() {
                true => tempfile::tempdir_in(memory),
                false => tempfile::tempdir(),
            };
            let folder = folder.expect("a temporary folder can be made");
            Ground::Folder { folder, no_clobber }
        };
        let bucket = |stand_in: Option<&StandIn>| {
            let bucket = stand_in.expect("its test looked for it").bucket();
            Ground::of_bucket(bucket)
        };
        match std::env::var(GROUND).as_deref() {
            Ok("s3") => bucket(StandIn::s3()),
            Ok("azure") => bucket(StandIn::azure()),
            _ => folder(no_clobber_of_tests()),
        }
    }

    fn of_bucket(bucket: object_stores::Bucket) -> Self {
        let settings = bucket.settings.clone();
        let store = Store::open_bucket(&bucket.url, settings).expect("a bucket");
        Ground::Bucket { store, bucket }
    }

    pub fn open(&self, rules: Rules) -> Directory {
        let opened = match self {
            Ground::Folder { folder, no_clobber } => {
                Directory::open_with(folder.path(), rules, WithoutIdentity::New, *no_clobber)
            }
            Ground::Bucket { store, .. } => {
                let bucket = Bucket::new(store.clone(), None, runtime().handle().clone());
                Directory::open_bucket(bucket, rules, WithoutIdentity::New)
            }
        };
        opened.expect("the destination can be opened")
    }
}

/// Opens the destination of the test that started this process, if one did.
pub fn open_elsewhere(rules: Rules) -> Option<Directory> {
    let told = std::env::var(ELSEWHERE).ok()?;
    let mut lines = told.lines();
    let url = lines.next().expect("a place").to_owned();
    let Some((_, path)) = url.split_once("file:") else {
        let settings = lines.map(|line| {
            let (name, value) = line.split_once('=').expect("a pair");
            (name.to_owned(), value.to_owned())
        });
        let bucket = object_stores::Bucket { url, settings: settings.collect() };
        return Some(Ground::of_bucket(bucket).open(rules));
    };
    let no_clobber = no_clobber_of_tests();
    let opened = Directory::open_with(Path::new(path), rules, WithoutIdentity::New, no_clobber);
    Some(opened.expect("the destination can be opened"))
}

impl Stand {
    /// A program that is told where this destination is.
    pub fn command(&self) -> std::process::Command {
        let told = match &self.ground {
            Ground::Folder { folder, .. } => format!("file:{}", folder.path().display()),
            Ground::Bucket { bucket, .. } => {
                let pairs = bucket.settings.iter().map(|(name, value)| format!("\n{name}={value}"));
                format!("{}{}", bucket.url, pairs.collect::<String>())
            }
        };
        let mut command =
            std::process::Command::new(std::env::current_exe().expect("this program"));
        command.env(ELSEWHERE, told);
        command
    }

    pub fn new(conflict: Conflict) -> Self {
        Stand::with(rules(conflict))
    }

    pub fn with(rules: Rules) -> Self {
        let ground = Ground::of_tests();
        let directory = ground.open(rules);
        Stand { ground, directory }
    }

    /// The same destination, in another process's stead.
    pub fn open(&self, rules: Rules) -> Directory {
        self.ground.open(rules)
    }

    /// The same destination, in another process's stead.
    pub fn again(&self, conflict: Conflict) -> Directory {
        self.open(rules(conflict))
    }

    pub fn is_bucket(&self) -> bool {
        matches!(self.ground, Ground::Bucket { .. })
    }

    /// The folder of a destination that is one.
    pub fn folder(&self) -> &Path {
        match &self.ground {
            Ground::Folder { folder, .. } => folder.path(),
            Ground::Bucket { .. } => panic!("this is a bucket"),
        }
    }

    pub fn deliver(&self, wanted: &Delivered) -> Settled {
        deliver(&self.directory, wanted).expect("it can be delivered")
    }

    pub fn put(&self, name: &str, content: &str) {
        match &self.ground {
            Ground::Folder { folder, .. } => {
                let path = folder.path().join(name);
                fs::create_dir_all(path.parent().expect("it is in the folder")).expect("a folder");
                fs::write(path, content).expect("a file can be written");
            }
            Ground::Bucket { store, .. } => {
                let bytes = Bytes::from(content.to_owned());
                runtime().block_on(store.put_small(name, bytes, false)).expect("it is written");
            }
        }
    }

    pub fn read(&self, name: &str) -> String {
        self.files().remove(name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    pub fn remove(&self, name: &str) {
        match &self.ground {
            Ground::Folder { folder, .. } => fs::remove_file(folder.path().join(name)).expect(name),
            Ground::Bucket { store, .. } => runtime().block_on(store.delete(name)).expect(name),
        }
    }

    /// All files with their contents, without the ledger.
    pub fn files(&self) -> BTreeMap<String, String> {
        match &self.ground {
            Ground::Folder { folder, .. } => files(folder.path()),
            Ground::Bucket { store, .. } => runtime().block_on(objects(store, "")),
        }
    }

    pub fn names(&self) -> Vec<String> {
        self.files().into_keys().collect()
    }

    /// What was written on the way to a file, or held for a moment, and is still there.
    pub fn left_overs(&self) -> usize {
        match &self.ground {
            Ground::Folder { folder, .. } => {
                let path = folder.path().join(".sluice/tmp");
                fs::read_dir(path).expect("there is one").count()
            }
            Ground::Bucket { store, .. } => {
                runtime().block_on(objects(store, ".sluice/locks")).len()
            }
        }
    }
}

async fn objects(store: &Store, below: &str) -> BTreeMap<String, String> {
    let listed: Vec<_> = store.list(below).try_collect().await.expect("it can be listed");
    let mut found = BTreeMap::new();
    for object in
        listed.into_iter().filter(|o| !below.is_empty() || !o.name.starts_with(".sluice/"))
    {
        let Some((bytes, _)) = store.read_record(&object.name).await.expect("it can be read")
        else {
            continue;
        };
        found.insert(object.name, String::from_utf8_lossy(&bytes).into_owned());
    }
    found
}

pub fn open(root: &Path, rules: Rules) -> Directory {
    Directory::open(root, rules, WithoutIdentity::New).expect("the directory can be opened")
}

pub fn files(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder can be listed") {
            let path = entry.expect("an entry").path();
            if path.ends_with(".sluice") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(root).expect("it is below");
            let content = fs::read(&path).expect("a file can be read");
            found.insert(
                name.to_string_lossy().into_owned(),
                String::from_utf8_lossy(&content).into_owned(),
            );
        }
    }
    found
}

/// An artifact with its content.
#[derive(Clone)]
pub struct Delivered {
    pub wanted: Wanted,
    pub content: String,
}

/// The report of a session that wants this name.
pub fn report(lsid: &str, name: &str, position: u64, content: &str) -> Delivered {
    let site = "support.example.com".parse().expect("a host");
    let artifact = ArtifactId::report(site, Family::Session, lsid.parse().expect("an LSID"));
    delivered(artifact, name, position, content)
}

/// The backup of a day of November 2026.
pub fn backup(day: u32, content: &str) -> Delivered {
    let site = "support.example.com".parse().expect("a host");
    let slot = format!("202611{day:02}T020000Z").parse().expect("a slot");
    let name = format!("backup-{day:02}.nsb");
    delivered(ArtifactId::backup(site, slot), &name, u64::from(day), content)
}

pub fn delivered(artifact: ArtifactId, name: &str, position: u64, content: &str) -> Delivered {
    let digest = Digest::of(content.as_bytes());
    Delivered {
        wanted: Wanted {
            artifact,
            name: name.parse().expect("a path"),
            stamp: Stamp {
                revision: Revision { epoch: 1, position },
                digest,
                content: digest,
                size: content.len() as u64,
                staged_at: chrono::DateTime::from_timestamp(1_795_312_800, 0),
            },
            even_if_done: false,
        },
        content: content.to_owned(),
    }
}

impl Delivered {
    pub fn even_if_done(mut self) -> Self {
        self.wanted.even_if_done = true;
        self
    }
}

/// The name that a format gives to an external key.
pub fn named(format: &str, key: &str) -> domain::RelativePath {
    let site = "support.example.com".parse().expect("a host");
    let artifact = ArtifactId::report(site, Family::Session, "1".parse().expect("an LSID"));
    let particulars = Particulars { external_key: Some(key.to_owned()), ..Particulars::default() };
    let format: FileNameFormat = format.parse().expect("a format");
    format.render(&NameValues {
        artifact: &artifact,
        site_label: "support",
        particulars: &particulars,
        extension: "xml",
    })
}

pub fn write(directory: &Directory, item: &Delivered, name: &RelativePath) -> Written {
    let mut temporary = directory.temporary(&item.wanted, name).expect("a file can be begun");
    temporary.append(&[Bytes::from(item.content.clone())]).expect("it can be written");
    temporary.complete(&item.wanted.stamp).expect("it is what was promised")
}

pub fn deliver(directory: &Directory, item: &Delivered) -> Result<Settled, DeliveryError> {
    match directory.begin(&item.wanted)? {
        Begun::Settled(settled) => Ok(settled),
        Begun::Write(name) => directory.finish(&item.wanted, &write(directory, item, &name)),
    }
}
