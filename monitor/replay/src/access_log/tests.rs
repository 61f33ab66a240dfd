use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use rollcall_attribute::client::{ClientKey, CredentialKind, Lenses};
use rollcall_model::hash::HashKey;

use super::*;
use crate::Input;

/// What a test compares of a call.
fn show(call: &Call) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let request = &call.request;
    let status = call.status.map_or("-".to_owned(), |status| status.to_string());
    let mut shown = format!(
        "{} {} {} {} {status} {}",
        call.at,
        call.endpoints.client.ip(),
        text(request.method()),
        text(request.target()),
        call.response_bytes
    );
    for header in &request.headers {
        shown += &format!(" | {}: {}", text(request.slice(&header.name)), text(request.slice(&header.value)));
    }
    shown
}

fn read(text: &[u8], format: FileFormat) -> (Vec<String>, Summary, Result<(), Error>) {
    let mut reader = Reader::new();
    let mut calls = Vec::new();
    let outcome = reader.read("test", text, format, |call| calls.push(show(call)));
    reader.finish(|call| calls.push(show(call)));
    let summary = reader.summary();
    assert_eq!(summary.lines, summary.calls + summary.unread.total(), "every line is accounted for");
    assert_eq!(summary.calls, calls.len() as u64);
    (calls, summary, outcome)
}

fn calls(text: &str, format: FileFormat) -> Vec<String> {
    let (calls, summary, outcome) = read(text.as_bytes(), format);
    outcome.unwrap();
    assert_eq!(summary.unread.total(), 0, "{text}");
    let told = recognise(text.as_bytes(), None);
    assert_eq!(told.format, Some(format), "{text}");
    assert!(told.first.is_some());
    calls
}

#[test]
fn the_combined_format_and_its_relatives() {
    for (line, expected) in [
        (
            r#"192.0.2.7 - ada [29/Feb/2024:10:05:04 +0130] "GET /a?b HTTP/1.1" 304 - "-" "curl/8.9.1""#,
            "2024-02-29T08:35:04.000000Z 192.0.2.7 GET /a?b 304 0 | User-Agent: curl/8.9.1 | Authorization: Basic YWRhOg==",
        ),
        (
            r#"2001:db8::7 - - [17/May/2015:10:05:03 +0000] "POST /x HTTP/2.0" 200 17"#,
            "2015-05-17T10:05:03.000000Z 2001:db8::7 POST /x 200 17",
        ),
        (
            r#"host.example - Ada [x] Lovelace [17/May/2015:10:05:03 +0000] "GET / HTTP/1.0" 200 17 "-" "-""#,
            "2015-05-17T10:05:03.000000Z 240.0.0.0 GET / 200 17 | Authorization: Basic QWRhIFt4XSBMb3ZlbGFjZTo=",
        ),
        (
            r#"api.example:443 192.0.2.7 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.0" 200 17 "-" "a \"b\" \\ \x41""#,
            "2015-05-17T10:05:03.000000Z 192.0.2.7 GET / 200 17 | Host: api.example:443 | User-Agent: a \"b\" \\ A",
        ),
        (
            r#"10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET /v1/%22 HTTP/1.1" 200 17 "-" "x" "192.0.2.7, 10.0.0.9""#,
            "2015-05-17T10:05:03.000000Z 10.0.0.1 GET /v1/%22 200 17 | User-Agent: x | X-Forwarded-For: 192.0.2.7, 10.0.0.9",
        ),
        (
            r#"10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET /v1/a b HTTP/1.1" 200 17 "-" "x" "-""#,
            "2015-05-17T10:05:03.000000Z 10.0.0.1 GET /v1/a b 200 17 | User-Agent: x",
        ),
        (
            r#"10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET /x HTTP/1.1" - - "-" "x" 0.003"#,
            "2015-05-17T10:05:03.000000Z 10.0.0.1 GET /x - 0 | User-Agent: x",
        ),
    ] {
        assert_eq!(calls(line, FileFormat::Combined), [expected], "{line}");
    }
}

#[test]
fn lines_that_are_no_calls_are_counted_by_reason() {
    let long =
        format!("192.0.2.7 - - [17/May/2015:10:05:03 +0000] \"GET /{} HTTP/1.1\" 200 1", "a".repeat(70_000));
    let text = [
        r#"192.0.2.7 - - [17/May/2015:10:05:03 +0000] "\x16\x03\x01\x02" 400 0 "-" "-""#,
        r#"192.0.2.7 - - [17/May/2015:10:05:03 +0000] "-" 408 0 "-" "-""#,
        "",
        "   ",
        "2015/05/17 10:05:03 [error] 1#1: *1 open() failed",
        r#"192.0.2.7 - - [99/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1"#,
        r#"- - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1"#,
        &long,
        r#"192.0.2.7 - - [17/May/2015:10:05:03 +0000] "GET /ok HTTP/1.1" 200 1"#,
    ]
    .join("\n");
    let (calls, summary, outcome) = read(text.as_bytes(), FileFormat::Combined);
    outcome.unwrap();
    assert_eq!(calls.len(), 1);
    let unread = Skipped { format: 2, too_long: 1, client: 1, time: 0, request: 2 };
    assert_eq!((summary.lines, summary.unread), (7, unread));
}

