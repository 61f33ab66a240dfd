//! Who called: the client keys of an exchange.

use std::net::IpAddr;

/// One way of telling who called. A call has several at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClientKey {
    /// The TCP peer. Nobody can choose it freely.
    Peer(IpAddr),
    /// The address that a trusted proxy forwarded.
    Forwarded(IpAddr),
}
