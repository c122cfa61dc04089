//! Whatever an appliance says of a session, its file's name stays below the destination and is one that it can hold.
#![no_main]

use std::path::Component;

use domain::{
    ArtifactId, ArtifactKey, FileNameFormat, Kind, NameValues, Particulars, RelativePath,
};
use libfuzzer_sys::fuzz_target;

/// What people write; the format that is fuzzed stands beside them.
const FORMATS: [&str; 4] = [
    "%EXTERNAL_KEY%",
    "%EXTERNAL_KEY%/%SESSION_TYPE%-%SITE%/%EXTERNAL_KEY%.%EXTENSION%",
    "a%EXTERNAL_KEY%.%SESSION_TYPE%",
    "%SESSION_TYPE%%LSEQ%/%EXTERNAL_KEY%",
];

fuzz_target!(|input: (&str, &str, &str, &str, &str, &str, u32)| {
    let (format, external_key, session_type, lseq, label, extension, number) = input;
    let site = "support.example.com".parse().expect("a host");
    let key = ArtifactKey::Lsid("1".parse().expect("an LSID"));
    let artifact = ArtifactId::new(site, Kind::SessionRecording, key, None).expect("a recording");
    let particulars = Particulars {
        external_key: Some(external_key.to_owned()),
        session_type: Some(session_type.to_owned()),
        lseq: Some(lseq.to_owned()),
        ..Particulars::default()
    };
    let values =
        NameValues { artifact: &artifact, site_label: label, particulars: &particulars, extension };
    for text in FORMATS.into_iter().chain([format]) {
        let Ok(format) = text.parse::<FileNameFormat>() else { continue };
        let path = format.render(&values);
        assert_eq!(path.as_str().split('/').count(), text.split('/').count());
        confined(&path);
        let numbered = path.numbered(number);
        confined(&numbered);
        assert_ne!(path.folded(), numbered.folded());
        assert_ne!(path.numbered(number ^ 1).folded(), numbered.folded());
    }
    for text in [external_key, format] {
        if let Ok(path) = text.parse::<RelativePath>() {
            confined(&path);
        }
    }
});

fn confined(path: &RelativePath) {
    let text = path.as_str();
    assert!(
        path.as_path().components().all(|part| matches!(part, Component::Normal(_))),
        "{text:?}"
    );
    for segment in text.split('/') {
        assert!((1..=255).contains(&segment.len()), "{segment:?}");
        assert!(!segment.ends_with(['.', ' ']), "{segment:?}");
        assert!(!segment.contains(['\\', ':', '*', '?', '"', '<', '>', '|']), "{segment:?}");
        assert!(!segment.chars().any(char::is_control), "{segment:?}");
    }
    let first = path.folded().split('/').next().map(str::to_owned);
    assert_ne!(first.as_deref(), Some(RelativePath::LEDGER));
    assert_eq!(text.parse::<RelativePath>().as_ref(), Ok(path));
    let folded = path.folded();
    if let Ok(again) = folded.parse::<RelativePath>() {
        assert_eq!(again.folded(), folded);
    }
}
