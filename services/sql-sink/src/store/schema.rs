//! Bringing a database's schema up to date: what would be done, what was done, and who may do it.

use super::lost;
use super::migrations::{self, FromTheFuture, Migration, OWN_TABLES};
use super::survey::{self, Change, Engine, Foreign, FoundTable, Standing};

/// What opening a database may do to its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// Make what is missing, in an empty database or one of ours.
    BringUpToDate,
    /// Nothing: what is missing is told.
    AsItIs,
    /// Nothing, nor is an identity drawn where there is none: whoever opens it only wants to know.
    ToRead,
}

/// What a person wants of a database's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migrate {
    /// To know what is missing; nothing is changed.
    Plan,
    /// To know that, and whether it could be made; nothing is changed.
    Try,
    /// What is missing made, and what another program filled adopted.
    Apply,
}

/// A step towards our schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaStep {
    /// What it does, for people.
    pub what: String,
    /// The statements.
    pub sql: String,
}

/// What a database's schema lacks, or lacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaReport {
    /// The database, for people; without secrets.
    pub place: String,
    /// Whether another program made and filled the tables, and how many sessions are there.
    pub adopts: Option<Found>,
    /// Tables that it had, and has no more.
    pub lost: Vec<&'static str>,
    /// The steps, in their order.
    pub steps: Vec<SchemaStep>,
}

impl SchemaReport {
    /// The lost tables, for people, and what fills them again; nothing where none was lost.
    pub fn told_of_lost(&self) -> Option<String> {
        lost::told(&self.lost)
    }
}

/// What another program has stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Its sessions.
    pub sessions: u64,
    /// Those of them whose host name and LSID stand there more than once.
    pub doubles: u64,
}

/// Why a schema is not brought up to date.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    FromTheFuture(FromTheFuture),
    SomebodyElses(Foreign),
    /// One of the server's own, of this name.
    SystemDatabase(String),
    /// Another program's, and nobody said that it is to be adopted.
    Unadopted,
    /// Steps are missing, and we are not to make them.
    Unmigrated(String),
}

/// What there is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Todo {
    pub(super) adopts: bool,
    pub(super) changes: Vec<Change>,
    pub(super) migrations: Vec<&'static Migration>,
    /// Tables that were here and are gone.
    pub(super) lost: Vec<&'static str>,
    /// What is done once they are there again.
    pub(super) mends: Vec<SchemaStep>,
}

/// Who asks for a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A sink that opens it.
    Sink(Schema),
    /// A person.
    Person(Migrate),
}

impl Todo {
    /// What follows from what stands there, and from who asks. Where the asking login `sees_all` tables, one that it does
    /// not see is gone, and every migration is run again: each can run twice.
    pub(super) fn of(
        found: &[FoundTable],
        applied: &[u32],
        engine: Engine,
        asked: Asked,
        sees_all: bool,
    ) -> Result<Todo, Refusal> {
        let all = match engine {
            Engine::SqlServer => migrations::SQL_SERVER,
            Engine::Sqlite => migrations::SQLITE,
        };
        let standing = Standing::of(found, engine).map_err(Refusal::SomebodyElses)?;
        let mut migrations = migrations::pending(all, applied).map_err(Refusal::FromTheFuture)?;
        let mut lost = Vec::new();
        let is_counted = found.iter().any(|table| table.name == OWN_TABLES[0]);
        if standing == Standing::Ours && (migrations.is_empty() || !is_counted) && sees_all {
            lost = survey::lost(found);
            if let Some(renamed) = lost::renamed(&lost, found) {
                return Err(Refusal::SomebodyElses(renamed));
            }
            if !lost.is_empty() {
                migrations = all.iter().collect();
            }
        }
        let mends = lost::steps(&lost, found, engine);
        let (adopts, changes) = match (standing, asked) {
            (Standing::Ours, _) if !lost.is_empty() && engine == Engine::SqlServer => {
                (false, survey::missing_tables(found))
            }
            (Standing::Empty | Standing::Ours, _) => (false, Vec::new()),
            (Standing::Others(changes), Asked::Person(_)) => (true, changes),
            (Standing::Others(_), Asked::Sink(_)) => return Err(Refusal::Unadopted),
        };
        let todo = Todo { adopts, changes, migrations, lost, mends };
        match asked {
            Asked::Sink(Schema::AsItIs | Schema::ToRead) if !todo.is_nothing() => {
                Err(Refusal::Unmigrated(todo.missing()))
            }
            _ => Ok(todo),
        }
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.changes.is_empty() && self.migrations.is_empty()
    }

