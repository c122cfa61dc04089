//! A batch on its way: its rows are loaded in bulk into temporary tables, and from there written set by set.
//!
//! Rows of all tables travel in two streams, whatever the number of tables, because each load costs three round trips.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::LazyLock;

use tiberius::{ColumnData, IntoSql, TokenRow};

use super::connection::Connection;
use super::fault::Fault;
use crate::columns::{
    Cell, Holds, Row, SESSION, SESSION_EVENT, SESSION_EVENT_DATA, SYSTEM_INFORMATION, SessionRows,
    TABLES, Table,
};
use crate::store::Incoming;
use crate::store::plan::{Change, Content, Plan};

/// Longer texts the driver takes as parameters only: in a bulk load it holds 65,535 bytes for the longest of all.
const BULK_UNITS_MAX: usize = 32_000;

/// A temporary table. Its slots are for cells of any table, each column in the next free slot of its type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stage {
    pub(super) name: &'static str,
    texts: usize,
    integers: usize,
    times: usize,
}

/// Wide enough for each of the eight tables.
const ROWS: Stage = Stage { name: "#sluice_row", texts: 10, integers: 3, times: 2 };
/// Two thirds of all rows hold two texts; empty slots cost eight bytes each on the wire.
const PAIRS: Stage = Stage { name: "#sluice_pair", texts: 2, integers: 0, times: 0 };
const STAGES: [&Stage; 2] = [&ROWS, &PAIRS];

/// The kind of what the ledger is to say of new sessions. The tables' own kinds come before.
pub(super) const LEDGER_NEW: i64 = TABLES.len() as i64;
/// The kind of what it is to say of sessions that it knows.
pub(super) const LEDGER_KNOWN: i64 = LEDGER_NEW + 1;

/// How many temporary tables of ids there are beside the stages.
const ID_TABLES: [&str; 3] = ["#sluice_id", "#sluice_new_session", "#sluice_event"];

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
         CREATE TABLE #sluice_event (id bigint NOT NULL);",
    );
    sql
});

/// Makes the temporary tables.
pub(super) fn tables() -> &'static str {
    &TEMPORARY_TABLES
}

/// Empties them.
pub(super) static EMPTY: LazyLock<String> = LazyLock::new(|| {
    let names = STAGES.into_iter().map(|stage| stage.name).chain(ID_TABLES);
    names.map(|name| format!("TRUNCATE TABLE {name};")).collect()
});

impl Stage {
    /// Where rows of this table are loaded.
    pub(super) fn of(table: &Table) -> &'static Stage {
        match table == &SESSION_EVENT_DATA || table == &SYSTEM_INFORMATION {
            true => &PAIRS,
            false => &ROWS,
        }
    }

    fn slots(&self) -> Vec<(String, Holds)> {
        let of = |holds, count| (1..=count).map(move |number| (slot(holds, number), holds));
        of(Holds::Text, self.texts)
            .chain(of(Holds::Integer, self.integers))
            .chain(of(Holds::Time, self.times))
            .collect()
    }
}

fn slot(holds: Holds, number: usize) -> String {
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

/// A row on its way.
struct Loaded<'b> {
    kind: i64,
    ord: i64,
    parent: i64,
    texts: Vec<Option<&'b str>>,
    integers: Vec<Option<i64>>,
    times: Vec<ColumnData<'static>>,
}

impl<'b> Loaded<'b> {
    fn of(table: &Table, ord: i64, parent: i64, cells: &'b Row) -> Self {
        let mut loaded = Loaded {
            kind: kind_of(table),
            ord,
            parent,
            texts: Vec::with_capacity(cells.len()),
            integers: Vec::new(),
            times: Vec::new(),
        };
        for (column, cell) in table.columns.iter().zip(cells) {
            match column.holds {
                Holds::Text => loaded.texts.push(match cell {
                    Cell::Text(text) => Some(text),
                    _ => None,
                }),
                Holds::Integer => loaded.integers.push(match cell {
                    Cell::Integer(number) => Some(*number),
                    _ => None,
                }),
                Holds::Time => loaded.times.push(match cell {
                    Cell::Time(instant) => instant.naive_utc().into_sql(),
                    _ => ColumnData::DateTime2(None),
                }),
            }
        }
        loaded
    }

    /// What the ledger is to say of an incoming.
    fn entry(kind: i64, ord: i64, incoming: &'b Incoming, digest: &'b str) -> Self {
        let revision = incoming.revision;
        Loaded {
            kind,
            ord,
            parent: 0,
            texts: vec![Some(incoming.site.as_str()), Some(incoming.lsid.as_str()), Some(digest)],
            integers: vec![
                Some(revision.epoch.cast_signed()),
                Some(revision.position.cast_signed()),
            ],
            times: Vec::new(),
        }
    }

