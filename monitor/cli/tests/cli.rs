//! The command as a user meets it: help, messages and exit codes.

#![expect(clippy::unwrap_used, reason = "a step of a test that fails, fails the test")]

use std::{
    fs::{self, Permissions},
    io::Write,
    net::TcpListener,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// A packet from 192.0.2.7:50000 to port 80 with `GET / HTTP/1.1`, in a pcap file of raw IP.
fn capture() -> Vec<u8> {
    let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut tcp = [0; 20];
    tcp[0..4].copy_from_slice(&[0xc3, 0x50, 0, 80]);
    tcp[12..14].copy_from_slice(&[0x50, 0x18]);
    let mut ip = [0; 20];
    ip[0] = 0x45;
    ip[3] = 40 + request.len() as u8;
    ip[9] = 6;
    ip[12..20].copy_from_slice(&[192, 0, 2, 7, 192, 0, 2, 1]);
    let packet = [&ip[..], &tcp, request].concat();
    let length = (packet.len() as u32).to_le_bytes();
    let header = [0xa1b2_c3d4u32, 4 << 16 | 2, 0, 0, 65535, 101].map(u32::to_le_bytes).concat();
    let record = [[0x60, 0, 0, 0x6a], [0; 4], length, length].concat();
    [header, record, packet].concat()
}

fn rollcall(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ROLLCALL_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).env("COLUMNS", "100").env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command
}

/// Exit code, stdout, stderr.
fn outcome(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// `run` looks at nothing else before it knows that it may load programs.
fn as_root() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test starts the daemon, or gives a directory away: run it as root"
    );
}

struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Scratch {
        Scratch(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn help_says_what_it_said() {
    for (name, arguments) in [
        ("rollcall", vec!["--help"]),
        ("run", vec!["run", "--help"]),
        ("replay", vec!["replay", "--help"]),
        ("tune", vec!["tune", "--help"]),
        ("check", vec!["check", "--help"]),
        ("routes", vec!["routes", "--help"]),
        ("top", vec!["top", "--help"]),
        ("alerts", vec!["alerts", "--help"]),
        ("allow", vec!["allow", "--help"]),
        ("allowed", vec!["allowed", "--help"]),
        ("revoke", vec!["revoke", "--help"]),
    ] {
        let path = PathBuf::from(format!("{}/tests/help/{name}.txt", env!("CARGO_MANIFEST_DIR")));
        let (code, stdout, _) = outcome(&mut rollcall(&arguments));
        assert_eq!(code, 0);
        if std::env::var_os("ROLLCALL_BLESS").is_some() {
            fs::write(&path, &stdout).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap();
        assert_eq!(stdout, expected, "ROLLCALL_BLESS=1 cargo test writes {} anew", path.display());
    }
}

#[test]
fn version_names_the_package() {
    let (code, stdout, stderr) = outcome(&mut rollcall(&["version"]));
    assert!(stdout.starts_with(concat!("rollcall ", env!("CARGO_PKG_VERSION"), " (")), "{stdout}");
    assert_eq!((code, stderr.as_str()), (0, ""));
}

#[test]
fn usage_errors_are_claps_own() {
    for (arguments, message) in [
        (vec!["run", "--prot", "80"], "unexpected argument '--prot' found"),
        (vec!["run", "--limit", "20"], "limit \"20\" is not N/WINDOW, like 30/60s or 100/1h"),
        (vec!["run", "--limit", "0/10s"], "\"0\" is not a number of objects from 1 to 4294967295"),
        (
            vec!["run", "--service", "a.example"],
            "service \"a.example\" is not HOST:PORT, like shop.example.com:8080",
        ),
        (vec!["run", "--port", "0"], "0 is not in 1..=65535"),
        (vec!["run", "--port", "80,x"], "invalid value 'x' for '--port <PORT>'"),
        (vec!["run", "--sample", "0"], "must be greater than 0 and at most 1"),
        (vec!["run", "--ring-size", "100000"], "must be a power of two"),
        (vec!["run", "--head-cap", "128KiB"], "must be between 512 and 64KiB"),
        (vec!["run", "--trusted-proxy", "10.0.0.0/40"], "not a network: \"10.0.0.0/40\""),
        (vec!["run", "--web.listen-address", "9847"], "expected ADDRESS:PORT"),
        (vec!["run", "--web.telemetry-path", "/healthz"], "that path answers something else"),
        (vec!["run", "--log.level", "loud"], "possible values: error, warn, info, debug, trace"),
        (vec!["replay"], "<FILE>..."),
        (vec!["replay", "x.log", "--format", "csv"], "possible values: pcap, combined, tsv, json"),
        (vec!["tune"], "<FILE>..."),
        (vec!["tune", "x.log", "--margin", "-1"], "unexpected argument '-1' found"),
        (vec!["tune", "x.log", "--margin", "x"], "invalid value 'x' for '--margin <PERCENT>'"),
        (vec!["tune", "x.log", "--alert.file", "-"], "unexpected argument '--alert.file' found"),
        (vec!["replay", "x.pcap", "--sample", "1"], "unexpected argument '--sample' found"),
        (vec![], "Usage: rollcall <COMMAND>"),
    ] {
        let (code, stdout, stderr) = outcome(&mut rollcall(&arguments));
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
    }
}

/// Runs `replay` and `run` with these flags, which neither goes on with: the one message that both give.
fn refusal(scratch: &Scratch, flags: &[&str], expected: i32) -> String {
    let capture = scratch.file("a.pcap", &capture());
    let state = scratch.path("state");
    let run = ["run", "--state-dir", &state, "--web.listen-address", "127.0.0.1:0"];
    let [replayed, ran] = [&["replay", &capture][..], &run].map(|verb| {
        let (code, stdout, stderr) = outcome(&mut rollcall(&[verb, flags].concat()));
        assert_eq!((code, stdout.as_str()), (expected, ""), "{flags:?}: {stderr}");
        // What comes behind it is clap's hint.
        let message = stderr.strip_suffix("\n\nFor more information, try '--help'.\n").unwrap_or(&stderr);
        assert_eq!(message.trim_end().lines().count(), 1, "{flags:?}: {stderr}");
        message.trim_end().to_owned()
    });
    assert_eq!(replayed, ran);
    replayed
}

#[test]
fn flags_of_attribution_that_mean_nothing_are_one_clear_line() {
    let scratch = Scratch::new();
    for (flags, message) in [
        (
            &["--limit", "shop.example:80=5/10s"][..],
            "rollcall: there is no service \"shop.example:80\": services with a name have to be told of; see --service in --help",
        ),
        (
            &["--service", "a.example:80", "--route", ":80 GET /v1/{x}"],
            "rollcall: there is no service \":80\" among a.example:80; see --service in --help",
        ),
        (
            &["--route", "v1"],
            "rollcall: route \"v1\": the path must begin with /, like GET /v1/customers/{account}; see --route in --help",
        ),
        (
            &["--route", "GET /ok", "--route", "/a/{x"],
            "rollcall: route \"/a/{x\": the braces in segment \"{x\" don't match; see --route in --help",
        ),
        (
            &["--route", "/a/**/b"],
            "rollcall: route \"/a/**/b\": ** stands for all that follows, so it must be the last segment; \
             see --route in --help",
        ),
        (
            &["--trusted-proxy", "10.0.0.0/8,10.0.0.0/40"],
            "error: invalid value '10.0.0.0/40' for '--trusted-proxy <CIDR>': not a network: \"10.0.0.0/40\" (write an \
             address or a prefix, like 10.0.0.0/8 or 2001:db8::1)",
        ),
        (
            &["--forwarded-header", "x-client-ip"],
            "error: invalid value 'x-client-ip' for '--forwarded-header <NAME>': no header that proxies forward addresses \
             in: \"x-client-ip\" (x-forwarded-for, forwarded or x-real-ip)",
        ),
        (
            &["--client-from", "token"],
            "error: invalid value 'token' for '--client-from <SOURCE>': no source of credentials: \"token\" (authorization, \
             api-key, session, jwt:CLAIM, header:NAME, query:NAME or cookie:NAME)",
        ),
        (
            &["--client-from", "header:X Y"],
            "error: invalid value 'header:X Y' for '--client-from <SOURCE>': source \"header:X Y\": ' ' can't be part of a \
             header field's or cookie's name",
        ),
        (
            &["--client-from", "cookie:"],
            "error: invalid value 'cookie:' for '--client-from <SOURCE>': source \"cookie:\" has no name behind the colon",
        ),
        (
            &["--client-from", "jwt:a,jwt:b,jwt:c"],
            "rollcall: more than 2 claims of tokens; choose those that name people; see --client-from in --help",
        ),
        (
            &["--object-param", "a=b"],
            "error: invalid value 'a=b' for '--object-param <NAME>': not the name of a parameter: \"a=b\" (write a name \
             like customer_no, or !NAME to leave one out; at most 64 characters)",
        ),
        (
            &["--object-param", "!"],
            "error: invalid value '!' for '--object-param <NAME>': not the name of a parameter: \"!\" (write a name like \
             customer_no, or !NAME to leave one out; at most 64 characters)",
        ),
        (
            &["--client-prefix", "33,64"],
            "error: invalid value '33,64' for '--client-prefix <BITS,BITS>': expected two numbers of bits such as 24,64: 1 \
             to 32 and 1 to 128",
        ),
        (
            &["--client-prefix", "24"],
            "error: invalid value '24' for '--client-prefix <BITS,BITS>': expected two numbers of bits such as 24,64: 1 to \
             32 and 1 to 128",
        ),
        (&["--max-routes", "1"], "error: invalid value '1' for '--max-routes <N>': 1 is not in 16..=100000"),
    ] {
        assert_eq!(refusal(&scratch, flags, 2), message);
    }
}

#[test]
fn a_file_of_routes_that_is_wrong_is_named_with_its_line() {
    let scratch = Scratch::new();
    let missing = scratch.path("missing");
    let query = scratch.file("query", b"# routes\n\nGET /a/{id}\n  GET /b?x={id}\n");
    let binary = scratch.file("binary", b"GET /a\n\xff\xfe\n");
    for (file, message) in [
        (&missing, format!("rollcall: read routes {missing}: No such file or directory (os error 2)")),
        (
            &query,
            format!(
                "rollcall: routes {query}:4: route \"GET /b?x={{id}}\": a template is a path; leave out what begins \
                 with '?' (see --object-param for parameters)"
            ),
        ),
        (&binary, format!("rollcall: read routes {binary}: stream did not contain valid UTF-8")),
    ] {
        let expected = format!("{message}; correct the file, or leave it out");
        assert_eq!(refusal(&scratch, &["--route", "/ok", "--route", &format!("@{file}")], 10), expected);
    }
}

#[test]
fn an_openapi_document_that_is_wrong_is_named_with_its_line() {
    let scratch = Scratch::new();
    for (name, content, message) in [
        ("unclosed.yaml", &b"openapi: 3.0.0\npaths:\n  /a: {get: {}\n"[..], "3: unclosed bracket '{'"),
        ("tab.yaml", b"openapi: 3.0.0\npaths:\n\t/a: {}\n", "3: "),
        ("cut.json", b"{\"openapi\":\"3.0.0\",\n\"paths\":{", "2: "),
        ("swagger.yaml", b"swagger: \"2.0\"\npaths: {}\n", "1: is Swagger 2.0; convert it to OpenAPI 3"),
        (
            "future.yaml",
            b"openapi: 4.0.0\npaths: {}\n",
            "1: is OpenAPI \"4.0.0\"; versions 3.0, 3.1 and 3.2 can be read",
        ),
        (
            "braces.yaml",
            b"openapi: 3.0.0\npaths:\n  /a/{x: {get: {}}\n",
            "3: path \"/a/{x\" has unbalanced braces",
        ),
        ("text.yaml", b"hello", "1: the document is not a mapping"),
        ("empty.yaml", b"", "1: the document is empty"),
        ("binary.yaml", b"\xff\xfe\x00", "1: not UTF-8 text"),
    ] {
        let file = scratch.file(name, content);
        let found = refusal(&scratch, &["--openapi", &file], 10);
        let start = format!("rollcall: openapi document {file}:{message}");
        assert!(found.starts_with(&start), "{found}");
        assert!(found.ends_with("; correct the file, or leave it out"), "{found}");
    }
    let missing = scratch.path("missing.yaml");
    assert_eq!(
        refusal(&scratch, &["--openapi", &missing], 10),
        format!(
            "rollcall: read openapi document {missing}: No such file or directory (os error 2); correct the file, or \
             leave it out"
        )
    );
}

#[test]
fn a_rule_in_vain_is_warned_about_and_no_more() {
    let scratch = Scratch::new();
    let file = scratch.file("a.pcap", &capture());
    let touching = scratch
        .file("touching.yaml", b"openapi: 3.0.0\npaths:\n  /a/{x}{y}: {get: {}}\n  /b/{x}: {get: {}}\n");
    let nothing = scratch.file("nothing.yaml", b"openapi: 3.0.0\npaths: {}\n");
    for (flags, warnings) in [
        (&["--route", "GET /v1/{x}"][..], &[][..]),
        (
            &["--route", "/v1/{x},/v1/{y}"],
            &["\"/v1/{x}\" takes the same paths and comes before it route=\"/v1/{y}\""],
        ),
        (
            &["--route", "/a/../b", "--route", "CONNECT /x"],
            &[
                "paths are looked at without dot segments, ;parameters and encoded slashes route=\"/a/../b\"",
                "the target of CONNECT is no path route=\"CONNECT /x\"",
            ],
        ),
        (
            &["--openapi", &touching],
            &[
                "left out: route \"GET /a/{x}{y}\": two parameters touch in segment \"{x}{y}\": nothing tells where the \
               first ends document=",
            ],
        ),
        (&["--openapi", &nothing], &["this document describes no operation document="]),
    ] {
        let (code, _, stderr) = outcome(&mut rollcall(&[&["replay", &file], flags].concat()));
        assert_eq!(code, 0, "{stderr}");
        let mut lines: Vec<&str> = stderr.lines().collect();
        let summary = lines.pop().unwrap();
        assert!(summary.starts_with("rollcall: 1 packets, "), "{stderr}");
        assert_eq!(lines.len(), warnings.len(), "{stderr}");
        for (line, warning) in lines.iter().zip(warnings) {
            assert!(line.contains("WARN") && line.contains(warning), "{line}");
        }
    }
}

#[test]
fn the_environment_sets_flags() {
    let (code, _, stderr) = outcome(rollcall(&["run"]).env("ROLLCALL_LIMIT", "20/10s,x"));
    assert_eq!(code, 2);
    assert!(stderr.contains("invalid value 'x' for '--limit <[ROUTE=]N/WINDOW>'"), "{stderr}");
}

#[test]
fn replay_reports_what_it_read() {
    let scratch = Scratch::new();
    let file = scratch.file("a.pcap", &capture());
    let (code, _, stderr) = outcome(&mut rollcall(&["replay", &file]));
    assert_eq!(code, 0);
    assert!(stderr.starts_with("rollcall: 1 packets, 1 segments of 1 connections, "), "{stderr}");
}

#[test]
fn replay_reads_stdin() {
    let mut child = rollcall(&["replay", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&capture()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stderr).unwrap().contains("1 packets"));
}

#[test]
fn recordings_that_cannot_be_read() {
    let scratch = Scratch::new();
    let missing = scratch.path("missing.pcap");
    let directory = scratch.0.path().to_str().unwrap();
    let empty = scratch.file("empty.pcap", b"");
    let foreign = scratch.file("access.log", b"127.0.0.1 - - [01/Jan/2026] \"GET / HTTP/1.1\"");
    for (file, message) in [
        (
            missing.as_str(),
            format!(
                "rollcall: read {missing}: No such file or directory (os error 2); \
                 check the path and its permissions\n"
            ),
        ),
        (
            directory,
            format!(
                "rollcall: read {directory}: Is a directory (os error 21); \
                 check the path and its permissions\n"
            ),
        ),
        (
            &empty,
            format!(
                "rollcall: {empty} is empty; give a capture, or an access log in a format that --format names\n"
            ),
        ),
        (
            &foreign,
            format!(
                "rollcall: {foreign} is neither a capture nor an access log: it starts with text; \
                 give a capture, or an access log in a format that --format names\n"
            ),
        ),
    ] {
        let (code, _, stderr) = outcome(&mut rollcall(&["replay", file]));
        assert_eq!(code, 7, "{stderr}");
        assert_eq!(stderr, message);
    }
    let (code, _, stderr) = outcome(&mut rollcall(&["replay", "--format", "pcap", &foreign]));
    assert_eq!(
        (code, stderr),
        (
            7,
            format!(
                "rollcall: {foreign} is not a pcap or pcapng capture: it starts with text; \
                 give a file that tcpdump -w or Wireshark has written\n"
            )
        )
    );
    let (code, _, stderr) = outcome(&mut rollcall(&["replay", "--format", "json", &foreign]));
    assert_eq!(code, 7);
    let message = format!(
        "rollcall: access log {foreign} has no line that can be read as json, of 1; most are skipped for: another \
         format; give the right --format, or leave it out\n"
    );
    assert!(stderr.ends_with(&message), "{stderr}");
    let columns = scratch.file("columns.tsv", b"client_ip\ttime\n192.0.2.7\t1784000000\n");
    let (code, _, stderr) = outcome(&mut rollcall(&["tune", "--format", "tsv", &columns]));
    assert_eq!(
        (code, stderr),
        (
            7,
            format!(
                "rollcall: access log {columns} names no column for the target (such as target, uri, url or path) in \
                 its first line; name the columns in the first line\n"
            )
        )
    );
}

/// One call of a log that is written in several formats.
struct Logged {
    second: u64,
    client: String,
    target: String,
    status: u16,
}

/// An hour of 40 people who look at an account of theirs every minute, and one who walks through 100 accounts in between.
fn history() -> Vec<Logged> {
    let mut calls = Vec::new();
    for minute in 0..60 {
        for person in 0..40 {
            let (client, account) = (format!("192.0.2.{person}"), 7_919 * (person + 1) + minute % 2);
            let target = format!("/v1/customers/{account}");
            calls.push(Logged { second: minute * 60 + person, client, target, status: 200 });
        }
    }
    for n in 0..100 {
        let target = format!("/v1/customers/{}", 100 + n);
        calls.push(Logged { second: 1800 + n / 5, client: "198.51.100.7".into(), target, status: 200 });
    }
    // As servers write them: nearly in order.
    calls.sort_by_key(|call| (call.second / 3, call.client.clone()));
    calls
}

fn combined(calls: &[Logged]) -> String {
    let line = |Logged { second, client, target, status }: &Logged| {
        let (minute, second) = (second / 60, second % 60);
        format!(
            "{client} - - [14/Jul/2026:03:{minute:02}:{second:02} +0000] \"GET {target} HTTP/1.1\" {status} 512 \"-\" \"curl/8\"\n"
        )
    };
    calls.iter().map(line).collect()
}

fn tsv(calls: &[Logged]) -> String {
    let line = |Logged { second, client, target, status }: &Logged| {
        format!("{}\t{client}\tGET\t{target}\t{status}\t512\tcurl/8\n", 1_783_998_000 + second)
    };
    let header = "time\tclient_ip\tmethod\turl\tstatus\tbytes\tuseragent\n";
    header.chars().chain(calls.iter().flat_map(|call| line(call).chars().collect::<Vec<_>>())).collect()
}

fn json(calls: &[Logged]) -> String {
    let line = |Logged { second, client, target, status }: &Logged| {
        format!(
            "{{\"ts\":{}.0,\"request\":{{\"remote_ip\":\"{client}\",\"method\":\"GET\",\"uri\":\"{target}\",\
             \"headers\":{{\"User-Agent\":[\"curl/8\"]}}}},\"size\":512,\"status\":{status}}}\n",
            1_783_998_000 + second
        )
    };
    calls.iter().map(line).collect()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

/// What `replay` prints on stdout for a log that it reads without complaint.
fn alerts(file: &str) -> String {
    let (code, stdout, stderr) = outcome(&mut rollcall(&["replay", file]));
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stderr.starts_with("rollcall: 2500 lines, 2500 calls in 59.6 minutes from 2026-07-14T03:00:00Z to "),
        "{stderr}"
    );
    stdout
}

#[test]
fn an_attack_in_an_access_log_is_found_whatever_the_format() {
    let scratch = Scratch::new();
    let calls = history();
    let expected = alerts(&scratch.file("access.log", combined(&calls).as_bytes()));
    let open: Vec<&str> = expected
        .lines()
        .filter(|line| line.contains("\"state\":\"open\"") && line.contains("\"rule\":\"distinct-objects\""))
        .collect();
    assert_eq!(open.len(), 1, "{expected}");
    assert!(
        open[0].contains("\"id\":\"198.51.100.7\"") && open[0].contains("GET /v1/customers/{id}"),
        "{}",
        open[0]
    );
    assert!(open[0].contains("\"at\":\"2026-07-14T03:30:0"), "{}", open[0]);
    for (name, content) in [
        ("access.log.gz", gzip(&combined(&calls))),
        ("access.tsv", tsv(&calls).into_bytes()),
        ("access.json", json(&calls).into_bytes()),
        ("access.json.gz", gzip(&json(&calls))),
    ] {
        assert_eq!(alerts(&scratch.file(name, &content)), expected, "{name}");
    }
}

#[test]
fn replaying_a_log_twice_gives_the_same_bytes() {
    let scratch = Scratch::new();
    let file = scratch.file("access.log", combined(&history()).as_bytes());
    let run = || outcome(&mut rollcall(&["replay", "--exchange-log", "-", "--alert.file", "-", &file]));
    assert_eq!(run(), run());
}

#[test]
fn an_access_log_may_come_through_a_pipe() {
    let scratch = Scratch::new();
    let calls = history();
    let file = scratch.file("access.log", combined(&calls).as_bytes());
    for content in [combined(&calls).into_bytes(), gzip(&combined(&calls))] {
        let mut child = rollcall(&["replay", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(&content).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), alerts(&file));
    }
}

#[test]
fn rotated_logs_are_read_in_the_order_of_time() {
    let scratch = Scratch::new();
    let calls = history();
    let (older, newer) = calls.split_at(1_300);
    let newer = scratch.file("access.log", combined(newer).as_bytes());
    let older = scratch.file("access.log.1.gz", &gzip(&combined(older)));
    let (code, stdout, stderr) = outcome(&mut rollcall(&["replay", &newer, &older]));
    assert_eq!(code, 0);
    assert!(!stderr.contains("stood behind"), "{stderr}");
    assert_eq!(stdout, alerts(&scratch.file("whole.log", combined(&calls).as_bytes())));
}

#[test]
fn the_exchange_log_can_be_replayed() {
    let scratch = Scratch::new();
    let file = scratch.file("access.log", combined(&history()).as_bytes());
    let log = scratch.path("exchanges");
    let (code, first, _) = outcome(&mut rollcall(&["replay", &file, "--exchange-log", &log]));
    assert_eq!(code, 0);
    let again = scratch.path("again");
    let (code, second, stderr) = outcome(&mut rollcall(&["replay", &log, "--exchange-log", &again]));
    assert_eq!((code, second), (0, first), "{stderr}");
    assert_eq!(fs::read(&log).unwrap(), fs::read(&again).unwrap());
}

#[test]
fn a_packed_log_that_breaks_off_is_evaluated_as_far_as_it_goes() {
    let scratch = Scratch::new();
    let mut packed = gzip(&combined(&history()));
    packed.truncate(packed.len() - 500);
    let file = scratch.file("access.log.gz", &packed);
    for verb in ["replay", "tune"] {
        let (code, stdout, stderr) = outcome(&mut rollcall(&[verb, &file]));
        assert_eq!(code, 7, "{stderr}");
        assert!(stdout.contains("198.51.100.7"), "{stdout}");
        let [summary, error] = stderr.lines().collect::<Vec<_>>()[..] else { panic!("{stderr}") };
        let lines = summary.strip_prefix("rollcall: ").and_then(|rest| rest.split(' ').next()).unwrap();
        assert_eq!(
            error,
            format!(
                "rollcall: access log {file} breaks off after line {lines}: the compressed data ends early; everything \
                 before was evaluated; copy the file again if it should be longer"
            )
        );
    }
}

#[test]
fn lines_that_are_no_calls_are_summed_up() {
    let scratch = Scratch::new();
    let good = &combined(&history())[..];
    let long = "x".repeat(100_000);
    let tls = "192.0.2.7 - - [14/Jul/2026:03:59:00 +0000] \"\\x16\\x03\\x01\" 400 0 \"-\" \"-\"";
    let file = scratch.file("access.log", format!("{good}{long}\n{tls}\n\n# nothing\n").as_bytes());
    let (code, _, stderr) = outcome(&mut rollcall(&["replay", &file]));
    assert_eq!(code, 0);
    assert!(
        stderr.ends_with("; unread 3: 1 another format, 1 longer than 64 KiB, 1 no HTTP request\n"),
        "{stderr}"
    );
}

#[test]
fn tune_suggests_limits_that_stay_silent() {
    let scratch = Scratch::new();
    let calls = history();
    let file = scratch.file("access.log", combined(&calls).as_bytes());
    let (code, stdout, stderr) = outcome(&mut rollcall(&["tune", &file]));
    assert_eq!(code, 0, "{stderr}");
    for expected in [
        "GET /v1/customers/{id}\n",
        "The limits in force would have raised 1 alerts:\n  1 on GET /v1/customers/{id}, about peer:198.51.100.7\n",
        "  accounts by objects; limits: learning, from 0 clients of earlier days\n",
        "Silent with a margin of 50 %:\n\n    --limit 'GET /v1/customers/{id}=80/10s' \\\n",
        "This rests on 1.0 hours.",
        "Less than a whole window was seen of: 1h, 1d.",
    ] {
        assert!(stdout.contains(expected), "{expected}\n{stdout}");
    }
    let again = outcome(&mut rollcall(&["tune", &file]));
    assert_eq!(again, (code, stdout, stderr));

    let (code, stdout, _) = outcome(&mut rollcall(&["tune", "--output", "json", "--margin", "0", &file]));
    assert_eq!(code, 0);
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["routes"][0]["windows"][1]["peak"], 100);
    assert_eq!(report["routes"][0]["windows"][1]["client"], "peer:198.51.100.7");
    // What is suggested is what can be pasted, and it keeps silent.
    let flags = report["flags"].as_array().unwrap().iter().map(|flag| flag.as_str().unwrap());
    let flags: Vec<&str> =
        flags.flat_map(|flag| flag.splitn(2, ' ')).map(|part| part.trim_matches('\'')).collect();
    let (code, stdout, stderr) = outcome(&mut rollcall(&[&["replay", &file], &flags[..]].concat()));
    assert_eq!(code, 0, "{stderr}");
    assert!(!stdout.contains("\"rule\":\"distinct-objects\""), "{stdout}");
}

/// Eight clients who look at as many pictures each, on a route that doesn't tell what they are.
#[test]
fn tune_says_what_the_operator_would_be_asked() {
    let scratch = Scratch::new();
    let line = |n: usize| {
        let (client, second) = (n % 8, n / 8);
        format!(
            "198.51.100.{client} - - [14/Jul/2026:03:5{}:{:02} +0000] \"GET /v1/views/x/{} HTTP/1.1\" 200 4000 \"-\" \"-\"\n",
            second / 60,
            second % 60,
            n * 7_919 % 100_003
        )
    };
    let file = scratch.file("access.log", (0..400).map(line).collect::<String>().as_bytes());
    let (code, stdout, stderr) = outcome(&mut rollcall(&["tune", &file]));
    assert_eq!(code, 0, "{stderr}");
    let asked = "Where that is content and no accounts:\n    --content 'GET /v1/views/x/{id}'\n";
    assert!(stdout.contains(asked), "{stdout}");
    let (code, stdout, stderr) =
        outcome(&mut rollcall(&["tune", "--content", "GET /v1/views/x/{id}", &file]));
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.starts_with("None of 400 calls touched an account"), "{stdout}");
}

#[test]
fn tune_says_when_there_is_nothing_to_tune() {
    let scratch = Scratch::new();
    let line = "192.0.2.7 - - [14/Jul/2026:03:59:00 +0000] \"GET /about HTTP/1.1\" 200 0 \"-\" \"-\"\n";
    let file = scratch.file("access.log", line.as_bytes());
    let (code, stdout, _) = outcome(&mut rollcall(&["tune", &file]));
    assert_eq!(code, 0);
    assert!(
        stdout.starts_with("None of 1 calls touched an account: no limit could have been passed.\n"),
        "{stdout}"
    );
}

/// The recorded logs, or `None`, said aloud, where they are not at hand.
fn recorded_logs() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("ROLLCALL_SHARED").map_or_else(beside, PathBuf::from).join("data/logs");
    if folder.is_dir() {
        return Some(folder);
    }
    // Written past the test runner, which keeps back what a passing test prints.
    let _ = writeln!(
        std::io::stderr(),
        "NOTICE: there are no recorded logs in {}: set ROLLCALL_SHARED to the directory that has data/logs; only \
         generated logs are replayed",
        folder.display()
    );
    None
}

