//! What stands in a database before anything of it is changed, and what is missing there: decided from its catalog
//! alone.

use std::fmt;

use super::migrations::OWN_TABLES;
use crate::columns::{Column, Holds, TABLES, Table};

/// A table or a view as a catalog has it, its names in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FoundTable {
    pub(crate) name: String,
    pub(crate) is_view: bool,
    pub(crate) columns: Vec<FoundColumn>,
    pub(crate) references: Vec<FoundReference>,
}

/// A column as a catalog has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FoundColumn {
    pub(crate) name: String,
    /// The name of its type.
    pub(crate) kind: String,
    /// How many characters it takes; none where that has no limit, or is not asked.
    pub(crate) length: Option<usize>,
    /// Whether its values are made by the database.
    pub(crate) is_generated: bool,
}

/// A foreign key as a catalog has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FoundReference {
    pub(crate) name: String,
    pub(crate) column: String,
    pub(crate) to: String,
    pub(crate) cascades: bool,
}

/// How an engine's types are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    SqlServer,
    /// Its columns take anything.
    Sqlite,
}

/// Whose database it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has none of the tables.
    Empty,
    /// Our migrations were here.
    Ours,
    /// It has the eight tables, or some of them, made and filled by another program.
    Others(Vec<Change>),
}

/// A table of one of our names that can't be used as ours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Foreign {
    pub(crate) table: String,
    pub(crate) why: String,
}

/// What a table of another program's needs before our migrations go over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    AddColumn {
        table: &'static Table,
        column: &'static Column,
    },
    /// It can't hold what a report may say.
    Widen {
        table: &'static Table,
        column: &'static Column,
        from: FoundColumn,
    },
    /// Rows have to go with the row that they belong to.
    Cascade {
        table: &'static Table,
        instead_of: Vec<String>,
    },
    /// Made here where the rows that it refers to have ids of another type than ours.
    CreateTable {
        table: &'static Table,
        reference: String,
    },
}

impl Standing {
    pub(crate) fn of(found: &[FoundTable], engine: Engine) -> Result<Standing, Foreign> {
        let named = |name: &str| found.iter().find(|table| table.name == name);
        // A person may have dropped that one alone.
        let [migration, rest @ ..] = OWN_TABLES;
        let has_the_rest = || rest.iter().all(|own| named(own).is_some());
        if named(migration).is_some() || (named(TABLES[0].name).is_some() && has_the_rest()) {
            return Ok(Standing::Ours);
        }
        if let Some(own) = OWN_TABLES.into_iter().find(|own| named(own).is_some()) {
            return Err(foreign(own, "there is no sluice_migration beside it"));
        }
        // People's words for two of the tables; another program may have made tables of these names.
        for (view, of) in [("user", "representative"), ("endpoint", "customer")] {
            if named(view).is_some_and(|found| !found.is_view) {
                let rename = match engine {
                    Engine::SqlServer => format!("EXEC sp_rename 'dbo.[{view}]', '{of}'"),
                    Engine::Sqlite => format!("ALTER TABLE \"{view}\" RENAME TO {of}"),
                };
                let cure = format!(
                    "sluice has a view of this name over the table {of}; if it is what that table should be, rename it: \
                     {rename}"
                );
                return Err(foreign(view, &cure));
            }
        }
        let present: Vec<(&'static Table, &FoundTable)> =
            TABLES.into_iter().filter_map(|table| Some((table, named(table.name)?))).collect();
        if present.is_empty() {
            return Ok(Standing::Empty);
        }
        if named(TABLES[0].name).is_none() {
            return Err(foreign(present[0].0.name, "there is no table session beside it"));
        }
        for (table, found) in &present {
            usable(table, found, engine)?;
        }
        let mut changes: Vec<Change> =
            present.iter().flat_map(|(table, found)| changes(table, found, engine)).collect();
        if engine == Engine::SqlServer {
            changes.extend(missing_tables(found));
        }
        Ok(Standing::Others(changes))
    }
}

fn foreign(table: &str, why: &str) -> Foreign {
    Foreign { table: table.to_owned(), why: why.to_owned() }
}

/// Which of our tables are not there.
pub(crate) fn lost(found: &[FoundTable]) -> Vec<&'static str> {
    let names = TABLES.iter().map(|table| table.name).chain(OWN_TABLES);
    names.filter(|name| !found.iter().any(|table| table.name == *name)).collect()
}

/// Whether a table or view of this name, in lower case, would stand in our way.
pub(crate) fn is_one_of_ours(name: &str) -> bool {
    let views = ["user", "endpoint"];
    OWN_TABLES.contains(&name)
        || views.contains(&name)
        || TABLES.iter().any(|table| table.name == name)
}

impl FoundTable {
    /// One of which nothing but its name is known.
    pub(crate) fn named(name: String) -> Self {
        FoundTable { name, ..FoundTable::default() }
    }

