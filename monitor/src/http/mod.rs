//! From bytes in order to exchanges: HTTP/1 framing (RFC 9112), and requests paired with their responses.

pub mod exchange;

pub use exchange::{Exchange, Header, Request, Version};

/// Advice to the source of segments for one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directive {
    /// Nothing of interest comes any more: not HTTP, upgraded, or a tunnel.
    Ignore,
    /// Request bytes before this sequence number are body.
    SkipTo(u32),
    /// The client pipelines: responses must be seen whole.
    WholeResponses,
}