#[test]
fn recorded_logs_are_read_to_the_last_line_and_raise_no_alert() {
    let Some(folder) = recorded_logs() else { return };
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let (code, _, stderr) = outcome(&mut rollcall(&["replay", path.to_str().unwrap()]));
        assert_eq!(code, 0, "{stderr}");
        assert!(
            stderr.contains(", 0 alerts, ") && !stderr.contains("unread"),
            "{}: {stderr}",
            path.display()
        );
        let (code, stdout, stderr) = outcome(&mut rollcall(&["tune", path.to_str().unwrap()]));
        assert_eq!(code, 0, "{stderr}");
        assert!(stdout.contains("The limits in force would have raised no alert.\n"), "{stdout}");
    }
}

#[test]
fn a_capture_that_breaks_off_is_evaluated_as_far_as_it_goes() {
    let scratch = Scratch::new();
    let mut bytes = capture();
    let whole = bytes.len();
    bytes.extend_from_slice(&capture()[24..whole - 1]);
    let broken = scratch.file("broken.pcap", &bytes);
    let good = scratch.file("good.pcap", &capture());
    let (code, _, stderr) = outcome(&mut rollcall(&["replay", &broken, &good]));
    assert_eq!(code, 7);
    assert!(stderr.contains("rollcall: 2 packets, 2 segments of 1 connections, "), "{stderr}");
    let message = format!(
        "rollcall: capture {broken} breaks off within packet 2, which starts at byte {whole}; \
         everything before was evaluated; copy the file again if it should be longer\n"
    );
    assert!(stderr.ends_with(&message), "{stderr}");
}

