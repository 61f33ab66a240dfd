//! TLS on a connection: what it carries, read with secrets that come from elsewhere.
//!
//! [`Connection`] stands between TCP and a protocol. It follows the handshake as far as it comes in clear, opens records (RFC 8446,
//! RFC 5246) with the secrets that were handed in ([`Shared::secret`]), and gives the protocol what is in them, with the evidence
//! that TCP has of the ciphertext: it is the same stream. Nothing that a client sends is believed to be anything before a tag has
//! proved it, or, of answers that were captured in part, before it reads like one.
//!
//! What can't be read is counted by its reason, and the protocol sees that there is TLS, as it would without this. Secrets are never
//! shown, and wiped with the connection.

mod announcement;
mod client;
mod connection;
mod handshake;
pub mod key_log;
mod keys;
mod places;
mod ready;
mod record;
mod search;
mod secret;
mod secrets;
mod server;
mod session;
mod shared;
mod suite;

pub use connection::Connection;
use rollcall_stream::protocol::Standing;
pub use secret::{Label, Secret};
pub use shared::{Shared, TlsCounters, Unread};

/// A protocol that TLS may carry.
pub trait Carried: Standing {
    /// Whether an answer may begin with these bytes, which are 16 unless it is shorter.
    fn may_begin_answer(start: &[u8]) -> bool;

    /// Whether nothing has come but what a proxy says of the connection before its first byte.
    fn is_announced(&self) -> bool;
}

/// What all connections share, with what TLS needs of it.
pub trait Context {
    fn tls(&mut self) -> &mut Shared;
}
