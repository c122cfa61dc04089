//! Session numbers and the ids that stand for them. An id can be taken back to its number, so no table of ids is kept.

use crate::chance::{key_of, mix, unmix};
use crate::options::LsidStyle;

const PLACE_BITS: u32 = 40;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a session is for the simulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Family {
    /// Ended before the start.
    Ended,
    /// Runs, and ends only if somebody asks for it.
    Open,
    /// Closed without an end.
    Abnormal,
    /// Ends at its own time while the simulator runs.
    Live,
    /// Made at run time.
    Added,
}

const FAMILIES: [Family; 5] =
    [Family::Ended, Family::Open, Family::Abnormal, Family::Live, Family::Added];

/// Which session: its family and its place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Number {
    pub(crate) family: Family,
    pub(crate) place: u64,
}

impl Number {
    pub(crate) fn value(self) -> u64 {
        let family = FAMILIES.iter().position(|family| *family == self.family).unwrap_or_default();
        ((family as u64) << PLACE_BITS) | self.place
    }

    fn from_value(value: u64) -> Option<Self> {
        let family = *FAMILIES.get((value >> PLACE_BITS) as usize)?;
        Some(Self { family, place: value & ((1 << PLACE_BITS) - 1) })
    }
}

/// The id of a session.
pub(crate) fn lsid_of(number: Number, site_key: u64, style: LsidStyle) -> String {
    let hidden = mix(number.value() ^ site_key);
    let check = key_of(&[hidden, site_key]);
    match style {
        LsidStyle::Hex32 => format!("{hidden:016x}{check:016x}"),
        LsidStyle::Mixed16 => base62(hidden, 11) + &base62(check, 5),
    }
}

/// The session that an id stands for, if this site could have given it.
pub(crate) fn number_of(lsid: &str, site_key: u64, style: LsidStyle) -> Option<Number> {
    let hidden = match style {
        LsidStyle::Hex32 => u64::from_str_radix(lsid.get(..16)?, 16).ok()?,
        LsidStyle::Mixed16 => from_base62(lsid.get(..11)?)?,
    };
    let number = Number::from_value(unmix(hidden) ^ site_key)?;
    (lsid_of(number, site_key, style) == lsid).then_some(number)
}

fn base62(mut value: u64, digits: usize) -> String {
    let mut text = vec![b'0'; digits];
    for digit in text.iter_mut().rev() {
        *digit = DIGITS[(value % 62) as usize];
        value /= 62;
    }
    text.into_iter().map(char::from).collect()
}

fn from_base62(text: &str) -> Option<u64> {
    text.bytes().try_fold(0_u64, |value, byte| {
        let digit = DIGITS.iter().position(|digit| *digit == byte)?;
        value.checked_mul(62)?.checked_add(digit as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_leads_back_to_its_session() {
        for style in [LsidStyle::Hex32, LsidStyle::Mixed16] {
            for family in FAMILIES {
                for place in [0, 1, 99_999] {
                    let number = Number { family, place };
                    let lsid = lsid_of(number, 77, style);
                    assert_eq!(number_of(&lsid, 77, style), Some(number), "{lsid}");
                    assert_eq!(number_of(&lsid, 78, style), None, "of another site");
                }
            }
        }
    }

    #[test]
    fn an_id_has_the_length_of_its_style() {
        let number = Number { family: Family::Ended, place: 3 };
        assert_eq!(lsid_of(number, 1, LsidStyle::Hex32).len(), 32);
        assert_eq!(lsid_of(number, 1, LsidStyle::Mixed16).len(), 16);
    }

    #[test]
    fn nonsense_is_nobodys_id() {
        for text in ["", "x", "é", "0123456789abcdef0123456789abcdef", "../../../../etc/passwd"] {
            assert_eq!(number_of(text, 1, LsidStyle::Hex32), None);
            assert_eq!(number_of(text, 1, LsidStyle::Mixed16), None);
        }
    }
}
