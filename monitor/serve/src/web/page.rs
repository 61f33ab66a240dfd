//! The status page: one document with its style and its script inside, which a policy allows and nothing else.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hyper::{
    StatusCode,
    header::{CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY},
};
use ring::digest::{SHA256, digest};

use super::response::{Answer, typed};

const DOCUMENT: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// Where style and script go in the document.
const STYLE_PLACE: &str = "{style}";
const SCRIPT_PLACE: &str = "{script}";

static PAGE: LazyLock<(Bytes, HeaderValue)> = LazyLock::new(|| {
    let page = DOCUMENT.replacen(STYLE_PLACE, STYLE, 1).replacen(SCRIPT_PLACE, SCRIPT, 1);
    let hash = |text: &str| STANDARD.encode(digest(&SHA256, text.as_bytes()));
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(SCRIPT),
        hash(STYLE),
    );
    let policy = HeaderValue::try_from(policy).expect("base64 and the words around it are visible ASCII");
    (Bytes::from(page), policy)
});

/// The page.
pub(super) fn answer() -> Answer {
    let (page, policy) = &*PAGE;
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    let mut answer = typed(StatusCode::OK, kind, page.clone());
    let headers = answer.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer
}
