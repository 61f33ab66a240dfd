//! Alerts as messages for Slack's incoming webhooks, and for those of Mattermost, Rocket.Chat and Discord (`/slack`) that
//! take the same.
//!
//! Whoever calls the API has a say in what stands in an alert: a route, the name of a parameter. So formatting is switched
//! off, and the three characters that open a link or a mention are escaped.

use rollcall_detect::alert::{Alert, AlertState, Severity};
use serde::Serialize;

use crate::wording;

/// A message: one line, and below it, behind a stripe of a colour, what else there is to know.
#[derive(Debug, Serialize)]
pub(super) struct Message {
    text: String,
    mrkdwn: bool,
    attachments: [Attachment; 1],
}

#[derive(Debug, Serialize)]
struct Attachment {
    fallback: String,
    color: &'static str,
    mrkdwn_in: [&'static str; 0],
    fields: Vec<Field>,
    footer: String,
    ts: u64,
}

#[derive(Debug, Serialize)]
struct Field {
    title: &'static str,
    value: String,
    short: bool,
}

/// The message for an event in the life of an alert.
pub(super) fn message(alert: &Alert, objects: bool) -> Message {
    let text = escape(&format!("{}: {}", alert.severity.name(), wording::headline(alert)));
    let mut details = wording::details(alert);
    if objects && !alert.sample_objects.is_empty() {
        details.push(("latest objects", alert.sample_objects.join(", ")));
    }
    let fields =
        details.into_iter().map(|(title, value)| Field { title, value: escape(&value), short: false });
    let attachment = Attachment {
        fallback: text.clone(),
        color: color(alert),
        mrkdwn_in: [],
        fields: fields.collect(),
        footer: format!("rollcall {}", alert.id),
        ts: alert.at.0 / 1_000_000_000,
    };
    Message { text, mrkdwn: false, attachments: [attachment] }
}

fn color(alert: &Alert) -> &'static str {
    match (alert.state, alert.severity) {
        (AlertState::Resolved, _) => "#2e7d32",
        (_, Severity::Critical) => "#c62828",
        (_, Severity::Warning) => "#ef6c00",
        (_, Severity::Info) => "#1565c0",
    }
}

/// As Slack wants text that is no markup.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::alert;

    #[test]
    fn nobody_outside_can_mention_or_link() {
        let mut alert = alert("a1", AlertState::Open, 0);
        alert.route = "GET /<!channel>&<https://evil.example|x>".into();
        alert.sample_objects = vec!["<@U1>".to_owned()];
        let message = serde_json::to_value(message(&alert, true)).unwrap();
        let text = message["text"].as_str().unwrap();
        assert!(text.contains("GET /&lt;!channel&gt;&amp;&lt;https://evil.example|x&gt;"), "{text}");
        assert!(!message.to_string().contains(['<', '>']), "{message}");
        assert_eq!(message["mrkdwn"], false);
    }

    #[test]
    fn a_message_has_a_line_a_colour_and_fields() {
        let message = serde_json::to_value(message(&alert("a1", AlertState::Open, 0), false)).unwrap();
        let sentence =
            "192.0.2.7 touched 21 different objects of GET /v1/customers/{id} within 10 s; 20 are in order";
        assert_eq!(message["text"], format!("warning: {sentence}"));
        let attachment = &message["attachments"][0];
        assert_eq!((&attachment["color"], &attachment["footer"]), (&"#ef6c00".into(), &"rollcall a1".into()));
        let field =
            |title| attachment["fields"].as_array().unwrap().iter().find(|field| field["title"] == title);
        assert_eq!(field("accounts read").unwrap()["value"], "rollcall exposure a1");
        assert!(field("latest objects").is_none());
    }
}
