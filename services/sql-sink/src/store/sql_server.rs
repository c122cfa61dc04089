//! SQL Server, and whatever speaks its protocol and language.

mod adoption;
mod browser;
mod compare;
mod connect;
mod connection;
mod connection_string;
mod fault;
mod limits;
mod load;
mod numbers;
mod open;
mod pool;
mod renew;
mod schema;
mod stage;
mod widen;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use domain::{DestinationId, Digest, Lsid, Revision, SiteHost};
use tiberius::Row;

use super::{
    Incoming, LedgerEntry, LedgerRow, Migrate, Schema, SchemaReport, Store, StoreError, StoredRow,
    Stray, Written, misfit,
};
use crate::columns::{Holds, Table};
use fault::{Course, Fault};
use pool::Pool;

/// How often a transaction is tried that lost a deadlock, its connection or a race.
const TRIES_MAX: usize = 4;

/// A SQL Server database. Several processes may write one: an application lock lets their transactions take turns.
#[derive(Debug)]
pub struct SqlServer {
    identity: DestinationId,
    pool: Pool,
}

impl SqlServer {
    /// Opens the database that this ADO.NET connection string names, brings its schema up to date, and draws its
    /// identity if it has none.
    ///
    /// # Errors
    /// When the string can't be understood, the server can't be reached or lets us not do it, or the database is not
    /// ours to change.
    pub async fn open(connection_string: &str) -> Result<Self, StoreError> {
        Self::open_with(connection_string, Schema::BringUpToDate).await
    }

    /// Opens it, and does to its schema what this says.
    ///
    /// # Errors
    /// As [`SqlServer::open`], and when the schema lacks something that may not be made.
    pub async fn open_with(connection_string: &str, schema: Schema) -> Result<Self, StoreError> {
        let pool = Pool::new(connection_string)?;
        let identity = open::open(&pool, schema).await?;
        Ok(SqlServer { identity, pool })
    }

    /// Plans or makes what the database lacks.
    ///
    /// # Errors
    /// When it can't be reached or read, or is not ours to change.
    pub async fn migrate(
        connection_string: &str,
        wanted: Migrate,
    ) -> Result<SchemaReport, StoreError> {
        open::migrate(&Pool::new(connection_string)?, wanted).await
    }

    /// The error, with the value that does not fit, once its session stands alone.
    async fn explained(&self, error: StoreError, batch: &[Incoming]) -> StoreError {
        let [incoming] = batch else { return error };
        let (place, cause) = match error {
            StoreError::Value { place, cause } => (place, cause),
            other => return other,
        };
        let cause = match limits::limits(&self.pool).await {
            Ok(limits) => {
                let of = (&incoming.site, &incoming.lsid);
                misfit::explained(of, &incoming.rows, &limits, cause)
            }
            // What the database said stands.
            Err(_) => cause,
        };
        StoreError::Value { place, cause }
    }

    /// Whether all our tables are there.
    async fn tables(&self) -> Result<(), StoreError> {
        let rows = self.query("read", schema::NAMES, &[]).await?;
        let names: Result<_, Fault> = rows.iter().map(|row| string(row, 0)).collect();
        let all = names.and_then(schema::check_tables);
        all.map_err(|fault| fault.named("read", self.pool.place()))
    }

    /// Reads. A connection that lay in the pool may have died there, so once more on another.
    async fn query(
        &self,
        doing: &'static str,
        sql: &str,
        parameters: &[&str],
    ) -> Result<Vec<Row>, StoreError> {
        let mut tries = 1;
        loop {
            let read = async {
                let mut connection = self.pool.take().await?;
                let rows = connection.query(sql, parameters).await?;
                self.pool.give_back(connection);
                Ok(rows)
            };
            match read.await {
                Err(fault) if tries < TRIES_MAX && Course::of(&fault) == Course::Again => {
                    self.pool.forget();
                    tries += 1;
                }
                read => return read.map_err(|fault| fault.named(doing, self.pool.place())),
            }
        }
    }
}

impl Store for SqlServer {
    fn identity(&self) -> &DestinationId {
        &self.identity
    }

    fn place(&self) -> &str {
        self.pool.place()
    }

