//! Bringing a database's schema up to date: what would be done, what was done, and who may do it.

use super::migrations::{self, FromTheFuture, Migration};
use super::survey::{Change, Engine, Foreign, FoundTable, Standing};

/// What opening a database may do to its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// Make what is missing, in an empty database or one of ours.
    BringUpToDate,
    /// Nothing: what is missing is told.
    AsItIs,
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
    /// The steps, in their order.
    pub steps: Vec<SchemaStep>,
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
    /// What follows from what stands there, and from who asks.
    pub(super) fn of(
        found: &[FoundTable],
        applied: &[u32],
        engine: Engine,
        asked: Asked,
    ) -> Result<Todo, Refusal> {
        let all = match engine {
            Engine::SqlServer => migrations::SQL_SERVER,
            Engine::Sqlite => migrations::SQLITE,
        };
        let standing = Standing::of(found, engine).map_err(Refusal::SomebodyElses)?;
        let migrations = migrations::pending(all, applied).map_err(Refusal::FromTheFuture)?;
        let (adopts, changes) = match (standing, asked) {
            (Standing::Empty | Standing::Ours, _) => (false, Vec::new()),
            (Standing::Others(changes), Asked::Person(_)) => (true, changes),
            (Standing::Others(_), Asked::Sink(_)) => return Err(Refusal::Unadopted),
        };
        let todo = Todo { adopts, changes, migrations };
        match asked {
            Asked::Sink(Schema::AsItIs) if !todo.is_nothing() => {
                let names: Vec<String> = todo.migrations.iter().map(|step| step.title()).collect();
                Err(Refusal::Unmigrated(names.join(", ")))
            }
            _ => Ok(todo),
        }
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.changes.is_empty() && self.migrations.is_empty()
    }

    pub(super) fn steps(&self, engine: Engine) -> Vec<SchemaStep> {
        let changes = self
            .changes
            .iter()
            .map(|change| SchemaStep { what: change.to_string(), sql: change.sql(engine) });
        let migrations = self
            .migrations
            .iter()
            .map(|step| SchemaStep { what: step.title(), sql: step.sql.to_owned() });
        changes.chain(migrations).collect()
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

    fn named(name: &str) -> FoundTable {
        FoundTable { name: name.to_owned(), ..FoundTable::default() }
    }

    #[test]
    fn a_sink_makes_what_is_missing_only_where_it_may() {
        let todo = |found: &[FoundTable], applied: &[u32], asked| {
            Todo::of(found, applied, Engine::SqlServer, asked)
        };
        let ours = [named("sluice_migration")];
        let up_to_date = Asked::Sink(Schema::BringUpToDate);
        let as_it_is = Asked::Sink(Schema::AsItIs);
        assert_eq!(todo(&[], &[], up_to_date).expect("all of them").migrations.len(), 2);
        assert_eq!(todo(&ours, &[1], up_to_date).expect("one").migrations.len(), 1);
        assert!(todo(&ours, &[1, 2], as_it_is).expect("nothing").is_nothing());
        assert_eq!(
            todo(&ours, &[1], as_it_is),
            Err(Refusal::Unmigrated("migration 2 (indexes)".to_owned()))
        );
        assert!(matches!(todo(&[], &[], as_it_is), Err(Refusal::Unmigrated(_))));
        assert!(matches!(todo(&ours, &[9999], up_to_date), Err(Refusal::FromTheFuture(_))));
    }
}
