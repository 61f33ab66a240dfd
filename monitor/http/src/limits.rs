//! What the connections may hold, and how long they wait.

use std::time::Duration;

/// The bounds of [`super::Connections`]. Everything that a client can make grow has one.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a request head that are kept, from 128 to 65,535 (ranges in [`super::Request`] are 16 bits wide).
    /// While memory is short, less.
    pub head: usize,
    /// Bytes of a request body that are kept. While memory is short, less.
    pub body: usize,
    /// Requests that wait for their answers, for each connection. Response segments arrive up to one settle
    /// cycle late, so this must hold the requests that one client makes in that time.
    pub pipelined: usize,
    /// Memory of requests that wait for their answers or for the rest of their heads, in all.
    pub pending: usize,
    /// How long a confirmed request waits for its response's head before it is handed to detection without.
    pub deadline: Duration,
    /// Those of the connections below.
    pub stream: rollcall_stream::Limits,
}

impl Limits {
    /// The most that [`Limits::head`] can be.
    pub const HEAD_MAX: usize = 65_535;
    /// The least: a PROXY header of version 1 has room.
    pub const HEAD_MIN: usize = 128;
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head: Limits::HEAD_MAX,
            body: 64 * 1024,
            pipelined: 1024,
            pending: 64 * 1024 * 1024,
            deadline: Duration::from_millis(500),
            stream: rollcall_stream::Limits::default(),
        }
    }
}
