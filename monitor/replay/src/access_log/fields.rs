//! What a line says, by what it is about: the form that all formats are brought into, and how a call comes of it.

use std::{borrow::Cow, ops::Range, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rollcall_attribute::client::ClientKey;
use rollcall_http::Version;
use rollcall_model::{hex, token::is_token};

use super::{Unread, call::Call, hosts, hosts::Hosts, names::Field, time};

/// Values of one line, in one buffer.
#[derive(Debug, Default)]
pub(super) struct Fields {
    text: Vec<u8>,
    found: [Option<Found>; Field::COUNT],
    headers: Vec<(Range<usize>, Range<usize>)>,
    /// The keys that Rollcall's own log has.
    pub(super) keys: Vec<ClientKey>,
    /// The line is of Rollcall's own log.
    pub(super) is_own: bool,
}

/// The parts of a request line.
struct Line<'a> {
    method: &'a [u8],
    target: Cow<'a, [u8]>,
    version: Option<Version>,
}

#[derive(Clone, Debug)]
struct Found {
    rank: u8,
    value: Range<usize>,
}

impl Fields {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.found.fill_with(|| None);
        self.headers.clear();
        self.keys.clear();
        self.is_own = false;
    }

    /// Takes in the value that `write` appends. Of several for one field the one of the lowest rank counts, and of those the
    /// first. Nothing, and `-`, are no values.
    pub(super) fn set(&mut self, field: Field, rank: u8, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.text.len();
        write(&mut self.text);
        let slot = &mut self.found[field as usize];
        if matches!(&self.text[start..], [] | b"-") || slot.as_ref().is_some_and(|found| found.rank <= rank) {
            self.text.truncate(start);
            return;
        }
        *slot = Some(Found { rank, value: start..self.text.len() });
    }

    /// Takes in a header field of the request.
    pub(super) fn header(&mut self, name: impl FnOnce(&mut Vec<u8>), value: impl FnOnce(&mut Vec<u8>)) {
        let start = self.text.len();
        name(&mut self.text);
        let middle = self.text.len();
        value(&mut self.text);
        self.headers.push((start..middle, middle..self.text.len()));
    }

    pub(super) fn get(&self, field: Field) -> Option<&[u8]> {
        self.found[field as usize].as_ref().map(|found| &self.text[found.value.clone()])
    }

    fn number(&self, field: Field) -> Option<u64> {
        let text = std::str::from_utf8(self.get(field)?).ok()?;
        // Now and then a number is written as one with a fraction.
        text.split('.').next().and_then(|whole| whole.parse().ok())
    }

    fn port(&self, field: Field) -> Option<u16> {
        self.number(field).and_then(|port| port.try_into().ok())
    }

    /// Makes `call` the one that the line tells of.
    pub(super) fn fill(&self, call: &mut Call, hosts: &mut Hosts) -> Result<(), Unread> {
        let line = self.request()?;
        call.at = self.get(Field::Time).and_then(time::read).ok_or(Unread::Time)?;
        let forwarded = self.get(Field::Forwarded);
        let (client, forwarded) = match (self.get(Field::Client), forwarded) {
            (Some(client), forwarded) => (client, forwarded),
            // The last one is the word of whoever wrote the log.
            (None, Some(chain)) => match memchr::memrchr(b',', chain) {
                Some(comma) => (&chain[comma + 1..], Some(&chain[..comma])),
                None => (chain, None),
            },
            (None, None) => return Err(Unread::Client),
        };
        let (address, port) = hosts.find(client).ok_or(Unread::Client)?;
        call.endpoints.client = (address, self.port(Field::ClientPort).or(port).unwrap_or_default()).into();
        let server = self.get(Field::Server).and_then(hosts::address);
        let (server, port) = server.unwrap_or((std::net::Ipv4Addr::UNSPECIFIED.into(), None));
        call.endpoints.server = (server, self.port(Field::ServerPort).or(port).unwrap_or_default()).into();
        // A proxy that had no answer writes 0.
        let status = self.number(Field::Status).filter(|status| (100..=999).contains(status));
        call.status = status.map(|status| status as u16);
        call.request_bytes = self.number(Field::RequestBytes).unwrap_or_default();
        call.response_bytes = self.number(Field::ResponseBytes).unwrap_or_default();
        call.response_type.clear();
        if let Some(kind) = self.get(Field::ResponseType).filter(|kind| kind.contains(&b'/')) {
            call.response_type.extend_from_slice(kind);
        }
        call.duration = self.number(Field::DurationUs).map(Duration::from_micros);
        call.keys.clear();
        call.keys.extend_from_slice(&self.keys);
        self.head(call, &line, forwarded);
        Ok(())
    }

    fn head(&self, call: &mut Call, line: &Line<'_>, forwarded: Option<&[u8]>) {
        if self.is_own {
            call.begin(line.method, &unescape(&line.target), line.version);
        } else {
            call.begin(line.method, &line.target, line.version);
        }
        if let Some(host) = self.get(Field::Host) {
            call.header(b"Host", host);
        }
        if let Some(agent) = self.get(Field::Agent) {
            call.header(b"User-Agent", agent);
        }
        if let Some(forwarded) = forwarded {
            call.header(b"X-Forwarded-For", forwarded);
        }
        let mut authorized = false;
        for (name, value) in &self.headers {
            let (name, value) = (&self.text[name.clone()], &self.text[value.clone()]);
            authorized |= name.eq_ignore_ascii_case(b"authorization");
            call.header(name, value);
        }
        if let Some(user) = self.get(Field::User).filter(|_| !authorized) {
            // What the server knows of basic authentication: the user without the password.
            let encoded = BASE64_STANDARD.encode([user, b":"].concat());
            call.header(b"Authorization", format!("Basic {encoded}").as_bytes());
        }
    }

    fn request(&self) -> Result<Line<'_>, Unread> {
        let mut line = match (self.get(Field::Target), self.get(Field::RequestLine)) {
            (Some(target), _) => Line {
                method: self.get(Field::Method).unwrap_or(b"GET"),
                target: target.into(),
                version: self.get(Field::Version).map_or(Some(Version::Http11), version),
            },
            (None, Some(line)) => request_line(line).ok_or(Unread::Request)?,
            (None, None) => return Err(Unread::Request),
        };
        // Anything else is not HTTP, such as TLS to a port without.
        let token = |byte: &u8| is_token(*byte);
        let Line { method, target, .. } = &mut line;
        if method.is_empty() || method.len() > 32 || !method.iter().all(token) || target.is_empty() {
            return Err(Unread::Request);
        }
        if let Some(query) = self.get(Field::Query).filter(|_| memchr::memchr(b'?', target).is_none()) {
            let query = query.strip_prefix(b"?").unwrap_or(query);
            target.to_mut().push(b'?');
            target.to_mut().extend_from_slice(query);
        }
        Ok(line)
    }
}

