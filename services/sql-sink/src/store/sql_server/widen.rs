//! A column that people search has a length, so that it can have an index. Where a report has a longer text, the column
//! is widened, and loses the index: a text is never cut.

use std::collections::BTreeSet;

use super::fault::Fault;
use super::open::begin;
use super::pool::Pool;
use crate::columns::{CUSTOMER, Cell, Column, REPRESENTATIVE, Row, SESSION, SESSION_EVENT, Table};
use crate::store::Incoming;
use crate::store::survey::{SEARCHED, length};

/// Widens what this batch needs wider, if that is what it needs; says whether it did.
pub(super) async fn widen(pool: &Pool, batch: &[Incoming]) -> Result<bool, Fault> {
    let narrow = narrow(batch);
    if narrow.is_empty() {
        return Ok(false);
    }
    let mut connection = pool.take().await?;
    begin(&mut connection).await?;
    for (table, column) in &narrow {
        connection
            .batch(&format!(
                "DROP INDEX IF EXISTS {table}_{column} ON dbo.{table};
                 ALTER TABLE dbo.{table} ALTER COLUMN [{column}] nvarchar(max);"
            ))
            .await?;
    }
    connection.batch("COMMIT TRANSACTION").await?;
    // Temporary tables and plans of the other connections know the old columns.
    pool.forget();
    for (table, column) in narrow {
        tracing::info!(
            place = pool.place(),
            table,
            column,
            "a column was widened: its texts may be of any length now"
        );
    }
    Ok(true)
}

/// The columns for which this batch has a text that is longer than they are with us.
fn narrow(batch: &[Incoming]) -> BTreeSet<(&'static str, &'static str)> {
    let mut narrow = BTreeSet::new();
    let mut look = |table: &'static Table, row: &Row| {
        let long =
            table.columns.iter().zip(row).filter(|(column, cell)| is_long(table, column, cell));
        narrow.extend(long.map(|(column, _)| (table.name, column.name)));
    };
    for Incoming { rows, .. } in batch {
        look(&SESSION, &rows.session);
        rows.representatives.iter().for_each(|row| look(&REPRESENTATIVE, row));
        rows.customers.iter().for_each(|row| look(&CUSTOMER, row));
        rows.events.iter().for_each(|event| look(&SESSION_EVENT, &event.event));
    }
    narrow
}

fn is_long(table: &Table, column: &Column, cell: &Cell) -> bool {
    let searched = length(table, column) == Some(SEARCHED);
    searched && matches!(cell, Cell::Text(text) if text.encode_utf16().count() > SEARCHED)
}
