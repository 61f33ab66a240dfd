//! Alerts in words, for those who read them on a telephone at night.

use std::{borrow::Cow, iter};

use rollcall_detect::{
    Figures, Rule, Usual,
    alert::{Alert, AlertState, Allowed, Client},
};

/// One sentence: who did what, where, and how much of it. Names no object.
pub(super) fn sentence(alert: &Alert) -> String {
    let (who, route, distinct) = (who(&alert.client), &alert.route, alert.figures.distinct);
    let window = span(alert.window_s);
    match alert.rule {
        Rule::DistinctObjects => {
            let limit = alert.figures.limit;
            format!(
                "{who} touched {distinct} different objects of {route} within {window}; {limit} are in order"
            )
        }
        Rule::SequentialWalk => {
            format!(
                "{who} walks through {route}, one number after the other: {distinct} objects within {window}"
            )
        }
        Rule::MissProbing => format!("{who} asked for {distinct} objects of {route} that it did not get"),
        Rule::FirstTouch => {
            format!("{who} touched {distinct} objects of {route} that nobody had touched in days")
        }
        Rule::Volume => {
            format!("{who} took {} of new objects from {route} within an hour", size(alert.figures.bytes))
        }
        Rule::BlockDensity => {
            format!("{who}: {route} is walked through, block after block: {distinct} objects")
        }
        Rule::RouteDistinct => {
            format!("{who}: {distinct} objects of {route} were touched within {window}, far more than usual")
        }
        Rule::KeyFlood => {
            format!("{who}: clients that nobody knows come to {route} faster than usual: {distinct}")
        }
        Rule::ManyReaders => {
            let limit = alert.figures.limit;
            format!(
                "{distinct} clients have each read more of {route} today than nearly all do; {limit} are in order"
            )
        }
        Rule::Blind => blind(alert),
        Rule::OpenDoor if alert.other_routes() > 0 => {
            format!("{} give data to callers without any credential", routes(alert, 1))
        }
        Rule::OpenDoor => format!("{route} gives data to callers without any credential"),
        Rule::UnknownRoute if alert.other_routes() > 0 => {
            format!("{} answer, and are not in the OpenAPI document", routes(alert, 1))
        }
        Rule::UnknownRoute => format!("{route} answers, and is not in the OpenAPI document"),
        Rule::BusyRoute if alert.other_routes() > 0 => {
            format!("clients touch many objects of {}: is that in order?", routes(alert, 1))
        }
        Rule::BusyRoute => {
            format!("clients touch many objects of {route}, and limits leave room for that: is it in order?")
        }
    }
}

/// The sentence, and that it is news or no longer so.
pub(super) fn headline(alert: &Alert) -> String {
    match alert.state {
        AlertState::Open => sentence(alert),
        AlertState::Update => format!("update: {}", sentence(alert)),
        AlertState::Resolved if alert.allowed.is_some() => format!("allowed: {}", sentence(alert)),
        AlertState::Resolved => format!("resolved: {}", sentence(alert)),
    }
}

/// What else there is to know, by name. Names no object.
pub(super) fn details(alert: &Alert) -> Vec<(&'static str, String)> {
    let mut details = vec![
        ("route", alert.route.to_string()),
        ("clients", clients(alert)),
        ("since", alert.scope.opened_at.to_string()),
        (
            "calls",
            format!(
                "{} from {} to {}",
                alert.figures.requests, alert.figures.first_seen, alert.figures.last_seen
            ),
        ),
        ("found by", rules(alert)),
    ];
    details.extend(usual(alert).map(|usual| ("usual there", usual)));
    if alert.other_routes() > 0 {
        details.insert(1, ("routes", routes(alert, alert.scope.routes.len())));
    }
    if !alert.figures.addresses.is_empty() {
        details.push(("addresses", join(&alert.figures.addresses)));
    }
    if alert.loss > 0.0 {
        details.push(("requests lost", format!("{:.1} %: figures may be higher", alert.loss * 100.0)));
    }
    if !alert.rule.is_notice() && alert.rule != Rule::Blind {
        details.push(("accounts read", format!("rollcall exposure {}", alert.id)));
    }
    if let Some(command) = &alert.allow {
        details.push(("if it is in order", command.clone()));
    }
    if let Some(Allowed { id, by, why }) = &alert.allowed {
        details.push(("allowed", format!("{id}, by {by}: {why}")));
    }
    details
}

