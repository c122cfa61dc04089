use domain::RelativePath;

use crate::directory::Directory;
use crate::directory::delivery::{DeliveryError, How, Settled, Wanted};
use crate::directory::layout::Key;
use crate::directory::place::{NoClobber, Sort, Standing};
use crate::entry::{Entry, Event, Stamp, State};
use crate::place::{Occupant, Placement, place};

/// The last number that a name is tried with.
const NUMBER_MAX: u32 = 100_000;
/// Others may take a name that was free a moment ago, this often in a row.
const ROUNDS_MAX: u32 = 100;

/// What is to be done with a delivery.
#[derive(Debug)]
pub(super) enum Plan {
    /// Nothing: it is settled.
    Settled(Settled),
    /// Its content is to get this name.
    Write { name: RelativePath, how: How },
}

impl Directory {
    /// Chooses a name and reserves it, as the rule says. For who holds the artifact's turn.
    pub(super) fn choose(
        &self,
        key: &Key,
        wanted: &Wanted,
        mut entry: Option<Entry>,
        owns: bool,
    ) -> Result<Plan, DeliveryError> {
        if self.is_outlived(wanted)? {
            let retired = wanted.entry(entry.as_ref(), wanted.stamp, Event::Retired)?;
            self.ledger.settle(key, &retired).map_err(|cause| wanted.ledger_failed(cause))?;
            return Ok(Plan::Settled(Settled::Retired));
        }
        if let Some(lost) = entry.as_ref().filter(|entry| entry.has_file()) {
            // Under another rule its name went to another artifact; from here on it is like a new one.
            let name = lost.name().cloned().unwrap_or_else(|| wanted.name.clone());
            entry = Some(wanted.entry(Some(lost), lost.stamp, Event::Overtaken { name })?);
        }
        let reserved = match &entry {
            Some(Entry { state: State::Reserved { name }, .. }) if owns => Some(name.clone()),
            _ => None,
        };
        let numbers = (1..=NUMBER_MAX).map(|number| wanted.name.numbered(number));
        let names = reserved.into_iter().chain([wanted.name.clone()]).chain(numbers);
        for name in names {
            if let Some(plan) = self.consider(key, wanted, entry.as_ref(), &name)? {
                return Ok(plan);
            }
        }
        Err(DeliveryError::NoNumber { name: wanted.name.clone(), numbers: NUMBER_MAX })
    }

    /// What becomes of this name; `None` where the next is to be tried.
    fn consider(
        &self,
        key: &Key,
        wanted: &Wanted,
        entry: Option<&Entry>,
        name: &RelativePath,
    ) -> Result<Option<Plan>, DeliveryError> {
        let write = |how| Ok(Some(Plan::Write { name: name.clone(), how }));
        for _ in 0..ROUNDS_MAX {
            let (placement, same) = self.placement(wanted, name)?;
            let event = match placement {
                Placement::Next => {
                    self.unclaim(wanted, name)?;
                    return Ok(None);
                }
                Placement::Take => {
                    // The entry first, so that no claim is without one.
                    self.note(key, wanted, entry, name)?;
                    if self.claim(wanted, name)? {
                        return write(How::New);
                    }
                    continue;
                }
                Placement::TakeReserved => {
                    self.note(key, wanted, entry, name)?;
                    return write(How::TakeReserved);
                }
                Placement::Overwrite => {
                    // The file keeps the spelling that it has, or there would be two where the file system folds none.
                    let spelt = self.ledger.spelling(name);
                    let spelt = spelt.map_err(|cause| wanted.ledger_failed(cause))?;
                    let name = spelt.unwrap_or_else(|| name.clone());
                    self.note(key, wanted, entry, &name)?;
                    return Ok(Some(Plan::Write { name, how: How::Overwrite }));
                }
                Placement::Adopt if !self.claim(wanted, name)? => continue,
                Placement::Adopt => {
                    // Of what lies there: it may say the same in other bytes.
                    let stamp = same.unwrap_or(wanted.stamp);
                    let (adopted, found) = (Wanted { stamp, ..wanted.clone() }, name.clone());
                    let event = Event::Found { name: found };
                    return self.settled_by(key, &adopted, entry, name, event).map(Some);
                }
                Placement::AlreadyThere => Event::Written,
                Placement::Skip => {
                    self.unclaim(wanted, name)?;
                    Event::Taken { name: name.clone() }
                }
                Placement::GiveWay => Event::Overtaken { name: name.clone() },
            };
            return self.settled_by(key, wanted, entry, name, event).map(Some);
        }
        Err(DeliveryError::Crowded { artifact: wanted.artifact() })
    }

    /// Writes down what became of a delivery that needs no content.
    fn settled_by(
        &self,
        key: &Key,
        wanted: &Wanted,
        entry: Option<&Entry>,
        name: &RelativePath,
        event: Event,
    ) -> Result<Plan, DeliveryError> {
        let found = matches!(event, Event::Found { .. });
        // After a loss of power there may be a claim to the name, and no entry that says it was chosen.
        let chosen = match event {
            Event::Written => {
                let chosen = Event::Chosen { name: name.clone() };
                Some(wanted.entry(entry, wanted.stamp, chosen)?)
            }
            _ => entry.cloned(),
        };
        let entry = wanted.entry(chosen.as_ref(), wanted.stamp, event)?;
        self.ledger.settle(key, &entry).map_err(|cause| wanted.ledger_failed(cause))?;
        Ok(Plan::Settled(match Settled::of(entry.state) {
            Settled::AlreadyThere(name) if found => Settled::Adopted(name),
            settled => settled,
        }))
    }