    pub(super) fn column(&self, name: &str) -> Option<&FoundColumn> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// Columns without which a table is not the one that its name says.
fn telling(table: &Table) -> &'static [&'static str] {
    match table.name {
        "session" => &["lsid", "host_name", "start_time"],
        "session_event" => &["type", "event_time"],
        "session_event_data" => &["name", "value"],
        "system_information" => &["category", "information"],
        "representative" | "customer" => &["gs_number", "display_name"],
        "team" => &["name"],
        _ => &["code_name", "value"],
    }
}

fn usable(table: &'static Table, found: &FoundTable, engine: Engine) -> Result<(), Foreign> {
    if found.is_view {
        return Err(foreign(table.name, "it is a view"));
    }
    let parent = table.parent.as_ref().map(|parent| parent.column);
    for name in ["id"].iter().chain(parent.as_ref()).chain(telling(table)) {
        if found.column(name).is_none() {
            return Err(foreign(table.name, &format!("it lacks the column {name}")));
        }
    }
    for name in ["id"].into_iter().chain(parent) {
        let column = found.column(name).expect("it was looked for above");
        if engine == Engine::SqlServer && !matches!(column.kind.as_str(), "int" | "bigint") {
            let why = format!("its {name} is of the type {}, not a whole number", column.kind);
            return Err(foreign(table.name, &why));
        }
    }
    if found.column("id").is_some_and(|id| !id.is_generated) {
        return Err(foreign(table.name, "its id is not given by the database"));
    }
    for column in table.columns {
        let Some(of) = found.column(column.name) else { continue };
        if fit(table, column, of, engine) == Fit::Wrong {
            let why = format!("its {} is of the type {}", column.name, of.kind);
            return Err(foreign(table.name, &why));
        }
    }
    if engine == Engine::Sqlite && !found.cascades(table) {
        return Err(foreign(table.name, "its rows do not go with what they belong to"));
    }
    Ok(())
}

impl FoundTable {
    fn cascades(&self, table: &Table) -> bool {
        let Some(parent) = &table.parent else { return true };
        let own = |reference: &&FoundReference| {
            reference.column == parent.column && reference.to == parent.table
        };
        self.references.iter().filter(own).any(|reference| reference.cascades)
    }
}

/// Whether a column can hold what ours does.
#[derive(Debug, PartialEq, Eq)]
enum Fit {
    Good,
    Narrow,
    Wrong,
}

fn fit(table: &Table, column: &Column, found: &FoundColumn, engine: Engine) -> Fit {
    if engine == Engine::Sqlite {
        return Fit::Good;
    }
    let long_enough = |least| found.length.is_none_or(|length| length >= least);
    match (column.holds, found.kind.as_str()) {
        // Keys of ours are short and of few characters.
        (Holds::Text, "nvarchar" | "varchar")
            if length(table, column).is_some_and(|own| own < SEARCHED) =>
        {
            match long_enough(length(table, column).unwrap_or_default()) {
                true => Fit::Good,
                false => Fit::Narrow,
            }
        }
        (Holds::Text, "nvarchar") => match length(table, column) {
            Some(least) if long_enough(least) => Fit::Good,
            None if found.length.is_none() => Fit::Good,
            _ => Fit::Narrow,
        },
        (Holds::Text, "nchar" | "varchar" | "char" | "text" | "ntext") => Fit::Narrow,
        // Ids are text with us: reports hold values like -1, and others that are no numbers.
        (Holds::Text, "bigint" | "int" | "smallint" | "tinyint" | "uniqueidentifier") => {
            Fit::Narrow
        }
        (Holds::Integer, "bigint" | "int" | "decimal" | "numeric") => Fit::Good,
        (Holds::Integer, "bit") if is_flag(column) => Fit::Good,
        (Holds::Integer, "bit" | "tinyint" | "smallint") => Fit::Narrow,
        (Holds::Time, "datetime2" | "datetime" | "datetimeoffset") => Fit::Good,
        (Holds::Time, "smalldatetime" | "date") => Fit::Narrow,
        _ => Fit::Wrong,
    }
}

fn is_flag(column: &Column) -> bool {
    matches!(column.name, "is_owner" | "is_primary" | "rpat_support")
}

/// What columns that people search take until they need more: an index has a key of limited length.
pub(crate) const SEARCHED: usize = 400;

/// How long the texts of a column may be with us; none where that has no limit.
pub(crate) fn length(table: &Table, column: &Column) -> Option<usize> {
    match (table.name, column.name) {
        ("session", "lsid") => Some(200),
        ("session", "host_name") => Some(255),
        ("session", "external_key")
        | ("session_event", "type")
        | ("representative", "user_name")
        | ("customer", "host_name") => Some(SEARCHED),
        _ => None,
    }
}

