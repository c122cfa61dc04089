//! Promises about the API account: its token, its secret, its budget.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::site::{Asked, NOW, SECRET, Site, bearer, bytes, error, json, token, xml};
use appliance::{ApplianceError, Client, ClientOptions, Proxy, Recourse, Standing};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONNECTION, LOCATION, PROXY_AUTHORIZATION, RETRY_AFTER};
use axum::response::{Html, IntoResponse, Response};
use chrono::DateTime;
use domain::Kind;
use futures::future::join_all;

const INFO: &str = "<api_information><api_version>1.24.1</api_version><timestamp>1795363190</timestamp>\
    <permissions><permission name=\"perm_reporting_support\">1</permission>\
    <permission name=\"perm_backup\">0</permission></permissions></api_information>";
const INVALID_CLIENT: &str =
    r#"{"error":"invalid_client","message":"Client authentication failed."}"#;
const ACCESS_DENIED: &str = r#"{"error":"access_denied","message":"The resource owner or authorization server denied the request."}"#;

/// What transfers bring.
fn wanted(with_backups: bool) -> BTreeSet<Kind> {
    let mut kinds = BTreeSet::from([Kind::SessionData]);
    if with_backups {
        kinds.insert(Kind::SiteBackup);
    }
    kinds
}

fn info(_: &Asked) -> Response {
    xml(INFO)
}

#[tokio::test]
async fn many_requests_share_one_token_and_the_secret_is_not_mangled() {
    let site = Site::start(info).await;
    let client = site.client();
    for info in join_all((0..5).map(|_| client.get_api_info())).await {
        assert_eq!(info.expect("it is told").clock.unix_secs(), NOW - 10);
    }
    let logins = site.asked("/oauth2/token");
    assert_eq!(logins.len(), 1);
    assert_eq!(&logins[0].body[..], b"grant_type=client_credentials");
    // base64("0123456789abcdef:" + SECRET)
    let basic = "Basic MDEyMzQ1Njc4OWFiY2RlZjpjMlZqY21WMCt3aXRoL2FuZD09PQ==";
    assert_eq!(logins[0].headers[AUTHORIZATION], basic);
    assert!(site.asked("/api/command").iter().all(|asked| bearer(asked) == "Bearer token-1"));
    assert!(site.asked("").iter().all(|asked| asked.headers[CONNECTION] == "close"));
}

#[tokio::test]
async fn a_token_is_renewed_when_its_life_is_over() {
    let site = Site::start_raw(|asked| match asked.path.as_str() {
        "/oauth2/token" => token(asked.number, 0),
        _ => xml(INFO),
    })
    .await;
    let client = site.client();
    client.get_api_info().await.expect("it is told");
    client.get_api_info().await.expect("it is told");
    assert_eq!(site.asked("/oauth2/token").len(), 2);
}

#[tokio::test]
async fn a_token_that_was_killed_is_replaced_once_whatever_the_status() {
    for status in [StatusCode::UNAUTHORIZED, StatusCode::OK] {
        let site = Site::start(move |asked| match bearer(asked).as_str() {
            "Bearer token-1" => json(status, ACCESS_DENIED),
            _ => xml(INFO),
        })
        .await;
        let client = site.client();
        client.get_api_info().await.expect("the second token is good");
        client.get_api_info().await.expect("and stays so");
        assert_eq!(site.asked("/oauth2/token").len(), 2, "{status}");
    }
}

#[tokio::test]
async fn a_site_that_refuses_every_token_is_down_and_not_hammered() {
    let site = Site::start(|_| json(StatusCode::UNAUTHORIZED, ACCESS_DENIED)).await;
    let refused = site.client().get_api_info().await.expect_err("no token is good");
    assert!(matches!(refused, ApplianceError::Unauthorized { .. }), "{refused}");
    assert_eq!(refused.recourse(), Recourse::Down);
    assert_eq!(site.asked("/oauth2/token").len(), 2);
}

#[tokio::test]
async fn a_wrong_secret_is_tried_once_and_never_shown() {
    let site = Site::start_raw(|_| json(StatusCode::UNAUTHORIZED, INVALID_CLIENT)).await;
    let client = site.client();
    for attempt in join_all((0..4).map(|_| client.get_api_info())).await {
        let refused = attempt.expect_err("the secret is wrong");
        assert!(matches!(refused, ApplianceError::SecretRefused { .. }), "{refused}");
        assert_eq!(refused.recourse(), Recourse::Down);
        let text = format!("{refused} {refused:?} {client:?} {:?}", site.options());
        assert!(text.contains("Client authentication failed.") && !text.contains(SECRET), "{text}");
    }
    assert_eq!(site.asked("/oauth2/token").len(), 1);
    let checked = client.check(DateTime::UNIX_EPOCH, &wanted(false)).await;
    assert_eq!(checked.iter().map(|line| line.standing).collect::<Vec<_>>(), [Standing::Bad]);
}

