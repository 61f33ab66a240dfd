//! From bytes in order to exchanges: HTTP/1 framing (RFC 9112), and requests paired with their responses.

pub mod exchange;

pub use exchange::{Exchange, Header, Request, Version};
