//! A batch on its way: its rows are loaded in bulk into temporary tables, and from there written set by set. What
//! belongs to events, two thirds of all rows, is loaded straight into its table once the events have their ids.
//!
//! What was tried, against Babelfish on the same machine, as parts of what plain bulk loads of the same rows reach that
//! know all ids beforehand, one load a table (`benches/sql_server_load.rs`): all rows by temporary tables, 0.36 to 0.57
//! with 50 to 200 sessions a transaction, because each row is written twice; details straight, 0.55 with 100 sessions
//! and 0.70 to 0.75 with 200. OPENJSON was measured without our tables only: a third of a bulk load by itself; and it
//! needs a compatibility level that old databases lack. Ids reserved beforehand would let events go straight, too, but to keep identities a login needs
//! the right to alter the tables.

use std::borrow::Cow;
use std::collections::BTreeSet;

use tiberius::{ColumnData, IntoSql, SqlBulkCopyOption, TokenRow};

use super::connection::Connection;
use super::fault::Fault;
use super::stage::{DIRECT, LEDGER_KNOWN, LEDGER_NEW, PAIRS, ROWS, STAGES, Stage, kind_of, slot};
use crate::columns::{
    Cell, Holds, Row, SESSION, SESSION_EVENT, SESSION_EVENT_DATA, SYSTEM_INFORMATION, SessionRows,
    TABLES, Table,
};
use crate::store::Incoming;
use crate::store::plan::{Change, Content, Plan};

/// Longer texts the driver takes as parameters only: in a bulk load it holds 65,535 bytes for the longest of all.
const BULK_UNITS_MAX: usize = 32_000;

/// A row on its way.
struct Loaded<'b> {
    kind: i64,
    ord: i64,
    parent: i64,
    texts: Vec<Option<Cow<'b, str>>>,
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
                    Cell::Text(text) => Some(Cow::Borrowed(text)),
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
    fn entry(kind: i64, ord: i64, incoming: &'b Incoming) -> Self {
        let revision = incoming.revision;
        Loaded {
            kind,
            ord,
            parent: 0,
            texts: vec![
                Some(Cow::Borrowed(incoming.site.as_str())),
                Some(Cow::Borrowed(incoming.lsid.as_str())),
                Some(Cow::Owned(incoming.content.to_string())),
            ],
            integers: vec![
                Some(revision.epoch.cast_signed()),
                Some(revision.position.cast_signed()),
            ],
            times: Vec::new(),
        }
    }

    /// For a stage.
    fn staged(&self, stage: &Stage) -> TokenRow<'_> {
        let mut row = TokenRow::with_capacity(3 + stage.texts + stage.integers + stage.times);
        for number in [self.kind, self.ord, self.parent] {
            row.push(ColumnData::I64(Some(number)));
        }
        for place in 0..stage.texts {
            let text = self.texts.get(place).and_then(Option::as_deref);
            row.push(ColumnData::String(text.filter(|text| !is_long(text)).map(Cow::Borrowed)));
        }
        for place in 0..stage.integers {
            row.push(ColumnData::I64(self.integers.get(place).copied().flatten()));
        }
        for place in 0..stage.times {
            row.push(self.times.get(place).cloned().unwrap_or(ColumnData::DateTime2(None)));
        }
        row
    }

    /// For its table itself, below the event of this id.
    fn direct(&self, event_id: Option<i64>) -> TokenRow<'_> {
        let mut row = TokenRow::with_capacity(1 + self.texts.len());
        row.push(ColumnData::I64(event_id));
        for text in &self.texts {
            row.push(ColumnData::String(text.as_deref().map(Cow::Borrowed)));
        }
        row
    }
}

