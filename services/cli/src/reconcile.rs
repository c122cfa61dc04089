//! `sluice reconcile`: appliance against log, log against staging and every destination.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use appliance::Clients;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use poller::{CompareError, Compared, Progress, REACH_DAYS_MAX, Span};
use queue::{Counts, Log, Period};
use serde::Serialize;
use settings::{Destination, Settings, Site, Target};

use crate::arguments::Reconcile;
use crate::data_dir::connect;
use crate::table::table;

/// How often it is told how far a comparison with an appliance is.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// One comparison: what it was and what came of it.
#[derive(Debug, Serialize)]
struct Line {
    /// `appliance`, `staging` or `destination`.
    of: &'static str,
    /// The label of the site or the destination.
    name: String,
    #[serde(flatten)]
    counts: Counts,
    /// Why there are no counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

/// What is compared.
struct Scope<'a> {
    settings: &'a Settings,
    log: &'a Log,
    site: Option<&'a Site>,
    period: Period,
}

pub(crate) async fn run(
    wanted: &Reconcile,
    settings: &Settings,
    data_dir: &Path,
) -> anyhow::Result<()> {
    let log = connect(settings, data_dir).await?;
    let scope = Scope {
        settings,
        log: &log,
        site: wanted.site.as_deref().map(|label| site(settings, label)).transpose()?,
        period: period(wanted.since.as_deref(), wanted.until.as_deref())?,
    };
    let to = wanted.to.as_deref().map(|label| {
        settings
            .destination(label)
            .ok_or_else(|| anyhow!("the settings name no destination {label:?}"))
    });
    let to = to.transpose()?;
    let reach = Utc::now() - TimeDelta::days(REACH_DAYS_MAX);
    if scope.period.since.is_some_and(|since| since < reach) {
        eprintln!(
            "appliances are compared from {} on: none keeps reports for more than {REACH_DAYS_MAX} days",
            reach.date_naive()
        );
    }
    let mut lines = scope.sites().await?;
    for destination in &settings.destinations {
        if to.is_none_or(|to| to.label == destination.label) {
            lines.push(Line::of(
                "destination",
                &destination.label,
                scope.destination(destination).await,
            ));
        }
    }
    show(&lines, wanted.json)?;
    match lines.iter().filter(|line| line.failure.is_some()).count() {
        0 => Ok(()),
        failed => bail!("{failed} of {} comparisons failed", lines.len()),
    }
}

impl Scope<'_> {
    async fn sites(&self) -> anyhow::Result<Vec<Line>> {
        let clients = accounts::clients(self.settings, self.log).await?;
        let mut lines = Vec::new();
        let wanted = |site: &&Site| self.site.is_none_or(|wanted| wanted.host == site.host);
        for site in self.settings.sites.iter().filter(wanted) {
            let compared = self.appliance(site, &clients).await;
            lines.push(Line::of("appliance", &site.label, compared));
            let fetched = fetcher::reconcile(self.log, self.settings, site, self.period).await;
            lines.push(Line::of("staging", &site.label, fetched.map_err(anyhow::Error::from)));
        }
        Ok(lines)
    }

    async fn appliance(&self, site: &Site, clients: &Clients) -> anyhow::Result<Counts> {
        let client = clients.of(&site.host).context("the site has no client")?;
        let kinds = self.settings.kinds_of_site(&site.host);
        let mut families: Vec<_> = kinds.iter().filter_map(|kind| kind.family()).collect();
        families.dedup();
        let mut counts = Counts::default();
        for family in families {
            let Period { since, until } = self.period;
            let (span, told) = (Span { since, until }, Told::of(&site.label));
            let tell = |progress| told.tell(progress);
            let compared = poller::compare(client, self.log, family, span, tell);
            counts += counted(with_patience(compared, &told).await?);
        }
        Ok(counts)
    }

    async fn destination(&self, destination: &Destination) -> anyhow::Result<Counts> {
        let (settings, log, period) = (self.settings, self.log, self.period);
        let site = self.site.map(|site| &site.host);
        Ok(match &destination.target {
            Target::Files(target) => {
                file_sink::reconcile(log, settings, (destination, target), site, period).await?
            }
            Target::Sql(target) => {
                sql_sink::reconcile(log, settings, (destination, target), site, period).await?
            }
        })
    }
}

