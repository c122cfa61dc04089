//! Whatever lies in the log is a fact or is refused, and a fact has one subject with no word of its own in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use messages::{Subjects, decode, encode, escape, unescape};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let token = escape(text);
        assert!(!token.contains(['.', '*', '>', ' ']), "{token:?}");
        assert_eq!(unescape(&token).as_deref(), Some(text));
    }
    let Ok(fact) = decode(bytes) else { return };
    let written = encode(&fact).expect("what was read can be written");
    assert_eq!(decode(&written).expect("what was written can be read"), fact);
    let subject = Subjects::new("sluice").expect("a prefix").of(&fact);
    assert!(subject.starts_with("sluice."));
    for token in subject.split('.') {
        assert!(!token.is_empty(), "{subject:?}");
        assert!(!token.contains(|c: char| "*>".contains(c) || c.is_whitespace()), "{subject:?}");
    }
});
