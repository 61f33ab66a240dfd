//! The exchange: one request with its response.

use std::{net::IpAddr, ops::Range};

use rollcall_model::time::Timestamp;
use rollcall_stream::{ConnectionId, Endpoints};
use serde::{Deserialize, Serialize};

/// The protocol version that the request line names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A simple request: `GET /` and no more (RFC 1945, section 4.1).
    Http09,
    /// `HTTP/1.0`
    Http10,
    /// `HTTP/1.1`
    Http11,
}

/// Where one header field stands inside [`Request::head`]. Kept as ranges so that a request is one buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub name: Range<u16>,
    pub value: Range<u16>,
}

/// A request as it was on the wire. Holds the raw head, cut at the head cap, and the first bytes of the body.
///
/// Heads may hold credentials: a `Request` is never logged or stored; attribution takes from it what it needs.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The head's bytes from the first byte of the method on.
    pub head: Vec<u8>,
    /// Where the method stands in `head`.
    pub method: Range<u16>,
    /// Where the target stands in `head`, as it was on the wire.
    pub target: Range<u16>,
    pub version: Option<Version>,
    /// The header fields, in order. Fields past the head cap are missing; see `truncated`.
    pub headers: Vec<Header>,
    /// The first bytes of the body, at most the body cap.
    pub body: Vec<u8>,
    /// The head was longer than the head cap, or not all of it was captured.
    pub truncated: bool,
}

/// One request with its response, handed on by reference: its buffers are reused for the next.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    pub connection: ConnectionId,
    pub endpoints: Endpoints,
    /// The address that a PROXY protocol header at the connection's start names as source. Whoever opened the
    /// connection wrote it: to be believed only from a trusted peer.
    pub proxied_for: Option<IpAddr>,
    pub request: &'a Request,
    /// The place of its first byte in the connection's stream, or another number that tells it from others of the
    /// connection that are under way.
    pub start: u64,
    /// When the first byte of the request was seen.
    pub at: Timestamp,
    /// The final status code; `None` when there was no response, or its head was not captured.
    pub status: Option<u16>,
    /// Bytes of the request on the wire, head and body.
    pub request_bytes: u64,
    /// Bytes of the response on the wire, head and body, as far as it was sent.
    pub response_bytes: u64,
    /// When the first byte of the response was seen.
    pub first_byte_at: Option<Timestamp>,
    /// When the last byte of the response was seen, so far.
    pub last_byte_at: Option<Timestamp>,
    /// The `Content-Type` of the response, as it was on the wire; `None` as long as it is not known.
    pub response_type: Option<&'a [u8]>,
    /// Bytes of the answer's body, as its head announces or a log says; `None` where they are not known.
    pub response_length: Option<u64>,
    /// The share of request targets that was being captured, in (0, 1].
    pub sampling: f64,
}

/// What tells an exchange from all others of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeId {
    connection: u64,
    start: u64,
    at: Timestamp,
}

impl Exchange<'_> {
    /// What tells it from others, from the first time that it is told of to the last.
    pub fn id(&self) -> ExchangeId {
        ExchangeId { connection: self.connection.0, start: self.start, at: self.at }
    }
}

impl ExchangeId {
    /// It as bytes to hash.
    pub fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.connection.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.start.to_le_bytes());
        bytes[16..].copy_from_slice(&self.at.0.to_le_bytes());
        bytes
    }
}

impl Request {
    /// Begins another request from its parts, for sources that have no bytes of it. Of its head as much is kept as `cap` allows,
    /// which is at most [`Limits::HEAD_MAX`](super::Limits::HEAD_MAX); buffers are used again.
    pub fn begin(&mut self, method: &[u8], target: &[u8], version: Option<Version>, cap: usize) {
        self.head.clear();
        self.headers.clear();
        self.body.clear();
        (self.version, self.truncated) = (version, false);
        self.method = self.push(method, cap);
        self.push(b" ", cap);
        self.target = self.push(target, cap);
        let behind: &[u8] = match version {
            Some(Version::Http10) => b" HTTP/1.0\r\n",
            Some(Version::Http11) => b" HTTP/1.1\r\n",
            Some(Version::Http09) | None => b"\r\n",
        };
        self.push(behind, cap);
    }

    /// Adds a header field, unless `cap` leaves no room for it.
    pub fn push_field(&mut self, name: &[u8], value: &[u8], cap: usize) {
        if self.head.len() + name.len() + value.len() + 4 > cap {
            self.truncated = true;
            return;
        }
        let name = self.push(name, cap);
        self.push(b": ", cap);
        let value = self.push(value, cap);
        self.push(b"\r\n", cap);
        self.headers.push(Header { name, value });
    }

    /// Appends to the head; where it stands there. Heads are shorter than 64 KiB.
    fn push(&mut self, bytes: &[u8], cap: usize) -> Range<u16> {
        let start = self.head.len();
        let kept = bytes.len().min(cap.saturating_sub(start));
        self.head.extend_from_slice(&bytes[..kept]);
        self.truncated |= kept < bytes.len();
        start as u16..self.head.len() as u16
    }

    /// The method, as it was on the wire. Methods are case-sensitive (RFC 9110, section 9.1).
    pub fn method(&self) -> &[u8] {
        self.slice(&self.method)
    }

    /// The request target, as it was on the wire.
    pub fn target(&self) -> &[u8] {
        self.slice(&self.target)
    }

    /// The values of every field called `name` (ASCII case is ignored), in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |header| self.slice(&header.name).eq_ignore_ascii_case(name.as_bytes()))
            .map(|header| self.slice(&header.value))
    }

    /// The `Host` field, or `None`.
    pub fn host(&self) -> Option<&[u8]> {
        self.values("host").next()
    }

    /// Whether it asks to go on in HTTP/2 (RFC 7540, section 3.2).
    pub(super) fn asks_for_http2(&self) -> bool {
        let mut protocols = self.values("upgrade").flat_map(|value| value.split(|&byte| byte == b','));
        protocols.any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"h2c"))
    }

    /// Whether it asks to be told to go on (RFC 9110, section 10.1.1).
    pub(super) fn expects_interim(&self) -> bool {
        self.values("expect").any(|value| value.eq_ignore_ascii_case(b"100-continue"))
    }

    pub fn slice(&self, range: &Range<u16>) -> &[u8] {
        self.head.get(usize::from(range.start)..usize::from(range.end)).unwrap_or_default()
    }
}
