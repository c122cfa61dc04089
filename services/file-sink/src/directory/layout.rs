use std::path::{Path, PathBuf};

use domain::{ArtifactId, Digest, RelativePath, SiteHost, Slot};

/// What the name of a sidecar has at its end.
pub(crate) const SIDECAR: &str = ".sha256";

/// Where things lie in a destination's directory.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
    ledger: PathBuf,
    shown: PathBuf,
}

/// What an artifact, or a name, is found by in the ledger: a digest, so that no value of either becomes a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(Digest);

impl Key {
    pub(crate) fn of_artifact(artifact: &ArtifactId) -> Self {
        let instance = artifact.instance().map(|i| i.to_string()).unwrap_or_default();
        // No part can hold a line end.
        let text =
            format!("{}\n{}\n{}\n{instance}", artifact.site(), artifact.kind(), artifact.key());
        Key(Digest::of(text.as_bytes()))
    }

    pub(crate) fn of_name(name: &RelativePath) -> Self {
        Key(Digest::of(name.folded().as_bytes()))
    }

    /// Of the destination's identity, which is no name of a file.
    pub(crate) fn of_identity() -> Self {
        Key(Digest::of(b"\nidentity"))
    }

    /// As a file name.
    pub(crate) fn as_name(&self) -> String {
        self.0.to_string()
    }

    pub(crate) fn shard(&self) -> usize {
        usize::from(self.0.as_bytes()[0])
    }

    /// `ab/cdef….json`: some hundred entries a directory where there are a hundred thousand.
    fn path(&self) -> String {
        let text = self.0.to_string();
        format!("{}/{}.json", &text[..2], &text[2..])
    }

    /// Whether a folder of entries bears such a name; file browsers, and shares, leave others beside them.
    pub(crate) fn is_folder(name: &str) -> bool {
        is_hex(name, 2)
    }

    /// Whether an entry bears such a name.
    pub(crate) fn is_record(name: &str) -> bool {
        name.strip_suffix(".json").is_some_and(|name| is_hex(name, 62))
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Layout {
    pub(crate) fn new(root: PathBuf) -> Self {
        let ledger = root.join(RelativePath::LEDGER);
        Layout { shown: root.clone(), root, ledger }
    }

    /// Of a bucket, whose paths start at its URL.
    pub(crate) fn of_bucket(url: &str) -> Self {
        Layout { shown: PathBuf::from(url), ..Layout::new(PathBuf::new()) }
    }

    /// The place itself, for people.
    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    /// The directory itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The file of this name.
    pub(crate) fn file(&self, name: &RelativePath) -> PathBuf {
        self.root.join(name.as_path())
    }

    /// What tells the digest of the file of this name, if there is room for it in the name.
    pub(crate) fn sidecar(&self, name: &RelativePath) -> Option<PathBuf> {
        let sidecar: RelativePath = format!("{name}{SIDECAR}").parse().ok()?;
        Some(self.file(&sidecar))
    }

    /// The directory of the ledger.
    pub(crate) fn ledger(&self) -> &Path {
        &self.ledger
    }

    /// The directories that the ledger is made of.
    pub(crate) fn directories(&self) -> [PathBuf; 7] {
        ["entries", "names", "backups", "locks", "workers", "marks", "tmp"]
            .map(|name| self.ledger.join(name))
    }

    pub(crate) fn identity(&self) -> PathBuf {
        self.ledger.join("identity.json")
    }

    pub(crate) fn entry(&self, key: &Key) -> PathBuf {
        self.ledger.join("entries").join(key.path())
    }

    pub(crate) fn entries(&self) -> PathBuf {
        self.ledger.join("entries")
    }

    /// The claim to a name.
    pub(crate) fn claim(&self, key: &Key) -> PathBuf {
        self.ledger.join("names").join(key.path())
    }

    /// The list of a site's backups.
    pub(crate) fn backups(&self, site: &SiteHost) -> PathBuf {
        let digest = Digest::of(site.as_str().as_bytes()).to_string();
        self.ledger.join("backups").join(&digest[..32])
    }

    /// One backup in that list.
    pub(crate) fn backup(&self, site: &SiteHost, slot: Slot) -> PathBuf {
        self.backups(site).join(slot.to_string())
    }

    pub(crate) fn locks(&self) -> PathBuf {
        self.ledger.join("locks")
    }

    pub(crate) fn workers(&self) -> PathBuf {
        self.ledger.join("workers")
    }

    pub(crate) fn marks(&self) -> PathBuf {
        self.ledger.join("marks")
    }

    pub(crate) fn temporary(&self) -> PathBuf {
        self.ledger.join("tmp")
    }
}
