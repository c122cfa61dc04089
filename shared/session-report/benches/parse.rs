//! How fast reports are read, beside a bare event loop of the parser beneath over the same bytes.
//!
//! Prints megabytes a second (the best of several rounds) and each way's share of the bare loop's speed.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{BufReader, Write as _};
use std::time::{Duration, Instant};

use quick_xml::Reader;
use quick_xml::events::Event;
use session_report::{Documents, Limits, Report, Sessions, read};

const ROUNDS: usize = 25;
const SESSIONS: usize = 400;
const EVENTS: usize = 60;

/// A way to read, and its best round.
struct Way<'a> {
    name: &'static str,
    work: Box<dyn Fn() + 'a>,
    best: Duration,
}

fn main() {
    let list = list();
    let list = list.as_slice();
    let documents: Vec<Vec<u8>> =
        Documents::new(list).map(|d| d.expect("the list is well-formed").xml).collect();
    let limits = Limits::default();
    let each = |read: &dyn Fn(&[u8])| documents.iter().for_each(|xml| read(xml));

    let mut from_memory = [
        way("bare event loop, from memory", || each(&bare_from_memory)),
        way("read", || each(&|xml| drop(black_box(read(xml, &limits).expect("a report"))))),
        way("Report::read (with the digest)", || {
            each(&|xml| drop(black_box(Report::read(xml, &limits).expect("a report"))));
        }),
    ];
    let mut streamed = [
        way("bare event loop, streamed", || bare_streamed(list)),
        way("Documents", || Documents::new(BufReader::new(list)).for_each(|d| drop(black_box(d)))),
        way("Sessions", || Sessions::new(BufReader::new(list)).for_each(|s| drop(black_box(s)))),
    ];
    // In turns, so that whatever else the machine does slows them alike.
    for _ in 0..ROUNDS {
        from_memory.iter_mut().chain(&mut streamed).for_each(Way::run);
    }
    let mebibytes = list.len() as f64 / f64::from(1 << 20);
    let mut out = format!("{SESSIONS} sessions, {mebibytes:.1} MiB\n");
    report(&mut out, &from_memory, documents.iter().map(Vec::len).sum());
    report(&mut out, &streamed, list.len());
    let _unread = std::io::stdout().write_all(out.as_bytes());
}

fn way<'a>(name: &'static str, work: impl Fn() + 'a) -> Way<'a> {
    Way { name, work: Box::new(work), best: Duration::MAX }
}

impl Way<'_> {
    fn run(&mut self) {
        // For a profile of one way: its name as the argument.
        if std::env::args().skip(1).any(|name| !name.starts_with('-') && name != self.name) {
            return;
        }
        let start = Instant::now();
        (self.work)();
        self.best = self.best.min(start.elapsed());
    }
}

/// Each way's speed, and its share of the first one's.
fn report(out: &mut String, ways: &[Way<'_>], bytes: usize) {
    for way in ways {
        let megabytes_per_sec = bytes as f64 / way.best.as_secs_f64() / 1e6;
        let share = ways[0].best.as_secs_f64() / way.best.as_secs_f64();
        let _infallible =
            writeln!(out, "{:<32} {megabytes_per_sec:>7.0} MB/s  {share:.2}", way.name);
    }
}

fn bare_from_memory(xml: &[u8]) {
    let mut reader = Reader::from_reader(xml);
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Eof => break,
            event => drop(black_box(event)),
        }
    }
}

fn bare_streamed(xml: &[u8]) {
    let mut reader = Reader::from_reader(BufReader::new(xml));
    let mut held = Vec::new();
    loop {
        match reader.read_event_into(&mut held).expect("well-formed") {
            Event::Eof => break,
            event => drop(black_box(event)),
        }
        held.clear();
    }
}

/// A list like those of an appliance: sessions of a few dozen events, with chats, files and a little markup in texts.
fn list() -> Vec<u8> {
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<session_list xmlns=\"http://www.beyondtrust.com/sra/namespaces/API/reporting\">\n",
    );
    for number in 0..SESSIONS {
        let events: String = (0..EVENTS).map(|event| self::event(number, event)).collect();
        xml.push_str(&format!(
            "<session lsid=\"{number:032x}\">\n  <session_type>support</session_type>\n  <lseq>{number}</lseq>\n  \
             <start_time timestamp=\"1733239565\">2024-12-03T15:26:05+00:00</start_time>\n  \
             <end_time timestamp=\"1733240467\">2024-12-03T15:41:07+00:00</end_time>\n  <duration>00:15:02</duration>\n  \
             <public_site id=\"1\">Default</public_site>\n  <jump_group type=\"shared\" id=\"1\">Servers</jump_group>\n  \
             <external_key>INC{number}</external_key>\n  <session_chat_view_url>https://site/session_download?lsid=l%3D{number:032x}%3Bh%3D{number:040x}&amp;view=1</session_chat_view_url>\n  \
             <customer_list>\n    <customer gsnumber=\"22\">\n      <username>srv{number}</username>\n      <public_ip>192.0.2.19:61606</public_ip>\n      \
             <private_ip>10.0.0.4</private_ip>\n      <hostname>SRV{number}</hostname>\n      <os>Windows Server 2022</os>\n    </customer>\n  </customer_list>\n  \
             <rep_list>\n    <representative gsnumber=\"21\" id=\"1\">\n      <username>admin</username>\n      <display_name>Admin</display_name>\n      \
             <public_ip>[2001:db8::1]:56722</public_ip>\n      <session_owner>1</session_owner>\n      <seconds_involved>901</seconds_involved>\n    </representative>\n  </rep_list>\n  \
             <session_details>\n{events}  </session_details>\n</session>\n"
        ));
    }
    xml.push_str("</session_list>\n");
    xml.into_bytes()
}

fn event(session: usize, event: usize) -> String {
    let timestamp = 1_733_239_565 + event;
    match event % 3 {
        0 => format!(
            "    <event timestamp=\"{timestamp}\" event_type=\"Chat Message\">\n      <performed_by type=\"representative\" gsnumber=\"21\">Admin</performed_by>\n      \
             <destination type=\"customer\" gsnumber=\"22\">srv{session}</destination>\n      \
             <body>I will restart the service now; it takes a minute or two. Please save what you have open &amp; wait for message {event}.</body>\n    </event>\n"
        ),
        1 => format!(
            "    <event timestamp=\"{timestamp}\" event_type=\"File Download\">\n      <performed_by type=\"customer\" gsnumber=\"22\">srv{session}</performed_by>\n      \
             <destination type=\"representative\" gsnumber=\"21\">Admin</destination>\n      <data>\n        \
             <value name=\"filename\" value=\"C:\\logs\\service-{event}.log\" />\n        <value name=\"filesize\" value=\"3229469\" />\n      </data>\n    </event>\n"
        ),
        _ => format!(
            "    <event timestamp=\"{timestamp}\" event_type=\"Session Foreground Window Changed\">\n      <performed_by type=\"representative\" gsnumber=\"21\">Admin</performed_by>\n      \
             <data>\n        <value name=\"exeName\" value=\"C:\\Windows\\System32\\services.exe\" />\n        <value name=\"windowName\" value=\"Services (local)\" />\n      </data>\n    </event>\n"
        ),
    }
}
