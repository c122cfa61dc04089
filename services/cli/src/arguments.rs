use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Session data, recordings and backups out of BeyondTrust appliances, into files and SQL.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// The settings file, the same for every process
    #[arg(long, global = true, env = settings::FILE_VARIABLE, default_value = settings::FILE_DEFAULT)]
    pub settings: PathBuf,
    /// Where `sluice up` keeps its log and its staging, unless the settings name others
    #[arg(long, global = true, env = "SLUICE_DATA_DIR", default_value = "sluice-data")]
    pub data_dir: PathBuf,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run every service in this process, with a NATS server of its own unless the settings name one
    Up(Up),
    /// Try everything that the settings name: the log, staging, each site's account, each destination
    /// (which makes staging's folder; databases are not changed)
    Check(Check),
    /// Show sites, schedules, destinations and what waits for them, whose debts fill staging, dead letters
    Status,
    /// Compare each appliance with the log, and the log with staging and each destination's ledger; what is missing is
    /// asked for again, once. Some `sluice up`, or pollers, fetchers and sinks, have to run to bring it
    Reconcile(Reconcile),
    /// Make what a database's schema lacks, or show it. A database that another program filled is adopted: what is
    /// missing is added, and each of its sessions is the sink's when the first report of it comes
    Migrate(Migrate),
    /// Have a destination go through what was staged once more, beside live delivery, with at most half of its slots;
    /// some `sluice up`, or sinks, have to run to do it. A database that is new, emptied or put back from a backup needs
    /// none of this: it fills itself
    Replay(Replay),
    /// Compare a destination with its ledger, the log, and in a database each session's rows with its report in staging;
    /// name each difference, change nothing. The log has to run (`sluice up`, or a server of your own)
    Verify(Verify),
    /// List, show, retry or discard what could not succeed
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// What `sluice up` starts as a child: dies with its parent, and is nats-server otherwise
    #[command(hide = true)]
    EmbeddedBroker(EmbeddedBroker),
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Run each schedule once, wait until all is delivered that the appliance has within the hour, print what was done,
    /// and end
    #[arg(long)]
    pub once: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Reconcile {
    /// Only what ended on or after this day or instant, such as 2026-11-22 or 2026-11-22T08:00:00Z
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Only what ended before this day or instant
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
    /// Only this site of the settings
    #[arg(long, value_name = "LABEL")]
    pub site: Option<String>,
    /// Of the destinations, only this one
    #[arg(long, value_name = "LABEL")]
    pub to: Option<String>,
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// The destination of the settings
    #[arg(long, value_name = "LABEL")]
    pub to: String,
    /// Print what would be done, with the statements, and change nothing
    #[arg(long)]
    pub plan: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The destination
    #[arg(long, value_name = "LABEL")]
    pub to: String,
    /// Only what ended on or after this day or instant, such as 2026-11-22 or 2026-11-22T08:00:00Z
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Only what ended before this day or instant
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
    /// Only this site of the settings
    #[arg(long, value_name = "LABEL")]
    pub site: Option<String>,
    /// Only these kinds, such as session-data,session-recording
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub kinds: Vec<String>,
    /// Wait until it is done, and show how far it is; whoever stops waiting stops nothing
    #[arg(long)]
    pub wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The destination
    #[arg(long, value_name = "LABEL")]
    pub to: String,
    /// Print each difference as a line of JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Try each site's secret although the appliance refused it before: for an account that was put right on the
    /// appliance (unlocked, enabled, its address allowed) while its secret stayed the same
    #[arg(long)]
    pub forget_refusals: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// List them, oldest first
    List,
    /// Show one whole
    Show {
        /// Its number in the list
        number: u64,
    },
    /// Have one tried again, or all
    Retry(Which),
    /// Give one up, or all; that is kept, with your name
    Discard(Which),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// Its number in the list
    pub number: Option<u64>,
    /// All of them
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EmbeddedBroker {
    /// The nats-server program
    #[arg(long)]
    pub program: PathBuf,
    /// Its configuration
    #[arg(long)]
    pub config: PathBuf,
    /// The process that it may not outlive
    #[arg(long)]
    pub parent: u32,
}