#[test]
fn columns_are_found_by_their_names() {
    let text = "host\tlogname\ttime\tmethod\turl\tresponse\tbytes\treferer\tuseragent\n\
                a.example\t-\t807256800\tGET\t/x\t200\t1713\t\t\n\
                192.0.2.7\t-\t807256801\tGET\t/y\t404\t\t\tcurl\n\
                b.example\t-\t807256802\tGET\t/z\t200\t1\t\t\n";
    assert_eq!(
        calls(text, FileFormat::Tsv),
        [
            "1995-08-01T06:00:00.000000Z 240.0.0.0 GET /x 200 1713",
            "1995-08-01T06:00:01.000000Z 192.0.2.7 GET /y 404 0 | User-Agent: curl",
            "1995-08-01T06:00:02.000000Z 240.0.0.1 GET /z 200 1",
        ]
    );
    let text = "timestamp\tclient_ip\thost\turi\tstatus\tuser\n\
                2026-07-14T03:33:20Z\t192.0.2.7\tapi.example\t/a\t200\tada\n";
    assert_eq!(
        calls(text, FileFormat::Tsv),
        [
            "2026-07-14T03:33:20.000000Z 192.0.2.7 GET /a 200 0 | Host: api.example | Authorization: Basic YWRhOg=="
        ]
    );
    for (header, what) in [("time\turl", "client"), ("host\turl", "time"), ("host\ttime", "target")] {
        let (_, _, outcome) = read(header.as_bytes(), FileFormat::Tsv);
        let message = outcome.unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("access log test names no column for the {what} (")),
            "{message}"
        );
    }
}

#[test]
fn the_json_of_usual_servers() {
    for (line, expected) in [
        // nginx, with a log_format of its documentation's variables.
        (
            r#"{"time_iso8601":"2026-07-14T05:33:20+02:00","msec":"1784000000.123","remote_addr":"192.0.2.7","remote_user":"","request_method":"GET","request_uri":"/v1/customers/17?x=\"","status":"200","body_bytes_sent":"512","http_user_agent":"curl/8.9.1","http_host":"api.example","http_x_forwarded_for":""}"#,
            "2026-07-14T03:33:20.123000Z 192.0.2.7 GET /v1/customers/17?x=\" 200 512 | Host: api.example | User-Agent: curl/8.9.1",
        ),
        (
            r#"{"time_local":"14/Jul/2026:03:33:20 +0000","remote_addr":"192.0.2.7","request":"GET /a?b HTTP/1.1","status":404}"#,
            "2026-07-14T03:33:20.000000Z 192.0.2.7 GET /a?b 404 0",
        ),
        (
            r#"{"time":"2026-07-14T03:33:20Z","remote_ip":"192.0.2.7","method":"GET","uri":"/a","args":"b=1","status":200,"bytes_sent":7}"#,
            "2026-07-14T03:33:20.000000Z 192.0.2.7 GET /a?b=1 200 7",
        ),
        // Caddy.
        (
            r#"{"level":"info","ts":1784000000.5,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"192.0.2.7","remote_port":"50000","client_ip":"192.0.2.9","proto":"HTTP/2.0","method":"GET","host":"api.example","uri":"/v1/customers/17","headers":{"User-Agent":["curl/8.9.1"],"Authorization":["REDACTED"],"X-Api-Key":["k1"]},"tls":{"version":772}},"bytes_read":0,"user_id":"","duration":0.000929675,"size":10900,"status":200,"resp_headers":{"Server":["Caddy"]}}"#,
            "2026-07-14T03:33:20.500000Z 192.0.2.9 GET /v1/customers/17 200 10900 | Host: api.example | User-Agent: curl/8.9.1 | X-Api-Key: k1",
        ),
        // Traefik.
        (
            r#"{"ClientAddr":"192.0.2.7:50000","ClientHost":"192.0.2.7","ClientPort":"50000","ClientUsername":"-","DownstreamContentSize":64,"DownstreamStatus":200,"Duration":1234,"OriginStatus":200,"RequestHost":"api.example","RequestMethod":"GET","RequestPath":"/a?b","RequestProtocol":"HTTP/1.1","StartLocal":"2026-07-14T05:33:20.1+02:00","StartUTC":"2026-07-14T03:33:20.1Z","level":"info","msg":"","request_User-Agent":"curl/8.9.1","time":"2026-07-14T03:33:21Z"}"#,
            "2026-07-14T03:33:20.100000Z 192.0.2.7 GET /a?b 200 64 | Host: api.example | User-Agent: curl/8.9.1",
        ),
        // Envoy's own, which names the peer in the forwarded address only.
        (
            r#"{"start_time":"2026-07-14T03:33:20.100Z","method":"GET","path":"/a?b","protocol":"HTTP/1.1","response_code":0,"bytes_received":3,"bytes_sent":64,"x_forwarded_for":"192.0.2.7, 192.0.2.8","user_agent":null,"authority":"api.example"}"#,
            "2026-07-14T03:33:20.100000Z 192.0.2.8 GET /a?b - 64 | Host: api.example | X-Forwarded-For: 192.0.2.7",
        ),
        (
            r#"{"at":"2026-07-14T03:33:20.123456Z","client_ip":"192.0.2.7","client_port":50000,"server_ip":"2001:db8::1","server_port":80,"method":"GET","target":"/v1/customers/17?q=\"\\xff","host":"api.example","version":"HTTP/1.1","status":200,"route":"GET /v1/customers/{id}","object":"17","request_bytes":56,"response_bytes":1234,"duration_us":2000,"truncated":false,"client":[{"kind":"peer","id":"192.0.2.7"}]}"#,
            "2026-07-14T03:33:20.123456Z 192.0.2.7 GET /v1/customers/17?q=\"\u{fffd} 200 1234 | Host: api.example",
        ),
    ] {
        assert_eq!(calls(line, FileFormat::Json), [expected], "{line}");
    }
}

