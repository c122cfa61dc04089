use super::*;
use crate::columns::{SESSION, SESSION_EVENT, TEAM};

fn column(name: &str, kind: &str, length: Option<usize>) -> FoundColumn {
    FoundColumn { name: name.to_owned(), kind: kind.to_owned(), length, is_generated: name == "id" }
}

/// As another program may have made it: whole, but with types of its own.
fn theirs(table: &'static Table) -> FoundTable {
    let mut columns = vec![column("id", "int", None)];
    columns.extend(table.parent.as_ref().map(|parent| column(parent.column, "int", None)));
    columns.extend(table.columns.iter().map(|of| match of.holds {
        Holds::Text => column(of.name, "nvarchar", length(table, of)),
        Holds::Integer => column(of.name, "int", None),
        Holds::Time => column(of.name, "datetime", None),
    }));
    let references = table.parent.as_ref().map(|parent| FoundReference {
        name: "fk".to_owned(),
        column: parent.column.to_owned(),
        to: parent.table.to_owned(),
        cascades: true,
    });
    FoundTable {
        name: table.name.to_owned(),
        is_view: false,
        columns,
        references: references.into_iter().collect(),
    }
}

fn all() -> Vec<FoundTable> {
    TABLES.into_iter().map(theirs).collect()
}

fn told(found: &[FoundTable]) -> String {
    match Standing::of(found, Engine::SqlServer) {
        Ok(Standing::Others(changes)) => changes
            .iter()
            .map(|change| format!("{change}; {}", change.sql(Engine::SqlServer)))
            .collect(),
        Ok(other) => format!("{other:?}"),
        Err(Foreign { table, why }) => format!("foreign: {table}: {why}"),
    }
}

fn without(name: &str, of: &'static Table) -> Vec<FoundTable> {
    let mut found = all();
    let table = found.iter_mut().find(|table| table.name == of.name).expect("all are there");
    table.columns.retain(|column| column.name != name);
    found
}

fn with(changed: FoundColumn, of: &'static Table) -> Vec<FoundTable> {
    let mut found = without(&changed.name, of);
    let table = found.iter_mut().find(|table| table.name == of.name).expect("all are there");
    table.columns.push(changed);
    found
}

#[test]
fn a_database_is_empty_ours_or_another_programs() {
    let named = |name: &str| FoundTable { name: name.to_owned(), ..FoundTable::default() };
    assert_eq!(told(&[]), "Empty");
    assert_eq!(told(&[named("invoice")]), "Empty");
    assert_eq!(told(&[named("sluice_migration"), named("session")]), "Ours");
    assert_eq!(told(&all()), "", "nothing is missing");
}

#[test]
fn what_is_missing_is_added_and_what_is_narrow_widened() {
    let cases = [
        (
            without("jump_group_id", &SESSION),
            "add the column jump_group_id to session; ALTER TABLE dbo.session ADD [jump_group_id] nvarchar(max) NULL",
        ),
        (
            with(column("duration", "nvarchar", Some(50)), &SESSION),
            "widen session.duration, a nvarchar(50); ALTER TABLE dbo.session ALTER COLUMN [duration] nvarchar(max)",
        ),
        (
            with(column("external_key", "varchar", Some(50)), &SESSION),
            "widen session.external_key, a varchar(50); ALTER TABLE dbo.session ALTER COLUMN [external_key] nvarchar(400)",
        ),
        (
            with(column("external_key", "varchar", Some(1000)), &SESSION),
            "widen session.external_key, a varchar(1000); ALTER TABLE dbo.session ALTER COLUMN [external_key] nvarchar(max)",
        ),
        (with(column("lsid", "varchar", Some(200)), &SESSION), ""),
        (with(column("is_primary", "bit", None), &TEAM), ""),
        (
            with(column("event_time", "smalldatetime", None), &SESSION_EVENT),
            "widen session_event.event_time, a smalldatetime; \
             ALTER TABLE dbo.session_event ALTER COLUMN [event_time] datetime2(0)",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(told(&found), expected);
    }
}

#[test]
fn rows_go_with_what_they_belong_to() {
    let mut found = all();
    let team = found.iter_mut().find(|table| table.name == "team").expect("all are there");
    team.references[0].cascades = false;
    let told = told(&found);
    assert!(told.contains("DROP CONSTRAINT [fk];\nALTER TABLE dbo.team ADD CONSTRAINT"), "{told}");
    assert!(told.ends_with("(session_id) REFERENCES dbo.session (id) ON DELETE CASCADE"), "{told}");
}

#[test]
fn a_missing_table_refers_to_ids_of_the_type_that_is_there() {
    let mut found = all();
    found.retain(|table| table.name != "custom_attribute");
    assert!(told(&found).contains("session_id int NOT NULL"), "{}", told(&found));
}

#[test]
fn a_table_of_our_name_with_other_columns_is_somebody_elses() {
    let named = |name: &str| FoundTable { name: name.to_owned(), ..FoundTable::default() };
    let mut view = all();
    view[0].is_view = true;
    let mut ungiven = all();
    ungiven[0].columns[0].is_generated = false;
    let mut users = all();
    users.push(named("user"));
    let cases = [
        (vec![named("session")], "foreign: session: it lacks the column id"),
        (vec![theirs(&TEAM)], "foreign: team: there is no table session beside it"),
        (
            vec![named("sluice_ledger")],
            "foreign: sluice_ledger: there is no sluice_migration beside it",
        ),
        (without("lsid", &SESSION), "foreign: session: it lacks the column lsid"),
        (
            with(column("start_time", "int", None), &SESSION),
            "foreign: session: its start_time is of the type int",
        ),
        (
            with(column("id", "uniqueidentifier", None), &TEAM),
            "foreign: team: its id is of the type uniqueidentifier",
        ),
        (view, "foreign: session: it is a view"),
        (ungiven, "foreign: session: its id is not given"),
        (users, "foreign: user: sluice has a view of this name"),
    ];
    for (found, expected) in cases {
        assert!(told(&found).starts_with(expected), "{expected}: {}", told(&found));
    }
}
