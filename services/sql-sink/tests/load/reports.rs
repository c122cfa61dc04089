//! Reports of simulated appliances, and the order in which they are staged.

use std::collections::HashMap;
use std::sync::Arc;

use appliance_simulator::{Options, Product, RunningSimulator, Simulator};
use domain::{Digest, Lsid, Revision, SiteHost};
use session_report::Limits;
use sql_sink::columns::SessionRows;
use sql_sink::store::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Chance that can be had again from its seed.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// Shows its seed, in case that a test fails.
    pub fn new() -> Self {
        let seed = rand::random::<u64>() | 1;
        println!("seed {seed}");
        Dice(seed)
    }

    /// A number below this one.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % end
    }

    /// Any order.
    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for place in (1..all.len()).rev() {
            all.swap(place, self.below(place + 1));
        }
    }
}

/// A report of a session, as it is staged at one time.
#[derive(Debug, Clone)]
pub struct Report {
    /// Of which site.
    pub site: SiteHost,
    /// Of which session.
    pub lsid: Lsid,
    /// What it says.
    pub xml: Arc<str>,
}

impl Report {
    /// The digest of what it says.
    pub fn content(&self) -> Digest {
        Digest::of(self.xml.as_bytes())
    }

    /// What a database is to hold of it.
    pub fn incoming(&self, revision: Revision) -> Incoming {
        let session = session_report::read(self.xml.as_bytes(), &Limits::default());
        let session = session.expect("a simulated report can be read");
        Incoming {
            site: self.site.clone(),
            lsid: self.lsid.clone(),
            revision,
            content: self.content(),
            even_if_done: false,
            rows: Arc::new(SessionRows::of(&session, &self.site, &self.lsid, true)),
            route: "expected".into(),
            position: revision.position,
        }
    }
}

/// Reports of this many sessions of two sites in the order in which they are staged: in any order, and of a third of
/// the sessions twice or more often, with other content or with the same.
pub async fn staged(sessions: usize, events_mean: u32, dice: &mut Dice) -> Vec<Report> {
    let mut first = Vec::with_capacity(sessions);
    for (host, product) in [
        ("support.example.com", Product::RemoteSupport),
        ("access.example.com", Product::PrivilegedRemoteAccess),
    ] {
        let options = Options {
            host: host.to_owned(),
            product,
            sessions: sessions as u64 / 2,
            events_mean,
            now: Some(1_790_000_000),
            stable_urls: true,
            ..Options::default()
        };
        let simulator = Simulator::start(options).await.expect("a free port on loopback");
        for session in simulator.sessions() {
            first.push(Report {
                site: host.parse().expect("a host"),
                xml: peeked(&simulator, &session.lsid).await.into(),
                lsid: session.lsid.parse().expect("an LSID"),
            });
        }
    }
    let mut all = Vec::with_capacity(sessions * 2);
    for report in first {
        // Longer than what a bulk load takes, but seldom: such texts travel alone.
        let long = "é🦀 ".repeat(if dice.below(10) == 0 { 12_000 } else { 12 });
        let later = match dice.below(6) {
            0 => vec![changed(&report, &long)],
            1 => vec![changed(&report, &long), report.clone(), report.clone()],
            2 => vec![report.clone()],
            _ => Vec::new(),
        };
        all.push(report);
        all.extend(later);
    }
    in_any_order(all, dice)
}

/// Any order, but for the reports of one session among themselves.
fn in_any_order(all: Vec<Report>, dice: &mut Dice) -> Vec<Report> {
    let mut order: Vec<usize> = (0..all.len()).collect();
    dice.shuffle(&mut order);
    let mut of_session: HashMap<(SiteHost, Lsid), Vec<usize>> = HashMap::new();
    for (place, report) in all.iter().enumerate().rev() {
        of_session.entry((report.site.clone(), report.lsid.clone())).or_default().push(place);
    }
    let next = |place: usize| {
        let report = &all[place];
        let waiting = of_session.get_mut(&(report.site.clone(), report.lsid.clone()));
        waiting.and_then(Vec::pop).expect("each place is asked for once")
    };
    order.into_iter().map(next).map(|place| all[place].clone()).collect()
}

/// The same session, told otherwise: its first event is missing, and there is another at the end.
fn changed(report: &Report, said: &str) -> Report {
    let event = format!(
        "<event timestamp=\"1790000000\" event_type=\"Chat Message\"><body>{said}</body></event>\
         </session_details>"
    );
    let xml = report.xml.replace("</session_details>", &event);
    let first = xml.find("<event ").zip(xml.find("</event>"));
    let xml = match first {
        Some((begin, end)) => format!("{}{}", &xml[..begin], &xml[end + "</event>".len()..]),
        None => xml,
    };
    Report { xml: xml.into(), ..report.clone() }
}

async fn peeked(simulator: &RunningSimulator, lsid: &str) -> String {
    let mut stream = TcpStream::connect(simulator.address()).await.expect("a simulator");
    // The older version of the protocol: an answer as it is, and then the end.
    let request = format!("GET /peek/session/{lsid} HTTP/1.0\r\nHost: simulator\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("a simulator");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("a simulator");
    let answer = String::from_utf8(answer).expect("a report is text");
    let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    body.to_owned()
}
