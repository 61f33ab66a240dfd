//! Calls as the engine hands them to detection, made of their parts.

use std::net::{IpAddr, SocketAddr};

use rollcall::{
    http::exchange::{Exchange, Header, Request},
    stream::{ConnectionId, Endpoints},
    time::Timestamp,
};

/// One call, as far as an access log tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub at: Timestamp,
    pub client: IpAddr,
    pub method: String,
    pub target: String,
    pub agent: String,
    pub status: u16,
    pub response_bytes: u64,
}

impl Call {
    /// The request that it is.
    pub fn request(&self) -> Request {
        let mut head = Vec::new();
        // Lines of logs are shorter than that.
        let mut push = |text: &str| {
            let start = u16::try_from(head.len()).unwrap_or(u16::MAX);
            head.extend_from_slice(text.as_bytes());
            start..u16::try_from(head.len()).unwrap_or(u16::MAX)
        };
        let (method, target) = (push(&self.method), push(&self.target));
        let headers = vec![Header { name: push("User-Agent"), value: push(&self.agent) }];
        Request { head, method, target, headers, ..Request::default() }
    }

    /// The exchange that it is; `request` is [`Call::request`].
    pub fn exchange<'a>(&self, request: &'a Request) -> Exchange<'a> {
        Exchange {
            connection: ConnectionId(1),
            endpoints: Endpoints {
                client: SocketAddr::new(self.client, 40_000),
                server: SocketAddr::from(([127, 0, 0, 1], 80)),
            },
            proxied_for: None,
            request,
            start: 0,
            at: self.at,
            status: Some(self.status),
            request_bytes: request.head.len() as u64,
            response_bytes: self.response_bytes,
            first_byte_at: None,
            last_byte_at: None,
            sampling: 1.0,
        }
    }
}