    /// A try whose commit was not answered may have happened. The next one waits for the lock that the lost one may
    /// still hold, and then finds in the ledger what became of it.
    async fn write(&self, batch: &[Incoming]) -> Result<Vec<Written>, StoreError> {
        if let Some(padded) = batch.iter().find(|incoming| incoming.lsid.as_str().ends_with(' ')) {
            let cause = format!(
                "the LSID {:?} ends in a space, which SQL Server's comparisons ignore",
                padded.lsid.as_str()
            );
            return Err(StoreError::Value {
                place: self.pool.place().to_owned(),
                cause: cause.into(),
            });
        }
        let mut tries = 1;
        loop {
            let fault = match write::write(&self.pool, &self.identity, batch).await {
                Ok(written) => return Ok(written),
                Err(fault) => fault,
            };
            let widened = Course::of(&fault) == Course::Value
                && matches!(widen::widen(&self.pool, batch).await, Ok(true));
            if tries == TRIES_MAX || !(widened || Course::of(&fault) == Course::Again) {
                let may_be_lost = fault.may_be_of_a_lost_table();
                let error = fault.named("write a batch to", self.pool.place());
                if may_be_lost && let Err(lost @ StoreError::Lost { .. }) = self.tables().await {
                    return Err(lost);
                }
                return Err(self.explained(error, batch).await);
            }
            self.pool.forget();
            tries += 1;
            tracing::debug!(
                place = self.pool.place(),
                tries,
                ?fault,
                "a transaction is tried again"
            );
        }
    }

    async fn ledger(&self, site: &SiteHost, lsid: &Lsid) -> Result<Option<LedgerRow>, StoreError> {
        let sql = "SELECT epoch, log_position, content_digest, session_id FROM dbo.sluice_ledger
                   WHERE host_name = @P1 AND lsid = @P2";
        let doing = "read the ledger of";
        let rows = self.query(doing, sql, &[site.as_str(), lsid.as_str()]).await?;
        let row = rows.first().map(|row| ledger_row_of(row, 0)).transpose();
        row.map_err(|fault| fault.named(doing, self.pool.place()))
    }

    async fn newest(&self) -> Result<Option<Revision>, StoreError> {
        let sql = "SELECT TOP (1) epoch, log_position FROM dbo.sluice_ledger
                   ORDER BY epoch DESC, log_position DESC";
        let doing = "read the ledger of";
        let rows = self.query(doing, sql, &[]).await?;
        let row = rows.first().map(|row| revision_of(row, 0)).transpose();
        row.map_err(|fault| fault.named(doing, self.pool.place()))
    }

    async fn marks(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let doing = "read the marks of";
        let rows =
            self.query(doing, "SELECT route, log_position FROM dbo.sluice_route", &[]).await?;
        let mark = |row: &Row| Ok((string(row, 0)?, integer(row, 1)?.cast_unsigned()));
        let marks: Result<_, Fault> = rows.iter().map(mark).collect();
        marks.map_err(|fault| fault.named(doing, self.pool.place()))
    }

    async fn renew(&self, identity: &DestinationId) -> Result<bool, StoreError> {
        let renewed = renew::renew(&self.pool, &self.identity, identity).await;
        renewed.map_err(|fault| fault.named("give another identity to", self.pool.place()))
    }

    async fn probe(&self) -> Result<(), StoreError> {
        let rows = self.query("read", open::IDENTITY, &[]).await?;
        let found = rows.first().map(|row| string(row, 0)).transpose();
        let found = found.map_err(|fault| fault.named("read", self.pool.place()))?;
        let same = open::check_identity(found, &self.identity);
        same.map_err(|fault| fault.named("read", self.pool.place()))?;
        self.tables().await
    }

    async fn rehearse(&self, bytes: u64) -> Result<(), StoreError> {
        let rehearsed = write::rehearse(&self.pool, bytes).await;
        rehearsed.map_err(|fault| fault.named("write to", self.pool.place()))
    }

