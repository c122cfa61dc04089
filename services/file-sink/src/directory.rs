use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::{Conflict, DestinationId, Retention, Revision};

mod adoption;
mod bucket;
mod copying;
mod delivery;
mod disk;
mod examine;
mod folder;
mod identity;
mod layout;
mod ledger;
mod locks;
mod marks;
mod names;
mod place;
mod presence;
mod retention;
mod sidecar;
mod syncs;
mod temporary;

pub use bucket::Bucket;
pub use delivery::{Begun, DeliveryError, Settled, Wanted};
pub use disk::PlaceError;
pub(crate) use disk::{BLOCK_BYTES, Fault};
pub use examine::Found;
pub use identity::DirectoryError;
pub use ledger::LedgerError;
pub use marks::RouteMarks;
pub use place::NoClobber;
pub use retention::Retired;
pub use temporary::{Temporary, WriteError, Written};

use crate::entry::Entry;
use folder::Folder;
use layout::Layout;
use ledger::Ledger;
use marks::Marks;
use place::Place;

/// What the folder begins with that a check tries a directory in; its process follows.
const TRIAL: &str = ".sluice-check-";

/// A directory, local or on a mounted share, or a bucket as a destination. All of it blocks: call it where that is
/// allowed.
///
/// Any number of threads and processes may work in one.
#[derive(Debug)]
pub struct Directory {
    layout: Layout,
    identity: DestinationId,
    rules: Rules,
    place: Arc<dyn Place>,
    sidecars: bool,
    ledger: Ledger,
    marks: Marks,
    /// The size of the largest file that did not fit, until one does.
    did_not_fit_bytes: AtomicU64,
}

/// What the settings say of a destination's files, beside their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// What happens where a name is taken.
    pub conflict: Conflict,
    /// How many backups are kept.
    pub retention: Retention,
}

/// What a directory without an identity is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WithoutIdentity {
    /// New: no identity was ever known for it, so it is given one.
    New,
    /// To be filled anew: it is given this one.
    Becomes(DestinationId),
    /// A share that isn't mounted, or a ledger that was lost: nothing is written into it.
    Down,
}

impl Directory {
    /// Opens a directory, which must exist.
    ///
    /// # Errors
    /// When it is not there, is not the destination that it was, or can't be written.
    pub fn open(
        root: &Path,
        rules: Rules,
        without: WithoutIdentity,
    ) -> Result<Self, DirectoryError> {
        Directory::open_with(root, rules, without, None)
    }

    /// The same, with names taken in a certain way instead of the best that the file system has.
    ///
    /// # Errors
    /// As [`Directory::open`].
    pub fn open_with(
        root: &Path,
        rules: Rules,
        without: WithoutIdentity,
        no_clobber: Option<NoClobber>,
    ) -> Result<Self, DirectoryError> {
        let layout = Layout::new(root.to_owned());
        let known = identity::of_bytes(&layout, disk::read(&layout.identity()))?;
        if !root.is_dir() || (known.is_none() && without == WithoutIdentity::Down) {
            return Err(identity::missing(&layout, root.is_dir()));
        }
        let (folder, dead) = Folder::enter(&layout, no_clobber).map_err(DirectoryError::Disk)?;
        let identity = identity::given(&layout, &folder, known, without)?;
        let directory = Directory::of(layout, Arc::new(folder), rules, identity, &dead.ids())?;
        dead.clean_up(&directory.layout).map_err(DirectoryError::Disk)?;
        Ok(directory)
    }

    /// Opens a bucket.
    ///
    /// # Errors
    /// When it can't be read or written, or is not the destination that it was.
    pub fn open_bucket(
        bucket: Bucket,
        rules: Rules,
        without: WithoutIdentity,
    ) -> Result<Self, DirectoryError> {
        let layout = Layout::of_bucket(bucket.url());
        let known = identity::read(&layout, &bucket)?;
        if known.is_none() {
            if without == WithoutIdentity::Down {
                return Err(identity::missing(&layout, true));
            }
            bucket.check(&layout)?;
        }
        bucket.check_class(&layout)?;
        let identity = identity::given(&layout, &bucket, known, without)?;
        Directory::of(layout, Arc::new(bucket), rules, identity, &[])
    }

    fn of(
        layout: Layout,
        place: Arc<dyn Place>,
        rules: Rules,
        identity: DestinationId,
        dead: &[String],
    ) -> Result<Self, DirectoryError> {
        let marks = Marks::open(&layout, Arc::clone(&place), dead).map_err(DirectoryError::Disk)?;
        Ok(Directory {
            identity,
            rules,
            sidecars: false,
            ledger: Ledger::new(layout.clone(), Arc::clone(&place)),
            marks,
            place,
            layout,
            did_not_fit_bytes: AtomicU64::new(0),
        })
    }

    /// Whether a directory is there and can be written, and how names are taken in it. Leaves nothing behind.
    ///
    /// # Errors
    /// When it is not there or can't be written.
    pub fn check(root: &Path) -> Result<NoClobber, DirectoryError> {
        if !root.is_dir() {
            return Err(identity::missing(&Layout::new(root.to_owned()), false));
        }
        disk::may_use(root).map_err(DirectoryError::Disk)?;
        // What one that was killed left; if it can't be found, it stays.
        for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
            let is_trial = entry.file_name().to_string_lossy().starts_with(TRIAL);
            if is_trial && presence::is_old(&entry.path()) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        let trial = root.join(format!("{TRIAL}{}", std::process::id()));
        let made = std::fs::create_dir(&trial)
            .map_err(|cause| DirectoryError::Disk(PlaceError::new("write into", root, cause)));
        let found = made
            .and_then(|()| disk::find_no_clobber(&trial, "check").map_err(DirectoryError::Disk));
        let _ = std::fs::remove_dir_all(&trial);
        found
    }

