use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use domain::Revision;
use serde::{Deserialize, Serialize};

use crate::directory::disk::{self, PlaceError};
use crate::directory::layout::Layout;
use crate::directory::place::Place;
use crate::entry::VERSION;

/// How far a destination has come: for each route, and each life of the log, the highest position that was settled by it.
pub type RouteMarks = BTreeMap<String, u64>;

/// What a process marks: the positions, and the newest revision that was delivered.
type Marked = (RouteMarks, Option<Revision>);

/// The marks of this process, in a small file of its own. A store whose marks, all files together, are behind what it
/// once said has been set back to an older copy.
///
/// Where the file is another than this process wrote, the place may have been set back under it. Nothing is marked then,
/// for that would hide it, before somebody has found out.
#[derive(Debug)]
pub(crate) struct Marks {
    place: Arc<dyn Place>,
    path: PathBuf,
    wanted: Mutex<Marked>,
    /// What stands in the file; none where that is not what was written there.
    written: Mutex<Option<Marked>>,
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
            written: Mutex::new(None),
        };
        let written = marks.write()?;
        *marks.written.lock().unwrap_or_else(PoisonError::into_inner) = Some(written);
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
        let Some(stands) = &*written else { return Err(self.altered()) };
        if stands.0.get(route).is_some_and(|mark| *mark >= position) && stands.1 >= delivered {
            return Ok(());
        }
        if read(self.place.as_ref(), &self.path)? != *stands {
            *written = None;
            return Err(self.altered());
        }
        *written = Some(self.write()?);
        Ok(())
    }

    /// Goes on from what stands in the file.
    pub(crate) fn accept(&self) -> Result<(), PlaceError> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.is_none() {
            *written = Some(read(self.place.as_ref(), &self.path)?);
        }
        Ok(())
    }

    fn altered(&self) -> PlaceError {
        let why = "they are not as this process wrote them: an older copy was put back, perhaps";
        PlaceError::new("raise the marks in", &self.path, io::Error::other(why))
    }

    fn write(&self) -> Result<Marked, PlaceError> {
        let (routes, newest) = self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let record = Record { version: VERSION, routes, newest };
        let bytes = serde_json::to_vec(&record).expect("marks are plain JSON");
        self.place.replace(&self.path, &bytes, true)?;
        Ok((record.routes, record.newest))
    }

    /// The marks of all who ever worked in this place.
    pub(crate) fn all(layout: &Layout, place: &dyn Place) -> Result<RouteMarks, PlaceError> {
        let names = place.names(&layout.marks())?;
        merged(layout, names, |path| place.read(path))
    }

    /// The same of a directory that was not entered.
    pub(crate) fn all_in_folder(layout: &Layout) -> Result<RouteMarks, PlaceError> {
        merged(layout, disk::names(&layout.marks())?, disk::read)
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

fn merged(
    layout: &Layout,
    names: Vec<String>,
    read: impl Fn(&Path) -> Result<Option<Vec<u8>>, PlaceError>,
) -> Result<RouteMarks, PlaceError> {
    let mut all = RouteMarks::new();
    for name in names {
        merge(&mut all, marked(read(&layout.marks().join(name))?).0);
    }
    Ok(all)
}

fn read(place: &dyn Place, path: &Path) -> Result<Marked, PlaceError> {
    place.read(path).map(marked)
}

/// A file that can't be understood is a file without marks: what it had is settled again, which changes nothing.
fn marked(bytes: Option<Vec<u8>>) -> Marked {
    let record: Option<Record> = serde_json::from_slice(&bytes.unwrap_or_default()).ok();
    record.map(|record| (record.routes, record.newest)).unwrap_or_default()
}

fn merge(into: &mut RouteMarks, from: RouteMarks) {
    for (route, position) in from {
        let mark = into.entry(route).or_default();
        *mark = position.max(*mark);
    }
}
