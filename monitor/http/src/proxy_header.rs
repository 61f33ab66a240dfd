//! The PROXY protocol: what a load balancer may say of its client before the first byte of that client's stream.
//!
//! Both forms of haproxy's proxy-protocol.txt: a line of [text], and a [binary] header. Read as servers read them,
//! which is as leniently as the document allows: a header that a server takes must not hide what follows it. Pure:
//! when a header may stand somewhere is for `requests` to say.

pub(super) mod binary;
pub(super) mod text;

use std::net::IpAddr;

pub(super) use binary::Binary;

/// What the bytes so far are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// They may become a header.
    Partial,
    /// No header, whatever follows.
    Not,
    /// A header ends within them.
    Complete {
        /// Of the bytes that were handed in, those that belong to it.
        consumed: usize,
        /// Whom the connection is relayed for; `None` if the header says that it doesn't say.
        source: Option<IpAddr>,
    },
}
