/// A text that is no number of bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no size: a whole number and kB, MB, GB or TB is, such as \"500MB\"")]
pub struct InvalidSize(pub String);

const UNITS: [(u64, &str); 4] =
    [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];

/// A number of bytes as settings write it: a whole number and `kB`, `MB`, `GB` or `TB`, in steps of a thousand.
///
/// # Errors
/// When the text is anything else, or more than can be counted.
pub fn parse_size(text: &str) -> Result<u64, InvalidSize> {
    let invalid = || InvalidSize(text.to_owned());
    let found = UNITS.iter().find_map(|(size, unit)| Some((size, text.strip_suffix(unit)?)));
    let (size, digits) = found.ok_or_else(invalid)?;
    // `parse` alone would take a leading plus.
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(invalid());
    }
    digits.parse::<u64>().ok().and_then(|count| count.checked_mul(*size)).ok_or_else(invalid)
}

/// A number of bytes for people.
pub fn format_size(bytes: u64) -> String {
    match UNITS.iter().find(|(size, _)| bytes >= *size) {
        None => format!("{bytes} B"),
        Some((size, unit)) if bytes / size >= 100 => format!("{} {unit}", bytes / size),
        Some((size, unit)) => {
            let tenths = bytes / (size / 10);
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_whole_number_and_a_unit() {
        for (text, bytes) in [
            ("500MB", Some(500_000_000)),
            ("0kB", Some(0)),
            ("2TB", Some(2_000_000_000_000)),
            ("+5GB", None),
            ("1.5GB", None),
            ("5", None),
            ("GB", None),
            ("5 GB", None),
            ("99999999999TB", None),
        ] {
            assert_eq!(parse_size(text).ok(), bytes, "{text}");
        }
    }

    #[test]
    fn a_size_is_told_in_the_unit_that_fits_it() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (12_345_678, "12.3 MB"),
            (999_999_999, "999 MB"),
            (4_000_000_000, "4.0 GB"),
            (u64::MAX, "18446744 TB"),
        ] {
            assert_eq!(format_size(bytes), text);
        }
    }
}
