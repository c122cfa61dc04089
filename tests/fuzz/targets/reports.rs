//! Whatever comes as a report is read or refused, by the plain ways and by the parser alike, and split without loss.
#![no_main]

use std::io::BufReader;

use libfuzzer_sys::fuzz_target;
use session_report::{Documents, Limits, Listing, Report, Sessions, read};

/// Small, so that going beyond them is met soon.
const LIMITS: Limits = Limits {
    session_bytes_max: 4096,
    outside_bytes_max: 1024,
    depth_max: 12,
    elements_max: 200,
    name_bytes_max: 64,
    attributes_max: 8,
};

fuzz_target!(|input: (u8, &[u8])| {
    let (bytes, xml) = input;
    // Handed out in small pieces, tokens are parted everywhere.
    let slow = || BufReader::with_capacity(usize::from(bytes % 16) + 1, xml);
    let whole = read(xml, &LIMITS);
    let split: Vec<_> = Sessions::with_limits(slow(), LIMITS).collect();
    if let Ok(session) = &whole {
        assert_eq!(split.len(), 1);
        assert!(matches!(&split[0], Ok(one) if one == session));
    }
    Listing::new(slow()).for_each(drop);
    for document in Documents::with_limits(slow(), LIMITS).flatten() {
        // What is cut out is a report of its own, and cutting it again changes nothing.
        let again: Vec<_> = Documents::new(document.xml.as_slice()).collect();
        assert_eq!(again.len(), 1);
        assert!(matches!(&again[0], Ok(one) if *one == document), "{again:?}");
    }
    // A carriage return anywhere leaves all to the parser.
    let told = |end: &[u8]| format!("{:?}", Report::read(&[xml, end].concat(), &LIMITS));
    assert_eq!(told(b"\n"), told(b"\r"));
});
