//! What became of each packet that the programs saw: exactly one outcome each.

/// The outcomes of a packet. The counters are an array in this order; [`Outcome::NAMES`] has their label values.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Handed to the daemon.
    Submitted = 0,
    /// Nothing to read: no payload, and no end of a connection that is being watched.
    NoPayload,
    /// Not TCP.
    NotTcp,
    /// The server's port is not among those watched.
    PortFiltered,
    /// Belongs to no full socket (forwarded, or answered by the kernel itself).
    NoSocket,
    /// Seen at the end that opened the connection.
    ClientSide,
    /// TLS, by the connection's first bytes; or bytes that look like no request at a port of which nothing is known.
    NotHttp,
    /// The daemon has said that this connection carries something else for now (another protocol, upgraded).
    Ignored,
    /// Body bytes that the daemon has said it does not need.
    SkippedBody,
    /// Left out by the sampling rate.
    SampledOut,
    /// The client has sent more since the last answer than is captured for one connection: the daemon got the
    /// packet's start only.
    OverBudget,
    /// The ring had no room: a loss.
    RingFull,
    /// The kernel refused memory for the connection's state: a loss.
    NoMemory,
    /// Headers that could not be read: a loss.
    Unreadable,
}

/// Number of [`Outcome`]s.
pub const OUTCOMES: usize = 14;

impl Outcome {
    /// Label values, in the order of the discriminants.
    pub const NAMES: [&'static str; OUTCOMES] = [
        "submitted",
        "no_payload",
        "not_tcp",
        "port_filtered",
        "no_socket",
        "client_side",
        "not_http",
        "ignored",
        "skipped_body",
        "sampled_out",
        "over_budget",
        "ring_full",
        "no_memory",
        "unreadable",
    ];
}

/// What became of packets, in numbers. The packets seen are the sum of the outcomes, as each has exactly one: a count of
/// its own would cost each packet as much again, and be torn from the rest whenever it is read.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub outcomes: [u64; OUTCOMES],
    /// Of the packets lost for a full ring: those that began a request, as far as can be told from outside.
    pub requests_lost: u64,
}

/// One direction's counters on one CPU. The figures are the sums of both tallies.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Counted by programs that nothing interrupted, or that interrupted nobody who was counting.
    pub alone: Tally,
    /// Counted by programs that interrupted one amid its counting.
    pub amid: Tally,
    /// Non-zero while a program counts in `alone`.
    pub busy: u64,
}
