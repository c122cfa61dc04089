use std::collections::HashMap;

use rusqlite::Connection;

use super::keeper::Fault;
use super::write;
use crate::store::adoption::{Stored, adopted, unknown};
use crate::store::plan::Key;
use crate::store::{Incoming, LedgerRow};

/// Enters sessions of this batch that are in the tables, but not in the ledger, there and here.
pub(super) fn adopt(
    connection: &Connection,
    batch: &[Incoming],
    ledger: &mut HashMap<Key, LedgerRow>,
) -> Result<(), Fault> {
    if !connection.prepare_cached("SELECT 1 FROM sluice_adoption")?.exists([])? {
        return Ok(());
    }
    let unknown = unknown(batch, ledger);
    let mut statement =
        connection.prepare_cached("SELECT id, host_name, lsid FROM session WHERE lsid = ?1")?;
    let mut stored = Vec::new();
    for (_, lsid) in unknown.keys() {
        let mut rows = statement.query([lsid])?;
        while let Some(row) = rows.next()? {
            stored.push(Stored { id: row.get(0)?, host_name: row.get(1)?, lsid: row.get(2)? });
        }
    }
    for (incoming, row) in adopted(&unknown, &stored) {
        write::enter(connection, incoming, row.session_id)?;
        connection
            .prepare_cached(
                "INSERT OR IGNORE INTO sluice_adopted (host_name, lsid) VALUES (?1, ?2)",
            )?
            .execute([incoming.site.as_str(), incoming.lsid.as_str()])?;
        ledger.insert((incoming.site.clone(), incoming.lsid.clone()), row);
    }
    Ok(())
}