/// What is told on the way of one appliance: its listings may take long, or wait for the account's budget.
struct Told<'a> {
    site: &'a str,
    last: Cell<Progress>,
}

impl<'a> Told<'a> {
    fn of(site: &'a str) -> Self {
        Told { site, last: Cell::default() }
    }

    fn tell(&self, progress: Progress) {
        self.last.set(progress);
    }

    fn say(&self) {
        let Progress { done_secs, left_secs } = self.last.get();
        let (done, left) = (done_secs / 86_400, left_secs / 86_400);
        eprintln!("appliance {}: {done} days compared, {left} to go", self.site);
    }
}

/// A comparison, with a line now and then for whoever waits for it.
async fn with_patience(
    compared: impl Future<Output = Result<Compared, CompareError>>,
    told: &Told<'_>,
) -> Result<Compared, CompareError> {
    tokio::pin!(compared);
    loop {
        tokio::select! {
            compared = &mut compared => return compared,
            () = tokio::time::sleep(TELL_EVERY) => told.say(),
        }
    }
}

fn counted(Compared { listed, missing, waiting }: Compared) -> Counts {
    Counts {
        checked: listed,
        complete: listed - missing - waiting,
        waiting,
        missing,
        asked: missing,
        ..Counts::default()
    }
}

impl Line {
    fn of(of: &'static str, name: &str, counts: anyhow::Result<Counts>) -> Line {
        let (counts, failure) = match counts {
            Ok(counts) => (counts, None),
            Err(error) => (Counts::default(), Some(format!("{error:#}"))),
        };
        Line { of, name: name.to_owned(), counts, failure }
    }

    fn row(&self) -> [String; 7] {
        let Counts { checked, complete, settled, waiting, missing, asked } = self.counts;
        let number = |count: u64| match self.failure {
            Some(_) => "?".to_owned(),
            None => count.to_string(),
        };
        [
            format!("{} {}", self.of, self.name),
            number(checked),
            number(complete),
            number(settled),
            number(waiting),
            number(missing),
            number(asked),
        ]
    }
}

fn show(lines: &[Line], json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(lines)?);
        return Ok(());
    }
    let heading = ["compared", "artifacts", "there", "settled", "waiting", "missing", "asked for"];
    print!("{}", table(heading, lines.iter().map(Line::row)));
    for line in lines {
        if let Some(failure) = &line.failure {
            eprintln!("{} {}: {failure}", line.of, line.name);
        }
    }
    Ok(())
}

pub(crate) fn site<'a>(settings: &'a Settings, label: &str) -> anyhow::Result<&'a Site> {
    settings.site_labelled(label).ok_or_else(|| anyhow!("the settings name no site {label:?}"))
}

/// The period that is asked for; it may be open at either end.
pub(crate) fn period(since: Option<&str>, until: Option<&str>) -> anyhow::Result<Period> {
    let [since, until] = [since, until].map(|text| text.map(instant).transpose());
    let period = Period { since: since?, until: until? };
    match (period.since, period.until) {
        (Some(since), Some(until)) if since >= until => {
            bail!(
                "nothing lies between --since {since} and --until {until}: --until is the later one"
            )
        }
        _ => Ok(period),
    }
}

/// A day (its start, in UTC) or an instant.
fn instant(text: &str) -> anyhow::Result<DateTime<Utc>> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(chrono::NaiveTime::MIN).and_utc());
    }
    text.parse::<DateTime<Utc>>().with_context(|| {
        format!("{text:?} is neither a day (2026-11-22) nor an instant (2026-11-22T08:00:00Z)")
    })
}

#[cfg(test)]
mod tests {
    use super::{instant, period};

    #[test]
    fn a_period_that_ends_before_it_begins_is_refused() {
        assert!(period(Some("2026-11-22"), Some("2026-11-22")).is_err());
        assert!(period(Some("2026-11-22"), Some("2026-11-20")).is_err());
        period(Some("2026-11-22"), Some("2026-11-23")).expect("a day");
        period(None, Some("2026-11-20")).expect("all before");
    }

    #[test]
    fn a_period_is_given_in_days_or_instants() {
        assert_eq!(
            instant("2026-11-22").expect("a day"),
            instant("2026-11-22T00:00:00Z").expect("an instant")
        );
        assert!(instant("yesterday").is_err());
    }
}