/// What half of the clients, and 99 of 100, do not go beyond, and how many times beyond that it is; or that it is not known yet.
fn usual(alert: &Alert) -> Option<String> {
    let Figures { usual, learning, distinct, .. } = alert.figures;
    let Some(Usual { p50, p99 }) = usual else {
        return learning.then(|| "not known yet".to_owned());
    };
    let mut said = format!("{p50}..{p99} within {}", span(alert.window_s));
    let times = distinct / u64::from(p99.max(1));
    if alert.rule != Rule::MissProbing && times > 1 {
        said += &format!(", {times} times beyond");
    }
    if learning {
        said += "; learning";
    }
    Some(said)
}

/// The rule in the manner of Prometheus alerts: `DistinctObjects`.
pub(super) fn camel(rule: Rule) -> String {
    rule.name().split('-').map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect()
}

/// A client as `kind:id`, for those who search.
pub(super) fn client(client: &Client) -> String {
    format!("{}:{}", client.kind, client.id)
}

fn who(client: &Client) -> String {
    let Client { kind, id } = client;
    match &**kind {
        "all" => "everybody together".to_owned(),
        "peer" => id.clone(),
        "prefix" => format!("network {id}"),
        _ => format!("{kind} {id}"),
    }
}

fn clients(alert: &Alert) -> String {
    let named = alert.scope.clients.iter().map(client).collect::<Vec<_>>();
    let others = alert.scope.client_count.saturating_sub(named.len() as u64);
    let named = named.join(", ");
    if others == 0 { named } else { format!("{named} and {others} more") }
}

/// The first `most` routes, and how many more there are: where it is about one, that one first.
fn routes(alert: &Alert, most: usize) -> String {
    let others = alert.all_routes().filter(|route| **route != *alert.route);
    let named: Vec<_> = iter::once(Cow::Borrowed(&*alert.route)).chain(others).take(most.max(1)).collect();
    let more = alert.scope.route_count.saturating_sub(named.len() as u64);
    let named = named.join(", ");
    match more {
        0 => named,
        1 => format!("{named} and 1 more route"),
        _ => format!("{named} and {more} more routes"),
    }
}

fn rules(alert: &Alert) -> String {
    let mut rules = vec![alert.scope.opened_by];
    for rule in [alert.rule].iter().chain(&alert.signals) {
        if !rules.contains(rule) {
            rules.push(*rule);
        }
    }
    rules.into_iter().map(Rule::name).collect::<Vec<_>>().join(", ")
}

fn blind(alert: &Alert) -> String {
    match &*alert.route {
        "~loss" => format!("silence means nothing: {:.1} % of requests are being lost", alert.loss * 100.0),
        "~opaque" => "silence means nothing: most of the traffic can't be read".to_owned(),
        "~multipath" => format!(
            "{} connections send over several paths at once (MPTCP), and are not seen whole; from {}",
            alert.figures.distinct,
            join(&alert.figures.addresses)
        ),
        "~unseen" => format!(
            "{} requests were answered that could not be seen, and may hide a walk; from {}",
            alert.figures.distinct,
            join(&alert.figures.addresses)
        ),
        _ => "silence means nothing: clients near a limit had to be forgotten".to_owned(),
    }
}

