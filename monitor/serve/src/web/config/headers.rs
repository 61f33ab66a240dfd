//! Header fields for every response: the five that the format knows.

use hyper::header::{self, HeaderName, HeaderValue};

use super::{
    Reason,
    file::{HttpServer, Refusal},
};

/// Each with the values that it can have, if these are few.
const KNOWN: [(&str, HeaderName, &[&str]); 5] = [
    ("Content-Security-Policy", header::CONTENT_SECURITY_POLICY, &[]),
    ("Strict-Transport-Security", header::STRICT_TRANSPORT_SECURITY, &[]),
    ("X-Content-Type-Options", header::X_CONTENT_TYPE_OPTIONS, &["nosniff"]),
    ("X-Frame-Options", header::X_FRAME_OPTIONS, &["deny", "sameorigin"]),
    ("X-XSS-Protection", header::X_XSS_PROTECTION, &[]),
];

pub(super) fn fields(server: HttpServer) -> Result<Vec<(HeaderName, HeaderValue)>, Refusal> {
    let mut fields = Vec::new();
    for (given, value) in server.headers.unwrap_or_default() {
        let known = KNOWN.into_iter().find(|(name, _, _)| *name == given);
        let Some((name, header, values)) = known else {
            return Err(Refusal::at(&value, Reason::Header(given)));
        };
        let allowed = match name {
            "X-Frame-Options" => "deny or sameorigin",
            "X-Content-Type-Options" => "nosniff",
            _ => "one line of text",
        };
        let in_order = values.is_empty() || values.contains(&value.value.as_str());
        match HeaderValue::from_str(&value.value) {
            Ok(value) if in_order => fields.push((header, value)),
            _ => return Err(Refusal::at(&value, Reason::HeaderValue { name, allowed })),
        }
    }
    Ok(fields)
}
