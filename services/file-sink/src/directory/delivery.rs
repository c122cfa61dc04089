use domain::{ArtifactId, RelativePath, SiteHost};

use crate::directory::disk::PlaceError;
use crate::directory::layout::Key;
use crate::directory::names::Plan;
use crate::directory::place::{Sort, Standing};
use crate::directory::{Directory, DirectoryError, LedgerError, WriteError, Written, identity};
use crate::entry::{Entry, Event, Stamp, State, UnexpectedEvent, VERSION, after};
use crate::place::{Course, course};

/// Others may take a name that was free a moment ago, this often in a row.
const ROUNDS_MAX: u32 = 100;

/// What is to be delivered.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The artifact.
    pub artifact: ArtifactId,
    /// The name that its file would like.
    pub name: RelativePath,
    /// Which staging of it.
    pub stamp: Stamp,
    /// Whether a person asked for it even if it is there.
    pub even_if_done: bool,
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// Its file was written.
    Placed(RelativePath),
    /// Nothing had to be written.
    AlreadyThere(RelativePath),
    /// A file that was there before is the same, and is its now.
    Adopted(RelativePath),
    /// Its file was there once; a person moved it away.
    MovedAway(RelativePath),
    /// This name is taken.
    Skipped(RelativePath),
    /// This name belongs to an artifact that is later in the log.
    Overwritten(RelativePath),
    /// It is a backup that is not kept any more.
    Retired,
    /// A newer revision was placed while this one was on its way, on a file system without locks: what stands there
    /// now may be either, and the newest has to be delivered once more.
    Late(RelativePath),
}

/// What a delivery needs after its first step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Nothing: it is settled.
    Settled(Settled),
    /// Its content: this name is reserved.
    Write(RelativePath),
}

/// Why a delivery failed.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The directory is not what it was.
    #[error("the destination can't be used")]
    Directory(#[source] DirectoryError),
    /// The ledger can't be read or written.
    #[error("the ledger can't be used for {artifact}")]
    Ledger {
        /// The artifact.
        artifact: Box<ArtifactId>,
        /// Why.
        #[source]
        cause: LedgerError,
    },
    /// The file system refused the file.
    #[error("could not place {artifact} as {name}")]
    File {
        /// The artifact.
        artifact: Box<ArtifactId>,
        /// Its name.
        name: RelativePath,
        /// Why.
        #[source]
        cause: PlaceError,
    },
    /// The content could not be written.
    #[error("could not write {artifact}")]
    Write {
        /// The artifact.
        artifact: Box<ArtifactId>,
        /// Why.
        #[source]
        cause: WriteError,
    },
    /// Too many files want one name.
    #[error(
        "{name} and its numbers up to {numbers} are all taken: the file name format has to tell files apart"
    )]
    NoNumber {
        /// The name.
        name: RelativePath,
        /// The last number that was tried.
        numbers: u32,
    },
    /// Others were quicker again and again.
    #[error("others took the name of {artifact} again and again")]
    Crowded {
        /// The artifact.
        artifact: Box<ArtifactId>,
    },
    /// The list of a site's backups can't be read.
    #[error("the backups of {site} can't be listed")]
    Backups {
        /// The site.
        site: SiteHost,
        /// Why.
        #[source]
        cause: LedgerError,
    },
    /// The ledger holds what can't be.
    #[error("the ledger's entry for {artifact} does not fit what happened")]
    Unexpected {
        /// The artifact.
        artifact: Box<ArtifactId>,
        /// What happened.
        #[source]
        cause: UnexpectedEvent,
    },
}

impl Directory {
    /// The first step: settles what needs no content, and reserves a name for what does.
    ///
    /// # Errors
    /// When the directory, its ledger or a file in it can't be used.
    pub fn begin(&self, wanted: &Wanted) -> Result<Begun, DeliveryError> {
        identity::check(&self.layout, self.place.as_ref(), &self.identity)
            .map_err(DeliveryError::Directory)?;
        let key = Key::of_artifact(&wanted.artifact);
        let _turn = self.place.turn(Sort::Artifact, &key).map_err(|cause| wanted.ledger(cause))?;
        match self.plan(&key, wanted)? {
            Plan::Settled(settled) => Ok(Begun::Settled(settled)),
            Plan::Write { name, .. } => Ok(Begun::Write(name)),
        }
    }

