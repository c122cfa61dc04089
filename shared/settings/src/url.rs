//! The few forms of URL that settings hold. No message quotes one that may carry a password.

use std::path::PathBuf;

/// An address over HTTP: `http://` or `https://`, a host, perhaps a port and a path.
pub(crate) fn web(text: &str) -> Result<(), String> {
    let (scheme, rest) = parts(text)?;
    if !["http", "https"].contains(&scheme) {
        return Err(format!("{scheme}:// is not http:// or https://"));
    }
    if rest.contains(['?', '#']) {
        return Err("an address without '?' and '#' is wanted".to_owned());
    }
    let authority = rest.split('/').next().unwrap_or_default();
    host_and_port(authority)
}

/// Addresses of NATS servers, parted by commas.
pub(crate) fn servers(text: &str) -> Result<(), String> {
    for server in text.split(',') {
        let (scheme, rest) = parts(server.trim())?;
        if !["nats", "tls"].contains(&scheme) {
            return Err(format!("{scheme}:// is not nats:// or tls://"));
        }
        host_and_port(rest.strip_suffix('/').unwrap_or(rest))?;
    }
    Ok(())
}

/// A place for files: a folder, or a bucket with perhaps a prefix in it.
pub(crate) fn place(text: &str) -> Result<(), String> {
    match parts(text)? {
        ("file", _) => file(text).map(drop),
        ("s3" | "az" | "gs", rest) => bucket(text, rest),
        (scheme, _) => Err(format!(
            "{scheme}:// is none of file://, s3:// (S3), az:// (Azure Blob), gs:// (Google)"
        )),
    }
}

fn bucket(text: &str, rest: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let mut names = rest.strip_suffix('/').unwrap_or(rest).split('/');
    if names.clone().any(|name| name.is_empty() || [".", ".."].contains(&name)) {
        return Err(format!(
            "{text:?} needs the name of a bucket, and then perhaps a prefix, without empty parts"
        ));
    }
    match names.find(|name| !name.chars().all(plain)) {
        Some(name) => {
            Err(format!("{name:?} in {text:?} holds more than letters, digits, '-', '.' and '_'"))
        }
        None => Ok(()),
    }
}

/// The folder that a `file:///` URL names.
pub(crate) fn file(text: &str) -> Result<PathBuf, String> {
    let (scheme, rest) = parts(text)?;
    if scheme != "file" {
        return Err(format!("{scheme}:// is not meant here: file:/// and an absolute path is"));
    }
    if !rest.starts_with('/') {
        return Err(format!(
            "{text:?} is not absolute: file:/// (three slashes) and an absolute path is"
        ));
    }
    if rest.contains(['?', '#', '\\']) {
        return Err(format!(
            "{text:?} holds '?', '#' or '\\': written %3F, %23 and %5C they are part of a path"
        ));
    }
    let path = decoded(rest).ok_or_else(|| {
        format!(
            "{text:?} holds a '%' without two hex digits behind it, or no UTF-8: '%' itself is %25"
        )
    })?;
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    match names.as_slice() {
        [] => Err(format!("{text:?} names no folder below the root")),
        names if names.iter().any(|name| [".", ".."].contains(name)) => {
            Err(format!("{text:?} holds '.' or '..'"))
        }
        names if names.iter().any(|name| name.contains(char::is_control)) => {
            Err(format!("{text:?} holds control characters"))
        }
        names => Ok(PathBuf::from(format!("/{}", names.join("/")))),
    }
}

/// Scheme and rest; nothing that could be a password gets further.
fn parts(text: &str) -> Result<(&str, &str), String> {
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("a URL holds no blanks (%20) and no control characters".to_owned());
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("not a URL: a scheme, \"://\" and the rest is".to_owned());
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if scheme.is_empty() || !scheme.chars().all(plain) {
        return Err("not a URL: a scheme in small letters, \"://\" and the rest is".to_owned());
    }
    if scheme != "file" && rest.contains('@') {
        return Err("names and passwords don't belong in a URL".to_owned());
    }
    Ok((scheme, rest))
}

fn host_and_port(authority: &str) -> Result<(), String> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(six) => {
            let (host, port) = six
                .split_once(']')
                .filter(|(host, _)| host.parse::<std::net::Ipv6Addr>().is_ok())
                .ok_or_else(|| format!("{authority:?} is no IPv6 address in brackets"))?;
            (host, (!port.is_empty()).then_some(port))
        }
        None => match authority.find(':') {
            Some(colon) => (&authority[..colon], Some(&authority[colon..])),
            None => (authority, None),
        },
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || !host.chars().all(plain) {
        return Err(format!("{host:?} is no host name or address"));
    }
    let valid = |port: &str| {
        port.strip_prefix(':')
            .and_then(|digits| digits.parse::<u16>().ok())
            .is_some_and(|port| port > 0)
    };
    match port {
        Some(port) if !valid(port) => Err(format!("{port:?} is no port: ':' and 1 to 65535 is")),
        Some(_) | None => Ok(()),
    }
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                bytes.push(u8::try_from(high * 16 + low).ok()?);
            }
            plain => bytes.push(plain),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_url_names_its_folder() {
        let folder = |text| file(text).expect("a folder");
        assert_eq!(folder("file:///srv/a"), PathBuf::from("/srv/a"));
        assert_eq!(folder("file:///srv//a/"), PathBuf::from("/srv/a"));
        assert_eq!(folder("file:///srv/a%20b"), PathBuf::from("/srv/a b"));
        assert_eq!(folder("file:///srv/é@b"), PathBuf::from("/srv/é@b"));
    }

    #[test]
    fn a_place_is_a_folder_or_a_bucket_with_a_prefix() {
        for text in ["file:///srv/a", "s3://bucket", "az://box/archive/2026", "gs://a.b_c/x/"] {
            assert_eq!(place(text), Ok(()), "{text}");
        }
        for text in [
            "ftp://a/b",
            "s3://",
            "s3:///a",
            "s3://a//b",
            "s3://a/../b",
            "s3://a/b?c",
            "s3://key:secret@a/b",
        ] {
            assert!(place(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_names_no_folder_is_refused() {
        for text in [
            "",
            "/srv/a",
            "file:/srv/a",
            "file://srv/a",
            "file:///",
            "file:///srv/../a",
            "file:///srv/%2e%2e/a",
            "file:///srv/a?b",
            "file:///srv/%zz",
            "file:///srv/%e",
            "file:///srv/%ff",
            "file:///srv/%00",
            "s3://bucket/a",
        ] {
            assert!(file(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_address_is_a_host_and_perhaps_a_port() {
        for text in ["https://a.b", "http://127.0.0.1:8080/x", "http://[::1]:80"] {
            assert_eq!(web(text), Ok(()), "{text:?}");
        }
        for text in [
            "https://",
            "https://a:b",
            "https://a:0",
            "ftp://a",
            "a.b",
            "http://[x]",
            "https://a b",
            "https://a?b",
        ] {
            assert!(web(text).is_err(), "{text:?}");
        }
        assert_eq!(servers("nats://a:4222, tls://b"), Ok(()));
        assert!(servers("nats://a:4222,").is_err());
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_shown() {
        for refused in [web("https://u:hunter2@a"), servers("nats://hunter2@a")] {
            let message = refused.expect_err("it holds a password");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
