use std::path::{Component, Path};

use proptest::prelude::*;

use super::*;
use crate::{ArtifactKey, Family, Instance, SiteHost, Slot};

fn site() -> SiteHost {
    "support.example.com".parse().expect("a host")
}

fn recording(lsid: &str) -> ArtifactId {
    let key = ArtifactKey::Lsid(lsid.parse().expect("an LSID"));
    ArtifactId::new(site(), Kind::SessionRecording, key, None).expect("a recording")
}

fn session() -> Particulars {
    Particulars {
        session_type: Some("support".to_owned()),
        lseq: Some("12".to_owned()),
        external_key: Some("INC-7".to_owned()),
        started: Some("2026-11-21T23:58:00Z".parse().expect("an instant")),
        ended: Some("2026-11-22T01:02:03Z".parse().expect("an instant")),
    }
}

fn named(format: &str, artifact: &ArtifactId, particulars: &Particulars) -> String {
    let format: FileNameFormat = format.parse().expect("a format");
    let values = NameValues { artifact, site_label: "hq", particulars, extension: "flv" };
    format.render(&values).to_string()
}

fn external(format: &str, key: &str) -> RelativePath {
    let particulars = Particulars { external_key: Some(key.to_owned()), ..Particulars::default() };
    named(format, &recording("1234"), &particulars).parse().expect("a rendered path is a path")
}

#[test]
fn every_kind_has_its_standard_name() {
    let lsid = || ArtifactKey::Lsid("1234".parse().expect("an LSID"));
    let slot = || ArtifactKey::Slot("20261122T020000Z".parse::<Slot>().expect("a slot"));
    let name = |kind: Kind| {
        let key = if kind == Kind::SiteBackup { slot() } else { lsid() };
        let instance = kind.has_instances().then_some(Instance(0));
        let artifact = ArtifactId::new(site(), kind, key, instance).expect("an artifact");
        let particulars = session();
        let values = NameValues {
            artifact: &artifact,
            site_label: "hq",
            particulars: &particulars,
            extension: "x",
        };
        FileNameFormat::standard(kind).render(&values).to_string()
    };
    assert_eq!(
        Kind::ALL.map(name),
        [
            "support.example.com-support-1234.x",
            "support.example.com-support-1234.x",
            "support.example.com-support-1234-shell-0.x",
            "support.example.com-support-1234-show-my-screen-0.x",
            "support.example.com-presentation-1234.x",
            "support.example.com-presentation-1234.x",
            "support.example.com-backup-2026-11-22T020000.x",
        ]
    );
}

/// The first seven as the vendor's guide defines them.
#[test]
fn every_value_is_put_in_where_it_is_named() {
    for (value, text) in [
        ("LSEQ", "12"),
        ("LSID", "aB"),
        ("EXTERNAL_KEY", "INC-7"),
        ("SESSION_TYPE", "support"),
        ("SUPPORT_SITE_HOST", "support.example.com"),
        ("INSTANCE", ""),
        ("EXTENSION", "flv"),
        ("SITE", "hq"),
        ("KIND", "session-recording"),
        ("DATE", "2026-11-22"),
        ("TIME", "010203"),
        ("START_YYYY", "2026"),
        ("START_MM", "11"),
        ("START_DD", "21"),
        ("START_HH", "23"),
        ("START_MIN", "58"),
        ("START_SS", "00"),
        ("END_YYYY", "2026"),
        ("END_MM", "11"),
        ("END_DD", "22"),
        ("END_HH", "01"),
        ("END_MIN", "02"),
        ("END_SS", "03"),
    ] {
        let name = named(&format!("({value}=%{value}%)"), &recording("aB"), &session());
        assert_eq!(name, format!("({value}={text})"));
    }
}

#[test]
fn a_backup_starts_and_ends_at_its_slot() {
    let slot = "20261122T020304Z".parse().expect("a slot");
    let format = "%START_YYYY%/%END_MM%/%START_DD%/%START_HH%%END_MIN%%START_SS% %DATE%T%TIME%";
    assert_eq!(
        named(format, &ArtifactId::backup(site(), slot), &Particulars::default()),
        "2026/11/22/020304 2026-11-22T020304"
    );
}

