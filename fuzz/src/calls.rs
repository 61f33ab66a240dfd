//! Calls that are put together from parts, without a parser between.

use std::net::{IpAddr, SocketAddr};

use rollcall_attribute::{
    client::Clients,
    object::Objects,
    route::{Attribution, Router, target::Target},
};
use rollcall_http::{Exchange, Limits, Request, Version};
use rollcall_model::time::Timestamp;
use rollcall_stream::{ConnectionId, Endpoints};

/// A request of these parts. What does not fit into a head is left out.
pub fn request(method: &[u8], target: &[u8], fields: &[(&str, &[u8])], body: &[u8]) -> Request {
    let mut request = Request::default();
    request.begin(method, target, Some(Version::Http11), Limits::HEAD_MAX);
    for (name, value) in fields {
        request.push_field(name.as_bytes(), value, Limits::HEAD_MAX);
    }
    request.body.extend_from_slice(body);
    request
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
        response_length: None,
        sampling: 1.0,
    }
}

/// The route and the objects of a call, the latter in alphabetical order.
pub fn attribute(router: &mut Router, request: &Request) -> (String, Vec<String>) {
    let mut attribution = Attribution { objects: Objects::default(), ..Attribution::default() };
    let peer = IpAddr::from([198, 51, 100, 7]);
    let (exchange, clients) = (exchange(request, peer, None), Clients::new(peer, &[]));
    router.attribute(&exchange, Target::of(request), Some(&clients), &mut attribution);
    crate::check::volume(&attribution.objects, request.head.len() + request.body.len());
    let mut objects = crate::check::objects(&attribution.objects);
    objects.sort();
    (attribution.route.to_string(), objects)
}
