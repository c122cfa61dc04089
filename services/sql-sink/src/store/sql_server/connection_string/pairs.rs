use super::Misunderstood;

/// The keywords and values of a connection string, in their order, by ADO.NET's rules: pairs are parted by `;`, a
/// value may stand between `'`, `"` or `{}`, and `==` in a keyword is an `=`. Where a keyword comes twice, both are given.
pub(super) fn of(text: &str) -> Result<Vec<(String, String)>, Misunderstood> {
    let mut pairs = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c == ';' || c.is_whitespace());
        if rest.is_empty() {
            return Ok(pairs);
        }
        let broken = |what| Misunderstood::Form { nth: pairs.len(), what };
        let (name, after) = keyword(rest).map_err(broken)?;
        let (value, after) = value(after.trim_start()).map_err(broken)?;
        pairs.push((name, value));
        rest = after;
    }
}

fn keyword(text: &str) -> Result<(String, &str), &'static str> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let end = rest.find(['=', ';']).filter(|end| rest[*end..].starts_with('='));
        let end = end.ok_or("a keyword without = follows")?;
        name.push_str(&rest[..end]);
        match rest[end + 1..].strip_prefix('=') {
            Some(after) => {
                name.push('=');
                rest = after;
            }
            None => {
                let name = name.trim().to_owned();
                return match name.is_empty() {
                    true => Err("a value without a keyword follows"),
                    false => Ok((name, &rest[end + 1..])),
                };
            }
        }
    }
}

fn value(text: &str) -> Result<(String, &str), &'static str> {
    match text.chars().next() {
        Some(quote @ ('\'' | '"')) => {
            let (value, after) = quoted(&text[1..], quote)?;
            ended(value, after)
        }
        Some('{') => {
            let end = text.find('}').ok_or("a brace is not closed")?;
            ended(text[1..end].to_owned(), &text[end + 1..])
        }
        _ => {
            let end = text.find(';').unwrap_or(text.len());
            Ok((text[..end].trim().to_owned(), &text[end..]))
        }
    }
}

/// Up to the closing quotation mark; two of them are one of the value.
fn quoted(text: &str, quote: char) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let end = rest.find(quote).ok_or("a quotation mark is not closed")?;
        value.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix(quote) {
            Some(after) => {
                value.push(quote);
                rest = after;
            }
            None => return Ok((value, rest)),
        }
    }
}

fn ended(value: String, after: &str) -> Result<(String, &str), &'static str> {
    let after = after.trim_start();
    match after.is_empty() || after.starts_with(';') {
        true => Ok((value, after)),
        false => Err("something stands behind a closing quotation mark"),
    }
}
