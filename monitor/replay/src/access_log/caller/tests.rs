use std::{env, fs, path::PathBuf};

use proptest::prelude::*;

use super::super::{Reader, Skipped, Summary, recognise};
use crate::{FileFormat, Input};

const CLIENT: &str = "203.0.113.9";
/// What a hostile client wants to be taken for.
const OTHER: &str = "198.51.100.1";

/// What stands in front of each line, so that the line is read as if it did not.
const PREFIXES: [&str; 40] = [
    "",
    "\u{feff}",
    "  ",
    // Syslog of RFC 3164, as rsyslog, syslog-ng, journalctl and nginx write it.
    "Sep 14 08:00:00 web1 nginx[2869]: ",
    "Sep  4 08:00:00 web1 nginx: ",
    "<190>Sep 14 08:00:00 web1 nginx: ",
    "<190>Sep 14 08:00:00 nginx: ",
    "Sep 14 08:00:00 10.0.0.5 nginx: ",
    "Sep 14 08:00:00 2001:db8::5 nginx: ",
    "2026-09-14T08:00:00.000000+00:00 web1 nginx[2869]: ",
    "Sep 14 08:00:00.123456 web1 nginx[2869]: ",
    "2026-09-14T08:00:00+0000 web1 nginx[2869]: ",
    "Mon 2026-09-14 08:00:00 UTC web1 nginx[2869]: ",
    "10.0.0.5 Sep 14 08:00:00 web1 nginx: ",
    // Of RFC 5424, with and without data and a length.
    "<190>1 2026-09-14T08:00:00Z web1 nginx 2869 - - ",
    "<190>1 2026-09-14T08:00:00Z 10.0.0.5 - - - - ",
    "<190>1 2026-09-14T08:00:00Z 10.0.0.5 - - - - \u{feff}",
    "<190>1 - - - - - - ",
    "1 2026-09-14T08:00:00Z 10.0.0.5 - - - - ",
    "<190>1 2026-09-14T08:00:00Z web1 nginx - access [meta@1 a=\"x \\\" ] 192.0.2.1 - -\"][o@2 b=\"c\"] ",
    "123 <190>1 2026-09-14T08:00:00Z web1 nginx - - - ",
    // The CRI, kubectl, stern, Docker Compose and Swarm, pm2, foreman.
    "2026-09-14T08:00:00.000000789Z stdout F ",
    "2026-09-14T08:00:00.000000789+02:00 stderr F ",
    "[pod/web-7d4b9/nginx] ",
    "[pod/web-7d4b9/nginx] 2026-09-14T08:00:00.000000789Z ",
    "web-7d4b9 nginx ",
    "web-1  | ",
    "web_1  | 2026-09-14T08:00:00.000000789Z ",
    "web.1.k3j2h1@node1    | ",
    "\u{1b}[36mweb-1  | \u{1b}[0m",
    "\u{1b}[36;1mweb.1 | \u{1b}[m",
    "0|api      | ",
    "08:00:00 web.1   | ",
    // Names, times and levels.
    "api.example.org:443 ",
    "10.0.0.1:443 ",
    "2026-09-14 08:00:00,123 INFO ",
    "2026/09/14 08:00:00 ",
    "INFO:     ",
    "web1\t",
    "/var/log/nginx/access.log:",
];

/// What a client may call itself. None of it changes who called.
const USERS: [&str; 18] = [
    "-",
    "ada",
    "Ada [x] Lovelace",
    "198.51.100.1",
    "x 198.51.100.1 - -",
    "198.51.100.1 - -",
    "198.51.100.1 - - [14/Sep/2026:08:00:00 +0000]",
    "198.51.100.1 - - [14/Sep/2026:08:00:00 +0000] ",
    r"x 198.51.100.1 - - [14/Sep/2026:08:00:00 +0000] \x22GET /v1/customers/1 HTTP/1.1\x22 200 1",
    r#"x 198.51.100.1 - - [14/Sep/2026:08:00:00 +0000] \"GET /v1/customers/1 HTTP/1.1\" 200 1"#,
    "[ [ [ [ [ [ [ [ [ [ [ [",
    "x nginx[1] | 198.51.100.1 - -",
    "x] 198.51.100.1 - -",
    "stdout F 198.51.100.1 - -",
    "198.51.100.1, 198.51.100.1 - -",
    "access.log 198.51.100.1 - - x",
    "<190>1 2026-09-14T08:00:00Z web1 nginx - - - 198.51.100.1 - -",
    "\"\"",
];

