//! Outcomes: which answers mean that an account was read.

/// Whether a call that ended with `status` counts as having touched its object.
///
/// Successes do, and 304, which tells a client that what it has is current. A call without an answer yet does,
/// for the answer may be on its way or have been lost to us. Refusals do not (400, 401, 403, 404, 405, 410,
/// 429 …), nor redirects (to a log-in page, to another spelling), nor failures (5xx): nothing was read. Who
/// guesses and misses is a matter for a rule of its own.
pub fn is_touch(status: Option<u16>) -> bool {
    matches!(status, None | Some(200..=299 | 304))
}

/// Whether `status` says that there is no such object, or not for this client.
pub fn is_refusal(status: Option<u16>) -> bool {
    matches!(status, Some(401 | 403 | 404 | 410))
}
