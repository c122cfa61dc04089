use std::sync::LazyLock;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{CachedStatement, Connection, ToSql, TransactionBehavior, params};

use super::keeper::Fault;
use crate::columns::{
    CUSTOM_ATTRIBUTE, CUSTOMER, Cell, REPRESENTATIVE, Row, SESSION, SESSION_EVENT,
    SESSION_EVENT_DATA, SYSTEM_INFORMATION, SessionRows, TEAM, Table,
};
use crate::store::Incoming;
use crate::store::plan::{Change, Content, Plan};

/// The statements of one table.
struct Statements {
    insert: String,
    update: String,
}

impl Statements {
    fn of(table: &Table) -> Self {
        let values = table.columns.len() + usize::from(table.parent.is_some());
        let marks = vec!["?"; values].join(", ");
        Statements {
            insert: format!(
                "INSERT INTO {} ({}{}) VALUES ({marks})",
                table.name,
                table.parent_column(),
                table.column_list("")
            ),
            update: format!(
                "UPDATE {} SET {} WHERE id = ?",
                table.name,
                table.assignments(|_, _| "?".to_owned())
            ),
        }
    }
}

/// A number that the database gave anew belongs to another session by now.
static SESSIONS: LazyLock<Statements> = LazyLock::new(|| {
    let mut statements = Statements::of(&SESSION);
    statements.update.push_str(" AND lsid = ? AND lower(host_name) = ?");
    statements
});
static REPRESENTATIVES: LazyLock<Statements> = LazyLock::new(|| Statements::of(&REPRESENTATIVE));
static CUSTOMERS: LazyLock<Statements> = LazyLock::new(|| Statements::of(&CUSTOMER));
static TEAMS: LazyLock<Statements> = LazyLock::new(|| Statements::of(&TEAM));
static ATTRIBUTES: LazyLock<Statements> = LazyLock::new(|| Statements::of(&CUSTOM_ATTRIBUTE));
static EVENTS: LazyLock<Statements> = LazyLock::new(|| Statements::of(&SESSION_EVENT));
static EVENT_DATA: LazyLock<Statements> = LazyLock::new(|| Statements::of(&SESSION_EVENT_DATA));
static SYSTEM: LazyLock<Statements> = LazyLock::new(|| Statements::of(&SYSTEM_INFORMATION));

/// What belongs to a session directly; the rest goes with its events.
const CHILDREN: [&Table; 5] =
    [&REPRESENTATIVE, &CUSTOMER, &TEAM, &CUSTOM_ATTRIBUTE, &SESSION_EVENT];

/// The text of each row of a rehearsal.
const REHEARSED_BYTES: u64 = 64 * 1024;

/// Does to the database what the plan says.
pub(super) fn execute(
    connection: &Connection,
    batch: &[Incoming],
    plan: &Plan,
) -> Result<(), Fault> {
    for Change { incoming, content } in &plan.changes {
        let incoming = &batch[*incoming];
        let session_id = match *content {
            Content::Keep => {
                raise(connection, incoming)?;
                continue;
            }
            Content::Insert => insert_session(connection, &incoming.rows.session)?,
            Content::Replace { session_id } => replace(connection, session_id, incoming)?,
        };
        insert_children(connection, session_id, &incoming.rows)?;
        // Of a ledger that a person emptied, it may be left that it was another program's.
        connection
            .prepare_cached("DELETE FROM sluice_adopted WHERE host_name = ?1 AND lsid = ?2")?
            .execute([incoming.site.as_str(), incoming.lsid.as_str()])?;
        enter(connection, incoming, session_id)?;
    }
    let mut mark = connection.prepare_cached(
        "INSERT INTO sluice_route (route, log_position) VALUES (?1, ?2)
         ON CONFLICT (route) DO UPDATE SET log_position = max(log_position, excluded.log_position)",
    )?;
    for (route, position) in &plan.marks {
        mark.execute(params![route, position.cast_signed()])?;
    }
    Ok(())
}

/// Writes this many bytes to the journal, and takes them back.
pub(super) fn rehearse(connection: &mut Connection, bytes: u64) -> Result<(), Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO sluice_route (route, log_position) VALUES (hex(randomblob(?1)), 0)",
    )?;
    for _ in 0..bytes.div_ceil(REHEARSED_BYTES) {
        insert.execute([REHEARSED_BYTES.cast_signed() / 2])?;
    }
    drop(insert);
    // What fits into memory is not written before the commit.
    transaction.cache_flush()?;
    Ok(transaction.rollback()?)
}