/// `GET /a HTTP/1.1`, or without a version.
fn request_line(line: &[u8]) -> Option<Line<'_>> {
    let (method, rest) = line.split_at_checked(memchr::memchr(b' ', line)?)?;
    let rest = rest[1..].trim_ascii();
    let (target, version) = match memchr::memmem::rfind(rest, b" HTTP/") {
        Some(at) => (rest[..at].trim_ascii(), version(&rest[at + 1..])),
        None => (rest, Some(Version::Http09)),
    };
    Some(Line { method, target: target.into(), version })
}

fn version(text: &[u8]) -> Option<Version> {
    match text {
        b"HTTP/0.9" => Some(Version::Http09),
        b"HTTP/1.0" => Some(Version::Http10),
        b"HTTP/1.1" => Some(Version::Http11),
        _ => None,
    }
}

/// Undoes how Rollcall's own log writes bytes that are not text: `\xhh`.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        match hex_escape(&rest[at..]) {
            Some(byte) => {
                out.push(byte);
                rest = &rest[at + 4..];
            }
            None => {
                out.push(b'\\');
                rest = &rest[at + 1..];
            }
        }
    }
    out.extend_from_slice(rest);
    out
}

/// The byte that `text` begins with as `\xhh`.
pub(super) fn hex_escape(text: &[u8]) -> Option<u8> {
    let [b'\\', b'x', high, low, ..] = text else { return None };
    hex::octet(*high, *low)
}