    async fn rows(
        &self,
        table: &'static Table,
        of: Option<&[i64]>,
    ) -> Result<Vec<StoredRow>, StoreError> {
        let parent = table.parent.as_ref().map_or("NULL", |parent| parent.column);
        let cell = |name: &str, holds: Holds| match holds {
            Holds::Text => format!("[{name}]"),
            Holds::Integer => format!("CAST([{name}] AS nvarchar(20))"),
            Holds::Time => format!("CONVERT(nvarchar(19), [{name}], 120)"),
        };
        let cells: Vec<String> =
            table.columns.iter().map(|column| cell(column.name, column.holds)).collect();
        let sql = format!(
            "SELECT CAST(id AS bigint), CAST({parent} AS bigint), {} FROM dbo.[{}] {} ORDER BY id",
            cells.join(", "),
            table.name,
            table.condition(of, "dbo.")
        );
        let rows = self.query("read", &sql, &[]).await?;
        let stored = |row: &Row| {
            let cells = (0..table.columns.len())
                .map(|place| Ok(row.try_get::<&str, _>(place + 2)?.map(str::to_owned)));
            Ok(StoredRow {
                id: integer(row, 0)?,
                parent: row.try_get::<i64, _>(1)?,
                cells: cells.collect::<Result<_, Fault>>()?,
            })
        };
        let rows: Result<_, Fault> = rows.iter().map(stored).collect();
        rows.map_err(|fault| fault.named("read", self.pool.place()))
    }

    async fn adopted(
        &self,
        of: &[(SiteHost, Lsid)],
    ) -> Result<BTreeSet<(String, String)>, StoreError> {
        let mut adopted = BTreeSet::new();
        for of in of.chunks(adoption::ASKED_MAX) {
            let (sql, parameters) = adoption::adopted_of(of);
            for row in self.query("read", &sql, &parameters).await? {
                let key = string(&row, 0).and_then(|site| Ok((site, string(&row, 1)?)));
                adopted.insert(key.map_err(|fault| fault.named("read", self.pool.place()))?);
            }
        }
        Ok(adopted)
    }

    async fn ledger_page(
        &self,
        after: Option<&LedgerEntry>,
        count: usize,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        // No host name is empty, so this is before all.
        let (host_name, lsid) =
            after.map_or(("", ""), |entry| (entry.host_name.as_str(), entry.lsid.as_str()));
        let doing = "read the ledger of";
        let rows = self.query(doing, &compare::page(count), &[host_name, lsid]).await?;
        let page: Result<_, Fault> = rows.iter().map(compare::entry).collect();
        page.map_err(|fault| fault.named(doing, self.pool.place()))
    }

    async fn strays(&self, after_id: i64, count: usize) -> Result<Vec<Stray>, StoreError> {
        let rows = self.query("read", &compare::strays(after_id, count), &[]).await?;
        let strays: Result<_, Fault> = rows.iter().map(compare::stray).collect();
        strays.map_err(|fault| fault.named("read", self.pool.place()))
    }

    async fn ledger_rows(&self) -> Result<Vec<(String, String, LedgerRow)>, StoreError> {
        let sql = "SELECT host_name, lsid, epoch, log_position, content_digest, session_id
                   FROM dbo.sluice_ledger ORDER BY host_name, lsid";
        let doing = "read the ledger of";
        let rows = self.query(doing, sql, &[]).await?;
        let row = |row: &Row| Ok((string(row, 0)?, string(row, 1)?, ledger_row_of(row, 2)?));
        let rows: Result<_, Fault> = rows.iter().map(row).collect();
        rows.map_err(|fault| fault.named(doing, self.pool.place()))
    }
}

/// Epoch, position, digest and session id, from this column on.
fn ledger_row_of(row: &Row, first: usize) -> Result<LedgerRow, Fault> {
    let text = string(row, first + 2)?;
    let content: Digest =
        text.parse().map_err(|_| Fault::Damaged { what: "digest", text: text.clone() })?;
    Ok(LedgerRow {
        revision: revision_of(row, first)?,
        content,
        session_id: integer(row, first + 3)?,
    })
}

fn revision_of(row: &Row, first: usize) -> Result<Revision, Fault> {
    Ok(Revision {
        epoch: integer(row, first)?.cast_unsigned(),
        position: integer(row, first + 1)?.cast_unsigned(),
    })
}

fn string(row: &Row, column: usize) -> Result<String, Fault> {
    Ok(row.try_get::<&str, _>(column)?.unwrap_or_default().to_owned())
}

fn integer(row: &Row, column: usize) -> Result<i64, Fault> {
    Ok(row.try_get::<i64, _>(column)?.unwrap_or_default())
}
