use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::{Conflict, DestinationId, Retention, Revision};

mod delivery;
mod disk;
mod identity;
mod layout;
mod ledger;
mod locks;
mod marks;
mod names;
mod presence;
mod retention;
mod syncs;
mod temporary;

pub use delivery::{Begun, DeliveryError, Settled, Wanted};
pub(crate) use disk::{BLOCK_BYTES, Fault};
pub use disk::{DiskError, NoClobber};
pub use identity::DirectoryError;
pub use ledger::LedgerError;
pub use marks::RouteMarks;
pub use retention::Retired;
pub use temporary::{Temporary, WriteError, Written};

use crate::entry::Entry;
use layout::Layout;
use ledger::Ledger;
use locks::Locks;
use marks::Marks;
use presence::{Dead, Presence};
use syncs::Syncs;

/// A directory, local or on a mounted share, as a destination. All of it blocks: call it where that is allowed.
///
/// Any number of threads and processes may work in one directory.
#[derive(Debug)]
pub struct Directory {
    layout: Layout,
    identity: DestinationId,
    rules: Rules,
    no_clobber: NoClobber,
    presence: Presence,
    locks: Locks,
    syncs: Syncs,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutIdentity {
    /// New: no identity was ever known for it, so it is given one.
    New,
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
        let layout = Layout::new(root.to_owned());
        let known = identity::read(&layout)?;
        if !root.is_dir() || (known.is_none() && without == WithoutIdentity::Down) {
            return Err(identity::missing(root));
        }
        make_ledger(&layout).map_err(DirectoryError::Disk)?;
        let presence = Presence::enter(&layout).map_err(DirectoryError::Disk)?;
        let no_clobber = NoClobber::find(&layout.temporary(), &presence.file_name())
            .map_err(DirectoryError::Disk)?;
        let identity = match known {
            Some(identity) => identity,
            None => identity::draw(&layout, &presence, no_clobber)?,
        };
        let dead = Presence::find_dead(&layout).map_err(DirectoryError::Disk)?;
        let marks = inherit(&layout, &presence, dead).map_err(DirectoryError::Disk)?;
        Ok(Directory {
            identity,
            rules,
            no_clobber,
            locks: Locks::new(layout.locks()),
            syncs: Syncs::default(),
            ledger: Ledger::new(layout.clone(), no_clobber, presence.clone()),
            layout,
            presence,
            marks,
            did_not_fit_bytes: AtomicU64::new(0),
        })
    }

    /// Whether a directory is there and can be written, and how names are taken in it. Leaves nothing behind.
    ///
    /// # Errors
    /// When it is not there or can't be written.
    pub fn check(root: &Path) -> Result<NoClobber, DirectoryError> {
        if !root.is_dir() {
            return Err(identity::missing(root));
        }
        let trial = root.join(format!(".sluice-check-{}", std::process::id()));
        let made = std::fs::create_dir(&trial)
            .map_err(|cause| DirectoryError::Disk(DiskError::new("write into", root, cause)));
        let found =
            made.and_then(|()| NoClobber::find(&trial, "check").map_err(DirectoryError::Disk));
        let _ = std::fs::remove_dir_all(&trial);
        found
    }

    /// The identity of the destination.
    pub fn identity(&self) -> &DestinationId {
        &self.identity
    }

    /// How files get a name that nobody has, here.
    pub fn no_clobber(&self) -> NoClobber {
        self.no_clobber
    }

    /// Whether it can be delivered to: it is there, it is the one that it was, and has room for what did not fit.
    ///
    /// # Errors
    /// When it can't.
    pub fn probe(&self) -> Result<(), DirectoryError> {
        identity::check(&self.layout, &self.identity)?;
        let path = self.layout.temporary().join(self.presence.file_name());
        let tried = disk::write(&path, &[0; 4096]).and_then(|_file| disk::sync(&path));
        let removed = disk::remove(&path);
        tried.and(removed).map_err(DirectoryError::Disk)?;
        let wanted_bytes = self.did_not_fit_bytes.load(Ordering::Relaxed);
        let free_bytes = disk::free_bytes(self.layout.root()).map_err(DirectoryError::Disk)?;
        if free_bytes < wanted_bytes {
            let root = self.layout.root().to_owned();
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
    ) -> Result<(), DiskError> {
        self.marks.raise(route, position, delivered)
    }

    /// The newest revision that was delivered to it, as far as the marks tell.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn newest(&self) -> Result<Option<Revision>, DiskError> {
        Marks::newest(&self.layout)
    }

    /// How far the destination has come, by all that it holds.
    ///
    /// # Errors
    /// When that can't be read.
    pub fn marks(&self) -> Result<RouteMarks, DiskError> {
        Marks::all(&self.layout)
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

    /// Whose fault an error is: a directory that is not there explains all others.
    pub(crate) fn fault(&self, error: &DiskError, size: u64) -> Fault {
        if error.is_full() {
            self.did_not_fit_bytes.fetch_max(size, Ordering::Relaxed);
        }
        match error.fault() {
            Fault::FileSystem => Fault::FileSystem,
            fault => match identity::check(&self.layout, &self.identity) {
                Ok(()) => fault,
                Err(_) => Fault::FileSystem,
            },
        }
    }
}

fn make_ledger(layout: &Layout) -> Result<(), DiskError> {
    disk::make_directory(layout.ledger())?;
    layout.directories().iter().try_for_each(|directory| disk::make_directory(directory))
}

fn inherit(layout: &Layout, presence: &Presence, dead: Dead) -> Result<Marks, DiskError> {
    let marks = Marks::open(layout, presence, &dead)?;
    dead.clean_up(layout)?;
    Ok(marks)
}
