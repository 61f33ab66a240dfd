//! Where exchanges go.

use rollcall_model::time::Timestamp;
use rollcall_stream::{ConnectionId, Directive, Endpoints};

use super::{counters::Unexplained, exchange::Exchange, requests::Shared};

/// What becomes of the exchanges.
pub trait ExchangeSink {
    /// A request whose status is known, or that has waited for it long enough. Exactly once a request, as soon
    /// as it is confirmed that the server accepted it.
    fn call(&mut self, exchange: &Exchange<'_>);

    /// A request with its response as complete as it will get. Exactly once a request, after [`ExchangeSink::call`].
    fn exchange(&mut self, exchange: &Exchange<'_>);

    /// The server answered a request that was not seen.
    fn unseen(&mut self, _unseen: &Unseen) {}

    /// Advice for the source: what of the connection is worth capturing.
    fn directive(&mut self, connection: ConnectionId, directive: Directive);
}

/// An answer of HTTP/1 for which no request waited: proof of a call that nothing else is known of.
#[derive(Clone, Copy, Debug)]
pub struct Unseen {
    /// `None` if no segment has told them.
    pub endpoints: Option<Endpoints>,
    /// When the answer was seen.
    pub at: Timestamp,
    pub status: Option<u16>,
    pub why: Unexplained,
}

/// What is at hand while a connection is served.
pub(super) struct Context<'a> {
    pub(super) shared: &'a mut Shared,
    pub(super) sink: &'a mut dyn ExchangeSink,
}

impl rollcall_tls::Context for Context<'_> {
    fn tls(&mut self) -> &mut rollcall_tls::Shared {
        &mut self.shared.tls
    }
}
