use std::collections::BTreeSet;
use std::path::Path;

use anyhow::bail;
use appliance::{CheckLine, Client, Clients, Standing};
use chrono::Utc;
use domain::Kind;
use queue::{Log, LogOptions};
use settings::{Destination, Settings, Target};
use staging::Staging;

use crate::arguments::Check;
use crate::data_dir::{connect, staging_url};

/// Where below the data directory it is kept, without a log, that a secret was refused.
const ACCOUNTS: &str = "accounts";

/// Tries everything that the settings name, and fails if anything can't be used.
pub(crate) async fn check(
    options: &Check,
    settings: &Settings,
    data_dir: &Path,
) -> anyhow::Result<()> {
    println!("settings  good; digest {}", settings.digest);
    let mut bad = 0;
    bad += say("log", log(settings, data_dir).await);
    bad += say("staging", staging(settings, data_dir).await);
    let log = connect(settings, data_dir).await.ok();
    let clients = clients(settings, log.as_ref(), data_dir).await?;
    if log.is_none() {
        println!(
            "accounts: what other processes know of them is not known here: no log was reached; what this command \
             finds out is kept in {}",
            data_dir.join(ACCOUNTS).display()
        );
    }
    for site in &settings.sites {
        let client = clients.of(&site.host).expect("every site of the settings has one");
        if options.forget_refusals {
            client.forget_refusals().await?;
        }
        bad += check_site(&site.label, client, &settings.kinds_of_site(&site.host)).await;
    }
    for destination in &settings.destinations {
        let probed = probe(log.as_ref(), settings, destination).await;
        bad += say(&format!("destination {}", destination.label), probed);
        for example in examples(settings, destination) {
            println!("          {example}");
        }
    }
    match bad {
        0 => Ok(()),
        1 => bail!("1 thing can't be used as it is"),
        _ => bail!("{bad} things can't be used as they are"),
    }
}

fn say(what: &str, outcome: anyhow::Result<String>) -> usize {
    match outcome {
        Ok(good) => {
            println!("{what}: {good}");
            0
        }
        Err(error) => {
            println!("{what}: FAILED: {error:#}");
            1
        }
    }
}

async fn log(settings: &Settings, data_dir: &Path) -> anyhow::Result<String> {
    if settings.log.url.is_none() {
        return Ok(match connect(settings, data_dir).await {
            Ok(_) => "a `sluice up` runs here, and its NATS server answers".to_owned(),
            Err(_) => "`sluice up` will start a NATS server of its own".to_owned(),
        });
    }
    let mut options = LogOptions::from_settings(&settings.log, "sluice-check")?;
    options.patience = std::time::Duration::from_secs(3);
    Log::connect(&options).await?;
    Ok(format!("NATS answers at {}", options.url))
}

async fn staging(settings: &Settings, data_dir: &Path) -> anyhow::Result<String> {
    let url = staging_url(settings, data_dir)?;
    Staging::check(&url).await?;
    Ok(format!("{url} can be written and listed"))
}

/// The clients of all sites, with the records of the log if it can be reached: a secret that a service was refused is
/// then not tried here either. Without a log, a refused secret is remembered below the data directory.
async fn clients(
    settings: &Settings,
    log: Option<&Log>,
    data_dir: &Path,
) -> anyhow::Result<Clients> {
    Ok(match log {
        Some(log) => accounts::clients(settings, log).await?,
        None => accounts::clients_of_folder(settings, &data_dir.join(ACCOUNTS))?,
    })
}

async fn check_site(label: &str, client: &Client, kinds: &BTreeSet<Kind>) -> usize {
    let title = format!("site {label}");
    let mut bad = 0;
    for CheckLine { standing, says } in client.check(Utc::now(), kinds).await {
        match standing {
            Standing::Good => println!("{title}: {says}"),
            Standing::Note => println!("{title}: note: {says}"),
            Standing::Bad => {
                println!("{title}: FAILED: {says}");
                bad += 1;
            }
        }
    }
    bad
}

async fn probe(
    log: Option<&Log>,
    settings: &Settings,
    destination: &Destination,
) -> anyhow::Result<String> {
    match &destination.target {
        Target::Files(files) => Ok(file_sink::check(log, settings, (destination, files)).await?),
        Target::Sql(sql) => Ok(sql_sink::check(sql).await?),
    }
}

/// What a file of each kind will be called.
fn examples(settings: &Settings, destination: &Destination) -> Vec<String> {
    match &destination.target {
        Target::Files(files) => file_sink::example_names(settings, files),
        Target::Sql(_) => Vec::new(),
    }
}
