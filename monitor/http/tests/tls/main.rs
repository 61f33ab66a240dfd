//! What is reported of a connection in TLS whose secrets are known is what would be of the same one in clear.

#![expect(clippy::unwrap_used, reason = "a step of a test that fails, fails the test")]

mod pair;
mod wire;

use pair::{Options, Sides, Step, Talk, in_clear};
use rollcall_http::HttpCounters;
use rollcall_model::time::Timestamp;
use rollcall_stream::Directive;
use rollcall_tls::{Label, Secret, Unread};
use rustls::{SupportedCipherSuite, crypto::ring::ALL_CIPHER_SUITES};
use wire::{Record, Sight};

fn get(target: &str) -> Step {
    Step::Request(format!("GET {target} HTTP/1.1\r\nHost: api.example\r\n\r\n").into_bytes())
}

fn post(target: &str, body: &str) -> Step {
    let length = body.len();
    Step::Request(format!("POST {target} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes())
}

fn ok(body: &str) -> Step {
    let length = body.len();
    Step::Answer(
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes(),
    )
}

fn few() -> Vec<Step> {
    vec![
        get("/v1/customers/17"),
        ok("{}"),
        get("/v1/customers/18"),
        ok(&"x".repeat(3000)),
        post("/v1/a", "{\"id\":5}"),
        ok(""),
    ]
}

/// Sees `talk`, and asserts that it is reported as `steps` in clear are.
#[track_caller]
fn same(sight: &Sight, talk: &Talk, steps: &[Step]) -> (Record, HttpCounters) {
    let (clear, _) = sight.watch(&in_clear(steps), &[]);
    let (record, counters) = sight.watch(&talk.turns, &talk.secrets);
    assert_eq!(record.lines, clear.lines);
    assert_eq!((record.unseen, counters.tls), (0, 0));
    assert_eq!((counters.decrypted.connections, counters.decrypted.read), (1, 1));
    assert_eq!(counters.decrypted.unread, [0; 6]);
    (record, counters)
}

fn suites() -> impl Iterator<Item = SupportedCipherSuite> {
    ALL_CIPHER_SUITES.iter().copied()
}

#[test]
fn every_suite_is_read_as_the_same_in_clear() {
    for suite in suites() {
        let talk = Sides::new(&Options::new(suite)).talk(&[], &few());
        same(&Sight::recorded(), &talk, &few());
        same(&Sight::live(), &talk, &few());
    }
}

fn both(options: Options, early: &[Step], first: &[Step], steps: &[Step]) -> (Sides, Talk) {
    let sides = Sides::new(&options);
    if !first.is_empty() {
        sides.talk(&[], first);
    }
    let talk = sides.talk(early, steps);
    (sides, talk)
}

#[test]
fn changed_keys_are_followed_on_both_sides() {
    let steps = [
        &few()[..],
        &[Step::ClientKeys, get("/a"), ok("1"), Step::ServerKeys, get("/b"), ok("2")],
        &[Step::ServerKeys, Step::ClientKeys, get("/c"), ok("3"), get("/d"), ok("4")],
    ];
    for suite in suites().filter(|suite| suite.tls13().is_some()) {
        let (_, talk) = both(Options::new(suite), &[], &[], &steps.concat());
        same(&Sight::recorded(), &talk, &steps.concat());
        same(&Sight::live(), &talk, &steps.concat());
    }
}

#[test]
fn resumed_sessions_are_read() {
    for suite in suites() {
        let (_, talk) = both(Options::new(suite), &[], &few(), &few());
        same(&Sight::recorded(), &talk, &few());
        same(&Sight::live(), &talk, &few());
    }
}

#[test]
fn early_data_is_read_once_the_server_has_taken_it() {
    let early = [get("/early/1"), get("/early/2"), ok("1"), ok("2")];
    for suite in suites().filter(|suite| suite.tls13().is_some()) {
        let (_, talk) = both(Options { early: true, ..Options::new(suite) }, &early, &few(), &few());
        let steps = [&early[..], &few()].concat();
        for sight in [Sight::recorded(), Sight::live()] {
            let (clear, _) = sight.watch(&in_clear(&steps), &[]);
            let (record, _) = sight.watch(&talk.turns, &talk.secrets);
            let text =
                |record: &Record| record.lines.iter().map(|line| line.text.clone()).collect::<Vec<_>>();
            assert_eq!(text(&record), text(&clear));
        }
        // Nothing but early data, which nothing follows.
        let (_, talk) = both(Options { early: true, ..Options::new(suite) }, &early, &few(), &[]);
        let (record, _) = Sight::recorded().watch(&talk.turns, &talk.secrets);
        assert_eq!(record.lines.len(), 2);
    }
}

#[test]
fn early_data_that_the_server_refuses_is_not_told_twice() {
    let early = [get("/early/1"), ok("1")];
    for suite in suites().filter(|suite| suite.tls13().is_some()) {
        let mut sides = Sides::new(&Options { early: true, ..Options::new(suite) });
        sides.talk(&[], &few());
        sides.forget();
        let talk = sides.talk(&early, &few());
        let (record, _) = Sight::recorded().watch(&talk.turns, &talk.secrets);
        let targets: Vec<_> = record.lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(targets.iter().filter(|text| text.contains("/early/1")).count(), 1, "{targets:?}");
        assert_eq!(targets.len(), 4, "{targets:?}");
    }
}

#[test]
fn a_client_that_is_asked_for_another_hello_is_read() {
    for suite in suites().filter(|suite| suite.tls13().is_some()) {
        let (_, talk) = both(Options { retry: true, ..Options::new(suite) }, &[], &[], &few());
        same(&Sight::recorded(), &talk, &few());
        same(&Sight::live(), &talk, &few());
    }
}

#[test]
fn messages_over_many_records_are_read() {
    let body = "0123456789abcdef".repeat(4000);
    let steps = [post("/upload", &body), ok(&body), get("/v1/a?b=c"), ok("{}"), post("/x", &body), ok("")];
    for suite in suites() {
        for fragment in [Some(64), Some(300), None] {
            let (_, talk) = both(Options { fragment, ..Options::new(suite) }, &[], &[], &steps);
            same(&Sight::recorded(), &talk, &steps);
        }
    }
}

#[test]
fn answers_are_read_by_their_beginnings() {
    // Between the beginnings of answers lie up to some hundred records whose headers nobody captured.
    let long = "0123456789abcdef".repeat(40_000);
    let steps = [
        get("/1"),
        ok("{}"),
        get("/2"),
        ok(&long),
        get("/3"),
        ok(&long),
        get("/4"),
        ok("{}"),
        get("/5"),
        ok(&long),
        get("/6"),
        ok("{}"),
    ];
    for suite in suites() {
        for (fragment, size) in [(None, 1448), (None, 65_160), (Some(1400), 65_160), (Some(4096), 14_480)] {
            let (_, talk) = both(Options { fragment, ..Options::new(suite) }, &[], &[], &steps);
            let sight = Sight { sizes: vec![size], ..Sight::live() };
            let (record, counters) = sight.watch(&talk.turns, &talk.secrets);
            let lines: Vec<_> = record.lines.iter().map(|line| line.text.as_str()).collect();
            assert_eq!(
                lines,
                ["GET /1 200", "GET /2 200", "GET /3 200", "GET /4 200", "GET /5 200", "GET /6 200"],
                "{suite:?} {fragment:?} {size}"
            );
            assert_eq!((counters.tls, record.unseen), (0, 0));
        }
    }
}

#[test]
fn secrets_may_come_behind_their_records() {
    for suite in suites() {
        let talk = Sides::new(&Options::new(suite)).talk(&[], &few());
        for secrets_behind in 0..talk.turns.len() {
            same(&Sight { secrets_behind, ..Sight::recorded() }, &talk, &few());
            same(&Sight { secrets_behind, ..Sight::live() }, &talk, &few());
        }
    }
}

#[test]
fn secrets_without_a_name_find_their_connection() {
    for suite in suites() {
        let talk = Sides::new(&Options::new(suite)).talk(&[], &few());
        let others = Sides::new(&Options::new(suite)).talk(&[], &few());
        let nameless = |secret: &Secret, label: Label| {
            Secret::new(label, secret.bytes(), None, Timestamp(1_000_000_500_000)).unwrap()
        };
        let of_traffic = |secret: &&Secret| {
            matches!(secret.label, Label::Master | Label::Client | Label::Server | Label::ClientEarly)
        };
        let secrets: Vec<_> = others.secrets.iter().chain(&talk.secrets).filter(of_traffic).collect();
        let labelled = secrets.iter().map(|secret| nameless(secret, secret.label)).collect();
        let talk = Talk { turns: talk.turns, secrets: labelled };
        same(&Sight::recorded(), &talk, &few());
        same(&Sight::live(), &talk, &few());
        let unlabelled = secrets.iter().map(|secret| nameless(secret, Label::Unknown)).collect();
        let talk = Talk { turns: talk.turns, secrets: unlabelled };
        same(&Sight::recorded(), &talk, &few());
        same(&Sight::live(), &talk, &few());
    }
}

#[test]
fn without_its_secret_a_connection_counts_as_it_does_without_any() {
    for suite in suites() {
        let talk = Sides::new(&Options::new(suite)).talk(&[], &few());
        let others = Sides::new(&Options::new(suite)).talk(&[], &few());
        for sight in [Sight::recorded(), Sight::live()] {
            let (_, plain) = sight.watch(&talk.turns, &[]);
            let (record, counters) = sight.watch(&talk.turns, &others.secrets);
            assert_eq!((record.lines.len(), counters.tls, plain.tls), (0, 1, 1));
            assert_eq!(record.directives, [Directive::Ignore]);
            assert_eq!(counters.unexplained, plain.unexplained);
            assert_eq!(counters.decrypted.unread[Unread::NoSecret as usize], 1);
        }
    }
}
