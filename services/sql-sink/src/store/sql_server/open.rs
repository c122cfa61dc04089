use std::time::Duration;

use domain::DestinationId;

use super::connection::Connection;
use super::fault::{Course, Fault};
use super::pool::Pool;
use super::schema::{self, Prepared};
use super::{TRIES_MAX, string};
use crate::store::schema::Asked;
use crate::store::survey::Engine;
use crate::store::{Migrate, Schema, SchemaReport, StoreError};

/// Where the tables were dropped under us, there is none.
pub(super) const IDENTITY: &str =
    "IF OBJECT_ID(N'dbo.sluice_database', N'U') IS NOT NULL SELECT id FROM dbo.sluice_database";

/// Begins a transaction and waits for the lock that all our writers of one database share; it is free again when the
/// transaction ends, however it ends. Its name has the database's: not every server keeps the locks of its databases
/// apart.
fn beginning(lock_wait: Duration) -> String {
    format!(
        "BEGIN TRANSACTION;
         DECLARE @resource nvarchar(255) = N'sluice ' + DB_NAME(), @returned int;
         EXEC @returned = sp_getapplock @Resource = @resource, @LockMode = N'Exclusive',
             @LockOwner = N'Transaction', @LockTimeout = {};
         SELECT @returned;",
        lock_wait.as_millis()
    )
}

/// Does what may be done to the schema and reads the identity, drawn if there is none, all in one transaction.
pub(super) async fn open(pool: &Pool, schema: Schema) -> Result<DestinationId, StoreError> {
    let mut tries = 1;
    loop {
        match prepare(pool, schema).await {
            Err(fault) if tries < TRIES_MAX && Course::of(&fault) == Course::Again => tries += 1,
            prepared => return prepared.map_err(|fault| fault.named("prepare", pool.place())),
        }
    }
}

async fn prepare(pool: &Pool, schema: Schema) -> Result<DestinationId, Fault> {
    let mut connection = pool.take().await?;
    begin(&mut connection).await?;
    let prepared = schema::prepare(&mut connection, Asked::Sink(schema)).await?;
    let id = identity(&mut connection).await?;
    let end = match schema {
        Schema::BringUpToDate | Schema::AsItIs => "COMMIT TRANSACTION",
        Schema::ToRead => "ROLLBACK TRANSACTION",
    };
    connection.batch(end).await?;
    pool.give_back(connection);
    pool.set_adopts(prepared.adopts);
    prepared.todo.warn_of_lost(pool.place());
    id.parse().map_err(|_| Fault::Damaged { what: "identity", text: id })
}

/// Does what a person wants of the schema. A connection whose transaction is not committed is dropped.
pub(super) async fn migrate(pool: &Pool, wanted: Migrate) -> Result<SchemaReport, StoreError> {
    let done = async {
        let mut connection = pool.take().await?;
        begin(&mut connection).await?;
        let prepared = schema::prepare(&mut connection, Asked::Person(wanted)).await?;
        if wanted == Migrate::Apply {
            connection.batch("COMMIT TRANSACTION").await?;
        }
        Ok(prepared)
    };
    let Prepared { todo, found, .. } =
        done.await.map_err(|fault: Fault| fault.named("migrate", pool.place()))?;
    Ok(SchemaReport {
        place: pool.place().to_owned(),
        adopts: found,
        lost: todo.lost.clone(),
        steps: todo.steps(Engine::SqlServer),
    })
}

pub(super) async fn begin(connection: &mut Connection) -> Result<(), Fault> {
    let results = connection.batch(&beginning(connection.lock_wait)).await?;
    let row = results.iter().flatten().next();
    let returned = row.map(|row| row.try_get::<i32, _>(0)).transpose()?.flatten().unwrap_or(-999);
    match returned >= 0 {
        true => Ok(()),
        false => Err(Fault::LockTaken { returned }),
    }
}

/// Whether the database is still the one that was opened.
pub(super) fn check_identity(found: Option<String>, expected: &DestinationId) -> Result<(), Fault> {
    let found = found.unwrap_or_else(|| "none".to_owned());
    match found == expected.as_str() {
        true => Ok(()),
        false => Err(Fault::Another { expected: expected.clone(), found }),
    }
}

async fn identity(connection: &mut Connection) -> Result<String, Fault> {
    let rows = connection.query(IDENTITY, &[]).await?;
    if let Some(row) = rows.first() {
        return string(row, 0);
    }
    let drawn = DestinationId::from_random(rand::random());
    connection
        .query("INSERT INTO dbo.sluice_database (one, id) VALUES (1, @P1)", &[drawn.as_str()])
        .await?;
    Ok(drawn.as_str().to_owned())
}
