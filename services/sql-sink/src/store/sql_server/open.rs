use domain::DestinationId;

use super::connection::Connection;
use super::fault::{Course, Fault};
use super::pool::Pool;
use super::{TRIES_MAX, string};
use crate::store::StoreError;
use crate::store::migrations::{self, SQL_SERVER};

pub(super) const IDENTITY: &str = "SELECT id FROM dbo.sluice_database";

/// Begins a transaction and waits for the lock that all our writers of one database share; it is free again when the
/// transaction ends, however it ends. The timeout is shorter than the server's silence that we bear.
pub(super) const BEGIN: &str = "BEGIN TRANSACTION;
    DECLARE @returned int;
    EXEC @returned = sp_getapplock @Resource = N'sluice', @LockMode = N'Exclusive',
        @LockOwner = N'Transaction', @LockTimeout = 60000;
    SELECT @returned;";

/// Brings the schema up to date and reads the identity, drawn if there is none, all in one transaction.
pub(super) async fn open(pool: &Pool) -> Result<DestinationId, StoreError> {
    let mut tries = 1;
    loop {
        match prepare(pool).await {
            Err(fault) if tries < TRIES_MAX && Course::of(&fault) == Course::Again => tries += 1,
            prepared => return prepared.map_err(|fault| fault.named("prepare", pool.place())),
        }
    }
}

async fn prepare(pool: &Pool) -> Result<DestinationId, Fault> {
    let mut connection = pool.take().await?;
    begin(&mut connection).await?;
    migrate(&mut connection).await?;
    let id = identity(&mut connection).await?;
    connection.batch("COMMIT TRANSACTION").await?;
    pool.give_back(connection);
    id.parse().map_err(|_| Fault::Damaged { what: "identity", text: id })
}

pub(super) async fn begin(connection: &mut Connection) -> Result<(), Fault> {
    let results = connection.batch(BEGIN).await?;
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

async fn migrate(connection: &mut Connection) -> Result<(), Fault> {
    let rows = connection
        .query("SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = N'dbo'", &[])
        .await?;
    let tables: Vec<String> = rows.iter().map(|row| string(row, 0)).collect::<Result<_, _>>()?;
    if let Some(table) = migrations::foreign_table(&tables) {
        return Err(Fault::SomebodyElses { table: table.clone() });
    }
    if !tables.iter().any(|table| table == "sluice_migration") {
        connection
            .batch(
                "CREATE TABLE dbo.sluice_migration (
                     number     bigint NOT NULL CONSTRAINT pk_sluice_migration PRIMARY KEY,
                     [name]     nvarchar(200) NOT NULL,
                     applied_at datetime2(0) NOT NULL
                         CONSTRAINT df_sluice_migration_applied_at DEFAULT SYSUTCDATETIME()
                 )",
            )
            .await?;
    }
    let rows = connection.query("SELECT number FROM dbo.sluice_migration", &[]).await?;
    let number =
        |row: &tiberius::Row| Ok(u32::try_from(super::integer(row, 0)?).unwrap_or(u32::MAX));
    let applied: Vec<u32> = rows.iter().map(number).collect::<Result<_, Fault>>()?;
    for migration in migrations::pending(SQL_SERVER, &applied).map_err(Fault::FromTheFuture)? {
        connection.batch(migration.sql).await?;
        let entry = "INSERT INTO dbo.sluice_migration (number, [name]) VALUES (@P1, @P2)";
        connection.query(entry, &[&migration.number.to_string(), migration.name]).await?;
    }
    Ok(())
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
