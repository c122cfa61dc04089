use std::fmt::Write;
use std::path::Path;

/// A settings file in the making.
#[derive(Debug, Clone)]
pub struct SettingsFile {
    /// The addresses of the log and of staging; none for `sluice up` with its own server.
    pub shared: Option<(String, String)>,
    /// Whether recordings and backups are transferred, too.
    pub files_of_all_kinds: bool,
    /// Whether backups are among them. Their routes are open only while a run of their schedule lasts.
    pub backups: bool,
    /// Whether the second site has transfers.
    pub second_site: bool,
    /// More of staging's settings, as they stand in the file. The tests are to run on a disk with little room, too.
    pub staging: String,
    /// How often the schedules run.
    pub every: &'static str,
    /// More settings, as they stand in the file.
    pub more: String,
    /// Requests in any one second that the settings allow.
    pub requests_per_second: u32,
    /// The destinations.
    pub destinations: Destinations,
}

/// Which destinations the settings name.
#[derive(Debug, Clone, Default)]
pub struct Destinations {
    /// Directories below the rig's folder.
    pub files: Vec<&'static str>,
    /// SQLite databases below the rig's folder.
    pub sqlite: Vec<&'static str>,
    /// The variable with the connection string of a SQL Server.
    pub sql_server: Option<&'static str>,
}

impl Default for SettingsFile {
    fn default() -> Self {
        SettingsFile {
            shared: None,
            files_of_all_kinds: true,
            backups: true,
            second_site: true,
            staging: "floor = \"32MB\"\n".to_owned(),
            every: "1m",
            more: String::new(),
            requests_per_second: 500,
            destinations: Destinations {
                files: vec!["files"],
                sqlite: vec!["sessions.db"],
                sql_server: None,
            },
        }
    }
}

/// A site of a rig.
#[derive(Debug, Clone)]
pub(crate) struct SiteOf<'a> {
    pub label: &'static str,
    pub host: &'a str,
    pub product: &'static str,
    pub url: String,
    pub client_id: &'a str,
}

impl SettingsFile {
    pub(crate) fn text(&self, folder: &Path, sites: &[SiteOf<'_>]) -> String {
        let mut text = self.more.clone();
        let folder = folder.display();
        let mut staging = self.staging.clone();
        if let Some((log, url)) = &self.shared {
            write!(text, "[log]\nurl = {log:?}\n").expect("a string");
            writeln!(staging, "url = {url:?}").expect("a string");
        }
        write!(text, "[staging]\n{staging}").expect("a string");
        // Quick, so that what can't succeed is a dead letter before the test's patience ends.
        text += "[retry]\nattempts = 4\nfirst = \"1s\"\nlongest = \"2s\"\n";
        for site in sites {
            let SiteOf { label, host, product, url, client_id } = site;
            write!(
                text,
                "[site.{label}]\nhost = {host:?}\nurl = {url:?}\nproduct = {product:?}\n\
                 client_id = {client_id:?}\nclient_secret = {{ env = \"SITE_SECRET\" }}\n\
                 requests_per_second = {}\nrequests_per_hour = 1000000\n",
                self.requests_per_second
            )
            .expect("a string");
        }
        let mut transfers = Vec::new();
        for name in &self.destinations.files {
            write!(
                text,
                "[destination.{name}]\ntype = \"files\"\nurl = \"file://{folder}/{name}\"\n"
            )
            .expect("a string");
            let kinds = match self.files_of_all_kinds {
                true => r#""session-data", "session-recording", "command-shell-recording""#,
                false => r#""session-data""#,
            };
            transfers.push((*name, kinds));
        }
        for name in &self.destinations.sqlite {
            let label = name.trim_end_matches(".db");
            write!(text, "[destination.{label}]\ntype = \"sqlite\"\npath = \"{folder}/{name}\"\n")
                .expect("a string");
            transfers.push((label, r#""session-data""#));
        }
        if let Some(variable) = self.destinations.sql_server {
            write!(
                text,
                "[destination.warehouse]\ntype = \"sql-server\"\nconnection = {{ env = {variable:?} }}\n"
            )
            .expect("a string");
            transfers.push(("warehouse", r#""session-data""#));
        }
        for site in sites.iter().take(if self.second_site { 2 } else { 1 }) {
            let label = site.label;
            let lines =
                transfers.iter().map(|(destination, kinds)| transfer(label, destination, kinds));
            text += &schedule(label, self.every, lines.collect());
            if self.files_of_all_kinds && self.backups {
                let backups = self.destinations.files.iter();
                let lines = backups.map(|name| transfer(label, name, r#""site-backup""#));
                text += &schedule(&format!("{label}-backup"), "7d", lines.collect());
            }
        }
        text
    }
}

fn transfer(site: &str, destination: &str, kinds: &str) -> String {
    format!("  {{ site = {site:?}, destination = {destination:?}, kinds = [{kinds}] }},\n")
}

fn schedule(label: &str, every: &str, transfers: String) -> String {
    format!("[schedule.{label}]\nevery = {every:?}\ntransfers = [\n{transfers}]\n")
}
