use std::path::PathBuf;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{Bucket, find, request};

/// The account that azurite knows, with the key that its manual prints.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const VERSION: &str = "2021-08-06";

pub(crate) fn program() -> Option<PathBuf> {
    find("SLUICE_AZURITE_BLOB", "azurite/azurite-blob", "azurite-blob")
}

pub(crate) fn arguments(port: u16) -> Vec<String> {
    let fixed = ["--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--blobHost"];
    let port = port.to_string();
    fixed.into_iter().chain(["127.0.0.1", "--blobPort", &port]).map(str::to_owned).collect()
}

/// Asks it, as the account that it knows; with at most one parameter.
pub(crate) fn ask(
    port: u16,
    method: &str,
    resource: &str,
    parameter: Option<(&str, &str)>,
) -> String {
    let date = chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let (signed, query) = parameter
        .map(|(name, value)| (format!("\n{name}:{value}"), format!("?{name}={value}")))
        .unwrap_or_default();
    let signed = format!(
        "{method}\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{VERSION}\n/{ACCOUNT}/{ACCOUNT}{resource}{signed}"
    );
    let key = STANDARD.decode(KEY).expect("the manual's key is base64");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signature = STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
    request(
        port,
        &format!("{method} /{ACCOUNT}{resource}{query}"),
        &format!(
            "x-ms-date: {date}\r\nx-ms-version: {VERSION}\r\nAuthorization: SharedKey {ACCOUNT}:{signature}\r\n"
        ),
    )
}

pub(crate) fn bucket(port: u16, name: &str) -> Bucket {
    let answer = ask(port, "PUT", &format!("/{name}"), Some(("restype", "container")));
    assert!(answer.contains(" 201 "), "{answer}");
    let settings = [
        ("azure_storage_account_name", ACCOUNT.to_owned()),
        ("azure_storage_account_key", KEY.to_owned()),
        ("azure_storage_endpoint", format!("http://127.0.0.1:{port}/{ACCOUNT}")),
        ("azure_allow_http", "true".to_owned()),
    ];
    Bucket {
        url: format!("az://{name}/archive"),
        settings: settings.map(|(name, value)| (name.to_owned(), value)).to_vec(),
    }
}