    fn token(&self, stage: &Stage) -> TokenRow<'b> {
        let mut row = TokenRow::with_capacity(3 + stage.texts + stage.integers + stage.times);
        for number in [self.kind, self.ord, self.parent] {
            row.push(ColumnData::I64(Some(number)));
        }
        for place in 0..stage.texts {
            let text = self.texts.get(place).copied().flatten().filter(|text| !is_long(text));
            row.push(ColumnData::String(text.map(Cow::Borrowed)));
        }
        for place in 0..stage.integers {
            row.push(ColumnData::I64(self.integers.get(place).copied().flatten()));
        }
        for place in 0..stage.times {
            row.push(self.times.get(place).cloned().unwrap_or(ColumnData::DateTime2(None)));
        }
        row
    }
}

/// What was loaded.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Whether any session replaces another.
    pub(super) replaces: bool,
    /// Whether the ledger knows any session that changes.
    pub(super) known: bool,
    /// The kinds of which there are rows.
    pub(super) kinds: BTreeSet<i64>,
}

/// Loads what the plan writes: the rows of sessions whose content changes, and what the ledger is to say.
pub(super) async fn load(
    connection: &mut Connection,
    batch: &[Incoming],
    plan: &Plan,
) -> Result<Contents, Fault> {
    let digests: Vec<String> =
        plan.changes.iter().map(|change| batch[change.incoming].content.to_string()).collect();
    let mut contents = Contents::default();
    let mut gathered = Gathered::default();
    for (Change { incoming: place, content }, digest) in plan.changes.iter().zip(&digests) {
        let (incoming, ord) = (&batch[*place], *place as i64);
        let (ledger, session_id) = match *content {
            Content::Insert => (LEDGER_NEW, Some(0)),
            Content::Replace { session_id } => (LEDGER_KNOWN, Some(session_id)),
            Content::Keep => (LEDGER_KNOWN, None),
        };
        contents.replaces |= matches!(content, Content::Replace { .. });
        contents.known |= ledger == LEDGER_KNOWN;
        gathered.rows.push(Loaded::entry(ledger, ord, incoming, digest));
        if let Some(session_id) = session_id {
            gathered.session(ord, session_id, &incoming.rows);
        }
    }
    for (stage, rows) in [(&ROWS, &gathered.rows), (&PAIRS, &gathered.pairs)] {
        if !rows.is_empty() {
            contents.kinds.extend(rows.iter().map(|row| row.kind));
            stream(connection, stage, rows).await?;
        }
    }
    Ok(contents)
}

/// The rows of a batch, by where they are loaded.
#[derive(Default)]
struct Gathered<'b> {
    rows: Vec<Loaded<'b>>,
    pairs: Vec<Loaded<'b>>,
    /// How many there are of each table.
    counts: [i64; TABLES.len()],
}

impl<'b> Gathered<'b> {
    fn session(&mut self, ord: i64, session_id: i64, rows: &'b SessionRows) {
        self.rows.push(Loaded::of(&SESSION, ord, session_id, &rows.session));
        for (table, rows) in rows.leaves() {
            for row in rows {
                self.add(table, ord, row);
            }
        }
        for event in &rows.events {
            let of_event = self.add(&SESSION_EVENT, ord, &event.event);
            for row in &event.data {
                self.add(&SESSION_EVENT_DATA, of_event, row);
            }
            for row in &event.system_information {
                self.add(&SYSTEM_INFORMATION, of_event, row);
            }
        }
    }

    fn add(&mut self, table: &'static Table, parent: i64, cells: &'b Row) -> i64 {
        let count = &mut self.counts[kind_of(table) as usize];
        *count += 1;
        let row = Loaded::of(table, *count, parent, cells);
        match Stage::of(table) == &PAIRS {
            true => self.pairs.push(row),
            false => self.rows.push(row),
        }
        *count
    }
}

async fn stream(
    connection: &mut Connection,
    stage: &Stage,
    rows: &[Loaded<'_>],
) -> Result<(), Fault> {
    let slots = stage.slots();
    let columns: Vec<&str> = ["kind", "ord", "parent"]
        .into_iter()
        .chain(slots.iter().map(|(slot, _)| slot.as_str()))
        .collect();
    let mut request = connection.client.bulk_insert_columns(stage.name, &columns).await?;
    for row in rows {
        request.send(row.token(stage)).await?;
    }
    request.finalize().await?;
    for row in rows {
        for (text, number) in row.texts.iter().zip(1..) {
            let Some(text) = text.filter(|text| is_long(text)) else { continue };
            let sql = format!(
                "UPDATE {} SET {} = @P1 WHERE kind = @P2 AND ord = @P3",
                stage.name,
                slot(Holds::Text, number)
            );
            connection.query(&sql, &[text, &row.kind.to_string(), &row.ord.to_string()]).await?;
        }
    }
    Ok(())
}

fn is_long(text: &str) -> bool {
    text.len() > BULK_UNITS_MAX && text.encode_utf16().count() > BULK_UNITS_MAX
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
