//! Reports, many in one request: each is staged as it comes in, what an answer lacks is asked for again, alone or in
//! halves.

use std::collections::HashMap;
use std::time::Duration;

use appliance::{ApplianceError, Download, Recourse};
use bytes::Bytes;
use chrono::Utc;
use domain::{Family, Lsid};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt, TryStreamExt};
use queue::{Failure, Lease};
use session_report::ReportError;
use tokio::sync::mpsc;

use crate::failure::Unfetched;
use crate::report::{self, Incoming, Split};
use crate::wanted::Wanted;
use crate::worker::{FIRST_BYTE_MAX, Fetched, Fetcher, SYNC_MAX};

/// Sessions that one request asks for: enough that a session costs next to nothing of an account's limits, and few enough
/// that a kill, which may repeat all requests under way, repeats little.
pub(crate) const BULK_SESSIONS_MAX: usize = 50;
/// What is read of one answer; the sessions behind that are asked for again, fewer at a time.
const BULK_BYTES_MAX: u64 = 256 << 20;
/// Reports that are staged at one time, unless few have already so many bytes.
const STAGED_AT_ONCE: usize = 16;
const STAGED_BYTES_AT_ONCE: usize = 16 << 20;
/// Blocks that are read ahead of the splitting, and reports that are split ahead of the staging.
const AHEAD: usize = 4;

/// What a report comes to.
pub(crate) type Answer = Result<Fetched, Unfetched>;

/// Why an answer ended before it told of every session.
#[derive(Debug)]
enum Broken {
    Appliance(ApplianceError),
    Report(ReportError),
    TooLarge,
}

/// Reports of one family under way: which of `wanted`, by its place, and what each came to.
struct Bulk<'w> {
    wanted: &'w [&'w Wanted],
    answers: Vec<Option<Answer>>,
}

impl Fetcher {
    /// Fetches these reports into staging, and says of each what it came to.
    pub(crate) async fn reports(&self, wanted: &[&Wanted], lease: &Lease) -> Vec<Answer> {
        let answers = wanted.iter().map(|_| None).collect();
        let mut bulk = Bulk { wanted, answers };
        let mut todo = requests(wanted);
        let mut site_asked = false;
        while let Some(places) = todo.pop() {
            let ended = self.ask(&places, &mut bulk, lease).await;
            let missing: Vec<usize> =
                places.iter().copied().filter(|place| bulk.answers[*place].is_none()).collect();
            match ended {
                _ if missing.is_empty() => {}
                Ok(()) if places.len() > 1 => {
                    todo.extend(missing.into_iter().map(|place| vec![place]));
                }
                Err(broken) if places.len() > 1 && broken.may_be_one_sessions() => {
                    todo.extend(halves(missing));
                }
                ended => {
                    let failure = ended.err().map_or_else(not_in_it, Unfetched::from);
                    let failure = self.of_the_site(failure, &mut site_asked).await;
                    bulk.fail(&missing, failure);
                }
            }
            if let Some(failure) = bulk.stopped(&places) {
                bulk.fail_the_rest(failure);
                break;
            }
        }
        let answered = |answer: Option<Answer>| answer.expect("each was asked for until it came");
        bulk.answers.into_iter().map(answered).collect()
    }

    /// The same failure, or that of the whole site: what one session is answered, in whatever words, says nothing about
    /// it while no report can be had. Asked once for a batch.
    pub(crate) async fn of_the_site(&self, failure: Unfetched, asked: &mut bool) -> Unfetched {
        let may_be_the_sites =
            matches!(&failure, Unfetched::Failed(Failure::Retry(_) | Failure::Reject(_)));
        if !may_be_the_sites || std::mem::replace(asked, true) {
            return failure;
        }
        match self.client.answers_reports().await {
            Ok(()) => failure,
            Err(error) => Unfetched::Failed(match error.recourse() {
                Recourse::Throttled(wait) => Failure::Throttled { wait, cause: error.into() },
                _ => Failure::Down(error.into()),
            }),
        }
    }

