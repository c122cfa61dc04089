use std::path::PathBuf;

use crate::{Bucket, find, request};

pub(crate) fn program() -> Option<PathBuf> {
    find("SLUICE_MOTO_SERVER", "moto/bin/moto_server", "moto_server")
}

pub(crate) fn arguments(port: u16) -> Vec<String> {
    ["-H", "127.0.0.1", "-p", &port.to_string()].map(str::to_owned).to_vec()
}

/// It minds that requests are signed, and not how.
const SIGNED: &str = "Authorization: AWS4-HMAC-SHA256 Credential=test/20261128/us-east-1/s3/aws4_request, SignedHeaders=host, \
                      Signature=0\r\n";

pub(crate) fn ask(port: u16, method: &str, resource: &str) -> String {
    request(port, &format!("{method} {resource}"), SIGNED)
}

pub(crate) fn bucket(port: u16, name: &str) -> Bucket {
    let answer = ask(port, "PUT", &format!("/{name}"));
    assert!(answer.contains(" 200 "), "{answer}");
    let settings = [
        ("aws_endpoint", format!("http://127.0.0.1:{port}")),
        ("aws_allow_http", "true".to_owned()),
        ("aws_region", "us-east-1".to_owned()),
        ("aws_access_key_id", "test".to_owned()),
        ("aws_secret_access_key", "test".to_owned()),
    ];
    Bucket {
        url: format!("s3://{name}/archive"),
        settings: settings.map(|(name, value)| (name.to_owned(), value)).to_vec(),
    }
}
