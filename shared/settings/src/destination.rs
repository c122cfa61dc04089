use std::collections::BTreeMap;
use std::path::PathBuf;

use domain::{Conflict, FileNameFormat, Kind};

use crate::{Begin, Secret, url};

/// A place that artifacts are delivered to.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Its name in the settings; a label, part of no key.
    pub label: String,
    /// How many deliveries one process makes at a time.
    pub workers: usize,
    /// What it begins with when it is new.
    pub start: Begin,
    /// What it is.
    pub target: Target,
}

/// What a destination is.
#[derive(Debug, Clone)]
pub enum Target {
    /// A folder.
    Files(FilesTarget),
    /// A database.
    Sql(SqlTarget),
}

/// A folder, local or on a mounted share, or a bucket.
#[derive(Debug, Clone)]
pub struct FilesTarget {
    /// `file:///` and an absolute path, or `s3://`, `az://`, `gs://` and a bucket, perhaps with a prefix.
    pub url: String,
    /// The storage class, or access tier, that a bucket's files get; none leaves it to the bucket.
    pub storage_class: Option<String>,
    /// Whether a small file with its digest lies beside each file.
    pub sidecars: bool,
    /// How files are named.
    pub formats: Formats,
    /// What happens when two different artifacts want one name.
    pub on_conflict: Conflict,
    /// How many backups are kept beside the newest; none keeps all.
    pub prior_backups: Option<u32>,
}

/// How the files of each kind are named.
#[derive(Debug, Clone)]
pub struct Formats(BTreeMap<Kind, FileNameFormat>);

/// A database, and what it is to hold.
#[derive(Debug, Clone)]
pub struct SqlTarget {
    /// Which engine, and where.
    pub engine: SqlEngine,
    /// Whether the system information of sessions is stored.
    pub store_system_information: bool,
    /// How many sessions one transaction may hold.
    pub batch_sessions_max: usize,
    /// Whether a sink makes what the database's schema lacks when it starts; else `sluice migrate` does.
    pub migrate_at_start: bool,
}

/// A database engine, and where its database is.
#[derive(Debug, Clone)]
pub enum SqlEngine {
    /// Microsoft SQL Server.
    SqlServer {
        /// The ADO.NET connection string.
        connection: Secret,
    },
    /// SQLite.
    Sqlite {
        /// The database file.
        path: PathBuf,
    },
}

impl Destination {
    /// Slots for files unless set: most of a delivery is waiting for a disk or a share.
    pub const FILES_WORKERS: usize = 8;
    /// Slots for a database unless set: each takes a batch.
    pub const SQL_WORKERS: usize = 2;
}

impl Target {
    /// Whether it can hold artifacts of this kind: a database holds sessions and nothing else.
    pub const fn takes(&self, kind: Kind) -> bool {
        match self {
            Target::Files(_) => true,
            Target::Sql(_) => matches!(kind, Kind::SessionData),
        }
    }

    /// The name of its type in the settings.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Target::Files(_) => "files",
            Target::Sql(sql) => match sql.engine {
                SqlEngine::SqlServer { .. } => "sql-server",
                SqlEngine::Sqlite { .. } => "sqlite",
            },
        }
    }

    /// It as a folder.
    pub const fn files(&self) -> Option<&FilesTarget> {
        match self {
            Target::Files(files) => Some(files),
            Target::Sql(_) => None,
        }
    }

    /// It as a database.
    pub const fn sql(&self) -> Option<&SqlTarget> {
        match self {
            Target::Files(_) => None,
            Target::Sql(sql) => Some(sql),
        }
    }
}

impl FilesTarget {
    /// The folder that the URL names; none of a bucket.
    pub fn directory(&self) -> Option<PathBuf> {
        url::file(&self.url).ok()
    }
}

impl Formats {
    /// `given` holds for every kind where it is set; `overrides` for theirs.
    pub fn new(given: Option<&FileNameFormat>, overrides: BTreeMap<Kind, FileNameFormat>) -> Self {
        let mut formats = overrides;
        for kind in Kind::ALL {
            formats.entry(kind).or_insert_with(|| match given {
                Some(format) => format.clone(),
                None => FileNameFormat::standard(kind),
            });
        }
        Formats(formats)
    }

    /// How files of this kind are named.
    pub fn get(&self, kind: Kind) -> &FileNameFormat {
        self.0.get(&kind).expect("every kind was given a format")
    }
}

impl SqlTarget {
    /// Sessions in one transaction unless set.
    pub const BATCH_SESSIONS_MAX: usize = 200;
}