fn changes(table: &'static Table, found: &FoundTable, engine: Engine) -> Vec<Change> {
    let mut changes = Vec::new();
    for column in table.columns {
        match found.column(column.name) {
            None => changes.push(Change::AddColumn { table, column }),
            Some(of) if fit(table, column, of, engine) == Fit::Narrow => {
                changes.push(Change::Widen { table, column, from: of.clone() });
            }
            Some(_) => {}
        }
    }
    if let Some(parent) = &table.parent
        && !found.cascades(table)
    {
        let instead_of =
            found.references.iter().filter(|reference| reference.column == parent.column);
        let instead_of = instead_of.map(|reference| reference.name.clone()).collect();
        changes.push(Change::Cascade { table, instead_of });
    }
    changes
}

/// Tables that are missing beside ones whose ids have another type than ours.
pub(super) fn missing_tables(found: &[FoundTable]) -> Vec<Change> {
    let named = |name: &str| found.iter().find(|table| table.name == name);
    let missing = TABLES.into_iter().filter(|table| named(table.name).is_none());
    missing
        .filter_map(|table| {
            let parent = named(table.parent.as_ref()?.table)?;
            let reference = parent.column("id").map(|id| id.kind.clone())?;
            (reference != "bigint").then_some(Change::CreateTable { table, reference })
        })
        .collect()
}

impl Change {
    /// The statement that makes it, in the language of this engine.
    pub(crate) fn sql(&self, engine: Engine) -> String {
        match self {
            Change::AddColumn { table, column } if engine == Engine::Sqlite => {
                let kind = if column.holds == Holds::Integer { "INTEGER" } else { "TEXT" };
                format!("ALTER TABLE {} ADD COLUMN {} {kind}", table.name, column.name)
            }
            Change::AddColumn { table, column } => {
                format!(
                    "ALTER TABLE dbo.{} ADD [{}] {} NULL",
                    table.name,
                    column.name,
                    own_type(table, column)
                )
            }
            Change::Widen { table, column, from } => {
                let to = widened(table, column, from);
                format!("ALTER TABLE dbo.{} ALTER COLUMN [{}] {to}", table.name, column.name)
            }
            Change::Cascade { table, instead_of } => {
                let drops = instead_of.iter().map(|name| {
                    format!("ALTER TABLE dbo.{} DROP CONSTRAINT [{name}];\n", table.name)
                });
                let parent = table.parent.as_ref().expect("only children refer to parents");
                let add = format!(
                    "ALTER TABLE dbo.{} ADD CONSTRAINT fk_{0}_sluice FOREIGN KEY ({}) REFERENCES dbo.{} (id) ON DELETE CASCADE",
                    table.name, parent.column, parent.table
                );
                drops.chain([add]).collect()
            }
            Change::CreateTable { table, reference } => {
                let parent = table.parent.as_ref().expect("only children refer to parents");
                let columns: String = table
                    .columns
                    .iter()
                    .map(|column| {
                        format!(",\n    [{}] {} NULL", column.name, own_type(table, column))
                    })
                    .collect();
                format!(
                    "CREATE TABLE dbo.{} (\n    id bigint IDENTITY(1, 1) NOT NULL CONSTRAINT pk_{0} PRIMARY KEY,\n    \
                     {} {reference} NOT NULL\n        CONSTRAINT fk_{0}_sluice REFERENCES dbo.{} (id) ON DELETE CASCADE{columns}\n)",
                    table.name, parent.column, parent.table
                )
            }
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::AddColumn { table, column } => {
                write!(f, "add the column {} to {}", column.name, table.name)
            }
            Change::Widen { table, column, from } => {
                write!(f, "widen {}.{}, a {}", table.name, column.name, from.kind)?;
                from.length.map_or(Ok(()), |length| write!(f, "({length})"))
            }
            Change::Cascade { table, .. } => {
                write!(f, "let rows of {} go with the rows that they belong to", table.name)
            }
            Change::CreateTable { table, .. } => write!(f, "make the table {}", table.name),
        }
    }
}

fn own_type(table: &Table, column: &Column) -> String {
    match (column.holds, length(table, column)) {
        (Holds::Text, Some(length)) => format!("nvarchar({length})"),
        (Holds::Text, None) => "nvarchar(max)".to_owned(),
        (Holds::Integer, _) => "bigint".to_owned(),
        (Holds::Time, _) => "datetime2(0)".to_owned(),
    }
}

/// Never less than it was.
fn widened(table: &Table, column: &Column, from: &FoundColumn) -> String {
    let is_long = from.length.is_none_or(|length| length > SEARCHED);
    match column.holds {
        Holds::Text if is_long => "nvarchar(max)".to_owned(),
        _ => own_type(table, column),
    }
}

#[cfg(test)]
mod tests;
