//! The temporary tables through which a batch travels: any table's rows fit into one of them.

use std::fmt::Write as _;
use std::sync::LazyLock;

use crate::columns::{Holds, SESSION_EVENT, SESSION_EVENT_DATA, SYSTEM_INFORMATION, TABLES, Table};

/// A temporary table. Its slots are for cells of any table, each column in the next free slot of its type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stage {
    pub(super) name: &'static str,
    pub(super) texts: usize,
    pub(super) integers: usize,
    pub(super) times: usize,
}

/// Sessions and what belongs to them, but for their events. Empty slots cost eight bytes each on the wire, so the many
/// rows of events and of their data have stages of their own.
pub(super) const ROWS: Stage = Stage { name: "#sluice_row", texts: 10, integers: 3, times: 2 };
const EVENTS: Stage = Stage { name: "#sluice_event", texts: 5, integers: 0, times: 1 };
pub(super) const PAIRS: Stage = Stage { name: "#sluice_pair", texts: 2, integers: 0, times: 0 };
pub(super) const STAGES: [&Stage; 3] = [&ROWS, &EVENTS, &PAIRS];

/// What goes straight into its table, where it can.
pub(super) const DIRECT: [&Table; 2] = [&SESSION_EVENT_DATA, &SYSTEM_INFORMATION];

/// The kind of what the ledger is to say of new sessions. The tables' own kinds come before.
pub(super) const LEDGER_NEW: i64 = TABLES.len() as i64;
/// The kind of what it is to say of sessions that it knows.
pub(super) const LEDGER_KNOWN: i64 = LEDGER_NEW + 1;

/// The temporary tables of ids beside the stages.
const ID_TABLES: [&str; 3] = ["#sluice_id", "#sluice_new_session", "#sluice_new_event"];

/// `kind` tells the table; `ord` is the row's place among its kind in the batch, from 1 (of a session: its place among
/// the incoming, from 0); `parent` is the `ord` of what it belongs to (of a session: the id that it keeps, or 0). The
/// collation is the ledger's, lest its keys be compared under two.
static TEMPORARY_TABLES: LazyLock<String> = LazyLock::new(|| {
    let mut sql = String::new();
    for stage in STAGES {
        let slots: String = stage
            .slots()
            .into_iter()
            .map(|(slot, holds)| match holds {
                Holds::Text => {
                    format!(", {slot} nvarchar(max) COLLATE Latin1_General_BIN2 NULL")
                }
                Holds::Integer => format!(", {slot} bigint NULL"),
                Holds::Time => format!(", {slot} datetime2(0) NULL"),
            })
            .collect();
        let name = stage.name;
        write!(
            sql,
            "CREATE TABLE {name} (kind bigint NOT NULL, ord bigint NOT NULL, parent bigint NOT NULL{slots});"
        )
        .expect("a string takes all that is written to it");
    }
    sql.push_str(
        "CREATE TABLE #sluice_id (ord bigint NOT NULL, id bigint NOT NULL);
         CREATE TABLE #sluice_new_session (id bigint NOT NULL);
         CREATE TABLE #sluice_new_event (id bigint NOT NULL);",
    );
    sql
});

/// Makes the temporary tables.
pub(super) fn tables() -> &'static str {
    &TEMPORARY_TABLES
}

/// Columns of the tables that are loaded straight which have other types than ours: somebody else made them.
pub(super) static OTHER_TYPES: LazyLock<String> = LazyLock::new(|| {
    let names: Vec<String> = DIRECT.iter().map(|table| format!("N'{}'", table.name)).collect();
    format!(
        "SELECT COLUMN_NAME FROM INFORMATION_SCHEMA.COLUMNS
         WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME IN ({})
             AND NOT (DATA_TYPE = N'bigint' OR DATA_TYPE = N'nvarchar' AND CHARACTER_MAXIMUM_LENGTH = -1)",
        names.join(", ")
    )
});

/// Empties them.
pub(super) static EMPTY: LazyLock<String> = LazyLock::new(|| {
    let names = STAGES.into_iter().map(|stage| stage.name).chain(ID_TABLES);
    names.map(|name| format!("TRUNCATE TABLE {name};")).collect()
});

impl Stage {
    /// Where rows of this table are loaded.
    pub(super) fn of(table: &Table) -> &'static Stage {
        match () {
            () if table == &SESSION_EVENT => &EVENTS,
            () if table == &SESSION_EVENT_DATA || table == &SYSTEM_INFORMATION => &PAIRS,
            () => &ROWS,
        }
    }

    pub(super) fn slots(&self) -> Vec<(String, Holds)> {
        let of = |holds, count| (1..=count).map(move |number| (slot(holds, number), holds));
        of(Holds::Text, self.texts)
            .chain(of(Holds::Integer, self.integers))
            .chain(of(Holds::Time, self.times))
            .collect()
    }
}

/// The name of the so-many-th slot of a type.
pub(super) fn slot(holds: Holds, number: usize) -> String {
    match holds {
        Holds::Text => format!("c{number}"),
        Holds::Integer => format!("n{number}"),
        Holds::Time => format!("t{number}"),
    }
}

/// The slot of a table's column: the first free one of its type.
pub(super) fn slot_of(table: &Table, place: usize) -> String {
    let holds = table.columns[place].holds;
    let same = table.columns[..=place].iter().filter(|column| column.holds == holds);
    slot(holds, same.count())
}

/// The number by which the temporary tables know a table's rows.
pub(super) fn kind_of(table: &Table) -> i64 {
    let place = TABLES.iter().position(|known| known.name == table.name);
    place.expect("there are eight tables") as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_fits_into_its_stage() {
        for table in TABLES {
            let slots: Vec<String> =
                Stage::of(table).slots().into_iter().map(|(slot, _)| slot).collect();
            for place in 0..table.columns.len() {
                let slot = slot_of(table, place);
                assert!(slots.contains(&slot), "{}.{} in {slot}", table.name, place);
            }
        }
    }
}