#[test]
fn logs_that_cannot_be_opened() {
    let scratch = Scratch::new();
    let file = scratch.file("a.pcap", &capture());
    for flag in ["--exchange-log", "--alert.file"] {
        let (code, _, stderr) = outcome(&mut rollcall(&["replay", &file, flag, "/nonexistent/log"]));
        assert_eq!(code, 8);
        assert_eq!(
            stderr,
            "rollcall: open log /nonexistent/log: No such file or directory (os error 2); \
             check the directory and its permissions, or choose another file\n"
        );
    }
}

#[test]
fn a_full_disk_under_the_exchange_log() {
    let scratch = Scratch::new();
    let file = scratch.file("a.pcap", &capture());
    let (code, _, stderr) = outcome(&mut rollcall(&["replay", &file, "--exchange-log", "/dev/full"]));
    assert_eq!(code, 8);
    let message = "rollcall: log /dev/full lost 1 line(s): No space left on device (os error 28); \
                   make room or choose another file; every other line was written\n";
    assert!(stderr.ends_with(message), "{stderr}");
    assert_eq!(stderr.lines().count(), 2, "the summary and one line: {stderr}");
}

#[test]
fn an_address_in_use() {
    as_root();
    let scratch = Scratch::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let state = scratch.path("state");
    let (code, _, stderr) =
        outcome(&mut rollcall(&["run", "--web.listen-address", &address, "--state-dir", &state]));
    assert_eq!(code, 6);
    assert_eq!(
        stderr,
        format!(
            "rollcall: listen on {address}: Address already in use (os error 98); \
             stop what listens there, or choose another --web.listen-address\n"
        )
    );
}