    /// Asks for these in one request, and stages what comes.
    async fn ask(
        &self,
        places: &[usize],
        bulk: &mut Bulk<'_>,
        lease: &Lease,
    ) -> Result<(), Broken> {
        let family = bulk.family(places[0]);
        let lsids: Vec<Lsid> = places.iter().map(|place| bulk.lsid(*place).clone()).collect();
        let by_lsid: HashMap<&Lsid, usize> = lsids.iter().zip(places.iter().copied()).collect();
        lease.phase("the appliance's first byte", FIRST_BYTE_MAX);
        let download = self.client.reports(family, &lsids).await.map_err(Broken::Appliance)?;
        let (to_splitter, blocks) = mpsc::channel(AHEAD);
        let (to_us, splits) = mpsc::channel(AHEAD);
        let splitter =
            tokio::task::spawn_blocking(move || report::split(Incoming::new(blocks), &to_us));
        let (fed, ()) = futures::join!(
            feed(download, to_splitter, lease),
            self.stage_all(splits, &by_lsid, bulk, lease),
        );
        fed?;
        splitter.await.expect("reading a report does not panic").map_err(Broken::Report)
    }

    /// Stages reports as they come, some at a time.
    async fn stage_all(
        &self,
        mut splits: mpsc::Receiver<Split>,
        places: &HashMap<&Lsid, usize>,
        bulk: &mut Bulk<'_>,
        lease: &Lease,
    ) {
        let (mut staging, mut bytes) = (FuturesUnordered::new(), 0);
        loop {
            let room = staging.len() < STAGED_AT_ONCE && bytes < STAGED_BYTES_AT_ONCE;
            tokio::select! {
                Some((place, size, answer)) = staging.next(), if !staging.is_empty() => {
                    lease.phase("staging reports", SYNC_MAX);
                    bytes -= size;
                    bulk.answers[place] = Some(answer);
                }
                split = splits.recv(), if room => {
                    let Some(split) = split else { break };
                    let place = places.get(&split.lsid).copied();
                    // Twice in one answer, or not asked for.
                    let Some(place) = place.filter(|place| bulk.answers[*place].is_none()) else {
                        continue;
                    };
                    let (wanted, size) = (bulk.wanted[place], split.xml.len());
                    bytes += size;
                    staging.push(
                        async move { (place, size, self.stage_report(wanted, split).await) }.boxed(),
                    );
                }
            }
        }
        while let Some((place, _, answer)) = staging.next().await {
            lease.phase("staging reports", SYNC_MAX);
            bulk.answers[place] = Some(answer);
        }
    }

    async fn stage_report(&self, wanted: &Wanted, split: Split) -> Answer {
        let (session, content) = split.read?;
        // One that never gets its end is delivered as it stands, as an abandoned one is.
        let waited = (Utc::now() - wanted.since).to_std().unwrap_or_default();
        if wanted.ended && session.ended().is_none() && waited < self.patience {
            return Err(Unfetched::NoEnd);
        }
        let family = wanted.artifact.kind().family().expect("a report has a family");
        let size = split.xml.len() as u64;
        let xml = futures::stream::iter([Ok::<_, std::convert::Infallible>(split.xml)]);
        let staged = self.stage(&wanted.artifact, "xml", xml, size).await?;
        Ok(Fetched {
            claim: staged.claim(content, "xml"),
            particulars: session.particulars(),
            recordings: report::recordings(&session, wanted.artifact.site(), family),
        })
    }
}

impl Bulk<'_> {
    fn family(&self, place: usize) -> Family {
        family(self.wanted[place])
    }

    fn lsid(&self, place: usize) -> &Lsid {
        self.wanted[place].artifact.lsid().expect("a report belongs to an LSID")
    }

    /// The last one gets the failure itself, the others what it says about them.
    fn fail(&mut self, missing: &[usize], failure: Unfetched) {
        let Some((last, others)) = missing.split_last() else { return };
        for place in others {
            let failure = failure.for_others().unwrap_or_else(|| Failure::Retry(UNTRIED.into()));
            self.answers[*place] = Some(Err(Unfetched::Failed(failure)));
        }
        self.answers[*last] = Some(Err(failure));
    }

    /// Whether one of these met something that the others would meet, too.
    fn stopped(&self, places: &[usize]) -> Option<Failure> {
        places.iter().find_map(|place| match &self.answers[*place] {
            Some(Err(failure)) => failure.for_others(),
            _ => None,
        })
    }

    fn fail_the_rest(&mut self, failure: Failure) {
        let missing: Vec<usize> =
            (0..self.answers.len()).filter(|place| self.answers[*place].is_none()).collect();
        self.fail(&missing, Unfetched::Failed(failure));
    }
}