    /// Whether a bucket can be written, and keeps the conditions that ledgers in buckets stand on. Leaves nothing behind.
    ///
    /// # Errors
    /// When it can't be used.
    pub fn check_bucket(bucket: &Bucket) -> Result<NoClobber, DirectoryError> {
        let layout = Layout::of_bucket(bucket.url());
        bucket.check(&layout)?;
        bucket.check_class(&layout).map(|()| bucket.no_clobber())
    }

    /// The identity that stands in a directory, if one does. Nothing is written.
    ///
    /// # Errors
    /// When the directory is not there, or what stands there can't be read.
    pub(crate) fn identity_in(root: &Path) -> Result<Option<DestinationId>, DirectoryError> {
        let layout = Layout::new(root.to_owned());
        if !root.is_dir() {
            return Err(identity::missing(&layout, false));
        }
        identity::of_bytes(&layout, disk::read(&layout.identity()))
    }

    /// The identity that stands in a bucket, if one does. Nothing is written.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn identity_in_bucket(
        bucket: &Bucket,
    ) -> Result<Option<DestinationId>, DirectoryError> {
        identity::read(&Layout::of_bucket(bucket.url()), bucket)
    }

    /// How far what stands in a directory has come. Nothing is written.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn marks_in(root: &Path) -> Result<RouteMarks, DirectoryError> {
        Marks::all_in_folder(&Layout::new(root.to_owned())).map_err(DirectoryError::Disk)
    }

    /// How far what stands in a bucket has come. Nothing is written.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn marks_in_bucket(bucket: &Bucket) -> Result<RouteMarks, DirectoryError> {
        Marks::all(&Layout::of_bucket(bucket.url()), bucket).map_err(DirectoryError::Disk)
    }

    /// The same, with or without a small file beside each that an auditor's tools can check it by.
    #[must_use]
    pub fn with_sidecars(self, sidecars: bool) -> Self {
        Directory { sidecars, ..self }
    }

    /// The place, for people.
    pub fn shown(&self) -> String {
        self.layout.shown().display().to_string()
    }

    /// The identity of the destination.
    pub fn identity(&self) -> &DestinationId {
        &self.identity
    }

    /// How files get a name that nobody has, here.
    pub fn no_clobber(&self) -> NoClobber {
        self.place.no_clobber()
    }

    /// Whether it is there, and the one that it was.
    ///
    /// # Errors
    /// When it is not.
    pub fn stands(&self) -> Result<(), DirectoryError> {
        identity::check(&self.layout, self.place.as_ref(), &self.identity)
    }

    /// Gives it another identity, unless somebody was quicker; says whether.
    ///
    /// # Errors
    /// When it can't be read or written.
    pub fn renew(&self, new: &DestinationId) -> Result<bool, DirectoryError> {
        identity::renew(&self.layout, self.place.as_ref(), &self.identity, new)
    }

    /// Whether it can be delivered to: it is there, it is the one that it was, takes files again where it did not, and has
    /// room for what did not fit. Whether it was put back from an older copy is for the caller to find out, by its marks.
    ///
    /// # Errors
    /// When it can't.
    pub fn probe(&self) -> Result<(), DirectoryError> {
        self.stands()?;
        let free_bytes = self.place.probe().map_err(DirectoryError::Disk)?;
        let wanted_bytes = self.did_not_fit_bytes.load(Ordering::Relaxed);
        if let Some(free_bytes) = free_bytes.filter(|free| *free < wanted_bytes) {
            let root = self.layout.shown().to_owned();
            return Err(DirectoryError::Full { root, free_bytes, wanted_bytes });
        }
        self.did_not_fit_bytes.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// Remembers that this position is settled by this route, and the revision that was delivered with it.
    ///
    /// # Errors
    /// When that can't be written.
    pub fn mark(
        &self,
        route: &str,
        position: u64,
        delivered: Option<Revision>,
    ) -> Result<(), PlaceError> {
        self.marks.raise(route, position, delivered)
    }

    /// Goes on from the marks that are there, where they were found to be others than this process wrote. Until then it
    /// marks nothing.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn accept_marks(&self) -> Result<(), PlaceError> {
        self.marks.accept()
    }

    /// The newest revision that was delivered to it, as far as the marks tell.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn newest(&self) -> Result<Option<Revision>, PlaceError> {
        Marks::newest(&self.layout, self.place.as_ref())
    }

    /// How far the destination has come, by all that it holds.
    ///
    /// # Errors
    /// When that can't be read.
    pub fn marks(&self) -> Result<RouteMarks, PlaceError> {
        Marks::all(&self.layout, self.place.as_ref())
    }

    /// All that the ledger knows, in no order.
    ///
    /// # Errors
    /// When it can't be listed.
    pub fn entries(
        &self,
    ) -> Result<impl Iterator<Item = Result<Entry, LedgerError>> + use<>, LedgerError> {
        self.ledger.entries()
    }

    /// Whose fault an error is: a directory that is not there explains all others. A folder in it that is closed is no
    /// business of what goes elsewhere, and may be opened again.
    pub(crate) fn fault(&self, error: &PlaceError, size: u64) -> Fault {
        if error.is_full() {
            self.did_not_fit_bytes.fetch_max(size, Ordering::Relaxed);
        }
        let fault = match error.is_forbidden() && !self.place.refuses_all(error) {
            true => Fault::Unclear,
            false => error.fault(),
        };
        match fault {
            Fault::FileSystem => Fault::FileSystem,
            fault => match self.stands() {
                Ok(()) => fault,
                Err(_) => Fault::FileSystem,
            },
        }
    }
}