#[test]
fn a_state_directory_of_another_user() {
    as_root();
    let scratch = Scratch::new();
    let state = scratch.path("state");
    fs::create_dir(&state).unwrap();
    chown(&state, Some(4711), None).unwrap();
    let (code, _, stderr) = outcome(&mut rollcall(&["run", "--state-dir", &state]));
    assert_eq!(code, 9);
    assert_eq!(
        stderr,
        format!(
            "rollcall: use {state}: it belongs to user 4711, and this is user 0; \
             chown {state} if it is meant to be this user's, or choose another --state-dir\n"
        )
    );
}

#[test]
fn a_state_directory_that_others_may_read() {
    as_root();
    let scratch = Scratch::new();
    let state = scratch.path("state");
    let run =
        || outcome(&mut rollcall(&["run", "--state-dir", &state, "--web.listen-address", "192.0.2.1:1"]));
    let open_to_others = |path: &str, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    assert_eq!(run().0, 6, "a directory that it makes itself is in order");
    open_to_others(&state, 0o755);
    let message = format!("rollcall: use {state}: others may read it (mode 755); chmod go-rwx {state}\n");
    assert_eq!(run(), (9, String::new(), message));
    open_to_others(&state, 0o700);
    let ledger = format!("{state}/ledger.db");
    fs::write(&ledger, "").unwrap();
    open_to_others(&ledger, 0o666);
    let message =
        format!("rollcall: use {ledger}: others may write to it (mode 666); chmod go-rwx {ledger}\n");
    assert_eq!(run(), (9, String::new(), message));
    open_to_others(&ledger, 0o600);
    assert_eq!(run().0, 6);
}