const UNTRIED: &str = "it was asked for with others, and they failed together";

/// What an answer without a session says about it.
fn not_in_it() -> Unfetched {
    Unfetched::Failed(Failure::Retry("the appliance's answer does not hold the session".into()))
}

fn family(wanted: &Wanted) -> Family {
    wanted.artifact.kind().family().expect("a report has a family")
}

/// The requests that ask for all of these at first: of one family each, and no session twice in one, because an answer
/// could not be told to belong to both. An LSID with a comma can't stand in a list.
fn requests(wanted: &[&Wanted]) -> Vec<Vec<usize>> {
    let mut requests: Vec<Vec<usize>> = Vec::new();
    for (place, one) in wanted.iter().enumerate() {
        let comma = one.artifact.lsid().is_some_and(|lsid| lsid.as_str().contains(','));
        let fits = |request: &Vec<usize>| {
            !comma
                && request.len() < BULK_SESSIONS_MAX
                && family(wanted[request[0]]) == family(one)
                && request.iter().all(|other| {
                    let other = wanted[*other].artifact.lsid();
                    other != one.artifact.lsid()
                        && other.is_some_and(|lsid| !lsid.as_str().contains(','))
                })
        };
        match requests.iter_mut().find(|request| fits(request)) {
            Some(request) => request.push(place),
            None => requests.push(vec![place]),
        }
    }
    requests
}

fn halves(mut places: Vec<usize>) -> impl Iterator<Item = Vec<usize>> {
    let second = places.split_off(places.len().div_ceil(2));
    [second, places].into_iter().filter(|half| !half.is_empty())
}

/// Hands the answer to the splitter. It ends early, without an error of its own, where that has ended.
async fn feed(
    download: Download,
    to_splitter: mpsc::Sender<Bytes>,
    lease: &Lease,
) -> Result<(), Broken> {
    let mut blocks = std::pin::pin!(download.into_stream());
    let mut bytes_so_far = 0;
    while let Some(block) = blocks.try_next().await.map_err(Broken::Appliance)? {
        lease.phase("the appliance's next block", BULK_BLOCK_MAX);
        bytes_so_far += block.len() as u64;
        if bytes_so_far > BULK_BYTES_MAX {
            return Err(Broken::TooLarge);
        }
        if to_splitter.send(block).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// How long the answer may pause, or staging hold it up: the client itself bounds the appliance's silence.
const BULK_BLOCK_MAX: Duration = SYNC_MAX;

impl Broken {
    /// Whether one session of several may be to blame, or their number: not where the site as a whole is closed.
    fn may_be_one_sessions(&self) -> bool {
        match self {
            Broken::Report(_) | Broken::TooLarge => true,
            Broken::Appliance(error) => match error.recourse() {
                Recourse::Throttled(_) => false,
                // A request that is too large for the appliance brings about these as well.
                Recourse::Down => matches!(
                    error,
                    ApplianceError::Silent { .. }
                        | ApplianceError::Slow { .. }
                        | ApplianceError::HungUp { .. }
                        | ApplianceError::Failing { .. }
                        | ApplianceError::NotTheAppliance { .. }
                ),
                Recourse::Retry | Recourse::Reject | Recourse::Unavailable | Recourse::NotYet => {
                    true
                }
            },
        }
    }
}

impl From<Broken> for Unfetched {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Appliance(error) => error.into(),
            Broken::Report(error) => error.into(),
            Broken::TooLarge => Unfetched::Failed(Failure::Reject(
                format!("the answer has more than {BULK_BYTES_MAX} bytes").into(),
            )),
        }
    }
}

#[cfg(test)]
mod tests;
