//! `sluice verify`: what a destination holds, against its ledger and the log. It acts on nothing.

use std::path::Path;

use anyhow::{anyhow, bail};
use domain::Finding;
use queue::Log;
use serde::Serialize;
use settings::{Destination, Settings, Target};

use crate::arguments::Verify;
use crate::data_dir::connect;
use crate::staged::seen;
use crate::table::plain;

/// A finding, for programs.
#[derive(Debug, Serialize)]
struct Line<'a> {
    destination: &'a str,
    difference: &'static str,
    what: &'a str,
    note: String,
}

pub(crate) async fn run(
    wanted: &Verify,
    settings: &Settings,
    data_dir: &Path,
) -> anyhow::Result<()> {
    let destination = settings
        .destination(&wanted.to)
        .ok_or_else(|| anyhow!("the settings name no destination {:?}", wanted.to))?;
    let log = connect(settings, data_dir).await?;
    let mut differences = 0_u64;
    // Each as it is found: there may be more of them than fit into memory.
    let tell = |finding: Finding| {
        differences += 1;
        show(&destination.label, &finding, wanted.json);
    };
    let checked = verified(&log, settings, data_dir, destination, tell).await?;
    eprintln!("{checked} artifacts were compared; {differences} differences");
    match differences {
        0 => Ok(()),
        1 => bail!("{} differs from the log in 1 thing", destination.label),
        _ => bail!("{} differs from the log in {differences} things", destination.label),
    }
}

async fn verified(
    log: &Log,
    settings: &Settings,
    data_dir: &Path,
    destination: &Destination,
    tell: impl FnMut(Finding) + Send,
) -> anyhow::Result<u64> {
    match &destination.target {
        Target::Sql(target) => {
            let staging = seen(settings, data_dir).await;
            if let Err(why) = &staging {
                eprintln!(
                    "staging is not seen from here ({why:#}): only which sessions are there is compared, not their rows"
                );
            }
            let staging = staging.as_ref().ok();
            Ok(sql_sink::verify(log, settings, (destination, target), staging, tell).await?)
        }
        Target::Files(target) => {
            Ok(file_sink::verify(log, settings, (destination, target), tell).await?)
        }
    }
}

fn show(destination: &str, Finding { what, difference }: &Finding, json: bool) {
    let note = difference.to_string();
    if json {
        let line = Line { destination, difference: difference.as_str(), what, note };
        println!("{}", serde_json::to_string(&line).expect("texts are plain JSON"));
    } else {
        println!("{}: {}: {}", difference.as_str(), plain(what), plain(&note));
    }
}