#[tokio::test]
async fn a_login_that_is_refused_in_any_words_is_left_alone_for_a_while() {
    let answers: [fn() -> Response; 4] = [
        || {
            json(
                StatusCode::BAD_REQUEST,
                r#"{"error":"invalid_request","message":"Account locked"}"#,
            )
        },
        || (StatusCode::UNAUTHORIZED, Html("<html><title>Denied</title>")).into_response(),
        || json(StatusCode::OK, r#"{"access_token":"x","token_type":"mac"}"#),
        || json(StatusCode::OK, "{}"),
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        let site = Site::start_raw(move |_| answer()).await;
        let client = site.client();
        for attempt in join_all((0..4).map(|_| client.get_api_info())).await {
            let refused = attempt.expect_err("there is no token");
            assert_eq!(refused.recourse(), Recourse::Down, "{number}: {refused}");
        }
        assert_eq!(site.asked("/oauth2/token").len(), 1, "{number}");
    }
}

#[tokio::test]
async fn a_site_that_fails_at_login_may_be_asked_again() {
    let site = Site::start_raw(|asked| match (asked.path.as_str(), asked.number) {
        ("/oauth2/token", 1) => StatusCode::BAD_GATEWAY.into_response(),
        ("/oauth2/token", number) => token(number, 3600),
        _ => xml(INFO),
    })
    .await;
    let client = site.client();
    let failing = client.get_api_info().await.expect_err("the login fails");
    assert!(matches!(failing, ApplianceError::Failing { status: 502, .. }), "{failing}");
    client.get_api_info().await.expect("it works again");
}

#[tokio::test]
async fn the_sites_own_limit_is_obeyed_by_all_requests() {
    let site = Site::start(|_| {
        (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "17")], "Too many requests").into_response()
    })
    .await;
    let client = site.client();
    let told = client.get_api_info().await.expect_err("it is too much");
    assert_eq!(told.recourse(), Recourse::Throttled(Duration::from_secs(17)));
    let kept = client.get_api_info().await.expect_err("nothing is sent meanwhile");
    assert!(
        matches!(kept.recourse(), Recourse::Throttled(wait) if wait <= Duration::from_secs(17))
    );
    assert_eq!(site.asked("/api/command").len(), 1);
}

#[tokio::test]
async fn the_last_request_of_the_hours_budget_is_noticed() {
    let site = Site::start(|_| ([("x-ratelimit-remaining", "0")], xml(INFO)).into_response()).await;
    let client = site.client();
    client.get_api_info().await.expect("the last one is answered");
    let kept = client.get_api_info().await.expect_err("nothing is sent after it");
    assert!(matches!(kept, ApplianceError::Throttled { .. }), "{kept}");
    assert_eq!(site.asked("/api/command").len(), 1);
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let site = Site::start(|_| StatusCode::FORBIDDEN.into_response()).await;
    let error = site.client().backup().await.expect_err("it is forbidden");
    assert!(error.to_string().contains("grant it perm_backup"), "{error}");
    assert_eq!(error.recourse(), Recourse::Down);
}

#[tokio::test]
async fn without_the_command_api_the_date_header_is_the_clock() {
    let site = Site::start(|_| StatusCode::FORBIDDEN.into_response()).await;
    let clock = site.client().clock().await.expect("the answer has a date");
    assert_eq!(clock.unix_secs(), NOW);
}

#[tokio::test]
async fn a_check_tells_clock_and_permissions_in_plain_words() {
    let site = Site::start(info).await;
    let now = DateTime::from_timestamp(NOW + 100, 0).expect("it is an instant");
    let lines = site.client().check(now, &wanted(false)).await;
    let text: Vec<_> =
        lines.iter().map(|line| format!("{:?}: {}", line.standing, line.says)).collect();
    assert_eq!(
        text,
        [
            "Good: access.example.com accepts API account 01234567…",
            "Good: access.example.com answers with API 1.24.1",
            "Note: the clock of access.example.com is 110 s behind this machine's: the appliance's counts; set the wrong one right all the same",
            "Good: API account 01234567… may read sessions and recordings (perm_reporting_support)",
            "Note: API account 01234567… may not read site backups: grant it perm_backup on access.example.com",
        ]
    );
    let with_backups = site.client().check(now, &wanted(true)).await;
    assert_eq!(with_backups[4].standing, Standing::Bad, "a transfer wants them");
}

