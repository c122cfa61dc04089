//! What no appliance has: the simulator's own addresses, open to everybody.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::{answer, json as json_answer, streamed, xml};
use crate::errors::Message;
use crate::fault::Fault;
use crate::report::FullReport;
use crate::selector::{Parameters, Selector};
use crate::site::Site;

/// Changes to the faults: clear first, then add.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultOrders {
    #[serde(default)]
    clear: bool,
    #[serde(default)]
    add: Vec<Fault>,
}

/// Things to happen.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Orders {
    #[serde(default)]
    advance_seconds: u32,
    #[serde(default)]
    end_sessions: Vec<String>,
    #[serde(default)]
    new_sessions: u32,
    #[serde(default)]
    end_tokens: bool,
}

/// Counters, faults and sessions; `?sessions=no` leaves the sessions out.
pub(super) async fn state(
    State(site): State<Arc<Site>>,
    Query(query): Query<Parameters>,
) -> Response {
    let head = json!({
        "host": site.options.host,
        "product": site.options.product,
        "now": site.now(),
        "counters": site.counters(),
        "faults": site.faults.list(),
    });
    if query.get("sessions").is_some_and(|wish| wish == "no") {
        return json_answer(StatusCode::OK, &head);
    }
    // The sessions are written one by one into the object that is open here: there can be very many.
    let head = head.to_string();
    let open = format!("{},\"sessions\":[\n", head.strip_suffix('}').unwrap_or(&head));
    let numbers = site.all();
    let states = numbers.into_iter().filter_map({
        let site = site.clone();
        move |number| site.session_state(number)
    });
    let lines = states.enumerate().map(|(place, state)| {
        let comma = if place == 0 { "" } else { ",\n" };
        let state = serde_json::to_string(&state).expect("it has only text and numbers");
        Bytes::from(format!("{comma}{state}"))
    });
    let pieces = std::iter::once(Bytes::from(open))
        .chain(lines)
        .chain(std::iter::once(Bytes::from_static(b"\n]}\n")));
    answer(StatusCode::OK, "application/json", streamed(pieces.map(Ok), None))
}

pub(super) async fn faults(State(site): State<Arc<Site>>) -> Response {
    json_answer(StatusCode::OK, &json!({"faults": site.faults.list()}))
}

pub(super) async fn set_faults(State(site): State<Arc<Site>>, body: Bytes) -> Response {
    let orders: FaultOrders = match serde_json::from_slice(&body) {
        Ok(orders) => orders,
        Err(error) => {
            return json_answer(StatusCode::BAD_REQUEST, &json!({"error": error.to_string()}));
        }
    };
    if orders.clear {
        site.faults.clear();
    }
    for fault in orders.add {
        site.faults.add(fault);
    }
    json_answer(StatusCode::OK, &json!({"faults": site.faults.list()}))
}

pub(super) async fn control(State(site): State<Arc<Site>>, body: Bytes) -> Response {
    let orders: Orders = match serde_json::from_slice(&body) {
        Ok(orders) => orders,
        Err(error) => {
            return json_answer(StatusCode::BAD_REQUEST, &json!({"error": error.to_string()}));
        }
    };
    site.advance(orders.advance_seconds);
    if orders.end_tokens {
        site.account.end_tokens();
    }
    let ended = orders.end_sessions.iter().filter(|lsid| site.end_session(lsid)).count();
    let new: Vec<String> = (0..orders.new_sessions).map(|_| site.add_session()).collect();
    json_answer(StatusCode::OK, &json!({"now": site.now(), "ended": ended, "new_sessions": new}))
}

/// A session's report for a person who looks.
pub(super) async fn peek_session(
    State(site): State<Arc<Site>>,
    Path(lsid): Path<String>,
) -> Response {
    let numbers = site.select(&Selector::Lsids(vec![lsid]));
    if numbers.is_empty() {
        return xml(site.error(Message::NothingFound));
    }
    xml(streamed(FullReport::new(site.clone(), numbers), None))
}