#[test]
fn a_value_that_there_is_not_is_empty_and_nothing_around_it_changes() {
    let nothing = Particulars::default();
    assert_eq!(
        named("a-%EXTERNAL_KEY%-%DATE%-b.%EXTENSION%", &recording("1"), &nothing),
        "a---b.flv"
    );
    assert_eq!(named("%EXTERNAL_KEY%/%LSID%", &recording("1"), &nothing), "_/1");
}

#[test]
fn a_session_without_an_end_is_dated_by_its_start() {
    let open = Particulars { ended: None, ..session() };
    assert_eq!(named("%DATE%T%TIME%", &recording("1"), &open), "2026-11-21T235800");
}

#[test]
fn a_format_that_is_wrong_says_where() {
    let error = |text: &str| text.parse::<FileNameFormat>().expect_err(text).to_string();
    for (format, part) in [
        ("", "empty"),
        ("a-%LSDI%", "%LSDI% at character 3 is not known; known are %LSEQ% %LSID% %EXTERNAL_KEY%"),
        ("a-%lsid%", "between the percent signs at characters 3 and 8 stands \"lsid\""),
        ("%LSID-%INSTANCE%", "characters 1 and 7 stands \"LSID-\""),
        ("100%", "the percent sign at character 4 has no second one"),
        ("%%", "characters 1 and 2"),
        ("a\\%LSID%", "'\\\\' at character 2 can't stand in a file name"),
        ("C:/%LSID%", "':' at character 2"),
        ("/%LSID%", "the part \"\" names nothing"),
        ("%LSID%/", "the part \"\" names nothing"),
        ("../%LSID%", "the part \"..\" names nothing"),
        ("a/. /b", "the part \". \" names nothing"),
    ] {
        assert!(error(format).contains(part), "{format:?}: {}", error(format));
    }
    assert!("a/".repeat(12).parse::<FileNameFormat>().is_err());
    assert_eq!(
        format!("{}a", "a/".repeat(12)).parse::<FileNameFormat>(),
        Err(InvalidFormat::TooDeep { parts: 13 })
    );
}

#[test]
fn separators_are_made_by_the_format_and_never_by_a_value() {
    assert_eq!(
        named("%SUPPORT_SITE_HOST%/%DATE%/%LSID%.%EXTENSION%", &recording("1"), &session()),
        "support.example.com/2026-11-22/1.flv"
    );
    for (key, name) in [
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("..", "_"),
        (".", "_"),
        ("", "_"),
        ("a\0b\u{1}\u{7f}", "a_b__"),
        ("C:\\x<>|?*\"", "C__x______"),
        ("name. . ", "name"),
        ("Ünï – 名前 🙂", "Ünï – 名前 🙂"),
        ("\u{202e}gnp.exe", "\u{202e}gnp.exe"),
    ] {
        assert_eq!(external("%EXTERNAL_KEY%", key).as_str(), name, "{key:?}");
        assert_eq!(external("%EXTERNAL_KEY%/f", key).as_str(), format!("{name}/f"), "{key:?}");
    }
}

#[test]
fn a_device_or_the_ledger_is_never_named() {
    for (key, name) in [
        ("CON", "CON_"),
        ("nul.txt", "nul_.txt"),
        ("aux .tar.gz", "aux _.tar.gz"),
        ("Com1.flv", "Com1_.flv"),
        ("LPT²", "LPT²_"),
        ("conin$", "conin$_"),
        (".sluice", ".sluice_"),
        (".SLUICE.", ".SLUICE_"),
        (".slu\u{200d}ice", ".slu\u{200d}ice_"),
        ("sluice~1", "sluice~1_"),
        ("SLUICE~12", "SLUICE~12_"),
        ("sluice~1x", "sluice~1x"),
        ("COM", "COM"),
        ("COM10", "COM10"),
        ("console", "console"),
    ] {
        assert_eq!(external("%EXTERNAL_KEY%", key).as_str(), name, "{key:?}");
    }
}