#[test]
fn a_corrupt_key() {
    as_root();
    let scratch = Scratch::new();
    let state = scratch.path("state");
    let run =
        || outcome(&mut rollcall(&["run", "--state-dir", &state, "--web.listen-address", "192.0.2.1:1"]));
    assert_eq!(run().0, 6, "makes the key, and can't listen on an address of somebody else");
    let key = Path::new(&state).join("key");
    assert_eq!(fs::read(&key).unwrap().len(), 33);
    fs::write(&key, "x").unwrap();
    let (code, _, stderr) = run();
    assert_eq!(code, 9);
    assert!(
        stderr.contains("does not hold 32 hexadecimal digits; restore it from a backup, or remove "),
        "{stderr}"
    );
}

#[test]
fn sinks_that_cannot_be_set_up_are_one_clear_line_without_their_secrets() {
    let scratch = Scratch::new();
    let (missing, empty) = (scratch.path("missing"), scratch.file("empty", b"\n"));
    let file = scratch.file("url", b"https://hooks.example/geheim\n");
    let (at_missing, at_file) = (format!("@{missing}"), format!("slack=@{file}"));
    let twice = "https://hooks.example/geheim";
    for (flags, code, message) in [
        (
            vec!["--alert.webhook", "ftp://hooks.example/geheim"],
            2,
            "use URL number 1 of --alert.webhook: it does not begin with http:// or https://; \
             give http://HOST[:PORT]/… or https://…"
                .to_owned(),
        ),
        (
            vec!["--alert.webhook", "https://hooks.example/a,teams=https://hooks.example/geheim"],
            2,
            "use URL number 2 of --alert.webhook: it is no URL; give http://HOST[:PORT]/… or https://…"
                .to_owned(),
        ),
        (
            vec!["--alert.alertmanager", "127.0.0.1:9093"],
            2,
            "use URL number 1 of --alert.alertmanager: it does not begin with http:// or https://; \
             give http://HOST[:PORT]/… or https://…"
                .to_owned(),
        ),
        (
            vec!["--alert.webhook", &at_file, "--alert.webhook", "slack=https://hooks.example/geheim"],
            2,
            "send alerts to webhook-2: it is the same as one before; give each URL once".to_owned(),
        ),
        (
            vec!["--alert.webhook", &at_missing],
            10,
            format!(
                "read {missing} of --alert.webhook: No such file or directory (os error 2); \
                 check the path and its permissions"
            ),
        ),
        (
            vec!["--alert.webhook", twice, "--alert.webhook-secret-file", &empty],
            10,
            format!("read {empty} of --alert.webhook-secret-file: it is empty; put a long random text in it"),
        ),
    ] {
        let state = scratch.path("state");
        let flags =
            [vec!["run", "--state-dir", &state, "--web.listen-address", "127.0.0.1:0"], flags].concat();
        let (exit, stdout, stderr) = outcome(&mut rollcall(&flags));
        assert_eq!((exit, stdout.as_str(), stderr), (code, "", format!("rollcall: {message}\n")));
    }
}