#[test]
fn the_keys_of_rollcalls_own_log_count_again() {
    let line = r#"{"at":"2026-07-14T03:33:20.123456Z","client_ip":"10.0.0.1","method":"GET","target":"/a?api_key=x","status":200,"client":[{"kind":"forwarded","id":"192.0.2.7"},{"kind":"prefix","id":"192.0.2.0/24"},{"kind":"credential","id":"bearer:00013233343536373839616263646566"},{"kind":"no such","id":"x"}]}"#;
    let mut reader = Reader::new();
    let mut clients = Vec::new();
    let mut lenses = Lenses::new(Default::default(), HashKey::new([1; 16]));
    let mut each = |call: &Call| clients.push(lenses.recorded(&call.exchange(), &call.keys));
    reader.read("test", line.as_bytes(), FileFormat::Json, &mut each).unwrap();
    reader.finish(&mut each);
    let [clients] = &clients[..] else { panic!("{clients:?}") };
    let keys: Vec<String> = clients.keys().iter().map(ClientKey::to_string).collect();
    assert_eq!(
        keys,
        ["forwarded:192.0.2.7", "prefix:192.0.2.0/24", "credential:bearer:00013233343536373839616263646566"]
    );
    assert!(clients.authenticated);
    let ClientKey::Credential(credential) = clients.keys()[2] else { panic!() };
    assert_eq!(credential.kind, CredentialKind::Bearer);
}

#[test]
fn json_that_is_none_or_no_call_is_counted() {
    let text = [
        r#"{"ts":1784000000,"msg":"server running"}"#,
        r#"{"ts":1784000000,"remote_ip":"192.0.2.7","uri":"/a""#,
        r#"{"remote_ip":"192.0.2.7","uri":"/a"}"#,
        r#"{"ts":1784000000,"uri":"/a"}"#,
        "[1,2]",
        r#"{"ts":1784000000,"remote_ip":"192.0.2.7","uri":"/a"}"#,
    ]
    .join("\n");
    let (calls, summary, _) = read(text.as_bytes(), FileFormat::Json);
    assert_eq!(calls.len(), 1);
    assert_eq!(summary.unread, Skipped { format: 2, too_long: 0, client: 1, time: 1, request: 1 });
}

#[test]
fn a_log_in_another_format_is_an_error() {
    let (_, _, outcome) = read(b"a\nb\n", FileFormat::Json);
    assert_eq!(
        outcome.unwrap_err().to_string(),
        "access log test has no line that can be read as json, of 2; most are skipped for: another format"
    );
    assert!(read(b"\n\n", FileFormat::Json).2.is_ok());
    assert_eq!(recognise(b"hello\nworld\n", None), Told::default());
}