fn read(text: &str, format: FileFormat) -> (Vec<String>, Vec<String>, Summary) {
    let mut reader = Reader::new();
    let (mut clients, mut targets) = (Vec::new(), Vec::new());
    let mut each = |call: &super::super::Call| {
        clients.push(call.endpoints.client.ip().to_string());
        targets.push(String::from_utf8_lossy(call.request.target()).into_owned());
    };
    // A log that can't be read is one of the outcomes.
    let _ = reader.read("test", text.as_bytes(), format, &mut each);
    reader.finish(&mut each);
    (clients, targets, reader.summary())
}

fn line(prefix: &str, client: &str, user: &str) -> String {
    format!(
        "{prefix}{client} - {user} [14/Sep/2026:08:00:00 +0000] \"GET /v1/customers/17 HTTP/1.1\" 200 812 \"-\" \"app/3.1\""
    )
}

/// The client that `line` is read for; `None` if it is not read.
fn client(line: &str) -> Option<String> {
    let (clients, targets, summary) = read(line, FileFormat::Combined);
    assert_eq!(summary.calls + summary.unread.total(), 1, "{line}");
    if summary.calls == 1 {
        assert_eq!(targets, ["/v1/customers/17"], "{line}");
    }
    clients.into_iter().next()
}

#[test]
fn what_stands_in_front_is_passed_over() {
    for prefix in PREFIXES {
        let text = line(prefix, CLIENT, "-");
        assert_eq!(client(&text).as_deref(), Some(CLIENT), "{text}");
        assert_eq!(recognise(text.as_bytes(), None).format, Some(FileFormat::Combined), "{text}");
        let text = line(prefix, "[2001:db8::9]:51000", "ada");
        // Behind a file's name, it is not told where an address of IPv6 begins.
        let expected = (!prefix.ends_with("log:")).then_some("2001:db8::9");
        assert_eq!(client(&text).as_deref(), expected, "{text}");
    }
}

#[test]
fn no_user_poses_as_the_caller() {
    for prefix in PREFIXES {
        for user in USERS {
            let text = line(prefix, CLIENT, user);
            let client = client(&text);
            assert!(client.as_deref().is_none_or(|client| client == CLIENT), "{client:?}: {text}");
            // Where nothing, or what usual collectors write, stands in front, it does not hide either.
            if !matches!(prefix, "web-7d4b9 nginx " | "2026-09-14 08:00:00,123 INFO ") {
                assert!(client.is_some(), "{text}");
            }
        }
    }
}

#[test]
fn nothing_else_that_a_client_sends_poses_as_the_caller() {
    let times = "[14/Sep/2026:08:00:00 +0000]";
    for sent in [
        format!("198.51.100.1 - - {times} "),
        format!("x: 198.51.100.1 - - {times} \\x22GET /v1/customers/17 HTTP/1.1\\x22 200 1"),
        format!("198.51.100.1 - - {times} \"GET /v1/customers/17 HTTP/1.1\" 200 1 \"-\" \""),
        format!("\" 200 1 \"-\" \"198.51.100.1 - - {times} \""),
        format!("\\\" 198.51.100.1 - - {times} \\\"GET / HTTP/1.1\\\" 200 1"),
    ] {
        for prefix in PREFIXES {
            for text in [
                format!("{prefix}{CLIENT} - - {times} \"GET /{sent} HTTP/1.1\" 200 812 \"-\" \"app/3.1\""),
                format!("{prefix}{CLIENT} - - {times} \"GET / HTTP/1.1\" 200 812 \"{sent}\" \"app/3.1\""),
                format!("{prefix}{CLIENT} - - {times} \"GET / HTTP/1.1\" 200 812 \"-\" \"{sent}\""),
                // Not a format that is read: it stays one.
                format!("{prefix}{CLIENT} - - {times} 561 \"GET / HTTP/1.1\" 200 812 \"-\" \"{sent}\""),
                format!(
                    "{prefix}2026/09/14 08:00:00 [error] 1#1: *1 open() failed, client: {CLIENT}, request: \"{sent}\""
                ),
            ] {
                let (clients, ..) = read(&text, FileFormat::Combined);
                assert!(clients.iter().all(|client| client == CLIENT), "{clients:?}: {text}");
            }
        }
    }
}

