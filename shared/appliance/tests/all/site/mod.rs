//! A site of a few lines: what it answers is a function of the request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use appliance::{Client, ClientOptions, Proxy};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, DATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::Product;
use futures::{StreamExt, stream};
use settings::TlsVersion;

/// 2026-11-22T16:00:00Z, the time at every site here.
pub const NOW: i64 = 1_795_363_200;
pub const DATE_NOW: &str = "Sun, 22 Nov 2026 16:00:00 GMT";
pub const SECRET: &str = "c2VjcmV0+with/and===";

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Asked {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub form: HashMap<String, String>,
    /// Which request with this path it is, counted from 1.
    pub number: usize,
}

type Answer = dyn Fn(&Asked) -> Response + Send + Sync;

#[derive(Clone)]
struct Shared {
    answer: Arc<Answer>,
    log: Arc<Mutex<Vec<Asked>>>,
}

pub struct Site {
    pub url: String,
    log: Arc<Mutex<Vec<Asked>>>,
}

impl Site {
    /// A site that issues tokens (`token-1`, `token-2` …) and answers everything else as told.
    pub async fn start(answer: impl Fn(&Asked) -> Response + Send + Sync + 'static) -> Site {
        Site::start_raw(move |asked| match asked.path.as_str() {
            "/oauth2/token" => token(asked.number, 3600),
            _ => answer(asked),
        })
        .await
    }

    /// A site that answers everything as told.
    pub async fn start_raw(answer: impl Fn(&Asked) -> Response + Send + Sync + 'static) -> Site {
        let shared = Shared { answer: Arc::new(answer), log: Arc::default() };
        let log = shared.log.clone();
        let app = Router::new().fallback(serve).with_state(shared);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Site { url, log }
    }

    pub fn options(&self) -> ClientOptions {
        ClientOptions {
            site: "access.example.com".parse().expect("a host"),
            url: self.url.clone(),
            product: Product::RemoteSupport,
            client_id: "0123456789abcdef".to_owned(),
            client_secret: SECRET.into(),
            backup_password: None,
            requests_per_second: 1000,
            requests_per_hour: 15_000,
            downloads_max: 2,
            bytes_per_second: None,
            tls_min: TlsVersion::Tls12,
            proxy: Some(Proxy::Direct),
            keep_connections: false,
            ca: None,
        }
    }

    pub fn client(&self) -> Client {
        Client::new(self.options()).expect("the options are good")
    }

    /// The requests so far whose path ends like this.
    pub fn asked(&self, path: &str) -> Vec<Asked> {
        let log = self.log.lock().expect("nobody panicked with it");
        log.iter().filter(|asked| asked.path.ends_with(path)).cloned().collect()
    }
}

async fn serve(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("requests are small");
    let path = parts.uri.path().to_owned();
    let asked = {
        let mut log = shared.log.lock().expect("nobody panicked with it");
        let number = 1 + log.iter().filter(|asked| asked.path == path).count();
        let form = form_of(&body);
        let asked = Asked { path, headers: parts.headers, body, form, number };
        log.push(asked.clone());
        asked
    };
    let mut response = (shared.answer)(&asked);
    response.headers_mut().entry(DATE).or_insert(DATE_NOW.parse().expect("plain ASCII"));
    response
}

/// Enough for ids and numbers: `%2C` is the only escape that these tests send.
fn form_of(body: &[u8]) -> HashMap<String, String> {
    String::from_utf8_lossy(body)
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.replace("%2C", ",")))
        .collect()
}

pub fn token(number: usize, life_secs: u64) -> Response {
    let body = format!(
        "{{\"access_token\":\"token-{number}\",\"token_type\":\"bearer\",\"expires_in\":{life_secs}}}"
    );
    json(StatusCode::OK, &body)
}

pub fn bearer(asked: &Asked) -> String {
    let header = asked.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    header.unwrap_or_default().to_owned()
}

pub fn json(status: StatusCode, body: &str) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body.to_owned()).into_response()
}

pub fn xml(body: &str) -> Response {
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}");
    ([(CONTENT_TYPE, "text/xml; charset=UTF-8")], body).into_response()
}

pub fn error(words: &str) -> Response {
    xml(&format!("<error xmlns=\"http://www.bomgar.com/namespaces/API/reporting\">{words}</error>"))
}

pub fn bytes(content: impl Into<Body>) -> Response {
    content.into().into_response()
}

/// A body that breaks off after these pieces.
pub fn cut(pieces: Vec<Vec<u8>>) -> Response {
    let pieces = stream::iter(pieces.into_iter().map(|piece| Ok(Bytes::from(piece))));
    let cut = stream::once(async {
        // The server sends what it has when it has to wait; an error at once would take it back.
        tokio::task::yield_now().await;
        Err(std::io::Error::other("cut"))
    });
    Body::from_stream(pieces.chain(cut)).into_response()
}