#[test]
fn check_answers_one_question_a_line() {
    let (code, stdout, _) = outcome(&mut rollcall(&["check"]));
    assert!([0, 3, 4].contains(&code), "{code}");
    assert!(stdout.lines().count() >= 6, "{stdout}");
    for line in stdout.lines() {
        assert!(["ok    ", "warn  ", "FAIL  "].iter().any(|grade| line.starts_with(grade)), "{line}");
    }
    let (code, stdout, _) = outcome(&mut rollcall(&["check", "--cgroup", "/proc"]));
    assert!([3, 4].contains(&code), "{code}");
    assert!(stdout.contains("FAIL  cgroup v2: /proc is no cgroup v2; "), "{stdout}");
}

#[test]
fn a_web_configuration_that_is_wrong_is_named_with_its_line() {
    let scratch = Scratch::new();
    let file = scratch.file("web.yml", b"tls_server_config:\n  cert_file: a.crt\n  min_versoin: TLS12\n");
    let (code, stdout, stderr) = outcome(&mut rollcall(&["run", "--web.config.file", &file]));
    assert_eq!((code, stdout.as_str()), (10, ""), "{stderr}");
    assert!(
        stderr.starts_with(&format!("rollcall: web configuration {file}:3: unknown field `min_versoin`")),
        "{stderr}"
    );
    assert!(stderr.ends_with("; docs/web.md has every field\n"), "{stderr}");
    let missing = scratch.path("missing.yml");
    let (code, _, stderr) = outcome(&mut rollcall(&["run", "--web.config.file", &missing]));
    let expected = format!(
        "rollcall: read web configuration {missing}: No such file or directory (os error 2); check the path and its \
         permissions\n"
    );
    assert_eq!((code, stderr), (10, expected));
}

