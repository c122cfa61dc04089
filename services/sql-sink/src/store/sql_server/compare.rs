//! Reading for comparisons, a page at a time.

use tiberius::Row;

use super::fault::Fault;
use super::{integer, ledger_row_of, string};
use crate::store::{LedgerEntry, Stray};

/// Whether a ledger's row and a session are of one host name and LSID. A session's own columns may have another
/// collation than the ledger's (by Turkish rules I is no capital i), and host names in capitals: another program wrote them as they were typed.
const SAME: &str = "g.host_name = LOWER(s.host_name COLLATE Latin1_General_BIN2)
             AND g.lsid = s.lsid COLLATE Latin1_General_BIN2";

pub(super) fn page(count: usize) -> String {
    format!(
        "SELECT TOP ({count}) g.host_name, g.lsid, g.epoch, g.log_position, g.content_digest, g.session_id,
                CASE WHEN s.id IS NULL THEN CAST(0 AS bigint) ELSE CAST(1 AS bigint) END
         FROM dbo.sluice_ledger g LEFT JOIN dbo.session s
             ON s.id = g.session_id AND {SAME}
         WHERE g.host_name > @P1 OR (g.host_name = @P1 AND g.lsid > @P2)
         ORDER BY g.host_name, g.lsid"
    )
}

pub(super) fn entry(row: &Row) -> Result<LedgerEntry, Fault> {
    Ok(LedgerEntry {
        host_name: string(row, 0)?,
        lsid: string(row, 1)?,
        row: ledger_row_of(row, 2)?,
        has_session: integer(row, 6)? == 1,
    })
}

pub(super) fn strays(after_id: i64, count: usize) -> String {
    format!(
        "SELECT TOP ({count}) CAST(s.id AS bigint), s.host_name, s.lsid,
                CASE WHEN g.session_id IS NULL THEN CAST(0 AS bigint) ELSE CAST(1 AS bigint) END
         FROM dbo.session s LEFT JOIN dbo.sluice_ledger g
             ON {SAME}
         WHERE s.id > {after_id} AND (g.session_id IS NULL OR g.session_id <> s.id)
         ORDER BY s.id"
    )
}

pub(super) fn stray(row: &Row) -> Result<Stray, Fault> {
    Ok(Stray {
        id: integer(row, 0)?,
        host_name: string(row, 1)?,
        lsid: string(row, 2)?,
        is_double: integer(row, 3)? == 1,
    })
}