/// The rows of a batch, by how they travel.
#[derive(Default)]
pub(super) struct Load<'b> {
    /// By stage, in the order of [`STAGES`].
    staged: [Vec<Loaded<'b>>; STAGES.len()],
    /// What goes straight into its table, in the order of [`DIRECT`].
    direct: [Vec<Loaded<'b>>; DIRECT.len()],
    /// How many there are of each table.
    counts: [i64; TABLES.len()],
    /// Whether any session replaces another.
    pub(super) replaces: bool,
    /// The kinds of which there are rows in the stages.
    pub(super) kinds: BTreeSet<i64>,
}

impl<'b> Load<'b> {
    /// What the plan writes: the rows of sessions whose content changes, and what the ledger is to say.
    pub(super) fn of(batch: &'b [Incoming], plan: &Plan) -> Self {
        let mut load = Load::default();
        for Change { incoming: place, content } in &plan.changes {
            let (incoming, ord) = (&batch[*place], *place as i64);
            let (ledger, session_id) = match *content {
                Content::Insert => (LEDGER_NEW, Some(0)),
                Content::Replace { session_id } => (LEDGER_KNOWN, Some(session_id)),
                Content::Keep => (LEDGER_KNOWN, None),
            };
            load.replaces |= matches!(content, Content::Replace { .. });
            load.stage(&ROWS, Loaded::entry(ledger, ord, incoming));
            if let Some(session_id) = session_id {
                load.session(ord, session_id, &incoming.rows);
            }
        }
        load
    }

    fn session(&mut self, ord: i64, session_id: i64, rows: &'b SessionRows) {
        self.stage(&ROWS, Loaded::of(&SESSION, ord, session_id, &rows.session));
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
        let ord = *count;
        let row = Loaded::of(table, ord, parent, cells);
        match DIRECT.iter().position(|direct| direct.name == table.name) {
            Some(place) => self.direct[place].push(row),
            None => self.stage(Stage::of(table), row),
        }
        ord
    }

    fn stage(&mut self, stage: &Stage, row: Loaded<'b>) {
        self.kinds.insert(row.kind);
        let place = STAGES.iter().position(|known| known.name == stage.name);
        self.staged[place.expect("there are three stages")].push(row);
    }

    /// Has everything travel by the stages that can't go straight into its table: because that is not of our making,
    /// or because the driver takes long texts as parameters only.
    pub(super) fn detour(&mut self, is_ours: bool) {
        for place in 0..DIRECT.len() {
            let long = |row: &Loaded<'_>| row.texts.iter().flatten().any(|text| is_long(text));
            if !is_ours || self.direct[place].iter().any(long) {
                for row in std::mem::take(&mut self.direct[place]) {
                    self.stage(&PAIRS, row);
                }
            }
        }
    }

    /// Whether anything goes straight into its table, and needs the ids of events.
    pub(super) fn is_direct(&self) -> bool {
        self.direct.iter().any(|rows| !rows.is_empty())
    }

    /// Loads the stages.
    pub(super) async fn to_stages(&self, connection: &mut Connection) -> Result<(), Fault> {
        for (stage, rows) in STAGES.iter().zip(&self.staged) {
            if !rows.is_empty() {
                stream(connection, stage, rows).await?;
            }
        }
        Ok(())
    }

    /// Loads what belongs to events, whose ids are these, in their order.
    ///
    /// Constraints are checked: a load that does not check them leaves them behind as not trusted.
    pub(super) async fn to_tables(
        &self,
        connection: &mut Connection,
        event_ids: &[i64],
    ) -> Result<(), Fault> {
        for (table, rows) in DIRECT.iter().zip(&self.direct) {
            if rows.is_empty() {
                continue;
            }
            let name = format!("dbo.[{}]", table.name);
            let parent = table.parent.as_ref().map(|parent| parent.column);
            let names: Vec<String> = parent
                .into_iter()
                .chain(table.columns.iter().map(|column| column.name))
                .map(|name| format!("[{name}]"))
                .collect();
            let columns: Vec<&str> = names.iter().map(String::as_str).collect();
            let options = SqlBulkCopyOption::CheckConstraints
                | SqlBulkCopyOption::FireTriggers
                | SqlBulkCopyOption::KeepNulls;
            let client = &mut connection.client;
            let mut request =
                client.bulk_insert_with_options(&name, &columns, options, &[]).await?;
            for row in rows {
                let place = usize::try_from(row.parent - 1).ok();
                let id = place.and_then(|place| event_ids.get(place)).copied();
                request.send(row.direct(id)).await?;
            }
            request.finalize().await?;
        }
        Ok(())
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
        request.send(row.staged(stage)).await?;
    }
    request.finalize().await?;
    for row in rows {
        for (text, number) in row.texts.iter().zip(1..) {
            let Some(text) = text.as_deref().filter(|text| is_long(text)) else { continue };
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
