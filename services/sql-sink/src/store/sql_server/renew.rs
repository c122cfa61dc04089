use domain::DestinationId;

use super::fault::Fault;
use super::open::{IDENTITY, begin};
use super::pool::Pool;
use super::string;

/// Changes the identity under the lock that writers take turns by: what is being written under the old one is committed
/// before, or refused after.
///
/// Whether a change whose answer was lost has happened is seen by whoever opens the database next.
pub(super) async fn renew(
    pool: &Pool,
    old: &DestinationId,
    new: &DestinationId,
) -> Result<bool, Fault> {
    let mut connection = pool.take().await?;
    begin(&mut connection).await?;
    let sql = "UPDATE dbo.sluice_database SET id = @P1 WHERE id = @P2";
    connection.query(sql, &[new.as_str(), old.as_str()]).await?;
    let found = connection.batch(IDENTITY).await?;
    let found = found.iter().flatten().next().map(|row| string(row, 0)).transpose()?;
    connection.batch("COMMIT TRANSACTION").await?;
    pool.give_back(connection);
    Ok(found.is_some_and(|found| found == new.as_str()))
}
