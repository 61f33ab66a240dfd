//! The exchange log: one JSON object a line for every exchange.
//!
//! Fields, in order: `at`, `client_ip`, `client_port`, `server_ip`, `server_port`, `method`, `target`, `host`, `version`,
//! `status`, `route`, `object`, `request_bytes`, `response_bytes`, `content_type`, `duration_us`, `truncated`, `client`. What is not known
//! is `null`. `method`, `target` and `host` are as they were on the wire; bytes that are not UTF-8 are written as
//! `\xhh`, and a backslash that would read as such an escape as `\x5c`. `duration_us` runs from the request's
//! first byte to the response's last. `client` is the list of keys that the call was attributed to.
//!
//! A connection's lines are in the order of its calls. Those of different connections, of one port as well, are so but for
//! the few milliseconds in which CPUs gather answers: `at` says which came first.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use rollcall_attribute::{client::ClientKey, object::Objects};
use rollcall_http::{Exchange, Version};

use super::{
    json::{self, Clock},
    sink::{LogError, Sink},
};

/// Lines are handed over when this much has gathered: one write for some 200 lines.
const CHUNK: usize = 64 * 1024;

/// Room past the chunk for the line that fills it: a target of the usual head cap, all of it escaped.
const LINE: usize = 16 * 1024;

/// Lines wait no longer than this for others to be written with.
const DELAY: Duration = Duration::from_millis(200);

/// An exchange with what attribution and routing found out about it.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub exchange: &'a Exchange<'a>,
    pub route: &'a str,
    pub objects: &'a Objects,
    pub clients: &'a [ClientKey],
}

/// Writes exchanges to a [`Sink`] as JSON lines.
pub struct ExchangeLog {
    sink: Box<dyn Sink>,
    buffer: Vec<u8>,
    lines: u64,
    clock: Clock,
    handed_over: Instant,
}

impl ExchangeLog {
    /// A log whose lines go to `sink`.
    pub fn new(sink: Box<dyn Sink>) -> ExchangeLog {
        ExchangeLog {
            sink,
            buffer: Vec::with_capacity(CHUNK + LINE),
            lines: 0,
            clock: Clock::default(),
            handed_over: Instant::now(),
        }
    }

    /// Writes one exchange. Never waits for a disk unless the sink does.
    pub fn write(&mut self, record: &Record<'_>) {
        line(&mut self.buffer, &mut self.clock, record);
        self.lines += 1;
        if self.buffer.len() >= CHUNK {
            self.hand_over();
        }
    }

    /// Hands over lines that have waited long enough. To be called whenever the capture loop comes round.
    pub fn tick(&mut self) {
        if self.lines > 0 && self.handed_over.elapsed() >= DELAY {
            self.hand_over();
        }
    }

    /// Writes everything, and tells whether every line reached its file.
    pub fn finish(mut self) -> Result<(), LogError> {
        self.hand_over();
        self.sink.finish()
    }

    fn hand_over(&mut self) {
        if self.lines > 0 {
            self.sink.put(&mut self.buffer, self.lines);
            self.lines = 0;
        }
        self.handed_over = Instant::now();
    }
}