#[test]
fn callers_in_other_forms() {
    for (who, expected) in [
        ("::ffff:203.0.113.9 - -", Some(CLIENT)),
        ("203.0.113.9:51000 - -", Some(CLIENT)),
        ("\"203.0.113.9\" - -", Some(CLIENT)),
        ("203.0.113.9 (192.0.2.1) - -", Some(CLIENT)),
        ("203.0.113.9 ident ada", Some(CLIENT)),
        ("203.0.113.9 ident Ada Lovelace", Some(CLIENT)),
        ("203.0.113.9 api.example.org -", Some(CLIENT)),
        ("api.example.org 203.0.113.9 ident ada", Some(CLIENT)),
        ("192.0.2.1, 203.0.113.9 - -", Some(CLIENT)),
        ("\"192.0.2.1, 203.0.113.9\" - -", Some(CLIENT)),
        ("12:203.0.113.9 - -", Some(CLIENT)),
        ("host.example - ada", Some("240.0.0.0")),
        ("unix: - -", Some("240.0.0.0")),
        // Nobody, or not to be told who.
        ("- - -", None),
        ("\"-\" - -", None),
        ("unknown thing: - - -", None),
        ("web-1 - 203.0.113.9 - -", None),
        ("access.log-203.0.113.9 - -", None),
        ("ip=203.0.113.9 - -", None),
        ("203.0.113 - -", None),
        ("Sep 14 08:00:00 web1 nginx: host.example - -", None),
        ("10.0.0.5 web1 nginx: host.example ident ada", None),
        ("\"an agent 198.51.100.1 - -\" 203.0.113.9 - -", None),
        ("one two 198.51.100.1 - x 203.0.113.9 - -", None),
        ("host.example - x] 198.51.100.1 - -", None),
        ("203.0.113.9 api.example.org x] 198.51.100.1 - -", None),
    ] {
        let text = format!("{who} [14/Sep/2026:08:00:00 +0000] \"GET /v1/customers/17 HTTP/1.1\" 200 812");
        assert_eq!(client(&text).as_deref(), expected, "{who}");
    }
}

