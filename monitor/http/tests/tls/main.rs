//! What is reported of a connection in TLS whose secrets are known is what would be of the same one in clear.

#![expect(clippy::unwrap_used, reason = "a step of a test that fails, fails the test")]

mod pair;
mod wire;

use std::{sync::OnceLock, time::Duration};

use nix::time::{ClockId, clock_gettime};
use pair::{Options, Sides, Step, Talk, Turn, in_clear};
use proptest::prelude::*;
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
    assert_eq!(counters.decrypted.unread, [0; Unread::NAMES.len()]);
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
        let all = talk.secrets.clone();
        let talk = Talk { turns: talk.turns, secrets: labelled };
        same(&Sight::recorded(), &talk, &few());
        same(&Sight::live(), &talk, &few());
        // Those of the handshake, too.
        let secrets = others.secrets.iter().chain(&all);
        let unlabelled = secrets.map(|secret| nameless(secret, Label::Unknown)).collect();
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

/// Talks whose exchanges are known: of both versions, in records of two sizes, with changed keys.
fn talks() -> &'static [(Talk, Vec<Step>)] {
    static TALKS: OnceLock<Vec<(Talk, Vec<Step>)>> = OnceLock::new();
    TALKS.get_or_init(|| {
        let mut talks = Vec::new();
        for suite in [ALL_CIPHER_SUITES[0], ALL_CIPHER_SUITES[2], ALL_CIPHER_SUITES[4]] {
            for fragment in [None, Some(100)] {
                let mut steps = few();
                if suite.tls13().is_some() {
                    steps.extend([Step::ClientKeys, Step::ServerKeys]);
                }
                steps.extend([get("/v1/customers/19"), ok("{}")]);
                let talk = Sides::new(&Options { fragment, ..Options::new(suite) }).talk(&[], &steps);
                talks.push((talk, steps));
            }
        }
        talks
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_it_is_cut_the_same_is_reported(
        which in 0..6usize, sizes in prop::collection::vec(1..3000usize, 1..6), secrets_behind in 0..6usize
    ) {
        let (talk, steps) = &talks()[which];
        let whole = Sight::recorded().watch(&in_clear(steps), &[]).0.lines;
        let sight = Sight { sizes, secrets_behind, ..Sight::recorded() };
        let (record, counters) = sight.watch(&talk.turns, &talk.secrets);
        prop_assert_eq!(&record.lines, &whole);
        prop_assert_eq!(counters.decrypted.records_unopened, 0);
        let sight = Sight { whole: usize::MAX, captured: usize::MAX, is_recorded: false, ..sight };
        let (record, _) = sight.watch(&talk.turns, &talk.secrets);
        prop_assert_eq!(&record.lines, &whole);
    }

    #[test]
    fn what_is_damaged_or_cut_off_panics_nowhere(
        which in 0..6usize, size in 1..3000usize, captured in 0..1500usize, is_recorded: bool,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 0..6),
        drops in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
    ) {
        let (talk, _) = &talks()[which];
        let mut turns = talk.turns.clone();
        for (turn, byte, mask) in flips {
            let turn = turn.index(turns.len());
            let (Turn::Client(bytes) | Turn::Server(bytes)) = &mut turns[turn];
            let byte = byte.index(bytes.len());
            bytes[byte] ^= mask;
        }
        for turn in drops {
            turns.remove(turn.index(turns.len()));
            if turns.is_empty() {
                return Ok(());
            }
        }
        let sight = Sight { sizes: vec![size], captured, whole: 1, is_recorded, ..Sight::default() };
        sight.watch(&turns, &talk.secrets);
    }
}

#[test]
fn requests_behind_lost_packets_are_found_again() {
    // What the client sends in its third turn is lost, in part: a body, with what the server's answer follows.
    let body = "0123456789abcdef".repeat(2000);
    let steps = [get("/1"), ok("{}"), post("/2", &body), ok("{}"), get("/3"), ok("{}"), get("/4"), ok("{}")];
    for suite in suites() {
        let talk = Sides::new(&Options::new(suite)).talk(&[], &steps);
        let (record, counters) =
            Sight { misses: vec![10, 11, 12], ..Sight::live() }.watch(&talk.turns, &talk.secrets);
        let lines: Vec<_> = record.lines.iter().map(|line| line.text.as_str()).collect();
        assert!(
            lines.ends_with(&["GET /3 200", "GET /4 200"]),
            "{suite:?} {lines:?} {:?}",
            counters.decrypted
        );
        assert_eq!(lines[0], "GET /1 200");
    }
}

#[test]
fn a_client_may_be_silent_behind_its_handshake() {
    for suite in suites() {
        let talk = Sides::new(&Options::new(suite)).talk(&[], &few());
        // The first two turns of the client are its handshake.
        let silence = Some((4, Duration::from_secs(20)));
        same(&Sight { silence, ..Sight::recorded() }, &talk, &few());
        let nameless = |secret: &Secret| {
            Secret::new(secret.label, secret.bytes(), None, Timestamp(1_000_000_500_000)).unwrap()
        };
        let talk = Talk { turns: talk.turns, secrets: talk.secrets.iter().map(nameless).collect() };
        same(&Sight { silence, ..Sight::recorded() }, &talk, &few());
        same(&Sight { silence, ..Sight::live() }, &talk, &few());
    }
}