#[test]
fn a_number_goes_just_before_the_last_period() {
    let name = |text: &str| text.parse::<RelativePath>().expect("a path");
    for (text, number, numbered) in [
        ("support.example.com-support-1234.flv", 1, "support.example.com-support-1234.1.flv"),
        ("support.example.com-support-1234.flv", 2, "support.example.com-support-1234.2.flv"),
        ("a.b/c.d.e", 3, "a.b/c.d.3.e"),
        ("a.b/c", 4, "a.b/c.4"),
        (".hidden", 5, ".5.hidden"),
    ] {
        assert_eq!(name(text).numbered(number).as_str(), numbered);
    }
}

#[test]
fn a_long_name_is_cut_before_its_extension_and_keeps_room_for_a_number() {
    let format = "%EXTERNAL_KEY%.%EXTENSION%";
    let fits = external(format, &"n".repeat(251));
    assert_eq!(fits.as_str().len(), 255);
    assert!(!fits.as_str().contains('~'));
    let long = external(format, &"é".repeat(150));
    assert!(long.as_str().len() <= 243 && long.as_str().ends_with(".flv"));
    let digest = crate::Digest::of(format!("{}.flv", "é".repeat(150)).as_bytes()).to_string();
    assert!(long.as_str().contains(&format!("é~{}.flv", &digest[..8])));
    for path in [&fits, &long] {
        let numbered = path.numbered(u32::MAX);
        assert!(numbered.as_str().len() <= 255 && numbered.as_str().ends_with(".4294967295.flv"));
        assert!(numbered.as_str().parse::<RelativePath>().is_ok());
    }
    let other = external(format, &format!("{}x", "é".repeat(150)));
    assert_ne!(long, other, "two long names that begin alike stay two");
}

#[test]
fn two_paths_that_some_share_takes_for_one_are_one() {
    let folded = |text: &str| text.parse::<RelativePath>().expect("a path").folded();
    assert_eq!(folded("Straße/ÉTÉ.FLV"), folded("strasse/e\u{301}te\u{301}.flv"));
    assert_ne!(folded("a/b"), folded("ab"));
}

proptest! {
    #[test]
    fn whatever_the_values_the_path_stays_below_its_directory(
        key in any::<String>(),
        kind in any::<String>(),
        extension in any::<String>(),
        label in any::<String>(),
        number in any::<u32>(),
    ) {
        let particulars = Particulars {
            external_key: Some(key), session_type: Some(kind), ..Particulars::default()
        };
        let artifact = ArtifactId::report(site(), Family::Session, "1".parse().expect("an LSID"));
        let values = NameValues {
            artifact: &artifact,
            site_label: &label,
            particulars: &particulars,
            extension: &extension,
        };
        let format: FileNameFormat =
            "%EXTERNAL_KEY%/%SESSION_TYPE%-%SITE%/%EXTERNAL_KEY%.%EXTENSION%".parse().expect("a format");
        let path = format.render(&values);
        prop_assert_eq!(&path, &format.render(&values));
        let numbered = path.numbered(number);
        for path in [&path, &numbered] {
            let components: Vec<_> = path.as_path().components().collect();
            prop_assert_eq!(components.len(), 3);
            prop_assert!(components.iter().all(|c| matches!(c, Component::Normal(_))));
            prop_assert!(path.as_str().split('/').all(|segment| segment.len() <= 255));
            prop_assert!(!path.as_path().starts_with(RelativePath::LEDGER));
            prop_assert!(!path.as_str().contains(['\\', '\0']));
            let again = path.as_str().parse::<RelativePath>();
            prop_assert_eq!(again.as_ref(), Ok(path));
        }
        prop_assert_ne!(&path, &numbered);
        prop_assert_ne!(path.numbered(number ^ 1), numbered);
    }

    #[test]
    fn a_text_that_leads_outside_is_no_path(text in ".*/\\.\\./.*|/.*|.*/|\\.\\.|.*\\\\.*|") {
        prop_assert!(text.parse::<RelativePath>().is_err());
    }

    #[test]
    fn any_text_is_a_format_or_an_error(text in "[%A-Z_/.a\\\\ ]{0,40}") {
        if let Ok(format) = text.parse::<FileNameFormat>() {
            let path = external(format.as_str(), "../x");
            prop_assert!(Path::new(path.as_str()).is_relative());
        }
    }
}
