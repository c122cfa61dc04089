//! Values that want to be somewhere else.

use domain::Conflict;

use crate::stand::{Stand, named, report};

#[test]
fn nothing_leaves_the_directory_and_nothing_collides() {
    let long = "ü".repeat(300);
    let longer = format!("{long}x");
    let keys = [
        "..",
        ".",
        "",
        "../../sluice-went-outside",
        "/sluice/outside",
        "a/b",
        "a\\b",
        "C:\\x",
        "C:x",
        "a\0b",
        "con",
        "NUL.txt",
        "lpt1",
        "a.",
        "a ",
        "A",
        "a",
        ".sluice",
        ".SLUICE",
        ".slu\u{200d}ice",
        "SLUICE~1",
        "\u{200b}",
        "\u{202e}\u{feff}",
        "stra\u{df}e",
        "STRASSE",
        "\u{202e}lmx.a",
        "e\u{301}",
        "é",
        &long,
        &longer,
        "a\nb",
        "*",
        "?",
        "\u{7f}",
        "COM¹",
        "~",
        "-rf",
        "🙂",
    ];
    for format in ["%EXTERNAL_KEY%", "%EXTERNAL_KEY%/%EXTERNAL_KEY%.%EXTENSION%"] {
        let stand = Stand::new(Conflict::AppendNumber);
        if stand.is_bucket() && !format.contains('/') {
            continue; // Each costs many requests; the longer one asks for more.
        }
        for (at, key) in keys.iter().enumerate() {
            let name = named(format, key);
            let lsid = format!("{format}{at}");
            stand.deliver(&report(&lsid, name.as_str(), at as u64, &format!("{format} {key}")));
        }
        let files = stand.files();
        assert_eq!(files.len(), keys.len(), "{:#?}", files.keys());
        if stand.is_bucket() {
            continue;
        }
        assert!(stand.folder().join(".sluice/identity.json").exists());
        let beside = stand.folder().parent().expect("a parent");
        assert!(
            !beside.join("sluice-went-outside").exists() && !beside.join("sluice_outside").exists()
        );
    }
}
