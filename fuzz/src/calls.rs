//! Calls that are put together from parts, without a parser between.

use std::{
    net::{IpAddr, SocketAddr},
    ops::Range,
};

use rollcall::{
    http::{Exchange, Header, Limits, Request, Version},
    object::Objects,
    route::{Attribution, Router, target::Target},
    stream::{ConnectionId, Endpoints},
    time::Timestamp,
};

/// A request of these parts. What does not fit into a head is left out.
pub fn request(method: &[u8], target: &[u8], fields: &[(&str, &[u8])], body: &[u8]) -> Request {
    let mut head = Vec::new();
    let mut put = |octets: &[u8]| -> Range<u16> {
        let start = head.len();
        head.extend_from_slice(octets);
        head.truncate(Limits::HEAD_MAX);
        start as u16..head.len() as u16
    };
    let method = put(method);
    put(b" ");
    let target = put(target);
    put(b" HTTP/1.1\r\n");
    let mut headers = Vec::new();
    for (name, value) in fields {
        let name = put(name.as_bytes());
        put(b": ");
        headers.push(Header { name, value: put(value) });
        put(b"\r\n");
    }
    let version = Some(Version::Http11);
    Request { method, target, version, headers, body: body.to_vec(), truncated: false, head }
}

/// The exchange of `request` with a caller.
pub fn exchange<'a>(request: &'a Request, peer: IpAddr, proxied_for: Option<IpAddr>) -> Exchange<'a> {
    Exchange {
        connection: ConnectionId(1),
        endpoints: Endpoints {
            client: SocketAddr::new(peer, 40_000),
            server: SocketAddr::from(([192, 0, 2, 2], 80)),
        },
        proxied_for,
        request,
        start: 1,
        at: Timestamp(1_700_000_000_000_000_000),
        status: Some(200),
        request_bytes: (request.head.len() + request.body.len()) as u64,
        response_bytes: 500,
        first_byte_at: None,
        last_byte_at: None,
        response_type: None,
        sampling: 1.0,
    }
}

/// The route and the objects of a call, the latter in alphabetical order.
pub fn attribute(router: &mut Router, request: &Request) -> (String, Vec<String>) {
    let mut attribution = Attribution { objects: Objects::default(), ..Attribution::default() };
    let exchange = exchange(request, IpAddr::from([198, 51, 100, 7]), None);
    router.attribute(&exchange, Target::of(request), true, &mut attribution);
    crate::check::volume(&attribution.objects, request.head.len() + request.body.len());
    let mut objects = crate::check::objects(&attribution.objects);
    objects.sort();
    (attribution.route.to_string(), objects)
}