    /// What is missing, for people.
    fn missing(&self) -> String {
        if let Some(lost) = lost::told(&self.lost) {
            return lost;
        }
        let names: Vec<String> = self.migrations.iter().map(|step| step.title()).collect();
        names.join(", ")
    }

    /// Says that what the ledger knows as delivered is not in tables that were made anew.
    pub(super) fn warn_of_lost(&self, place: &str) {
        if let Some(tables) = lost::told(&self.lost) {
            tracing::warn!(place, tables, "tables were lost, and are made anew");
        }
    }

    pub(super) fn steps(&self, engine: Engine) -> Vec<SchemaStep> {
        let changes = self.changes.iter().map(|change| change.step(engine));
        let migrations = self
            .migrations
            .iter()
            .map(|step| SchemaStep { what: step.title(), sql: step.sql.to_owned() });
        changes.chain(migrations).chain(self.mends.iter().cloned()).collect()
    }
}

impl Change {
    pub(super) fn step(&self, engine: Engine) -> SchemaStep {
        SchemaStep { what: self.to_string(), sql: self.sql(engine) }
    }
}

impl Migration {
    fn title(&self) -> String {
        format!("migration {} ({})", self.number, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::TABLES;

    fn named(name: &str) -> FoundTable {
        FoundTable { name: name.to_owned(), ..FoundTable::default() }
    }

    #[test]
    fn a_table_that_is_gone_has_every_migration_run_again() {
        let mut all: Vec<FoundTable> =
            TABLES.iter().map(|table| table.name).chain(OWN_TABLES).map(named).collect();
        let todo = |found: &[FoundTable], asked, sees_all| {
            Todo::of(found, &[1, 2, 3], Engine::Sqlite, asked, sees_all)
        };
        let up_to_date = Asked::Sink(Schema::BringUpToDate);
        assert!(todo(&all, up_to_date, true).expect("nothing").is_nothing());
        all.retain(|table| table.name != "customer" && table.name != "team");
        let restored = todo(&all, up_to_date, true).expect("all of them");
        assert_eq!((restored.migrations.len(), restored.lost), (3, vec!["customer", "team"]));
        assert_eq!(
            todo(&all, Asked::Sink(Schema::AsItIs), true),
            Err(Refusal::Unmigrated(lost::told(&["customer", "team"]).expect("two tables")))
        );
        assert!(todo(&all, up_to_date, false).expect("who sees not all can't know").is_nothing());
    }

    #[test]
    fn a_sink_makes_what_is_missing_only_where_it_may() {
        let todo = |found: &[FoundTable], applied: &[u32], asked| {
            Todo::of(found, applied, Engine::SqlServer, asked, false)
        };
        let ours = [named("sluice_migration")];
        let up_to_date = Asked::Sink(Schema::BringUpToDate);
        let as_it_is = Asked::Sink(Schema::AsItIs);
        assert_eq!(todo(&[], &[], up_to_date).expect("all of them").migrations.len(), 3);
        assert_eq!(todo(&ours, &[1, 2], up_to_date).expect("one").migrations.len(), 1);
        assert!(todo(&ours, &[1, 2, 3], as_it_is).expect("nothing").is_nothing());
        assert_eq!(
            todo(&ours, &[1, 3], as_it_is),
            Err(Refusal::Unmigrated("migration 2 (indexes)".to_owned()))
        );
        assert!(matches!(todo(&[], &[], as_it_is), Err(Refusal::Unmigrated(_))));
        assert!(matches!(todo(&ours, &[9999], up_to_date), Err(Refusal::FromTheFuture(_))));
    }
}
