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

pub(crate) fn bucket(port: u16, name: &str) -> Bucket {
    let date = chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let signed = format!(
        "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{VERSION}\n/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    );
    let key = STANDARD.decode(KEY).expect("the manual's key is base64");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signature = STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
    let answer = request(
        port,
        &format!(
            "PUT /{ACCOUNT}/{name}?restype=container HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\n\
             x-ms-date: {date}\r\nx-ms-version: {VERSION}\r\nAuthorization: SharedKey {ACCOUNT}:{signature}\r\n\
             Connection: close\r\n\r\n"
        ),
    );
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