/// Appends the record as one line.
fn line(out: &mut Vec<u8>, clock: &mut Clock, record: &Record<'_>) {
    let Record { exchange, route, objects, clients } = record;
    let request = exchange.request;
    out.extend_from_slice(br#"{"at":"#);
    clock.write(out, exchange.at);
    out.extend_from_slice(br#","client_ip":""#);
    json::address(out, exchange.endpoints.client.ip());
    out.extend_from_slice(br#"","client_port":"#);
    json::number(out, exchange.endpoints.client.port().into());
    out.extend_from_slice(br#","server_ip":""#);
    json::address(out, exchange.endpoints.server.ip());
    out.extend_from_slice(br#"","server_port":"#);
    json::number(out, exchange.endpoints.server.port().into());
    out.extend_from_slice(br#","method":"#);
    json::bytes(out, request.method());
    out.extend_from_slice(br#","target":"#);
    json::bytes(out, request.target());
    out.extend_from_slice(br#","host":"#);
    or_null(out, request.host(), json::bytes);
    out.extend_from_slice(br#","version":"#);
    or_null(out, request.version, |out, version| {
        out.extend_from_slice(match version {
            Version::Http09 => br#""HTTP/0.9""#,
            Version::Http10 => br#""HTTP/1.0""#,
            Version::Http11 => br#""HTTP/1.1""#,
        });
    });
    out.extend_from_slice(br#","status":"#);
    or_null(out, exchange.status.map(u64::from), json::number);
    out.extend_from_slice(br#","route":"#);
    json::text(out, route);
    out.extend_from_slice(br#","object":"#);
    objects_of(out, objects);
    out.extend_from_slice(br#","request_bytes":"#);
    json::number(out, exchange.request_bytes);
    out.extend_from_slice(br#","response_bytes":"#);
    json::number(out, exchange.response_bytes);
    out.extend_from_slice(br#","content_type":"#);
    or_null(out, exchange.response_type, json::bytes);
    out.extend_from_slice(br#","duration_us":"#);
    let duration = exchange.last_byte_at.map(|last| last.since(exchange.at).as_micros() as u64);
    or_null(out, duration, json::number);
    out.extend_from_slice(br#","truncated":"#);
    out.extend_from_slice(if request.truncated { b"true" } else { b"false" });
    out.extend_from_slice(br#","client":["#);
    for (index, client) in clients.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        client_key(out, client);
    }
    out.extend_from_slice(b"]}\n");
}

fn client_key(out: &mut Vec<u8>, client: &ClientKey) {
    out.extend_from_slice(br#"{"kind":""#);
    out.extend_from_slice(client.kind().as_bytes());
    out.extend_from_slice(br#"","id":""#);
    match client {
        ClientKey::Peer(address) | ClientKey::Forwarded(address) => json::address(out, *address),
        // A `Vec` takes every write.
        ClientKey::Prefix(network) => drop(write!(out, "{network}")),
        ClientKey::Credential(credential) => drop(write!(out, "{credential}")),
    }
    out.extend_from_slice(br#""}"#);
}

/// The object, or all of a batch with commas between them, which canonical objects have none of.
fn objects_of(out: &mut Vec<u8>, objects: &Objects) {
    if objects.is_empty() {
        return out.extend_from_slice(b"null");
    }
    out.push(b'"');
    for (index, object) in objects.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json::content(out, object);
    }
    out.push(b'"');
}

fn or_null<T>(out: &mut Vec<u8>, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
    match value {
        Some(value) => write(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rollcall_http::{Header, Request};
    use rollcall_model::time::Timestamp;
    use rollcall_stream::{ConnectionId, Endpoints};

    const HEAD: &[u8] = b"GET /v1/customers/17?q=\"\xff HTTP/1.1\r\nHost: api.example\r\n\r\n";

    fn request() -> Request {
        Request {
            head: HEAD.to_vec(),
            method: 0..3,
            target: 4..25,
            version: Some(Version::Http11),
            headers: vec![Header { name: 36..40, value: 42..53 }],
            body: Vec::new(),
            truncated: false,
        }
    }

    fn exchange(request: &Request) -> Exchange<'_> {
        Exchange {
            connection: ConnectionId(1),
            endpoints: Endpoints {
                client: "192.0.2.7:50000".parse().unwrap(),
                server: "[2001:db8::1]:80".parse().unwrap(),
            },
            proxied_for: None,
            request,
            start: 1,
            at: Timestamp(1_784_000_000_123_456_789),
            status: Some(200),
            request_bytes: 56,
            response_bytes: 1234,
            first_byte_at: Some(Timestamp(1_784_000_000_124_000_000)),
            last_byte_at: Some(Timestamp(1_784_000_000_125_456_789)),
            response_type: None,
            response_length: None,
            sampling: 1.0,
        }
    }

    #[test]
    fn a_line_has_every_field_in_order() {
        let request = request();
        let clients = [
            ClientKey::Peer("192.0.2.7".parse().unwrap()),
            ClientKey::Forwarded("2001:db8::7".parse().unwrap()),
        ];
        let objects: Objects = ["17"].into_iter().collect();
        let record = Record {
            exchange: &exchange(&request),
            route: "GET /v1/customers/{id}",
            objects: &objects,
            clients: &clients,
        };
        let mut out = Vec::new();
        line(&mut out, &mut Clock::default(), &record);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            concat!(
                r#"{"at":"2026-07-14T03:33:20.123456Z","client_ip":"192.0.2.7","client_port":50000,"#,
                r#""server_ip":"2001:db8::1","server_port":80,"method":"GET","#,
                r#""target":"/v1/customers/17?q=\"\\xff","host":"api.example","version":"HTTP/1.1","status":200,"#,
                r#""route":"GET /v1/customers/{id}","object":"17","request_bytes":56,"response_bytes":1234,"#,
                r#""content_type":null,"duration_us":2000,"truncated":false,"client":[{"kind":"peer","id":"192.0.2.7"},"#,
                r#"{"kind":"forwarded","id":"2001:db8::7"}]}"#,
                "\n"
            )
        );
    }

    #[test]
    fn what_is_not_known_is_null() {
        let request = Request { head: b"GET /".to_vec(), method: 0..3, target: 4..5, ..Request::default() };
        let exchange = Exchange { status: None, last_byte_at: None, ..exchange(&request) };
        let mut out = Vec::new();
        let record =
            Record { exchange: &exchange, route: "GET /", objects: &Objects::default(), clients: &[] };
        line(&mut out, &mut Clock::default(), &record);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        for field in ["host", "version", "status", "object", "duration_us"] {
            assert!(value[field].is_null(), "{field} in {value}");
        }
    }
}
