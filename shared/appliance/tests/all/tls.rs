//! Promises about the certificate of an appliance: trusted by the system or by a file, and no TLS older than allowed.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::site::{NOW, Site};
use appliance::{ApplianceError, Client, ClientOptions};
use domain::ApplianceTime;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, SupportedProtocolVersion};
use settings::TlsVersion;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A site behind TLS, with a certificate of an authority that no system knows.
struct Secured {
    site: Site,
    address: SocketAddr,
    folder: TempDir,
}

impl Secured {
    async fn start(spoken: &[&'static SupportedProtocolVersion]) -> Secured {
        let site = Site::start(|_| crate::site::xml("<session_summary_list/>")).await;
        let plain = site.url.strip_prefix("http://").expect("it is plain").to_owned();
        let authority = authority();
        let folder = TempDir::new().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("a writable folder");
        let acceptor = TlsAcceptor::from(Arc::new(server(&authority, spoken)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass_on(acceptor.clone(), stream, plain.clone()));
            }
        });
        Secured { site, address, folder }
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A client of the site under this name, which trusts this file.
    fn options(&self, host: &str, ca: Option<PathBuf>) -> ClientOptions {
        let url = format!("https://{host}:{}", self.address.port());
        ClientOptions { url, ca, ..self.site.options() }
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new([]).expect("no names are fine");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("there is randomness");
    CertifiedIssuer::self_signed(params, key).expect("it signs itself")
}

fn server(
    authority: &CertifiedIssuer<'static, KeyPair>,
    spoken: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    let key = KeyPair::generate().expect("there is randomness");
    let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, authority).expect("the authority signs");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(spoken)
        .expect("versions that the provider has")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a certificate and its key")
}

async fn pass_on(acceptor: TlsAcceptor, stream: TcpStream, plain: String) {
    // A client that does not like the certificate leaves here.
    let Ok(mut secured) = acceptor.accept(stream).await else { return };
    let mut site = TcpStream::connect(plain).await.expect("the site runs");
    // Either side may just go.
    tokio::io::copy_bidirectional(&mut secured, &mut site).await.ok();
}

async fn clock(options: ClientOptions) -> Result<ApplianceTime, ApplianceError> {
    Client::new(options).expect("the options are good").clock().await
}

/// What a person reads: the error and all its causes.
fn told(error: &ApplianceError) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}

#[tokio::test]
async fn a_certificate_of_an_authority_in_the_file_is_trusted() {
    let secured = Secured::start(rustls::ALL_VERSIONS).await;
    let clock = clock(secured.options("localhost", Some(secured.ca()))).await;
    assert_eq!(clock.expect("it is trusted").unix_secs(), NOW);
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused_and_the_reason_is_told() {
    let secured = Secured::start(rustls::ALL_VERSIONS).await;
    let error = clock(secured.options("localhost", None)).await.expect_err("nobody knows it");
    assert!(matches!(error, ApplianceError::Unreachable { .. }), "{error:?}");
    assert!(told(&error).contains("UnknownIssuer"), "{}", told(&error));
    assert!(secured.site.asked("token").is_empty(), "no secret was shown");
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let secured = Secured::start(rustls::ALL_VERSIONS).await;
    let options = secured.options("127.0.0.1", Some(secured.ca()));
    let error = clock(options).await.expect_err("the certificate is for another name");
    assert!(told(&error).contains("not valid for name"), "{}", told(&error));
    assert!(secured.site.asked("token").is_empty(), "no secret was shown");
}

#[tokio::test]
async fn a_site_that_speaks_only_older_tls_than_allowed_is_refused() {
    let secured = Secured::start(&[&rustls::version::TLS12]).await;
    let options = secured.options("localhost", Some(secured.ca()));
    clock(options.clone()).await.expect("1.2 is allowed unless the settings say otherwise");
    let error = clock(ClientOptions { tls_min: TlsVersion::Tls13, ..options }).await;
    let error = error.expect_err("1.3 is wanted");
    assert!(matches!(error, ApplianceError::Unreachable { .. }), "{}", told(&error));
}
