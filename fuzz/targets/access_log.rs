//! Access logs: every line is accounted for, whatever is in it and however it arrives, in each format; calls come in the order
//! of time, and detection takes each.

#![no_main]

use std::io::{BufReader, Read};

use libfuzzer_sys::fuzz_target;
use rollcall_engine::detection::{Detection, Settings};
use rollcall_fuzz::seeds;
use rollcall_model::{hash::HashKey, time::Timestamp};
use rollcall_replay::{
    FileFormat, Input,
    access_log::{Call, Reader},
};

const FORMATS: [FileFormat; 3] = [FileFormat::Combined, FileFormat::Tsv, FileFormat::Json];

/// Heads are no longer than the longest that captures have.
const HEAD: usize = 16 * 1024;

const SEEDS: [&str; 7] = [
    "192.0.2.7 - ada [17/May/2015:10:05:03 +0000] \"GET /v1/customers/17 HTTP/1.1\" 200 17 \"-\" \"curl/8\"\n",
    "v.example:443 192.0.2.7 - - [17/May/2015:10:05:03 +0000] \"GET /\\x22 HTTP/1.0\" 304 - \"-\" \"-\" \"192.0.2.1\"\n",
    "host\ttime\tmethod\turl\tresponse\tbytes\na.example\t807256800\tGET\t/x\t200\t1713\n",
    "client_ip\ttimestamp\tpath\tstatus\tuser\n::1\t2026-07-14T03:33:20.5+02:00\t/a\t200\tada\n",
    r#"{"at":"2026-07-14T03:33:20.123456Z","client_ip":"192.0.2.7","method":"GET","target":"/a\\xff","client":[{"kind":"credential","id":"bearer:00013233343536373839616263646566"}]}"#,
    r#"{"ts":1784000000.5,"request":{"remote_ip":"192.0.2.7","uri":"/a","headers":{"User-Agent":["x"]}},"status":200}"#,
    r#"{"StartUTC":"2026-07-14T03:33:20.1Z","ClientHost":"192.0.2.7","RequestPath":"/a?b","DownstreamStatus":200}"#,
];
const WORDS: [&str; 16] = [
    " - - [",
    "/May/2015:10:05:03 +0000] \"",
    " HTTP/1.1\" 200 ",
    "\\x16",
    "\\\"",
    "\t",
    "\r\n",
    "\"time_iso8601\":\"",
    "\"request\":",
    "\"headers\":{",
    "\"client\":[{\"kind\":\"",
    "\"id\":\"",
    "\"request_uri\":",
    "\"remote_addr\":",
    "1784000000",
    "REDACTED",
];

/// What a test compares of a call.
type Seen = (Timestamp, String, Vec<u8>, Option<u16>);

fn seen(call: &Call) -> Seen {
    (call.at, call.endpoints.client.to_string(), call.request.head.clone(), call.status)
}

fn read(text: impl Read, capacity: usize, format: FileFormat) -> (Vec<Seen>, Reader) {
    let mut reader = Reader::new();
    let mut calls = Vec::new();
    let text = BufReader::with_capacity(capacity, text);
    // An error says that there is nothing to be had.
    let _ = reader.read("x", text, format, |call| calls.push(seen(call)));
    reader.finish(|call| calls.push(seen(call)));
    (calls, reader)
}

fuzz_target!(init: seeds::offer(&SEEDS, &WORDS), |data: &[u8]| {
    let step = data.last().map_or(1, |&last| usize::from(last) % 64 + 1);
    for format in FORMATS {
        let (calls, reader) = read(data, 1 << 16, format);
        let summary = reader.summary();
        assert_eq!(summary.lines, summary.calls + summary.unread.total());
        assert_eq!(summary.calls, calls.len() as u64);
        assert!(summary.named <= summary.calls);
        assert!(calls.iter().all(|(_, _, head, _)| head.len() <= HEAD));
        let behind = calls.array_windows().filter(|[a, b]| a.0 > b.0).count() as u64;
        assert!(behind <= summary.late);
        let (trickled, again) = read(data, step, format);
        assert_eq!((trickled, again.summary()), (calls, summary));
    }
    // Told by its beginning, and unpacked if need be.
    let Ok(input) = Input::from_reader("x", std::io::Cursor::new(data.to_vec()), None, None) else { return };
    let format = input.format();
    if format == FileFormat::Pcap {
        return;
    }
    let mut detection = Detection::new(Settings::default(), HashKey::new([7; 16]));
    let mut alerts = Vec::new();
    let mut reader = Reader::new();
    let mut each = |call: &Call| {
        detection.recall_keys(&call.keys);
        let exchange = call.exchange();
        detection.call(&exchange, &mut alerts);
        detection.complete(&exchange, &mut alerts);
    };
    // What is packed may be far longer.
    let text = input.into_reader().take(1 << 20);
    let _ = reader.read("x", text, format, &mut each);
    reader.finish(&mut each);
});