fn join(values: &[impl ToString]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn span(seconds: u64) -> String {
    match seconds {
        _ if seconds >= 3600 && seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        _ if seconds >= 60 && seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0x4000_0000.. => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
        0x10_0000.. => format!("{} MiB", bytes >> 20),
        _ => format!("{} KiB", bytes >> 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::alert;

    #[test]
    fn a_sentence_says_who_did_what() {
        let mut alert = alert("a1", AlertState::Open, 0);
        assert_eq!(
            headline(&alert),
            "192.0.2.7 touched 21 different objects of GET /v1/customers/{id} within 10 s; 20 are in order"
        );
        alert.state = AlertState::Resolved;
        alert.rule = Rule::Volume;
        alert.figures.bytes = 300 << 20;
        alert.client = Client { kind: "credential".into(), id: "bearer:3f2a".to_owned() };
        assert_eq!(
            headline(&alert),
            "resolved: credential bearer:3f2a took 300 MiB of new objects from GET /v1/customers/{id} within an hour"
        );
    }

    #[test]
    fn no_sentence_and_no_detail_names_an_object() {
        let mut alert = alert("a1", AlertState::Update, 0);
        alert.sample_objects = vec!["the-object".to_owned()];
        for rule in Rule::ALL {
            alert.rule = rule;
            let details = details(&alert).into_iter().map(|(_, detail)| detail);
            let text = details.chain([headline(&alert)]).collect::<String>();
            assert!(text.contains("/v1/customers/{id}") && !text.contains("the-object"), "{text}");
        }
    }

    #[test]
    fn details_name_what_is_more() {
        let mut alert = alert("a1", AlertState::Update, 0);
        alert.scope.client_count = 7;
        alert.signals = vec![Rule::SequentialWalk, Rule::DistinctObjects];
        let details = details(&alert);
        assert!(details.contains(&("clients", "peer:192.0.2.7 and 6 more".to_owned())), "{details:?}");
        assert!(
            details.contains(&("found by", "distinct-objects, sequential-walk".to_owned())),
            "{details:?}"
        );
        assert!(details.contains(&("accounts read", "rollcall exposure a1".to_owned())), "{details:?}");
    }

    #[test]
    fn details_say_what_is_usual() {
        let mut alert = alert("a1", AlertState::Update, 0);
        let said = |alert: &Alert| details(alert).into_iter().find(|(name, _)| *name == "usual there");
        assert_eq!(said(&alert), None);
        alert.figures.learning = true;
        assert_eq!(said(&alert), Some(("usual there", "not known yet".to_owned())));
        alert.figures.usual = Some(Usual { p50: 1, p99: 3 });
        let expected = "1..3 within 10 s, 7 times beyond; learning";
        assert_eq!(said(&alert), Some(("usual there", expected.to_owned())));
        alert.figures.learning = false;
        alert.rule = Rule::MissProbing;
        assert_eq!(said(&alert), Some(("usual there", "1..3 within 10 s".to_owned())));
    }

    #[test]
    fn details_name_the_command_that_allows_it_and_who_has() {
        let mut alert = alert("a1", AlertState::Update, 0);
        alert.allow = alert.command();
        let command =
            ("if it is in order", "rollcall allow a1 --up-to 50/10s --why 'this is fine'".to_owned());
        assert!(details(&alert).contains(&command), "{:?}", details(&alert));
        (alert.state, alert.allow) = (AlertState::Resolved, None);
        alert.allowed =
            Some(Allowed { id: "a7".to_owned(), by: "ada".to_owned(), why: "the job".to_owned() });
        assert!(details(&alert).contains(&("allowed", "a7, by ada: the job".to_owned())));
        assert!(headline(&alert).starts_with("allowed: "), "{}", headline(&alert));
        assert_eq!(alert.command(), None, "it is already");
    }

    #[test]
    fn an_alert_about_many_routes_says_so() {
        let mut alert = alert("a1", AlertState::Update, 0);
        alert.route = "GET /c".into();
        (alert.scope.routes, alert.scope.route_count) = (vec!["GET /a".to_owned(), "GET /c".to_owned()], 768);
        let named = ("routes", "GET /c, GET /a and 766 more routes".to_owned());
        assert!(details(&alert).contains(&named), "{:?}", details(&alert));
        alert.rule = Rule::OpenDoor;
        let expected = "GET /c and 767 more routes give data to callers without any credential";
        assert_eq!(sentence(&alert), expected);
    }

    #[test]
    fn rules_have_names_as_prometheus_gives_them() {
        assert_eq!(camel(Rule::DistinctObjects), "DistinctObjects");
        assert_eq!(camel(Rule::Blind), "Blind");
    }

    #[test]
    fn spans_and_sizes() {
        assert_eq!([10, 60, 90, 600, 86_400].map(span), ["10 s", "1 min", "90 s", "10 min", "24 h"]);
        assert_eq!([2048, 5 << 20, 3 << 29].map(size), ["2 KiB", "5 MiB", "1.5 GiB"]);
    }
}
