//! The embedded engine: one file, one thread that owns the connection.

mod adoption;
mod compare;
mod keeper;
mod open;
mod schema;
mod write;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::mpsc;

use domain::{DestinationId, Lsid, Revision, SiteHost};
use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};
use tokio::sync::oneshot;

use super::plan::{Key, Plan};
use super::{
    Incoming, LedgerEntry, LedgerRow, Migrate, Schema, SchemaReport, Store, StoreError, StoredRow,
    Stray, Written,
};
use crate::columns::Table;
use keeper::{Fault, Keeper};

type Job = Box<dyn FnOnce(&mut Keeper) + Send>;

/// A SQLite database. Several processes may open one file; each waits for the others' transactions.
#[derive(Debug, Clone)]
pub struct Sqlite {
    place: String,
    identity: DestinationId,
    jobs: mpsc::Sender<Job>,
}

impl Sqlite {
    /// Opens the database in this file, makes it if there is none, brings its schema up to date, and draws its identity
    /// if it has none.
    ///
    /// # Errors
    /// When the file can't be opened or written, or holds a database that is not ours to change.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, Schema::BringUpToDate).await
    }

    /// Opens it, and does to its schema what this says.
    ///
    /// # Errors
    /// As [`Sqlite::open`], and when the schema lacks something that may not be made.
    pub async fn open_with(path: &Path, schema: Schema) -> Result<Self, StoreError> {
        let place = place(path);
        let keeper = Keeper::new(path, &place);
        let (jobs, work) = mpsc::channel::<Job>();
        let thread = std::thread::Builder::new().name("sqlite".to_owned());
        thread.spawn(move || keeper.run(&work)).map_err(|cause| StoreError::Down {
            place: place.clone(),
            what: "can't be given a thread of its own",
            cause: cause.into(),
        })?;
        let identity = call(&jobs, &place, move |keeper| keeper.open(schema)).await?;
        Ok(Sqlite { place, identity, jobs })
    }

    /// Plans or makes what the database lacks.
    ///
    /// # Errors
    /// When the file can't be opened or read, or holds a database that is not ours to change.
    pub async fn migrate(path: &Path, wanted: Migrate) -> Result<SchemaReport, StoreError> {
        let place = place(path);
        let keeper = Keeper::new(path, &place);
        let migrating = tokio::task::spawn_blocking(move || keeper.migrate(wanted));
        migrating.await.unwrap_or_else(|cause| {
            Err(StoreError::Failed { doing: "migrate", place, cause: cause.into() })
        })
    }

    async fn on<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        call(&self.jobs, &self.place, move |keeper| keeper.with(doing, work)).await
    }
}

fn place(path: &Path) -> String {
    format!("the SQLite database {}", path.display())
}

async fn call<T: Send + 'static>(
    jobs: &mpsc::Sender<Job>,
    place: &str,
    work: impl FnOnce(&mut Keeper) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (answer, answered) = oneshot::channel();
    let job: Job = Box::new(move |keeper| {
        // Whoever asked may have given up; what was done is done.
        drop(answer.send(work(keeper)));
    });
    let panicked = || StoreError::Failed {
        doing: "finish what was begun in",
        place: place.to_owned(),
        cause: "its thread panicked".into(),
    };
    jobs.send(job).map_err(|_| panicked())?;
    answered.await.map_err(|_| panicked())?
}

impl Store for Sqlite {
    fn identity(&self) -> &DestinationId {
        &self.identity
    }

    fn place(&self) -> &str {
        &self.place
    }