#[test]
fn tls_behind_a_proxy_header_is_read() {
    let text = b"PROXY TCP4 198.51.100.7 192.0.2.2 40000 443\r\n".to_vec();
    let binary =
        [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &[198, 51, 100, 7, 192, 0, 2, 2, 0x9c, 0x40, 1, 0xbb]];
    for suite in suites() {
        let talk = Sides::new(&Options::new(suite)).talk(&[], &few());
        for header in [text.clone(), binary.concat()] {
            let before = Turn::Client(header.clone());
            let clear = [&[before.clone()][..], &in_clear(&few())].concat();
            let mut joined = talk.turns.clone();
            if let Some(Turn::Client(hello)) = joined.first_mut() {
                hello.splice(0..0, header.iter().copied());
            }
            for turns in [[&[before][..], &talk.turns].concat(), joined] {
                let (whole, _) = Sight::live().watch(&clear, &[]);
                let (record, counters) = Sight { whole: 3, ..Sight::live() }.watch(&turns, &talk.secrets);
                assert_eq!(record.lines, whole.lines);
                assert_eq!((counters.proxied, counters.tls, counters.decrypted.read), (1, 0, 1));
            }
        }
    }
}

#[test]
fn what_only_begins_like_tls_is_seen_as_it_is() {
    let hello = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00";
    let asked = b"GET /v1/customers/17 HTTP/1.1\r\nHost: x\r\n\r\n";
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    let refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let turns = |turns: &[(&[u8], &[u8])]| {
        turns
            .iter()
            .flat_map(|(asked, answered)| {
                let answered = (!answered.is_empty()).then(|| Turn::Server(answered.to_vec()));
                [Turn::Client(asked.to_vec())].into_iter().chain(answered)
            })
            .collect::<Vec<_>>()
    };
    let others = Sides::new(&Options::new(ALL_CIPHER_SUITES[0])).talk(&[], &few());
    for turns in [
        turns(&[(hello, refusal), (asked, answer)]),
        turns(&[(hello, b""), (asked, answer), (asked, answer)]),
        turns(&[(b"\x16GET / HTTP/1.1\r\n\r\n", answer), (asked, answer)]),
        turns(&[(b"\x16", b""), (b" /a HTTP/1.1\r\n\r\n", answer), (asked, answer)]),
        turns(&[(b"\x16\x03\x01GET /a HTTP/1.1\r\n\r\n", answer), (asked, answer)]),
    ] {
        for sight in [Sight::recorded(), Sight::live(), Sight { sizes: vec![1], ..Sight::live() }] {
            let (plain, before) = sight.watch(&turns, &[]);
            let (record, counters) = sight.watch(&turns, &others.secrets);
            if sight.is_recorded || sight.sizes == [1] {
                // What comes with the answer that shows it may be seen better for having waited for that.
                assert!(record.lines.ends_with(&plain.lines), "{turns:?}");
                continue;
            }
            assert_eq!(record.lines, plain.lines, "{:?} {turns:?}", sight.sizes);
            assert_eq!(record.unseen, plain.unseen, "{turns:?}");
            // Of what was answered the reason may be better known.
            let same = |counters: &HttpCounters| {
                (counters.tls, counters.not_http, counters.unexplained.iter().sum::<u64>())
            };
            assert_eq!(same(&counters), same(&before), "{turns:?}");
        }
    }
}

#[test]
fn a_connection_outlasts_any_silence() {
    for suite in suites() {
        let talk = Sides::new(&Options::new(suite)).talk(&[], &few());
        // Between the first exchange and the second.
        let silence = Some((6, Duration::from_secs(1200)));
        same(&Sight { silence, ..Sight::recorded() }, &talk, &few());
        same(&Sight { silence, ..Sight::live() }, &talk, &few());
    }
}

/// What a request costs in TLS and in clear. `cargo test --release --test tls -- --ignored --nocapture speed`
#[test]
#[ignore = "a measurement"]
fn speed() {
    let padding = "x".repeat(345);
    let request = Step::Request(
        format!(
            "GET /v1/customers/12345 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: wrk/4\r\nAccept: */*\r\n\
             Accept-Encoding: gzip\r\nAuthorization: Bearer abcdefgh\r\nX-Forwarded-For: 192.0.2.7\r\n\
             Cookie: {padding}\r\n\r\n"
        )
        .into_bytes(),
    );
    let exchange = [request, ok(&"x".repeat(900))];
    let steps: Vec<_> = exchange.iter().cycle().take(2 * 20_000).cloned().collect();
    let cost = |turns: &[Turn], secrets: &[Secret]| {
        let clock = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
        let mut costs: Vec<_> = (0..5)
            .map(|_| {
                let begun = clock();
                let (record, _) = Sight::live().watch(turns, secrets);
                assert_eq!(record.lines.len(), 20_000);
                (clock() - begun).as_nanos() / 20_000
            })
            .collect();
        costs.sort_unstable();
        costs[2]
    };
    println!("in clear: {} ns", cost(&in_clear(&steps), &[]));
    for suite in suites() {
        let talk = Sides::new(&Options::new(suite)).talk(&[], &steps);
        println!("{:?}: {} ns", suite.suite(), cost(&talk.turns, &talk.secrets));
    }
}