    /// The last step: gives the content its name. All is decided anew, for others may have come between.
    ///
    /// # Errors
    /// When the directory, its ledger or a file in it can't be used.
    pub fn finish(&self, wanted: &Wanted, written: &Written) -> Result<Settled, DeliveryError> {
        debug_assert_eq!(wanted.stamp, *written.stamp(), "the content is the delivery's");
        let key = Key::of_artifact(&wanted.artifact);
        let turn = self.place.turn(Sort::Artifact, &key).map_err(|cause| wanted.ledger(cause))?;
        for _ in 0..ROUNDS_MAX {
            let settled = match self.plan(&key, wanted)? {
                Plan::Settled(settled) => Some(settled),
                Plan::Write { name, .. }
                    if !turn.is_held() || !written.can_have(&self.layout.file(&name)) =>
                {
                    return Err(DeliveryError::Crowded { artifact: wanted.artifact() });
                }
                Plan::Write { name, how } => self.commit(&key, wanted, &name, how, written)?,
            };
            if let Some(settled) = settled {
                return Ok(settled);
            }
        }
        Err(DeliveryError::Crowded { artifact: wanted.artifact() })
    }

    /// Frees the name that a delivery reserved and will not use, its number with it.
    ///
    /// # Errors
    /// When the ledger can't be used.
    pub fn release(&self, artifact: &ArtifactId) -> Result<(), LedgerError> {
        let key = Key::of_artifact(artifact);
        let _turn = self.place.turn(Sort::Artifact, &key).map_err(LedgerError::Disk)?;
        let Some(entry) = self.ledger.entry(&key)? else { return Ok(()) };
        let State::Reserved { name } = &entry.state else { return Ok(()) };
        if self.recognises(&entry, name).map_err(LedgerError::Disk)? {
            // It was placed, and stopped before the ledger could say so: the next delivery sees that.
            return Ok(());
        }
        let _name_turn =
            self.place.turn(Sort::Name, &Key::of_name(name)).map_err(LedgerError::Disk)?;
        self.ledger.unclaim(name, artifact)?;
        if let Some(slot) = artifact.slot() {
            let listed = self.layout.backup(artifact.site(), slot);
            self.place.remove(&listed).map_err(LedgerError::Disk)?;
        }
        self.ledger.forget(&key)
    }

    /// What is to be done, by the ledger and by what stands there. For who holds the artifact's turn.
    fn plan(&self, key: &Key, wanted: &Wanted) -> Result<Plan, DeliveryError> {
        let ledger = |cause| wanted.ledger_failed(cause);
        let mut entry = self.ledger.entry(key).map_err(ledger)?;
        let owns = match entry.as_ref().and_then(Entry::name) {
            Some(name) => match self.ledger.owner(name).map_err(ledger)? {
                Some(owner) => owner == wanted.artifact,
                // A loss of power took the claim, or a kill came between claim and entry.
                None => self.claim(wanted, name)?,
            },
            None => false,
        };
        if owns {
            self.recover(key, wanted, entry.as_mut())?;
        }
        match course(entry.as_ref(), owns, &wanted.stamp, wanted.even_if_done) {
            Course::Choose => self.choose(key, wanted, entry, owns),
            course => match entry {
                Some(entry) => self.keep(key, wanted, entry, course),
                None => self.choose(key, wanted, None, owns),
            },
        }
    }

    /// An artifact that was stopped between the rename and the ledger gets what it lacks.
    fn recover(
        &self,
        key: &Key,
        wanted: &Wanted,
        entry: Option<&mut Entry>,
    ) -> Result<(), DeliveryError> {
        let Some(entry) = entry else { return Ok(()) };
        let State::Reserved { name } = &entry.state else { return Ok(()) };
        let name = name.clone();
        let recognised = self.recognises(entry, &name);
        if recognised.map_err(|cause| wanted.file_failed(&name, cause))? {
            self.place
                .sync_name(&self.layout.file(&name))
                .map_err(|cause| wanted.file_failed(&name, cause))?;
            *entry = wanted.entry(Some(entry), entry.stamp, Event::Written)?;
            self.ledger.settle(key, entry).map_err(|cause| wanted.ledger_failed(cause))?;
        }
        Ok(())
    }

    /// Whether the file that an entry names is what the entry says.
    pub(super) fn recognises(
        &self,
        entry: &Entry,
        name: &RelativePath,
    ) -> Result<bool, PlaceError> {
        let path = self.layout.file(name);
        if self.place.look(&path)? != (Standing::File { size: entry.stamp.size }) {
            return Ok(false);
        }
        Ok(self.place.digest_of(&path)? == Some(entry.stamp.digest))
    }

