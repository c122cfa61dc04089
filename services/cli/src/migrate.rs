//! `sluice migrate`: brings a database's schema up to date, or says what that would be.

use anyhow::{anyhow, bail};
use settings::{Settings, Target};
use sql_sink::store::{Found, Migrate as Wanted, SchemaReport};

use crate::arguments::Migrate;

pub(crate) async fn run(wanted: &Migrate, settings: &Settings) -> anyhow::Result<()> {
    let label = &wanted.to;
    let destination = settings
        .destination(label)
        .ok_or_else(|| anyhow!("the settings name no destination {label:?}"))?;
    let Target::Sql(target) = &destination.target else {
        bail!("the destination {label} is a folder: only databases have a schema");
    };
    let mode = if wanted.plan { Wanted::Plan } else { Wanted::Apply };
    let report = sql_sink::migrate(target, mode).await?;
    print!("{}", told(&report, wanted.plan));
    Ok(())
}

fn told(report: &SchemaReport, is_plan: bool) -> String {
    let SchemaReport { place, adopts, lost: _, steps } = report;
    if steps.is_empty() {
        return format!("{place}: its schema is up to date\n");
    }
    let mut told = adopts.map_or(String::new(), |found| format!("{place} {}\n", stored(found)));
    if let Some(lost) = report.told_of_lost() {
        told.push_str(&format!("{place} lacks {lost}\n"));
    }
    let head = if is_plan { "this would be done" } else { "this was done" };
    told.push_str(&format!("{place}: {head}, all or nothing:\n"));
    for step in steps {
        told.push_str(&format!("  {}\n", step.what));
    }
    if is_plan {
        told.push_str("\nThe statements:\n");
        for step in steps {
            told.push_str(&format!(
                "\n-- {}\n{};\n",
                step.what,
                step.sql.trim().trim_end_matches(';')
            ));
        }
    }
    told
}

fn stored(Found { sessions, doubles }: Found) -> String {
    let mut told = format!(
        "holds {sessions} sessions that another program stored; each is adopted as it is when its first report comes"
    );
    if doubles > 0 {
        told.push_str(&format!(
            "; {doubles} of them stand there more than once: the first is adopted, the others are left alone"
        ));
    }
    told
}

#[cfg(test)]
mod tests {
    use sql_sink::store::SchemaStep;

    use super::*;

    #[test]
    fn a_plan_shows_statements_and_what_was_done_does_not() {
        let step = |what: &str, sql: &str| SchemaStep { what: what.into(), sql: sql.into() };
        let mut report = SchemaReport {
            place: "the database d on h".to_owned(),
            adopts: Some(Found { sessions: 7, doubles: 1 }),
            lost: Vec::new(),
            steps: vec![step("add the column x", "ALTER TABLE a;\n")],
        };
        let plan = told(&report, true);
        assert!(plan.starts_with("the database d on h holds 7 sessions"), "{plan}");
        assert!(plan.contains("1 of them stand there more than once"), "{plan}");
        assert!(plan.ends_with("this would be done, all or nothing:\n  add the column x\n\nThe statements:\n\n-- add the column x\nALTER TABLE a;\n"), "{plan}");
        assert!(!told(&report, false).contains("ALTER TABLE"));
        assert!(!plan.contains("lacks"), "{plan}");
        report.lost = vec!["customer", "team"];
        let done = told(&report, false);
        assert!(done.contains("the database d on h lacks customer, team, which it had"), "{done}");
        assert!(done.contains("`sluice replay --to`"), "{done}");
        report.steps.clear();
        assert_eq!(told(&report, true), "the database d on h: its schema is up to date\n");
    }
}
