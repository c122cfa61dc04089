/// One token of a subject, or a part of a consumer's name, from any text: what is not a letter, digit, `-` or `_`
/// becomes `=` and two hex digits a byte, so that no `.`, `*`, `>` or space from outside can enter a subject.
pub fn escape(text: &str) -> String {
    let mut token = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            token.push(char::from(byte));
        } else {
            token.push('=');
            token.push(hex_digit(byte >> 4));
            token.push(hex_digit(byte & 0xf));
        }
    }
    token
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).expect("a nibble is below 16").to_ascii_uppercase()
}

/// The text that [`escape`] made this token of; `None` where it made no such token.
pub fn unescape(token: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes().iter();
    while let Some(&byte) = rest.next() {
        if byte == b'=' {
            let mut nibble = || char::from(*rest.next()?).to_digit(16);
            let (high, low) = (nibble()?, nibble()?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_survives_being_a_token(text in ".*") {
            let token = escape(&text);
            prop_assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_=".contains(&b)));
            prop_assert_eq!(unescape(&token), Some(text));
        }
    }
}
