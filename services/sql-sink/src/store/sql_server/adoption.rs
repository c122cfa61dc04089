use std::collections::HashMap;

use domain::{Lsid, SiteHost};

use super::connection::Connection;
use super::fault::Fault;
use super::{integer, string};
use crate::store::adoption::{Stored, adopted, unknown};
use crate::store::plan::Key;
use crate::store::{Incoming, LedgerRow};

/// LSIDs that are looked for in one call.
pub(super) const ASKED_MAX: usize = 512;

/// Asks which of these sessions, of which there are some, were adopted, and not written since.
pub(super) fn adopted_of(of: &[(SiteHost, Lsid)]) -> (String, Vec<&str>) {
    // The number of parameters is a power of two, so that the server knows few statements.
    let count = of.len().next_power_of_two();
    let asked = of.iter().chain(std::iter::repeat_n(&of[of.len() - 1], count - of.len()));
    let parameters = asked.flat_map(|(site, lsid)| [site.as_str(), lsid.as_str()]).collect();
    let one = |place| format!("host_name = @P{} AND lsid = @P{}", 2 * place + 1, 2 * place + 2);
    let conditions: Vec<String> = (0..count).map(one).collect();
    let sql =
        format!("SELECT host_name, lsid FROM dbo.sluice_adopted WHERE {}", conditions.join(" OR "));
    (sql, parameters)
}

/// Enters sessions of this batch that are in the tables, but not in the ledger, there and here.
pub(super) async fn adopt(
    connection: &mut Connection,
    batch: &[Incoming],
    ledger: &mut HashMap<Key, LedgerRow>,
) -> Result<(), Fault> {
    let unknown = unknown(batch, ledger);
    let lsids: Vec<&str> = unknown.keys().map(|(_, lsid)| lsid.as_str()).collect();
    let mut stored = Vec::new();
    for lsids in lsids.chunks(ASKED_MAX) {
        // The number of parameters is a power of two, so that the server knows few statements.
        let count = lsids.len().next_power_of_two();
        let mut parameters = lsids.to_vec();
        parameters.resize(count, lsids.last().copied().unwrap_or_default());
        let places: Vec<String> = (1..=count).map(|place| format!("@P{place}")).collect();
        let sql = format!(
            "SELECT CAST(id AS bigint), host_name, lsid FROM dbo.session WHERE lsid IN ({})",
            places.join(", ")
        );
        for row in connection.query(&sql, &parameters).await? {
            stored.push(Stored {
                id: integer(&row, 0)?,
                host_name: string(&row, 1)?,
                lsid: string(&row, 2)?,
            });
        }
    }
    for (incoming, row) in adopted(&unknown, &stored) {
        let sql = "INSERT INTO dbo.sluice_ledger (host_name, lsid, epoch, log_position, content_digest, session_id)
                   VALUES (@P1, @P2, @P3, @P4, @P5, @P6)";
        let epoch = row.revision.epoch.cast_signed().to_string();
        let position = row.revision.position.cast_signed().to_string();
        let (digest, id) = (row.content.to_string(), row.session_id.to_string());
        let (site, lsid) = (incoming.site.as_str(), incoming.lsid.as_str());
        connection.query(sql, &[site, lsid, &epoch, &position, &digest, &id]).await?;
        // Of a ledger that a person emptied, it may be left.
        let sql = "DELETE FROM dbo.sluice_adopted WHERE host_name = @P1 AND lsid = @P2;
                   INSERT INTO dbo.sluice_adopted (host_name, lsid) VALUES (@P1, @P2);";
        connection.query(sql, &[site, lsid]).await?;
        ledger.insert((incoming.site.clone(), incoming.lsid.clone()), row);
    }
    Ok(())
}
