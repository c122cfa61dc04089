//! What a destination's database is to the sink: sessions go in, whole and once; a ledger says which.

mod adoption;
mod dump;
mod error;
mod lost;
mod migrations;
mod misfit;
mod plan;
mod schema;
mod sql;
mod sql_server;
mod sqlite;
mod survey;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use domain::{DestinationId, Digest, Lsid, Revision, SiteHost};

pub use dump::{Dump, StoredRow, dump};
pub use error::{Recourse, StoreError};
pub use schema::{Found, Migrate, Schema, SchemaReport, SchemaStep};
pub use sql_server::SqlServer;
pub use sqlite::Sqlite;

use crate::columns::{SessionRows, Table};

/// A session that is to be in the database, and the message that asked for it.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Whose session.
    pub site: SiteHost,
    /// Its id.
    pub lsid: Lsid,
    /// Which staging of its report.
    pub revision: Revision,
    /// The digest of what the report says.
    pub content: Digest,
    /// Whether it is written even if the database holds equal content.
    pub even_if_done: bool,
    /// What is written.
    pub rows: Arc<SessionRows>,
    /// Under which key the route that the message came by has its mark.
    pub route: Arc<str>,
    /// The message's position in the log.
    pub position: u64,
}

/// What became of an [`Incoming`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The database did not know the session.
    Inserted,
    /// The session kept its id; what it says and what belongs to it is new.
    Replaced,
    /// The database holds equal content. Only the ledger's revision was raised, lest an older revision restore what
    /// was in between.
    Unchanged,
    /// The database holds a newer revision, or another content of the same one; nothing was changed.
    Older,
}

/// What the ledger says of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// The revision that is stored.
    pub revision: Revision,
    /// The digest of what it says.
    pub content: Digest,
    /// The session's id in the database.
    pub session_id: i64,
}

/// A row of the ledger, with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The host name of the site.
    pub host_name: String,
    /// The session's LSID.
    pub lsid: String,
    /// What it says.
    pub row: LedgerRow,
    /// Whether there is a session of the id that it names.
    pub has_session: bool,
}

/// A session that the ledger does not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Its id in the database.
    pub id: i64,
    /// What it says.
    pub host_name: String,
    /// What it says.
    pub lsid: String,
    /// Whether the ledger names another session of this host name and LSID.
    pub is_double: bool,
}

/// A destination's database. Opening one (with each engine's own `open`) brings its schema up to date and draws its
/// identity if it has none.
///
/// Every call may be repeated. One that was given up half-way (its future dropped, its connection lost) has either
/// happened whole or not at all, and may still happen.
pub trait Store: Send + Sync + 'static {
    /// The identity that the database bears.
    fn identity(&self) -> &DestinationId;

    /// The database, for people; without secrets.
    fn place(&self) -> &str;

    /// Writes these sessions, their ledger rows and the marks of their routes in one transaction, and says of each
    /// what became of it, in their order.
    fn write(
        &self,
        batch: &[Incoming],
    ) -> impl Future<Output = Result<Vec<Written>, StoreError>> + Send;

    /// What the ledger says of a session.
    fn ledger(
        &self,
        site: &SiteHost,
        lsid: &Lsid,
    ) -> impl Future<Output = Result<Option<LedgerRow>, StoreError>> + Send;

    /// The newest revision that the ledger holds.
    fn newest(&self) -> impl Future<Output = Result<Option<Revision>, StoreError>> + Send;

    /// How far each route got: under its key, the highest position that was committed through it.
    fn marks(&self) -> impl Future<Output = Result<BTreeMap<String, u64>, StoreError>> + Send;

    /// Gives the database this identity in place of the one that it was opened with, unless it has another by now; says
    /// whether it did. What is written under the old identity afterwards is refused.
    fn renew(
        &self,
        identity: &DestinationId,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Whether the database answers and is still the one that was opened.
    fn probe(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Writes about this many bytes and takes them back: whether there is room and a right to write. A database that is
    /// full or read-only can be read.
    fn rehearse(&self, bytes: u64) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The rows of a table that belong to these sessions, or all of them, ascending by id.
    fn rows(
        &self,
        table: &'static Table,
        of: Option<&[i64]>,
    ) -> impl Future<Output = Result<Vec<StoredRow>, StoreError>> + Send;

    /// Those of these sessions whose rows are another program's: they were adopted as they were, and not written since.
    fn adopted(
        &self,
        of: &[(SiteHost, Lsid)],
    ) -> impl Future<Output = Result<BTreeSet<(String, String)>, StoreError>> + Send;

    /// The next rows of the ledger behind this key, by host name and LSID: `count` of them, or all that are left.
    fn ledger_page(
        &self,
        after: Option<&LedgerEntry>,
        count: usize,
    ) -> impl Future<Output = Result<Vec<LedgerEntry>, StoreError>> + Send;

    /// The next sessions behind this id that the ledger does not name, by id: `count` of them, or all that are left.
    fn strays(
        &self,
        after_id: i64,
        count: usize,
    ) -> impl Future<Output = Result<Vec<Stray>, StoreError>> + Send;

    /// All rows of the ledger, by host name and LSID.
    fn ledger_rows(
        &self,
    ) -> impl Future<Output = Result<Vec<(String, String, LedgerRow)>, StoreError>> + Send;
}
