//! What happened on the connections, in plain numbers.

/// Why a request may have gone unseen that the server has answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unexplained {
    /// Nothing is known to have gone wrong.
    #[default]
    Unknown,
    /// The connection is older than the source, which came amid it.
    Joined,
    /// Bytes of the connection were lost on the way here.
    Lost,
    /// Servers differ in where the message before it ends.
    Framing,
    /// The connection carries, or carried, another protocol.
    OtherProtocol,
    /// The server took an upgrade to HTTP/2, and answers in it.
    UpgradedToHttp2,
}

impl Unexplained {
    /// Label values, in the order of the variants.
    pub const NAMES: [&'static str; 6] =
        ["unknown", "joined", "lost", "framing", "other_protocol", "upgraded_to_http2"];

    /// What is neither in the nature of a start nor of a loss: a client may have brought it about.
    pub const HIDDEN: [Unexplained; 4] = [
        Unexplained::Unknown,
        Unexplained::Framing,
        Unexplained::OtherProtocol,
        Unexplained::UpgradedToHttp2,
    ];
}

/// Counts since the start, but for the gauges at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpCounters {
    /// What happened below: see [`rollcall_stream::StreamCounters`].
    pub stream: rollcall_stream::StreamCounters,
    /// What happened inside TLS: see [`rollcall_tls::TlsCounters`].
    pub decrypted: rollcall_tls::TlsCounters,
    /// Requests reported, each once.
    pub exchanges: u64,
    /// Requests that nothing showed the server to have accepted, dropped when their connection ended.
    pub unconfirmed: u64,
    /// Requests that were captured after a loss whose place in the stream could not be proved, as the proof was
    /// lost as well; and those of which no more than the beginning of the line was captured.
    pub lost_requests: u64,
    /// What was found by guessing and was no request, and what came when the connection had become a tunnel.
    pub withdrawn: u64,
    /// Requests that the server had announced not to answer (`Connection: close`) and that were dropped.
    pub unserved: u64,
    /// Holes in the request stream that cost the parser its place.
    pub gaps: u64,
    /// Bytes in those holes.
    pub lost_bytes: u64,
    /// Bytes of request bodies of known length that were not captured: harmless.
    pub skipped_bytes: u64,
    /// Holes in the response stream.
    pub response_gaps: u64,
    /// Times that a connection's requests could no longer be told from other bytes.
    pub desyncs: u64,
    /// Times that requests were looked for at a place where they may begin again.
    pub resyncs: u64,
    /// Requests found among bytes that had been taken for something else, as the server had answered them.
    pub reread: u64,
    /// Answers to requests that were not seen, by [`Unexplained`]: each is a call that nothing is known of but its client.
    pub unexplained: [u64; Unexplained::NAMES.len()],
    /// Connections that began with a PROXY protocol header.
    pub proxied: u64,
    /// Connections that turned out not to be HTTP, TLS and HTTP/2 apart.
    pub not_http: u64,
    /// Connections that carry TLS.
    pub tls: u64,
    /// Connections that began with the HTTP/2 preface.
    pub http2: u64,
    /// Connections that were upgraded to another protocol by a 101.
    pub upgraded: u64,
    /// Connections that became tunnels by CONNECT.
    pub tunnels: u64,
    /// Requests whose head was longer than the cap, or not captured whole.
    pub truncated_heads: u64,
    /// Requests whose framing or syntax a server must refuse (RFC 9112, section 6.3).
    pub malformed_requests: u64,
    /// Requests reported early, without response, because too many waited.
    pub pending_overflows: u64,
    /// Response bytes or segments that belong to no request that was seen, counted once each time they begin.
    pub unpaired_responses: u64,
    /// Requests reported without a status although response bytes went by, or a later request was answered.
    pub responses_missed: u64,
    /// Gauge: memory of the requests being held.
    pub pending_bytes: u64,
}