    /// What the rule makes of a name and who has it; and the stamp of a file there that is the same, whoever wrote it.
    fn placement(
        &self,
        wanted: &Wanted,
        name: &RelativePath,
    ) -> Result<(Placement, Option<Stamp>), DeliveryError> {
        let (occupant, same) = self.occupant(wanted, name)?;
        Ok((place(self.rules.conflict, occupant, wanted.stamp.revision), same))
    }

    fn occupant(
        &self,
        wanted: &Wanted,
        name: &RelativePath,
    ) -> Result<(Occupant, Option<Stamp>), DeliveryError> {
        let ledger = |cause| wanted.ledger_failed(cause);
        let owner = self.ledger.owner(name).map_err(ledger)?;
        let ours = match owner {
            Some(owner) if owner != wanted.artifact => {
                let entry = self.ledger.entry(&Key::of_artifact(&owner)).map_err(ledger)?;
                let has_it = |its: &RelativePath| its.folded() == name.folded();
                let entry = entry.filter(|entry| entry.name().is_some_and(has_it));
                let other = Occupant::OtherArtifact {
                    placed: entry.as_ref().is_some_and(Entry::has_file),
                    revision: entry.map_or(domain::Revision::BEFORE_ALL, |e| e.stamp.revision),
                };
                return Ok((other, None));
            }
            owner => owner.is_some(),
        };
        let same = match self.standing(wanted, name)? {
            Standing::Nothing if ours => return Ok((Occupant::Ours, None)),
            Standing::Nothing => return Ok((Occupant::Nobody, None)),
            Standing::Other => None,
            // What a killed worker left of the way that shows an empty file first.
            Standing::File { size: 0 }
                if ours && self.no_clobber() == NoClobber::CreateAndRename =>
            {
                return self.remove_empty(wanted, name).map(|()| (Occupant::Ours, None));
            }
            Standing::File { size } => {
                self.same(wanted, name, size).map_err(|cause| wanted.file_failed(name, cause))?
            }
        };
        Ok(match same {
            Some(stamp) if ours && stamp == wanted.stamp => (Occupant::OursInPlace, same),
            _ => (Occupant::Foreign { same: same.is_some() }, same),
        })
    }

    fn standing(&self, wanted: &Wanted, name: &RelativePath) -> Result<Standing, DeliveryError> {
        self.place.look(&self.layout.file(name)).map_err(|cause| wanted.file_failed(name, cause))
    }

    fn remove_empty(&self, wanted: &Wanted, name: &RelativePath) -> Result<(), DeliveryError> {
        self.place.remove(&self.layout.file(name)).map_err(|cause| wanted.file_failed(name, cause))
    }

    /// Whether a name may still be used in the way that was planned. For who holds the name's turn.
    pub(super) fn still_has(
        &self,
        wanted: &Wanted,
        name: &RelativePath,
        how: How,
    ) -> Result<bool, DeliveryError> {
        let ledger = |cause| wanted.ledger_failed(cause);
        let expected = match how {
            How::New | How::Replace => {
                return Ok(
                    self.ledger.owner(name).map_err(ledger)?.as_ref() == Some(&wanted.artifact)
                );
            }
            How::TakeReserved => Placement::TakeReserved,
            How::Overwrite => Placement::Overwrite,
        };
        if self.placement(wanted, name)?.0 != expected {
            return Ok(false);
        }
        self.ledger.reassign(name, &wanted.artifact).map_err(ledger)?;
        Ok(true)
    }

    /// Notes the choice of a name, if it is not noted.
    fn note(
        &self,
        key: &Key,
        wanted: &Wanted,
        entry: Option<&Entry>,
        name: &RelativePath,
    ) -> Result<(), DeliveryError> {
        if entry.and_then(Entry::name) == Some(name) {
            return Ok(());
        }
        let chosen = wanted.entry(entry, wanted.stamp, Event::Chosen { name: name.clone() })?;
        self.ledger.note(key, &chosen).map_err(|cause| wanted.ledger_failed(cause))
    }

    pub(super) fn claim(
        &self,
        wanted: &Wanted,
        name: &RelativePath,
    ) -> Result<bool, DeliveryError> {
        let name_key = Key::of_name(name);
        let _turn = self.place.turn(Sort::Name, &name_key).map_err(|cause| wanted.ledger(cause))?;
        self.ledger.claim(name, &wanted.artifact).map_err(|cause| wanted.ledger_failed(cause))
    }

    fn unclaim(&self, wanted: &Wanted, name: &RelativePath) -> Result<(), DeliveryError> {
        let ledger = |cause| wanted.ledger_failed(cause);
        if self.ledger.owner(name).map_err(ledger)?.as_ref() != Some(&wanted.artifact) {
            return Ok(());
        }
        let name_key = Key::of_name(name);
        let _turn = self.place.turn(Sort::Name, &name_key).map_err(|cause| wanted.ledger(cause))?;
        self.ledger.unclaim(name, &wanted.artifact).map_err(ledger)
    }
}
