use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use domain::Digest;
use sql_sink::store::{Sqlite, dump};

use crate::Rig;

/// What arrived at the destinations of a rig.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// Each file by its name, with the digest of its bytes; of a backup only that it is there: each is another.
    pub files: BTreeMap<String, Digest>,
    /// Each of the eight tables, its rows without their identities.
    pub rows: Vec<(&'static str, Vec<String>)>,
}

impl Arrived {
    /// Looks at the rig's `files` and `sessions.db`.
    pub async fn at(rig: &Rig) -> Arrived {
        Arrived { files: files(&rig.path("files")), rows: rows_of(&rig.path("sessions.db")).await }
    }

    /// How many sessions the database holds.
    pub fn sessions(&self) -> usize {
        self.rows.iter().find(|(table, _)| *table == "session").map_or(0, |(_, rows)| rows.len())
    }

    /// Fails with the first difference.
    ///
    /// # Panics
    /// When they differ.
    pub fn assert_equal(&self, expected: &Arrived) {
        for (name, digest) in &expected.files {
            assert_eq!(self.files.get(name), Some(digest), "the file {name}");
        }
        for name in self.files.keys() {
            assert!(expected.files.contains_key(name), "the file {name} should not be there");
        }
        for ((table, rows), (_, expected)) in self.rows.iter().zip(&expected.rows) {
            assert_eq!(rows.len(), expected.len(), "rows of {table}");
            for (row, expected) in rows.iter().zip(expected) {
                assert_eq!(row, expected, "a row of {table}");
            }
        }
    }
}

/// The rows of a SQLite database, table by table, without identities. The ledger is left out: revisions are positions
/// in a log, and each run has its own.
///
/// # Panics
/// When it can't be read.
pub async fn rows_of(path: &Path) -> Vec<(&'static str, Vec<String>)> {
    let store = Sqlite::open(path).await.expect("a database");
    let mut tables = dump(&store).await.expect("a database that can be read").tables;
    tables.retain(|(table, _)| *table != "sluice_ledger");
    tables
}

/// All files but those of the ledger, by their names, with the digests of their bytes; of a backup only that it is there.
///
/// # Panics
/// When they can't be read.
pub fn files(folder: &Path) -> BTreeMap<String, Digest> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a directory") {
        let entry = entry.expect("a readable directory");
        if entry.path().is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let bytes = match name.ends_with(".nsb") {
                true => Vec::new(),
                // It may be replaced just now.
                false => fs::read(entry.path()).unwrap_or_default(),
            };
            found.insert(name, Digest::of(&bytes));
        }
    }
    found
}
