//! One call of a log, in the form in which the engine takes it.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use rollcall_attribute::client::ClientKey;
use rollcall_http::{Exchange, Header, Limits, Request, Version};
use rollcall_model::time::Timestamp;
use rollcall_stream::{ConnectionId, Endpoints};

/// One call, as far as a log tells it: a request whose head is put together again, and what became of it.
#[derive(Clone, Debug)]
pub struct Call {
    pub at: Timestamp,
    pub endpoints: Endpoints,
    pub request: Request,
    pub status: Option<u16>,
    pub request_bytes: u64,
    pub response_bytes: u64,
    /// The media type of the answer; empty where it is not known.
    pub response_type: Vec<u8>,
    /// From the request's first byte to the response's last.
    pub duration: Option<Duration>,
    /// Whom it was attributed to when it was recorded, if that is known.
    pub keys: Vec<ClientKey>,
}

impl Call {
    /// A call without header fields, without an answer, and to a server that isn't known.
    pub fn new(at: Timestamp, client: IpAddr, method: &[u8], target: &[u8]) -> Call {
        let mut call = Call::blank();
        (call.at, call.endpoints.client) = (at, SocketAddr::new(client, 0));
        call.begin(method, target, Some(Version::Http11));
        call
    }

    /// A call about which nothing is known.
    pub(super) fn blank() -> Call {
        let nobody = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
        Call {
            at: Timestamp::default(),
            endpoints: Endpoints { client: nobody, server: nobody },
            request: Request::default(),
            status: None,
            request_bytes: 0,
            response_bytes: 0,
            response_type: Vec::new(),
            duration: None,
            keys: Vec::new(),
        }
    }

    /// Begins the head anew, with the request line.
    pub(super) fn begin(&mut self, method: &[u8], target: &[u8], version: Option<Version>) {
        // Without a version in its head, which nobody reads there.
        self.request.begin(method, target, None, Limits::HEAD_MAX);
        self.request.version = version;
    }

    /// Adds a header field, unless the head is full.
    pub fn header(&mut self, name: &[u8], value: &[u8]) {
        self.request.push_field(name, value, Limits::HEAD_MAX);
    }

    /// The exchange that it is.
    pub fn exchange(&self) -> Exchange<'_> {
        let answered_at = self.duration.map(|duration| self.at + duration);
        Exchange {
            connection: ConnectionId(0),
            endpoints: self.endpoints,
            proxied_for: None,
            request: &self.request,
            start: 0,
            at: self.at,
            status: self.status,
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            first_byte_at: answered_at,
            last_byte_at: answered_at,
            response_type: Some(&self.response_type[..]).filter(|kind| !kind.is_empty()),
            response_length: Some(self.response_bytes).filter(|&bytes| bytes > 0),
            sampling: 1.0,
        }
    }

    /// Memory that it takes, about.
    pub(super) fn size(&self) -> usize {
        size_of::<Call>()
            + self.request.head.capacity()
            + self.request.headers.capacity() * size_of::<Header>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_put_together_and_bounded() {
        let mut call = Call::new(Timestamp(7), "192.0.2.7".parse().unwrap(), b"GET", b"/a?b");
        call.header(b"Host", b"api.example");
        let request = call.exchange().request;
        assert_eq!((request.method(), request.target()), (&b"GET"[..], &b"/a?b"[..]));
        assert_eq!(request.host(), Some(&b"api.example"[..]));
        call.header(b"X", &vec![b'x'; Limits::HEAD_MAX]);
        assert!(call.request.truncated);
        assert_eq!(call.request.headers.len(), 1);

        let long = Call::new(Timestamp(7), "192.0.2.7".parse().unwrap(), b"GET", &vec![b'/'; 70_000]);
        assert!(long.request.truncated);
        assert_eq!(long.request.target().len(), Limits::HEAD_MAX - 4);
    }
}
