//! The parameters of a call: from its query and from its form.

use axum::extract::{Form, FromRequest, Query, Request};
use axum::http::{Method, header};

use crate::selector::Parameters;

/// Why parameters could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParametersError {
    /// The body is of a type that the API refuses, such as multipart.
    NotAForm,
    /// The query or the form is malformed.
    Malformed,
}

type Pairs = Vec<(String, String)>;

pub(super) async fn parameters_of(request: Request) -> Result<Parameters, ParametersError> {
    let query =
        Query::<Pairs>::try_from_uri(request.uri()).map_err(|_| ParametersError::Malformed)?;
    let mut parameters: Parameters = query.0.into_iter().collect();
    if request.method() != Method::POST {
        return Ok(parameters);
    }
    let content_type =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match content_type {
        None => return Ok(parameters),
        Some(one) if one.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") => {}
        Some(_) => return Err(ParametersError::NotAForm),
    }
    let form =
        Form::<Pairs>::from_request(request, &()).await.map_err(|_| ParametersError::Malformed)?;
    parameters.extend(form.0);
    Ok(parameters)
}
