use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use domain::Revision;
use serde::{Deserialize, Serialize};

use crate::directory::disk::PlaceError;
use crate::directory::layout::Layout;
use crate::directory::place::Place;
use crate::entry::VERSION;

/// How far a destination has come: for each route, the highest position in the log that was settled by it.
pub type RouteMarks = BTreeMap<String, u64>;

/// The marks of this process, in a small file of its own. A store whose marks, all files together, are behind what it
/// once said has been set back to an older copy.
#[derive(Debug)]
pub(crate) struct Marks {
    place: Arc<dyn Place>,
    path: PathBuf,
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
        place: Arc<dyn Place>,
        dead: &[String],
    ) -> Result<Self, PlaceError> {
        let mut inherited = (RouteMarks::new(), None);
        for id in dead {
            let (routes, newest) =
                read(place.as_ref(), &layout.marks().join(format!("{id}.json")))?;
            merge(&mut inherited.0, routes);
            inherited.1 = inherited.1.max(newest);
        }
        let marks = Marks {
            path: layout.marks().join(format!("{}.json", place.id())),
            place,
            wanted: Mutex::new(inherited),
            written: Mutex::default(),
        };
        marks.write(&mut marks.written.lock().unwrap_or_else(PoisonError::into_inner))?;
        for id in dead {
            marks.place.remove(&layout.marks().join(format!("{id}.json")))?;
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
    ) -> Result<(), PlaceError> {
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

    fn write(&self, written: &mut (RouteMarks, Option<Revision>)) -> Result<(), PlaceError> {
        let (routes, newest) = self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let record = Record { version: VERSION, routes, newest };
        let bytes = serde_json::to_vec(&record).expect("marks are plain JSON");
        self.place.replace(&self.path, &bytes, true)?;
        *written = (record.routes, record.newest);
        Ok(())
    }

    /// The marks of all who ever worked in this directory.
    pub(crate) fn all(layout: &Layout, place: &dyn Place) -> Result<RouteMarks, PlaceError> {
        let mut all = RouteMarks::new();
        for name in place.names(&layout.marks())? {
            merge(&mut all, read(place, &layout.marks().join(name))?.0);
        }
        Ok(all)
    }

    /// The newest revision that any of them delivered.
    pub(crate) fn newest(
        layout: &Layout,
        place: &dyn Place,
    ) -> Result<Option<Revision>, PlaceError> {
        let mut newest = None;
        for name in place.names(&layout.marks())? {
            newest = newest.max(read(place, &layout.marks().join(name))?.1);
        }
        Ok(newest)
    }
}

/// A file that can't be read is a file without marks: what it had is settled again, which changes nothing.
fn read(place: &dyn Place, path: &Path) -> Result<(RouteMarks, Option<Revision>), PlaceError> {
    let bytes = place.read(path)?.unwrap_or_default();
    let record: Option<Record> = serde_json::from_slice(&bytes).ok();
    Ok(record.map(|record| (record.routes, record.newest)).unwrap_or_default())
}

fn merge(into: &mut RouteMarks, from: RouteMarks) {
    for (route, position) in from {
        let mark = into.entry(route).or_default();
        *mark = position.max(*mark);
    }
}