#[tokio::test]
async fn an_account_without_the_command_api_is_checked_by_a_listing() {
    let site = Site::start(|asked| match asked.path.as_str() {
        "/api/command" => {
            error("The API account does not have permission to perform this operation.")
        }
        _ => error("No Support report information matching your chosen criteria is available."),
    })
    .await;
    let now = DateTime::from_timestamp(NOW, 0).expect("it is an instant");
    let lines = site.client().check(now, &wanted(false)).await;
    let standings: Vec<_> = lines.iter().map(|line| line.standing).collect();
    assert_eq!(standings, [Standing::Good, Standing::Note, Standing::Good, Standing::Good]);
    assert!(lines[1].says.contains("perm_command"), "{}", lines[1].says);
}

#[tokio::test]
async fn a_redirect_elsewhere_is_not_followed_and_one_at_home_is() {
    let site = Site::start(|asked| match asked.path.as_str() {
        "/api/command" => {
            (StatusCode::FOUND, [(LOCATION, "https://login.example.net/?x")]).into_response()
        }
        "/api/backup" => (StatusCode::FOUND, [(LOCATION, "/files/1")]).into_response(),
        _ => bytes(vec![0x8c; 2000]),
    })
    .await;
    let client = site.client();
    let error = client.get_api_info().await.expect_err("it is somewhere else");
    assert!(matches!(error, ApplianceError::NotTheAppliance { .. }), "{error}");
    assert!(error.to_string().contains("redirects to login.example.net"), "{error}");
    client.backup().await.expect("the same host is followed");
    assert_eq!(site.asked("/files/1").len(), 1);
}

#[tokio::test]
async fn a_proxy_of_the_settings_is_used_with_its_name_and_password() {
    let site = Site::start(info).await;
    let mut options = site.options();
    options.url = "http://appliance.invalid".to_owned();
    let user = Some(("sluice".to_owned(), "pass".into()));
    options.proxy = Some(Proxy::Through { url: site.url.clone(), user });
    let client = Client::new(options).expect("the options are good");
    client.get_api_info().await.expect("the proxy knows the way");
    let asked = site.asked("/api/command");
    // base64("sluice:pass")
    assert_eq!(asked[0].headers[PROXY_AUTHORIZATION], "Basic c2x1aWNlOnBhc3M=");
    assert_eq!(asked[0].headers["host"], "appliance.invalid");
}

#[tokio::test]
async fn a_connection_serves_several_calls_only_if_the_settings_say_so() {
    let site = Site::start(info).await;
    let options = ClientOptions { keep_connections: true, ..site.options() };
    let client = Client::new(options).expect("the options are good");
    client.get_api_info().await.expect("it is told");
    assert!(site.asked("").iter().all(|asked| !asked.headers.contains_key(CONNECTION)));
}

#[tokio::test]
async fn a_site_that_refuses_each_token_is_asked_for_one_more_and_then_left_alone_for_a_while() {
    let site = Site::start(|_| json(StatusCode::UNAUTHORIZED, ACCESS_DENIED)).await;
    let client = site.client();
    for _ in 0..5 {
        let refused = client.get_api_info().await.expect_err("no token is good");
        assert!(matches!(refused, ApplianceError::Unauthorized { .. }), "{refused}");
    }
    assert_eq!(site.asked("/oauth2/token").len(), 2);
}

#[tokio::test]
async fn nobody_there_is_down() {
    let site = Site::start(info).await;
    let mut options = site.options();
    // Bound and dropped: nobody listens there now.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    options.url = format!("http://{}", listener.local_addr().expect("it is bound"));
    drop(listener);
    let client = Client::new(options.clone()).expect("the options are good");
    let error = client.get_api_info().await.expect_err("nobody is there");
    assert!(matches!(error, ApplianceError::Unreachable { .. }), "{error}");
    assert_eq!(error.recourse(), Recourse::Down);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    options.url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let client = Client::new(options).expect("the options are good");
    let hang_up = async { drop(listener.accept().await.expect("it connects")) };
    let (asked, ()) = tokio::join!(client.get_api_info(), hang_up);
    let error = asked.expect_err("it hangs up");
    assert!(matches!(error, ApplianceError::HungUp { .. }), "{error}");
}

#[tokio::test]
async fn options_that_cannot_work_are_refused() {
    let site = Site::start(info).await;
    for url in ["access.example.com", "ftp://x", "https://me:secret@x", "https://x/?a=b"] {
        let mut options = site.options();
        options.url = url.to_owned();
        let error = Client::new(options).expect_err("it is no address");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let mut options = site.options();
    options.downloads_max = 0;
    assert!(Client::new(options).is_err());
    let mut options = site.options();
    options.ca = Some("/nowhere/ca.pem".into());
    assert!(Client::new(options).is_err());
}
