//! What a person does about a database's schema: sees what it lacks, has it made, tries whether it can be used.

use settings::{SqlEngine, SqlTarget, UnresolvedSecret};

use crate::store::{Migrate, Schema, SchemaReport, SqlServer, Sqlite, Store as _, StoreError};

/// What a check writes, and takes back.
const REHEARSED_BYTES: u64 = 1024 * 1024;

/// Why a schema was not planned, made or tried.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The connection string was not read.
    #[error("the connection string is not known")]
    Secret(#[source] UnresolvedSecret),
    /// The database can't be used.
    #[error("the database can't be used")]
    Store(#[source] StoreError),
}

/// Plans what a database's schema lacks, or makes it, and adopts what another program stored.
///
/// # Errors
/// When the database can't be reached, or is not ours to change.
pub async fn migrate(target: &SqlTarget, wanted: Migrate) -> Result<SchemaReport, MigrateError> {
    match &target.engine {
        SqlEngine::Sqlite { path } => Sqlite::migrate(path, wanted).await,
        SqlEngine::SqlServer { connection } => {
            SqlServer::migrate(connection.expose().map_err(MigrateError::Secret)?, wanted).await
        }
    }
    .map_err(MigrateError::Store)
}

/// Tries a destination, and changes nothing: what a sink would find when it starts.
///
/// # Errors
/// When a sink could not deliver to it.
pub async fn check(target: &SqlTarget) -> Result<String, MigrateError> {
    // Where a person migrates, the sink's login need not be able to.
    let wanted = if target.migrate_at_start { Migrate::Try } else { Migrate::Plan };
    let report = migrate(target, wanted).await?;
    let lost = report.told_of_lost();
    let place = report.place;
    if report.adopts.is_some() {
        return Err(MigrateError::Store(StoreError::Unadopted { place }));
    }
    let steps: Vec<String> = report.steps.into_iter().map(|step| step.what).collect();
    match (steps.is_empty(), target.migrate_at_start) {
        // Opening it changes nothing, but tries the rights; what is written after that is taken back.
        (true, _) => {
            opened(target).await.map_err(MigrateError::Store)?;
            Ok(format!("{place} can be written, and its schema is up to date"))
        }
        (false, true) => Ok(format!(
            "{place} answers{}; the sink will bring its schema up to date when it starts: {}",
            lost.map_or(String::new(), |lost| format!(", but lacks {lost}")),
            steps.join(", ")
        )),
        (false, false) => {
            let missing = lost.unwrap_or_else(|| steps.join(", "));
            Err(MigrateError::Store(StoreError::Unmigrated { place, missing }))
        }
    }
}

async fn opened(target: &SqlTarget) -> Result<(), StoreError> {
    match &target.engine {
        SqlEngine::Sqlite { path } => {
            Sqlite::open_with(path, Schema::ToRead).await?.rehearse(REHEARSED_BYTES).await
        }
        SqlEngine::SqlServer { connection } => {
            let connection = connection.expose().expect("it was read to plan with");
            SqlServer::open_with(connection, Schema::ToRead).await?.rehearse(REHEARSED_BYTES).await
        }
    }
}

/// What a sink may do to the schema of this destination.
pub(crate) const fn schema(target: &SqlTarget) -> Schema {
    match target.migrate_at_start {
        true => Schema::BringUpToDate,
        false => Schema::AsItIs,
    }
}
