//! Reading for comparisons, a page at a time. Host names are the ledger's in lower case; other programs wrote them as
//! they were typed.

use rusqlite::{Connection, Row, params};

use super::keeper::Fault;
use super::ledger_row_of;
use crate::store::{LedgerEntry, Stray};

pub(super) fn page(
    connection: &Connection,
    after: Option<(String, String)>,
    count: usize,
) -> Result<Vec<LedgerEntry>, Fault> {
    // No host name is empty, so this is before all.
    let (host_name, lsid) = after.unwrap_or_default();
    let mut statement = connection.prepare_cached(
        "SELECT g.epoch, g.log_position, g.content_digest, g.session_id, g.host_name, g.lsid, s.id IS NOT NULL
         FROM sluice_ledger g LEFT JOIN session s
             ON s.id = g.session_id AND s.lsid = g.lsid AND lower(s.host_name) = g.host_name
         WHERE (g.host_name, g.lsid) > (?1, ?2) ORDER BY g.host_name, g.lsid LIMIT ?3",
    )?;
    let mut rows = statement.query(params![host_name, lsid, bound(count)])?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        page.push(LedgerEntry {
            host_name: row.get(4)?,
            lsid: row.get(5)?,
            row: ledger_row_of(row)?,
            has_session: row.get(6)?,
        });
    }
    Ok(page)
}

pub(super) fn strays(
    connection: &Connection,
    after_id: i64,
    count: usize,
) -> Result<Vec<Stray>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT s.id, s.host_name, s.lsid, g.session_id IS NOT NULL
         FROM session s LEFT JOIN sluice_ledger g ON g.host_name = lower(s.host_name) AND g.lsid = s.lsid
         WHERE s.id > ?1 AND (g.session_id IS NULL OR g.session_id <> s.id) ORDER BY s.id LIMIT ?2",
    )?;
    let stray = |row: &Row<'_>| {
        Ok(Stray {
            id: row.get(0)?,
            host_name: row.get(1)?,
            lsid: row.get(2)?,
            is_double: row.get(3)?,
        })
    };
    let strays = statement.query_map(params![after_id, bound(count)], stray)?;
    Ok(strays.collect::<Result<_, _>>()?)
}

fn bound(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
