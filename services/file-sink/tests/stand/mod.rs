//! A directory to deliver into, and artifacts to deliver.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use domain::{
    ArtifactId, Conflict, Digest, Family, FileNameFormat, NameValues, Particulars, Retention,
    Revision,
};
use file_sink::{
    Begun, DeliveryError, Directory, Rules, Settled, Stamp, Wanted, WithoutIdentity, Written,
};
use tempfile::TempDir;

pub struct Stand {
    pub folder: TempDir,
    pub directory: Directory,
}

pub fn rules(conflict: Conflict) -> Rules {
    Rules { conflict, retention: Retention::All }
}

impl Stand {
    pub fn new(conflict: Conflict) -> Self {
        Stand::with(rules(conflict))
    }

    pub fn with(rules: Rules) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let directory = open(folder.path(), rules);
        Stand { folder, directory }
    }

    /// The same directory, in another process's stead.
    pub fn again(&self, conflict: Conflict) -> Directory {
        open(self.folder.path(), rules(conflict))
    }

    pub fn deliver(&self, wanted: &Delivered) -> Settled {
        deliver(&self.directory, wanted).expect("it can be delivered")
    }

    pub fn put(&self, name: &str, content: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("a folder");
        fs::write(path, content).expect("a file can be written");
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).expect(name)
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.folder.path().join(name)).expect(name);
    }

    /// All files with their contents, without the ledger.
    pub fn files(&self) -> BTreeMap<String, String> {
        files(self.folder.path())
    }

    pub fn names(&self) -> Vec<String> {
        self.files().into_keys().collect()
    }

    /// What lies in the directory of temporary files.
    pub fn left_overs(&self) -> usize {
        let path = self.folder.path().join(".sluice/tmp");
        fs::read_dir(path).expect("there is one").count()
    }
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
    format.render(&NameValues { artifact: &artifact, particulars: &particulars, extension: "xml" })
}

pub fn write(directory: &Directory, item: &Delivered) -> Written {
    let mut temporary = directory.temporary().expect("a file can be begun");
    temporary.append(&[Bytes::from(item.content.clone())]).expect("it can be written");
    temporary.complete(&item.wanted.stamp).expect("it is what was promised")
}

pub fn deliver(directory: &Directory, item: &Delivered) -> Result<Settled, DeliveryError> {
    match directory.begin(&item.wanted)? {
        Begun::Settled(settled) => Ok(settled),
        Begun::Write => directory.finish(&item.wanted, &write(directory, item)),
    }
}
