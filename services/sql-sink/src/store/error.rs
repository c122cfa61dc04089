use std::time::Duration;

use domain::DestinationId;

use super::migrations::FromTheFuture;
use super::schema::Refusal;
use super::survey::Foreign;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a database did not do what was asked of it. Whatever it was, nothing of the batch is written, or all of it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database as a whole does not work; no message's fault.
    #[error("{place} {what}")]
    Down {
        /// The database.
        place: String,
        /// What is the matter, and its cure.
        what: &'static str,
        /// What the driver said.
        #[source]
        cause: Cause,
    },
    /// It has more to do than it can.
    #[error("{place} asks for patience")]
    Throttled {
        /// The database.
        place: String,
        /// For how long.
        wait: Duration,
        /// What the driver said.
        #[source]
        cause: Cause,
    },
    /// What was to be written can never be: no column holds it.
    #[error("{place} can't hold what was to be written")]
    Value {
        /// The database.
        place: String,
        /// What the driver said.
        #[source]
        cause: Cause,
    },
    /// Something failed that is known neither to be the database's fault nor the content's.
    #[error("could not {doing} {place}")]
    Failed {
        /// What was being done, up to the database's name.
        doing: &'static str,
        /// The database.
        place: String,
        /// What the driver said.
        #[source]
        cause: Cause,
    },
    /// A newer sluice has been here.
    #[error(
        "{place} has schema {found}; this program knows schemas up to {known}: update it (the database is untouched)"
    )]
    FromTheFuture {
        /// The database.
        place: String,
        /// Its newest migration.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// It holds a table of one of our names that is not ours.
    #[error(
        "{place} has a table {table} that sluice did not make ({why}): name another database, or an empty one \
         (the database is untouched)"
    )]
    SomebodyElses {
        /// The database.
        place: String,
        /// The table.
        table: String,
        /// What tells it from ours.
        why: String,
    },
    /// The server's own database, which the connection string may not even have named.
    #[error("{place} is the server's own {name}: name the database of the sessions (Database=...)")]
    SystemDatabase {
        /// The database.
        place: String,
        /// Its name.
        name: String,
    },
    /// Another program made and filled the tables.
    #[error(
        "{place} holds sessions that another program stored, and nothing of sluice's: `sluice migrate --to` it with \
         --plan shows what it lacks, and without adds that and adopts the sessions (the database is untouched)"
    )]
    Unadopted {
        /// The database.
        place: String,
    },
    /// Its schema is not the one that this program needs, and the sink is not to change it.
    #[error(
        "{place} lacks {missing}: run `sluice migrate --to` it with a login that may make and change tables, or let the \
         sink do it (migrate_at_start = true)"
    )]
    Unmigrated {
        /// The database.
        place: String,
        /// What it lacks.
        missing: String,
    },
    /// The login may not do what is needed.
    #[error("{place} lets the login not do what is needed: it lacks {missing}; {cure}")]
    Rights {
        /// The database.
        place: String,
        /// Which rights.
        missing: String,
        /// How it gets them.
        cure: &'static str,
    },
    /// Under the same name there is another database than the one that was opened.
    #[error(
        "{place} is another database than before: its identity is {found} instead of {expected}; it is opened anew"
    )]
    Another {
        /// The database.
        place: String,
        /// Whose identity was read when it was opened.
        expected: DestinationId,
        /// What it says now.
        found: String,
    },
    /// Tables of ours that were there when it was opened are gone.
    #[error(
        "{place} lacks {tables}: what the sink may make is made anew when it opens the database again, and the rest by \
         `sluice migrate --to` it"
    )]
    Lost {
        /// The database.
        place: String,
        /// Their names, and what fills them again.
        tables: String,
    },
    /// What stands in one of our own tables can't be read.
    #[error("{place} holds {text:?} where its {what} should stand")]
    Damaged {
        /// The database.
        place: String,
        /// What should stand there.
        what: &'static str,
        /// What stands there.
        text: String,
    },
    /// The connection string can't be understood. Its text is a secret.
    #[error("the connection string of the destination is not understood")]
    ConnectionString {
        /// What the driver said.
        #[source]
        cause: Cause,
    },
}

/// What is to be done about a [`StoreError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recourse {
    /// The batch may work later, or holds a message that is to blame.
    Retry,
    /// The batch holds a message that can never succeed.
    Reject,
    /// Wait until the database is back.
    Down,
    /// Wait this long.
    Throttled(Duration),
}

impl StoreError {
    /// What is to be done about it.
    pub const fn recourse(&self) -> Recourse {
        match self {
            StoreError::Failed { .. } => Recourse::Retry,
            StoreError::Value { .. } => Recourse::Reject,
            StoreError::Throttled { wait, .. } => Recourse::Throttled(*wait),
            StoreError::Down { .. }
            | StoreError::FromTheFuture { .. }
            | StoreError::SomebodyElses { .. }
            | StoreError::SystemDatabase { .. }
            | StoreError::Unadopted { .. }
            | StoreError::Unmigrated { .. }
            | StoreError::Rights { .. }
            | StoreError::Another { .. }
            | StoreError::Lost { .. }
            | StoreError::Damaged { .. }
            | StoreError::ConnectionString { .. } => Recourse::Down,
        }
    }
}

/// A refusal about this database.
pub(super) fn refused(refusal: Refusal, place: String) -> StoreError {
    match refusal {
        Refusal::FromTheFuture(FromTheFuture { found, known }) => {
            StoreError::FromTheFuture { place, found, known }
        }
        Refusal::SomebodyElses(Foreign { table, why }) => {
            StoreError::SomebodyElses { place, table, why }
        }
        Refusal::SystemDatabase(name) => StoreError::SystemDatabase { place, name },
        Refusal::Unadopted => StoreError::Unadopted { place },
        Refusal::Unmigrated(missing) => StoreError::Unmigrated { place, missing },
    }
}
