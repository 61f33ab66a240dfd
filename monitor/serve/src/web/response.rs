//! Responses: whole, never cached, never guessed at by a browser.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS},
};
use serde::Serialize;

/// What every request gets.
pub(super) type Answer = Response<Full<Bytes>>;

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A line of text.
pub(super) fn plain(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    typed(status, PLAIN, text.into())
}

/// A value as JSON, with a line's end for people.
pub(super) fn json(value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(mut json) => {
            json.push(b'\n');
            typed(StatusCode::OK, JSON, json.into())
        }
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("answer as JSON: {error}\n")),
    }
}

/// A body of any type.
pub(super) fn typed(status: StatusCode, kind: HeaderValue, body: Bytes) -> Answer {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