#[test]
fn what_asks_a_daemon_says_why_it_can_not() {
    let scratch = Scratch::new();
    let password = scratch.path("password");
    for (arguments, code, message) in [
        (
            vec!["--url", "127.0.0.1:9847"],
            2,
            "rollcall: use --url: it does not begin with http:// or https://; give http",
        ),
        (vec!["--url", "http://a:b@127.0.0.1:1"], 2, "a password does not belong there; use --user"),
        (
            vec!["--url", "https://127.0.0.1:1"],
            10,
            "rollcall: https needs --ca-file, which says whose certificates",
        ),
        (vec!["--user", "alice"], 2, "--password-file <FILE>"),
        (vec!["--user", "alice", "--password-file", &password], 10, "No such file or directory"),
        (
            vec!["--web.listen-address", "127.0.0.1:1"],
            1,
            "rollcall: ask the daemon on 127.0.0.1:1: Connection refused",
        ),
    ] {
        let (exit, stdout, stderr) = outcome(&mut rollcall(&[&["routes"], &arguments[..]].concat()));
        assert_eq!((exit, stdout.as_str()), (code, ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
    }
    let (code, _, stderr) = outcome(&mut rollcall(&["top"]));
    assert_eq!(code, 1);
    assert!(stderr.starts_with("rollcall: top needs a terminal to draw in; "), "{stderr}");
}
