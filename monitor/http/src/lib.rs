//! From segments to exchanges: HTTP/1 framing (RFC 9112), and requests paired with their responses.
//!
//! [`Connections`] is the whole of it for its users. Bytes come in order, once, and only when the server's TCP has accepted them
//! ([`stream`](rollcall_stream)). Inside, a connection's request bytes are parsed (`requests`), its response bytes matched to the
//! requests that wait (`responses`), and a request is reported once it is certain that it is one (`connection`).
//! What an attacker can send decides nothing: what looks like no request is one if the server answers it in HTTP/1, and an
//! answer without a request is told ([`Unseen`]).

mod connection;
pub mod connections;
pub mod counters;
pub mod exchange;
mod framing;
mod head;
pub mod limits;
mod pending;
mod proxy_header;
mod recognition;
mod requests;
mod responses;
mod sink;

pub use connections::Connections;
pub use counters::{HttpCounters, Unexplained};
pub use exchange::{Exchange, Header, Request, Version};
pub use limits::Limits;
pub use rollcall_tls::{TlsCounters, Unread};
pub use sink::{ExchangeSink, Unseen};

#[cfg(test)]
mod tests;
