//! Webhooks: each event is one POST, in Rollcall's own form or as Slack and those that are compatible take it.
//!
//! `Rollcall-Delivery` is the same whenever the same event is sent again, so that a receiver can tell. With a secret,
//! `Rollcall-Signature` says that the body is ours, and when it was signed.

mod signature;
mod slack;

use std::sync::Arc;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

pub use signature::Secret;

use rollcall_detect::alert::Alert;
use rollcall_model::time::Timestamp;
use rollcall_store::Event;

use super::{
    destination::{Destination, Problem, Report},
    post::{Answer, Poster},
};

const DELIVERY: HeaderName = HeaderName::from_static("rollcall-delivery");
const SIGNATURE: HeaderName = HeaderName::from_static("rollcall-signature");

/// What is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The alert's line.
    Rollcall,
    /// A message for people.
    Slack,
}

/// Posts events to one URL.
pub struct Webhook {
    poster: Poster,
    format: Format,
    secret: Option<Secret>,
    /// Touched objects are sent too.
    objects: bool,
}

impl Webhook {
    /// Posts through `poster`, signed if there is a `secret`, and with touched objects if they are asked for.
    pub fn new(poster: Poster, format: Format, secret: Option<Secret>, objects: bool) -> Webhook {
        Webhook { poster, format, secret, objects }
    }
}

impl Destination for Webhook {
    fn deliver(&mut self, events: &[Arc<Event>]) -> Report {
        let Some(event) = events.first() else { return Report::all(events) };
        let body = body(event, self.format, self.objects);
        let headers = headers(event, self.secret.as_ref(), Timestamp::now(), &body);
        match self.poster.post(headers, body) {
            Answer::Taken => Report::all(&events[..1]),
            Answer::NotNow { why, asked } => Report::stopped(0, Problem::NotNow { why, asked }),
            Answer::Refused { why } => Report::stopped(0, Problem::Refused { why, events: 1 }),
        }
    }
}

fn body(event: &Event, format: Format, objects: bool) -> Vec<u8> {
    match format {
        Format::Rollcall if objects => event.line.clone().into_bytes(),
        Format::Rollcall => json(&Alert { sample_objects: Vec::new(), ..event.alert.clone() }),
        Format::Slack => json(&slack::message(&event.alert, objects)),
    }
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    // Plain data with string keys always serialises.
    serde_json::to_vec(value).unwrap_or_default()
}

fn headers(event: &Event, secret: Option<&Secret>, at: Timestamp, body: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let delivery = format!("{}-{}", event.seq, event.alert.id);
    if let Ok(delivery) = HeaderValue::try_from(delivery) {
        headers.insert(DELIVERY, delivery);
    }
    if let Some(Ok(signature)) = secret.map(|secret| HeaderValue::try_from(secret.sign(at, body))) {
        headers.insert(SIGNATURE, signature);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::alert;
    use rollcall_detect::alert::AlertState;

    fn event() -> Event {
        let alert = alert("4c5162c3863df409", AlertState::Open, 0);
        Event { seq: 17, line: serde_json::to_string(&alert).unwrap(), alert }
    }

    #[test]
    fn objects_stay_at_home_unless_they_are_asked_for() {
        let mut event = event();
        event.alert.sample_objects = vec!["the-object".to_owned()];
        event.line = serde_json::to_string(&event.alert).unwrap();
        for format in [Format::Rollcall, Format::Slack] {
            for objects in [false, true] {
                let body = String::from_utf8(body(&event, format, objects)).unwrap();
                assert_eq!(body.contains("the-object"), objects, "{body}");
            }
        }
        assert_eq!(body(&event, Format::Rollcall, true), event.line.as_bytes());
        let body: serde_json::Value = serde_json::from_slice(&body(&event, Format::Rollcall, false)).unwrap();
        assert_eq!(body["sample_objects"], serde_json::json!([]));
        assert_eq!(body["distinct"], 21);
    }

    #[test]
    fn the_same_event_has_the_same_name_whenever_it_is_sent() {
        let secret = Secret::new(b"whsec").unwrap();
        for second in [1_790_000_000, 1_790_000_077] {
            let headers = headers(&event(), Some(&secret), Timestamp(second * 1_000_000_000), b"{}");
            assert_eq!(headers["Rollcall-Delivery"], "17-4c5162c3863df409");
            let signature = headers["Rollcall-Signature"].to_str().unwrap();
            assert!(signature.starts_with(&format!("t={second},v1=")), "{signature}");
        }
    }
}