fn line(second: u64) -> String {
    format!("192.0.2.7 - - [17/May/2015:10:05:{second:02} +0000] \"GET /{second} HTTP/1.1\" 200 1\n")
}

fn pack(text: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

fn open(bytes: Vec<u8>) -> Result<Input, Error> {
    Input::from_reader("test", io::Cursor::new(bytes), None, None)
}

#[test]
fn gzip_is_unpacked_in_all_its_members() {
    let packed = [pack(&line(1)), pack(&line(2))].concat();
    let input = open(packed).unwrap();
    assert_eq!(input.format(), FileFormat::Combined);
    assert_eq!(input.first().unwrap().to_string(), "2015-05-17T10:05:01.000000Z");
    let mut text = String::new();
    io::Read::read_to_string(&mut input.into_reader(), &mut text).unwrap();
    assert_eq!(text, line(1) + &line(2));
}

#[test]
fn gzip_that_breaks_off_gives_what_could_be_read() {
    let text: String = (0..60).flat_map(|_| (0..60).map(line)).collect();
    let mut packed = pack(&text);
    packed.truncate(packed.len() - 200);
    let input = open(packed).unwrap();
    let mut reader = Reader::new();
    let format = input.format();
    let outcome = reader.read("test", input.into_reader(), format, |_| {});
    let calls = reader.summary().calls;
    assert!(calls > 1000, "{calls}");
    assert_eq!(
        outcome.unwrap_err().to_string(),
        format!("access log test breaks off after line {calls}: the compressed data ends early")
    );
}

#[test]
fn gzip_with_something_behind_it_is_damaged() {
    let input = open([pack(&line(1)), b"garbage, not gzip".to_vec()].concat()).unwrap();
    let mut reader = Reader::new();
    let outcome = reader.read("test", input.into_reader(), FileFormat::Combined, |_| {});
    assert_eq!(outcome.unwrap_err().to_string(), "access log test is damaged after line 1");
    assert_eq!(reader.summary().calls, 1);
}

#[test]
fn what_is_neither_capture_nor_log_is_said() {
    for (bytes, start) in [
        (&b"hello, world\n"[..], "text"),
        (b"\x00\x01\x02\x03\x04", "the bytes 00 01 02 03"),
        (b"\x28\xb5\x2f\xfd\x00", "zstd's mark; unpack it first"),
        (b"BZh91AY", "bzip2's mark; unpack it first"),
    ] {
        let message = open(bytes.to_vec()).unwrap_err().to_string();
        assert_eq!(message, format!("test is neither a capture nor an access log: it starts with {start}"));
    }
    assert!(matches!(open(Vec::new()), Err(Error::Empty { .. })));
    assert!(matches!(open(pack("")), Err(Error::Empty { .. })));
}

const FORMATS: [FileFormat; 3] = [FileFormat::Combined, FileFormat::Tsv, FileFormat::Json];

proptest! {
    #[test]
    fn no_bytes_panic(text: Vec<u8>) {
        for format in FORMATS {
            let _ = read(&text, format);
        }
        recognise(&text, None);
    }

    #[test]
    fn nothing_like_a_log_panics(
        lines in prop::collection::vec(
            prop_oneof![
                r#"[a0:. -]{0,12} - [a-]{0,3} ?\[17/May/2015:10:05:0[0-9] [+]0000\] "(GET )?[/a"\\x4 ]{0,12}"? [0-9-]{1,4}.{0,12}"#,
                r#"\{("(at|ts|uri|remote_ip|client|request|headers|kind|id)":([0-9]{1,12}|"[a-z0-9./:]{0,6}"|[\[{\]}]{1,8}),?){0,8}\}?"#,
                "host\ttime\turl(\tstatus)?",
                "[a-z.]{0,4}\t[0-9]{0,20}\t/?[a-z]{0,3}(\t.{0,3})?",
            ],
            0..8,
        ),
    ) {
        let text = lines.join("\n");
        for format in FORMATS {
            let _ = read(text.as_bytes(), format);
        }
        recognise(text.as_bytes(), None);
    }

    #[test]
    fn targets_come_through_the_combined_format(target in "/[ -~]{0,40}") {
        prop_assume!(!target.contains(" HTTP/") && !target.ends_with(' ') && target != "-");
        let escaped = target.replace('\\', "\\x5C").replace('"', "\\x22");
        let line = format!("192.0.2.7 - - [17/May/2015:10:05:03 +0000] \"GET {escaped} HTTP/1.1\" 200 1");
        prop_assert_eq!(calls(&line, FileFormat::Combined), [
            format!("2015-05-17T10:05:03.000000Z 192.0.2.7 GET {target} 200 1")
        ]);
    }
}