    async fn write(&self, batch: &[Incoming]) -> Result<Vec<Written>, StoreError> {
        let (batch, identity) = (batch.to_vec(), self.identity.clone());
        self.on("write a batch to", move |connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            keeper::check_identity(&transaction, &identity)?;
            let mut ledger = known(&transaction, &batch)?;
            adoption::adopt(&transaction, &batch, &mut ledger)?;
            let plan = Plan::of(&batch, &ledger);
            write::execute(&transaction, &batch, &plan)?;
            transaction.commit()?;
            Ok(plan.outcomes)
        })
        .await
    }

    async fn ledger(&self, site: &SiteHost, lsid: &Lsid) -> Result<Option<LedgerRow>, StoreError> {
        let (site, lsid) = (site.clone(), lsid.clone());
        self.on("read the ledger of", move |connection| {
            let transaction = connection.transaction()?;
            ledger_row(&transaction, site.as_str(), lsid.as_str())
        })
        .await
    }

    async fn newest(&self) -> Result<Option<Revision>, StoreError> {
        self.on("read the ledger of", |connection| {
            let mut statement = connection.prepare(
                "SELECT epoch, log_position FROM sluice_ledger
                 ORDER BY epoch DESC, log_position DESC LIMIT 1",
            )?;
            let mut rows = statement.query([])?;
            Ok(rows.next()?.map(revision_of).transpose()?)
        })
        .await
    }

    async fn marks(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        self.on("read the marks of", |connection| {
            let mut statement =
                connection.prepare("SELECT route, log_position FROM sluice_route")?;
            let marks = statement
                .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?
                .collect::<Result<_, _>>()?;
            Ok(marks)
        })
        .await
    }

    async fn renew(&self, identity: &DestinationId) -> Result<bool, StoreError> {
        let (old, new) = (self.identity.clone(), identity.clone());
        self.on("give another identity to", move |connection| {
            let sql = "UPDATE sluice_database SET id = ?1 WHERE id = ?2";
            Ok(connection.execute(sql, [new.as_str(), old.as_str()])? == 1)
        })
        .await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        let identity = self.identity.clone();
        self.on("read", move |connection| {
            keeper::check_identity(connection, &identity)?;
            keeper::check_tables(connection)
        })
        .await
    }

    async fn rehearse(&self, bytes: u64) -> Result<(), StoreError> {
        self.on("write to", move |connection| write::rehearse(connection, bytes)).await
    }

    async fn rows(
        &self,
        table: &'static Table,
        of: Option<&[i64]>,
    ) -> Result<Vec<StoredRow>, StoreError> {
        let condition = table.condition(of, "");
        self.on("read", move |connection| {
            let parent = table.parent.as_ref().map_or("NULL", |parent| parent.column);
            let cells: Vec<String> = table
                .columns
                .iter()
                .map(|column| format!("CAST([{}] AS TEXT)", column.name))
                .collect();
            let sql = format!(
                "SELECT id, {parent}, {} FROM {} {condition} ORDER BY id",
                cells.join(", "),
                table.name
            );
            let mut statement = connection.prepare(&sql)?;
            let stored = |row: &Row<'_>| {
                let cells = (0..table.columns.len()).map(|place| row.get(place + 2));
                Ok(StoredRow {
                    id: row.get(0)?,
                    parent: row.get(1)?,
                    cells: cells.collect::<Result<_, _>>()?,
                })
            };
            let rows = statement.query_map([], stored)?.collect::<Result<_, _>>()?;
            Ok(rows)
        })
        .await
    }

    async fn adopted(
        &self,
        of: &[(SiteHost, Lsid)],
    ) -> Result<BTreeSet<(String, String)>, StoreError> {
        let of = of.to_vec();
        self.on("read", move |connection| {
            let mut is_adopted = connection.prepare_cached(
                "SELECT 1 FROM sluice_adopted WHERE host_name = ?1 AND lsid = ?2",
            )?;
            let mut adopted = BTreeSet::new();
            for (site, lsid) in of {
                if is_adopted.exists([site.as_str(), lsid.as_str()])? {
                    adopted.insert((site.as_str().to_owned(), lsid.as_str().to_owned()));
                }
            }
            Ok(adopted)
        })
        .await
    }

    async fn ledger_page(
        &self,
        after: Option<&LedgerEntry>,
        count: usize,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        let after = after.map(|entry| (entry.host_name.clone(), entry.lsid.clone()));
        self.on("read the ledger of", move |connection| compare::page(connection, after, count))
            .await
    }

    async fn strays(&self, after_id: i64, count: usize) -> Result<Vec<Stray>, StoreError> {
        self.on("read", move |connection| compare::strays(connection, after_id, count)).await
    }

    async fn ledger_rows(&self) -> Result<Vec<(String, String, LedgerRow)>, StoreError> {
        self.on("read the ledger of", |connection| {
            let mut statement = connection.prepare(
                "SELECT epoch, log_position, content_digest, session_id, host_name, lsid
                 FROM sluice_ledger ORDER BY host_name, lsid",
            )?;
            let mut rows = statement.query([])?;
            let mut ledger = Vec::new();
            while let Some(row) = rows.next()? {
                ledger.push((row.get(4)?, row.get(5)?, ledger_row_of(row)?));
            }
            Ok(ledger)
        })
        .await
    }
}

/// What the ledger says of the sessions of a batch.
fn known(
    transaction: &Transaction<'_>,
    batch: &[Incoming],
) -> Result<HashMap<Key, LedgerRow>, Fault> {
    let mut ledger = HashMap::new();
    for Incoming { site, lsid, .. } in batch {
        if let Some(row) = ledger_row(transaction, site.as_str(), lsid.as_str())? {
            ledger.insert((site.clone(), lsid.clone()), row);
        }
    }
    Ok(ledger)
}

fn ledger_row(connection: &Connection, site: &str, lsid: &str) -> Result<Option<LedgerRow>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT epoch, log_position, content_digest, session_id
         FROM sluice_ledger WHERE host_name = ?1 AND lsid = ?2",
    )?;
    let mut rows = statement.query(params![site, lsid])?;
    rows.next()?.map(ledger_row_of).transpose()
}

fn ledger_row_of(row: &Row<'_>) -> Result<LedgerRow, Fault> {
    let digest: String = row.get(2)?;
    Ok(LedgerRow {
        revision: revision_of(row)?,
        content: digest.parse().map_err(|_| Fault::Damaged { what: "digest", text: digest })?,
        session_id: row.get(3)?,
    })
}

fn revision_of(row: &Row<'_>) -> rusqlite::Result<Revision> {
    Ok(Revision {
        epoch: row.get::<_, i64>(0)?.cast_unsigned(),
        position: row.get::<_, i64>(1)?.cast_unsigned(),
    })
}