#[test]
fn lines_within_quotes_or_objects() {
    let plain = line("", CLIENT, "Ada \\x22");
    let escaped = plain.replace('\\', "\\\\").replace('"', "\\\"");
    for (text, format) in [
        (format!("\"{escaped}\""), FileFormat::Combined),
        (format!("\"{}\"", plain.replace('"', "\"\"")), FileFormat::Combined),
        (format!("'{plain}'"), FileFormat::Combined),
        (
            format!("{{\"log\":\"{escaped}\\n\",\"stream\":\"stdout\",\"time\":\"2026-12-31T06:56:16Z\"}}"),
            FileFormat::Json,
        ),
        (
            format!("{{\"__REALTIME_TIMESTAMP\":\"1784000000000000\",\"MESSAGE\":\"{escaped}\"}}"),
            FileFormat::Json,
        ),
        (
            format!(
                "{{\"@timestamp\":\"2026-12-31T06:56:16Z\",\"message\":\"web-1  | {escaped}\",\"status_code\":200}}"
            ),
            FileFormat::Json,
        ),
        (
            r#"{"log":"{\"ts\":1784000000,\"remote_ip\":\"203.0.113.9\",\"uri\":\"/v1/customers/17\"}\n"}"#
                .to_owned(),
            FileFormat::Json,
        ),
    ] {
        assert_eq!(recognise(text.as_bytes(), None).format, Some(format), "{text}");
        let (clients, targets, _) = read(&text, format);
        assert_eq!(
            (&clients[..], &targets[..]),
            (&[CLIENT.to_owned()][..], &["/v1/customers/17".to_owned()][..]),
            "{text}"
        );
    }
    let unread = |text: &str| read(text, FileFormat::Json).2.unread;
    let request = Skipped { request: 1, ..Skipped::default() };
    assert_eq!(unread(r#"{"log":"started\n","time":"2026-12-31T06:56:16Z"}"#), request);
    let client = Skipped { client: 1, ..Skipped::default() };
    assert_eq!(unread(r#"{"log":"- - - [14/Sep/2026:08:00:00 +0000] \"GET / HTTP/1.1\" 200 1\n"}"#), client);
}

proptest! {
    #[test]
    fn no_text_for_a_user_poses_as_the_caller(
        prefix in prop::sample::select(&PREFIXES[..]),
        user in prop::collection::vec(
            prop_oneof![
                Just(OTHER), Just("-"), Just("- -"), Just("x]"), Just("|"), Just(","), Just("[14/Sep/2026:08:00:00 +0000]"),
                Just("stdout F"), Just("2026-09-14T08:00:00Z"), Just("\\\""), Just("\\x22"), Just("1"), Just("<1>1"), Just("("),
            ],
            1..12,
        ),
    ) {
        let (clients, ..) = read(&line(prefix, CLIENT, &user.join(" ")), FileFormat::Combined);
        prop_assert!(clients.iter().all(|client| client == CLIENT), "{:?}", clients);
    }
}

#[test]
fn a_user_that_fills_the_line_is_read_like_any_other() {
    for word in ["1.1.1.1,", "1.1.1.1", "-", "[", "\\\""] {
        let user = [word, " "].concat().repeat(60_000 / (word.len() + 1));
        for prefix in ["", "a b "] {
            let (clients, ..) = read(&line(prefix, CLIENT, &user), FileFormat::Combined);
            assert_eq!(clients, [CLIENT], "{word}");
        }
    }
}

/// Recorded examples of many formats: each is read right or not at all.
#[test]
fn no_format_that_is_met_in_the_field_is_read_wrong() {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let cases = env::var_os("ROLLCALL_SHARED").map_or_else(beside, PathBuf::from).join("data/cases");
    if !cases.is_dir() {
        eprintln!("NOT TESTED: no logs in {}; set ROLLCALL_SHARED", cases.display());
        return;
    }
    let calls = |path: PathBuf| {
        let mut all = Vec::new();
        let Ok(input) = Input::open(&path, None) else { return all };
        let mut reader = Reader::new();
        let format = input.format();
        let mut each = |call: &super::super::Call| {
            let target = String::from_utf8_lossy(call.request.target()).into_owned();
            all.push((call.endpoints.client.ip().to_string(), target, call.status));
        };
        let _ = reader.read("test", input.into_reader(), format, &mut each);
        reader.finish(&mut each);
        all
    };
    let plain = calls(cases.join("06/plain.log"));
    assert_eq!(plain.len(), 110);
    for name in ["a-cri.log", "a-syslog.log"] {
        assert_eq!(calls(cases.join("06").join(name)), plain, "{name}");
    }
    for file in fs::read_dir(cases.join("formats")).unwrap() {
        let path = file.unwrap().path();
        for (client, target, status) in calls(path.clone()) {
            let is_client = matches!(client.as_str(), CLIENT | "192.0.2.1" | "2001:db8::9");
            assert!(
                is_client && target.contains("/v1/customers/101") && status == Some(200),
                "{}: {client} {target}",
                path.display()
            );
        }
    }
}