fn insert_session(connection: &Connection, row: &Row) -> Result<i64, Fault> {
    insert(connection, &mut connection.prepare_cached(&SESSIONS.insert)?, None, row)
}

/// The session's new content under its old id, without children. Where a person deleted it, it comes back as a new one.
fn replace(connection: &Connection, session_id: i64, incoming: &Incoming) -> Result<i64, Fault> {
    let (site, lsid) = (incoming.site.as_str(), incoming.lsid.as_str());
    let row = &incoming.rows.session;
    let mut update = connection.prepare_cached(&SESSIONS.update)?;
    for (place, cell) in row.iter().enumerate() {
        update.raw_bind_parameter(place + 1, cell)?;
    }
    update.raw_bind_parameter(row.len() + 1, session_id)?;
    update.raw_bind_parameter(row.len() + 2, lsid)?;
    update.raw_bind_parameter(row.len() + 3, site)?;
    if update.raw_execute()? == 0 {
        return insert_session(connection, row);
    }
    for table in CHILDREN {
        let sql = format!("DELETE FROM {} WHERE session_id = ?1", table.name);
        connection.prepare_cached(&sql)?.execute([session_id])?;
    }
    Ok(session_id)
}

fn insert_children(
    connection: &Connection,
    session_id: i64,
    rows: &SessionRows,
) -> Result<(), Fault> {
    let leaves = [&REPRESENTATIVES, &CUSTOMERS, &TEAMS, &ATTRIBUTES];
    for (statements, (_, rows)) in leaves.into_iter().zip(rows.leaves()) {
        if rows.is_empty() {
            continue;
        }
        let mut statement = connection.prepare_cached(&statements.insert)?;
        for row in rows {
            insert(connection, &mut statement, Some(session_id), row)?;
        }
    }
    let mut event_statement = connection.prepare_cached(&EVENTS.insert)?;
    let mut data_statement = connection.prepare_cached(&EVENT_DATA.insert)?;
    let mut system_statement = connection.prepare_cached(&SYSTEM.insert)?;
    for event in &rows.events {
        let event_id = insert(connection, &mut event_statement, Some(session_id), &event.event)?;
        for row in &event.data {
            insert(connection, &mut data_statement, Some(event_id), row)?;
        }
        for row in &event.system_information {
            insert(connection, &mut system_statement, Some(event_id), row)?;
        }
    }
    Ok(())
}

fn insert(
    connection: &Connection,
    statement: &mut CachedStatement<'_>,
    parent: Option<i64>,
    row: &Row,
) -> Result<i64, Fault> {
    let first = match parent {
        Some(id) => {
            statement.raw_bind_parameter(1, id)?;
            2
        }
        None => 1,
    };
    for (place, cell) in row.iter().enumerate() {
        statement.raw_bind_parameter(first + place, cell)?;
    }
    statement.raw_execute()?;
    Ok(connection.last_insert_rowid())
}

fn raise(connection: &Connection, incoming: &Incoming) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(
        "UPDATE sluice_ledger SET epoch = ?3, log_position = ?4 WHERE host_name = ?1 AND lsid = ?2",
    )?;
    statement.execute(params![
        incoming.site.as_str(),
        incoming.lsid.as_str(),
        incoming.revision.epoch.cast_signed(),
        incoming.revision.position.cast_signed(),
    ])?;
    Ok(())
}

pub(super) fn enter(
    connection: &Connection,
    incoming: &Incoming,
    session_id: i64,
) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO sluice_ledger
             (host_name, lsid, epoch, log_position, content_digest, session_id, stored_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, datetime('now'))
         ON CONFLICT (host_name, lsid) DO UPDATE SET
             epoch = excluded.epoch, log_position = excluded.log_position,
             content_digest = excluded.content_digest, session_id = excluded.session_id,
             stored_at = excluded.stored_at",
    )?;
    statement.execute(params![
        incoming.site.as_str(),
        incoming.lsid.as_str(),
        incoming.revision.epoch.cast_signed(),
        incoming.revision.position.cast_signed(),
        incoming.content.to_string(),
        session_id,
    ])?;
    Ok(())
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Cell::Null => ToSqlOutput::Owned(Value::Null),
            Cell::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Cell::Integer(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            // Four digits for the year, as SQLite's own date functions take it.
            Cell::Time(instant) => {
                ToSqlOutput::Owned(Value::Text(instant.format("%Y-%m-%d %H:%M:%S").to_string()))
            }
        })
    }
}
