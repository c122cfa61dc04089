//! What lies in staging, for whom, and how much room there is.

use std::path::Path;

use anyhow::Context;
use domain::{Amount, Debtor, Debts, Fetching, format_size};
use queue::Log;
use settings::Settings;
use staging::Staging;

use crate::data_dir::staging_url;
use crate::table::table;

/// The part of `sluice status` that tells of staging.
pub(crate) async fn staged(log: &Log, settings: &Settings, data_dir: &Path) -> anyhow::Result<()> {
    let staging = match seen(settings, data_dir).await {
        Ok(staging) => staging,
        Err(why) => {
            println!("staging: not seen from here: {why:#}\n");
            return Ok(());
        }
    };
    let debts = match fetcher::debts(log, &staging, settings).await {
        Ok(debts) => debts,
        Err(error) => {
            println!("staging: not gone through: {:#}\n", anyhow::Error::from(error));
            return Ok(());
        }
    };
    let rows = debts.of.iter().map(|(debtor, debt)| {
        let [needed, would_go] = [debt.needed, debt.would_go].map(size);
        [name(debtor), needed.0, needed.1, would_go.0, would_go.1]
    });
    let heading = ["staging is needed by", "objects", "size", "would go, if it had all", "size"];
    println!("{}", table(heading, rows));
    println!("{}", summary(&debts));
    if let Some(room) = staging.room() {
        let floors = settings.staging.floors(room.size);
        println!(
            "{} of {} are free; {} (floors: {} and {}).\n",
            format_size(room.free),
            format_size(room.size),
            fetched(floors.fetching(room)),
            format_size(floors.floor),
            format_size(floors.lowest)
        );
    }
    Ok(())
}

/// Staging as it is seen from where a command runs. Opening it would make it, and commands that call this change nothing.
pub(crate) async fn seen(settings: &Settings, data_dir: &Path) -> anyhow::Result<Staging> {
    let url = staging_url(settings, data_dir)?;
    Staging::find(&url).await?.with_context(|| format!("{url} is not there, or is no staging"))
}

fn name(debtor: &Debtor) -> String {
    match debtor {
        Debtor::Destination(label) => label.clone(),
        Debtor::AskedAgain => "(asked for again)".to_owned(),
        Debtor::DeadLetter => "(dead letters)".to_owned(),
    }
}

fn size(amount: Amount) -> (String, String) {
    (amount.objects.to_string(), format_size(amount.bytes))
}

fn summary(debts: &Debts) -> String {
    let [all, reports, delivered] = [debts.all, debts.reports, debts.delivered].map(size);
    format!(
        "Staging holds {} objects ({}): of these {} reports ({}), which stay, and {} recordings and backups ({}) that all \
         have.",
        all.0, all.1, reports.0, reports.1, delivered.0, delivered.1
    )
}

fn fetched(fetching: Fetching) -> &'static str {
    match fetching {
        Fetching::All => "everything is fetched",
        Fetching::NoRecordings => "recordings wait, reports and backups are fetched",
        Fetching::Nothing => "nothing is fetched",
    }
}
