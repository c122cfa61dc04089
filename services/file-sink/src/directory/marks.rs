use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use domain::Revision;
use serde::{Deserialize, Serialize};

use crate::directory::disk::{self, DiskError};
use crate::directory::layout::Layout;
use crate::directory::presence::{Dead, Presence};
use crate::entry::VERSION;

/// How far a destination has come: for each route, the highest position in the log that was settled by it.
pub type RouteMarks = BTreeMap<String, u64>;

/// The marks of this process, in a small file of its own. A store whose marks, all files together, are behind what it
/// once said has been set back to an older copy.
#[derive(Debug)]
pub(crate) struct Marks {
    path: PathBuf,
    temporary: PathBuf,
    wanted: Mutex<(RouteMarks, Option<Revision>)>,
    written: Mutex<(RouteMarks, Option<Revision>)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    version: u32,
    routes: RouteMarks,
    /// The newest revision that was delivered.
    #[serde(default)]
    newest: Option<Revision>,
}

impl Marks {
    /// Takes over the marks of the dead; theirs are removed when ours have them.
    pub(crate) fn open(
        layout: &Layout,
        presence: &Presence,
        dead: &Dead,
    ) -> Result<Self, DiskError> {
        let mut inherited = (RouteMarks::new(), None);
        for id in dead.ids() {
            let (routes, newest) = read(&layout.marks().join(format!("{id}.json")))?;
            merge(&mut inherited.0, routes);
            inherited.1 = inherited.1.max(newest);
        }
        let marks = Marks {
            path: layout.marks().join(format!("{}.json", presence.id())),
            temporary: layout.temporary().join(presence.file_name()),
            wanted: Mutex::new(inherited),
            written: Mutex::default(),
        };
        marks.write(&mut marks.written.lock().unwrap_or_else(PoisonError::into_inner))?;
        for id in dead.ids() {
            disk::remove(&layout.marks().join(format!("{id}.json")))?;
        }
        Ok(marks)
    }

    /// Says that this position of a route is settled; it is on the disk when this returns. Those who come while one
    /// writes are written together by the next.
    pub(crate) fn raise(
        &self,
        route: &str,
        position: u64,
        delivered: Option<Revision>,
    ) -> Result<(), DiskError> {
        {
            let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
            let mark = wanted.0.entry(route.to_owned()).or_default();
            *mark = position.max(*mark);
            wanted.1 = wanted.1.max(delivered);
        }
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.0.get(route).is_some_and(|mark| *mark >= position) && written.1 >= delivered {
            return Ok(());
        }
        self.write(&mut written)
    }

    fn write(&self, written: &mut (RouteMarks, Option<Revision>)) -> Result<(), DiskError> {
        let (routes, newest) = self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let record = Record { version: VERSION, routes, newest };
        let bytes = serde_json::to_vec(&record).expect("marks are plain JSON");
        disk::write(&self.temporary, &bytes)?;
        disk::sync(&self.temporary)?;
        disk::rename(&self.temporary, &self.path)?;
        disk::sync_parent(&self.path)?;
        *written = (record.routes, record.newest);
        Ok(())
    }

    /// The marks of all who ever worked in this directory.
    pub(crate) fn all(layout: &Layout) -> Result<RouteMarks, DiskError> {
        let mut all = RouteMarks::new();
        for name in disk::names(&layout.marks())? {
            merge(&mut all, read(&layout.marks().join(name))?.0);
        }
        Ok(all)
    }

    /// The newest revision that any of them delivered.
    pub(crate) fn newest(layout: &Layout) -> Result<Option<Revision>, DiskError> {
        let mut newest = None;
        for name in disk::names(&layout.marks())? {
            newest = newest.max(read(&layout.marks().join(name))?.1);
        }
        Ok(newest)
    }
}

/// A file that can't be read is a file without marks: what it had is settled again, which changes nothing.
fn read(path: &std::path::Path) -> Result<(RouteMarks, Option<Revision>), DiskError> {
    let bytes = disk::read(path)?.unwrap_or_default();
    let record: Option<Record> = serde_json::from_slice(&bytes).ok();
    Ok(record.map(|record| (record.routes, record.newest)).unwrap_or_default())
}

fn merge(into: &mut RouteMarks, from: RouteMarks) {
    for (route, position) in from {
        let mark = into.entry(route).or_default();
        *mark = position.max(*mark);
    }
}