    /// What follows for an artifact that keeps what it has, or its name.
    fn keep(
        &self,
        key: &Key,
        wanted: &Wanted,
        mut entry: Entry,
        course: Course,
    ) -> Result<Plan, DeliveryError> {
        let name = entry.name().cloned();
        match (course, name) {
            (Course::Rewrite, Some(name)) => {
                let standing = self.place.look(&self.layout.file(&name));
                let standing = standing.map_err(|cause| wanted.file_failed(&name, cause))?;
                if standing != Standing::Nothing || wanted.even_if_done {
                    return Ok(Plan::Write { name, how: How::Replace });
                }
                let stamp = Stamp { revision: wanted.stamp.revision, ..entry.stamp };
                entry = wanted.entry(Some(&entry), stamp, Event::Missed)?;
            }
            (Course::Raise, _) => entry.stamp.revision = wanted.stamp.revision,
            _ => return Ok(Plan::Settled(Settled::of(entry.state))),
        }
        self.ledger.settle(key, &entry).map_err(|cause| wanted.ledger_failed(cause))?;
        Ok(Plan::Settled(Settled::of(entry.state)))
    }

    /// Gives the content its name; `None` where the name was lost in the meantime. For who holds the artifact's turn.
    fn commit(
        &self,
        key: &Key,
        wanted: &Wanted,
        name: &RelativePath,
        how: How,
        written: &Written,
    ) -> Result<Option<Settled>, DeliveryError> {
        let ledger = |cause| wanted.ledger_failed(cause);
        let file = |cause| wanted.file_failed(name, cause);
        let name_key = Key::of_name(name);
        let turn = self.place.turn(Sort::Name, &name_key).map_err(|cause| wanted.ledger(cause))?;
        if !self.still_has(wanted, name, how)? {
            return Ok(None);
        }
        let mut entry = self.ledger.entry(key).map_err(ledger)?;
        if how != How::Replace {
            // A crash after the rename is recognised by this stamp.
            let reserved =
                wanted.entry(entry.as_ref(), wanted.stamp, Event::Chosen { name: name.clone() })?;
            if entry.as_ref() != Some(&reserved) {
                self.ledger.note(key, &reserved).map_err(ledger)?;
            }
            self.ledger.sync(key).map_err(ledger)?;
            self.list_backup(&wanted.artifact).map_err(|cause| wanted.ledger(cause))?;
            entry = Some(reserved);
        }
        let path = self.layout.file(name);
        let create_only = matches!(how, How::New | How::TakeReserved);
        if !turn.is_held() || !written.give_name(&path, create_only).map_err(file)? {
            return Ok(None);
        }
        let placed = wanted.entry(entry.as_ref(), wanted.stamp, Event::Written)?;
        let now = self.ledger.entry(key).map_err(ledger)?;
        if now.is_some_and(|now| now.has_file() && now.stamp.revision > wanted.stamp.revision) {
            return Ok(Some(Settled::Late(name.clone())));
        }
        self.ledger.add(key, &placed).map_err(ledger)?;
        Ok(Some(Settled::Placed(name.clone())))
    }
}

/// How content gets its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It must replace nothing; the name is claimed.
    New,
    /// It must replace nothing; the name is claimed by one whose file is not there yet.
    TakeReserved,
    /// It replaces what another has there.
    Overwrite,
    /// It replaces the artifact's own file.
    Replace,
}

impl Settled {
    pub(super) fn of(state: State) -> Self {
        match state {
            State::Reserved { name } | State::Placed { name } | State::Adopted { name } => {
                Settled::AlreadyThere(name)
            }
            State::MovedAway { name } => Settled::MovedAway(name),
            State::Skipped { taken } => Settled::Skipped(taken),
            State::Overwritten { name } => Settled::Overwritten(name),
            State::Retired => Settled::Retired,
        }
    }
}

impl Wanted {
    /// The artifact, for an error.
    pub(crate) fn artifact(&self) -> Box<ArtifactId> {
        Box::new(self.artifact.clone())
    }

    /// The entry after an event.
    pub(super) fn entry(
        &self,
        entry: Option<&Entry>,
        stamp: Stamp,
        event: Event,
    ) -> Result<Entry, DeliveryError> {
        let state = after(entry.map(|entry| entry.state.clone()), event)
            .map_err(|cause| DeliveryError::Unexpected { artifact: self.artifact(), cause })?;
        Ok(Entry { version: VERSION, artifact: self.artifact.clone(), stamp, state })
    }

    pub(super) fn ledger(&self, cause: PlaceError) -> DeliveryError {
        self.ledger_failed(LedgerError::Disk(cause))
    }

    pub(super) fn ledger_failed(&self, cause: LedgerError) -> DeliveryError {
        DeliveryError::Ledger { artifact: self.artifact(), cause }
    }

    pub(super) fn file_failed(&self, name: &RelativePath, cause: PlaceError) -> DeliveryError {
        DeliveryError::File { artifact: self.artifact(), name: name.clone(), cause }
    }
}
