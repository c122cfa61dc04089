use chrono::{DateTime, Utc};
use domain::{ArtifactId, Digest};

/// What lies beside an object that a fact names.
pub(crate) const FACT_SUFFIX: &str = ".fact";
/// File systems take 255 bytes a segment; instance, attempt, extension, `.fact` and a temporary file's number need room
/// as well.
const SEGMENT_BYTES_MAX: usize = 160;
/// What is kept of a digest that stands for the end of a name that is too long.
const DIGEST_HEX: usize = 16;
/// Longer ones are no extensions.
const EXTENSION_BYTES_MAX: usize = 10;

/// The name of one attempt's object: `<site>/<kind>/<YYYY-MM-DD>/<lsid or slot>[-<instance>].<attempt>.<extension>`.
///
/// The day is that of the attempt, so that what is old lies together. No artifact has a folder of its own: on a local
/// disk each new folder costs two more flushes.
pub(crate) fn object_name(
    artifact: &ArtifactId,
    extension: &str,
    now: DateTime<Utc>,
    random: u32,
) -> String {
    let site = segment(artifact.site().as_str());
    let kind = artifact.kind();
    let day = now.format("%Y-%m-%d");
    let key = segment(&artifact.key().to_string());
    let instance = artifact.instance().map(|instance| format!("-{instance}")).unwrap_or_default();
    let attempt = now.format("%Y%m%dT%H%M%SZ");
    let extension = extension_of(extension);
    format!("{site}/{kind}/{day}/{key}{instance}.{attempt}-{random:08x}.{extension}")
}

/// The part of an object's name that all attempts of its artifact on that day share.
pub(crate) fn artifact_part(object: &str) -> &str {
    object.rsplitn(3, '.').last().unwrap_or(object)
}

/// One segment of a name from a text that comes from outside: nothing in it separates, hides or leaves the folder.
fn segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => escaped.push(byte.into()),
            b'.' if at > 0 => escaped.push('.'),
            _ => escaped.push_str(&format!("~{byte:02x}")),
        }
    }
    // Windows drops a period at the end.
    if escaped.ends_with('.') {
        escaped.pop();
        escaped.push_str("~2e");
    }
    if escaped.len() > SEGMENT_BYTES_MAX {
        let digest = Digest::of(text.as_bytes()).to_string();
        escaped.truncate(SEGMENT_BYTES_MAX - DIGEST_HEX - 2);
        escaped.push_str("~~");
        escaped.push_str(&digest[..DIGEST_HEX]);
    }
    if escaped.is_empty() { "~".to_owned() } else { escaped }
}

fn extension_of(text: &str) -> String {
    let kept: String =
        text.chars().filter(char::is_ascii_alphanumeric).take(EXTENSION_BYTES_MAX).collect();
    if kept.is_empty() || kept.eq_ignore_ascii_case("fact") {
        "bin".to_owned()
    } else {
        kept.to_ascii_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use domain::{ArtifactKey, Instance, Kind, Lsid, SiteHost};

    use super::*;

    fn recording(lsid: &str) -> ArtifactId {
        let site: SiteHost = "access.example.com".parse().expect("a host");
        let lsid: Lsid = lsid.parse().expect("an LSID");
        let key = ArtifactKey::Lsid(lsid);
        ArtifactId::new(site, Kind::CommandShellRecording, key, Some(Instance(2))).expect("a shell")
    }

    fn named(lsid: &str, extension: &str) -> String {
        object_name(&recording(lsid), extension, DateTime::UNIX_EPOCH, 0xab)
    }

    #[test]
    fn a_name_tells_whose_what_when_and_which_attempt() {
        assert_eq!(
            named("0123abcd", "flv"),
            "access.example.com/command-shell-recording/1970-01-01/0123abcd-2.19700101T000000Z-000000ab.flv"
        );
    }

    #[test]
    fn the_attempts_of_an_artifact_share_a_part_of_their_names_with_nobody_else() {
        let artifact = recording("0123.abcd");
        let name = |random| object_name(&artifact, "flv", DateTime::UNIX_EPOCH, random);
        assert_eq!(artifact_part(&name(1)), artifact_part(&name(2)));
        assert!(artifact_part(&name(1)).ends_with("/0123.abcd-2"), "{}", name(1));
    }

    #[test]
    fn a_text_from_outside_makes_no_separator_and_no_dots() {
        for (text, wanted) in [
            ("..", "~2e~2e"),
            (".hidden", "~2ehidden"),
            ("a/b\\c", "a~2fb~5cc"),
            ("a.", "a~2e"),
            ("a~2f", "a~7e2f"),
            ("é#1 ", "~c3~a9~231~20"),
        ] {
            assert_eq!(segment(text), wanted, "{text:?}");
        }
        assert!(named("../../etc", "x").matches('/').count() == 3);
    }

    #[test]
    fn long_ids_stay_apart_and_fit_a_file_system() {
        let (one, two) = (format!("{}1", "/".repeat(150)), format!("{}2", "/".repeat(150)));
        assert!(segment(&one).len() <= SEGMENT_BYTES_MAX);
        assert_ne!(segment(&one), segment(&two));
    }

    #[test]
    fn an_extension_is_letters_and_digits() {
        assert_eq!(extension_of("../MP4"), "mp4");
        assert_eq!(extension_of("fact"), "bin");
        assert_eq!(extension_of(""), "bin");
    }
}
