//! What the daemon tells the programs while they run.

/// One element, mapped by the daemon and read for each record.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Control {
    /// Non-zero when the daemon sleeps until it is woken: the next record wakes it and clears this. While it
    /// is zero the daemon comes by itself, and a wake-up would only cost (measured: throughput 0.77).
    pub idle: u32,
    /// Share of request targets to capture, in units of 2^-32; `u32::MAX` is all.
    pub sampling: u32,
    /// Set by the programs once they have said that memory runs short.
    pub warned: u32,
    /// Non-zero when the daemon can read TLS: its connections are captured as others are, until the daemon advises otherwise.
    pub reads_tls: u32,
}

/// The connection carries something else: capture no more of it until a request or an HTTP/1 answer shows.
pub const ADVICE_IGNORE: u32 = 1;
/// Request bytes before [`Advice::seq`] are body, but for what follows an answer.
pub const ADVICE_SKIP: u32 = 2;
/// Capture this connection's response packets whole: its client pipelines.
pub const ADVICE_WHOLE: u32 = 3;

/// What the daemon advises for one connection, keyed by its cookie.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Advice {
    /// `ADVICE_*`
    pub kind: u32,
    /// For [`ADVICE_SKIP`]: the sequence number of the first byte of interest.
    pub seq: u32,
}
