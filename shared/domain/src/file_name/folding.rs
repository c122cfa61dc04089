//! What file systems that fold names take for one name.

use icu_normalizer::DecomposingNormalizerBorrowed;

/// What all names have in common that some file system takes for one: Windows shares fold case, APFS and ext4's folding
/// directories also take composed and decomposed letters, `ß` and `ss`, for the same, and pass over what can't be seen.
/// One rule for all, for nobody can ask a mounted share which of them it folds.
pub(super) fn fold(text: &str) -> String {
    let decompose = DecomposingNormalizerBorrowed::new_nfd();
    // Through the upper case, so that both small sigmas are one.
    let folded: String = decompose
        .normalize(text)
        .chars()
        .filter(|c| !is_ignorable(*c))
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect();
    decompose.normalize(&folded).into_owned()
}

/// Unicode's `Default_Ignorable_Code_Point`: joiners, marks of direction, variation selectors.
fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_some_share_takes_for_one_name_is_one() {
        for (one, other) in [
            ("Name.XML", "name.xml"),
            ("ÉTÉ", "été"),
            ("e\u{301}te\u{301}", "ÉTÉ"),
            ("σς", "ΣΣ"),
            ("Straße", "STRASSE"),
            ("\u{fb01}le", "FILE"),
            ("\u{1e9b}\u{323}", "\u{17f}\u{323}\u{307}"),
            ("\u{212a}", "k"),
            ("\u{ac00}", "\u{1100}\u{1161}"),
            ("a\u{200d}b", "ab"),
            ("\u{202e}a", "a\u{feff}"),
        ] {
            assert_eq!(fold(one), fold(other), "{one:?} {other:?}");
        }
        for (one, other) in [("a", "b"), ("a", "á"), ("1", "¹"), ("ab", "a b"), ("a", "а")] {
            assert_ne!(fold(one), fold(other), "{one:?} {other:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_folded_stays_as_it_is(text in any::<String>()) {
            let folded = fold(&text);
            prop_assert_eq!(&fold(&folded), &folded);
            let composed = icu_normalizer::ComposingNormalizerBorrowed::new_nfc();
            prop_assert_eq!(fold(&composed.normalize(&text)), folded);
        }
    }
}
