//! Requests on their way to becoming exchanges, and the pool that they come from.

use std::net::IpAddr;

use rollcall_model::time::Timestamp;
use rollcall_stream::{
    ConnectionId, Endpoints,
    buffers::{KEPT, KEPT_CAPACITY},
    reassembly::Origin,
};

use super::{
    counters::Unexplained,
    exchange::{Exchange, Request},
    head::{MediaType, Scan},
    recognition,
};

/// A request from its first byte until its exchange has been reported.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) request: Request,
    pub(super) scan: Scan,
    /// The place of the method's first byte.
    pub(super) start: u64,
    /// The place after the head, as far as it is known: evidence up to here confirms the request.
    pub(super) head_end: u64,
    /// The place after the body, where that is known in advance.
    pub(super) body_end: Option<u64>,
    /// Bytes so far, head and body.
    pub(super) bytes: u64,
    pub(super) origin: Origin,
    /// Where its answer starts, if the client waited with it for the answer before.
    pub(super) place: Option<u64>,
    /// Offset of the last segment within the head that came after the server had sent something; 0 if none did.
    pub(super) seam: usize,
    /// Bytes that were not seen stand where its answer would.
    pub(super) went_by: bool,
    /// The server has announced that it reads no further than the request before.
    pub(super) unserved: bool,
    /// It looks like no request: an answer of HTTP/1 shows that it is one.
    pub(super) odd: bool,
    /// It starts at the connection's first byte, and may yet turn out to be a PROXY header.
    pub(super) opens: bool,
    /// The head goes on past the cap, and its end has not come.
    pub(super) open: bool,
    /// The last byte has been seen.
    pub(super) complete: bool,
    /// It is certain that it is a request.
    pub(super) confirmed: bool,
    /// The place where it was found is a guess until its response comes.
    pub(super) tentative: bool,
    /// Once it has been answered: the answer may as well be to another request, of which nobody saw that it was one.
    pub(super) unsure: bool,
    /// Why the place is a guess.
    pub(super) why: Unexplained,
    /// To be handed to detection as soon as it is confirmed.
    pub(super) due: bool,
    /// Handed to detection.
    pub(super) called: bool,
    /// Response bytes have been seen.
    pub(super) responded: bool,
    /// An interim answer has come.
    pub(super) interim: bool,
    /// The response is complete.
    pub(super) answered: bool,
    pub(super) status: Option<u16>,
    pub(super) response_type: MediaType,
    pub(super) response_length: Option<u64>,
    pub(super) response_bytes: u64,
    pub(super) first_byte_at: Option<Timestamp>,
    pub(super) last_byte_at: Option<Timestamp>,
    charged: usize,
}

impl Pending {
    /// What is reported of it.
    pub(super) fn exchange(
        &self,
        connection: ConnectionId,
        endpoints: Endpoints,
        proxied_for: Option<IpAddr>,
    ) -> Exchange<'_> {
        Exchange {
            connection,
            endpoints,
            proxied_for,
            request: &self.request,
            start: self.start,
            at: self.origin.at,
            status: self.status,
            request_bytes: self.bytes,
            response_bytes: self.response_bytes,
            first_byte_at: self.first_byte_at,
            last_byte_at: self.last_byte_at,
            response_type: self.response_type.get(),
            response_length: self.response_length,
            sampling: self.origin.sampling,
        }
    }

    /// Nothing of its answer has been seen, nor that it went by.
    pub(super) fn waits(&self) -> bool {
        !self.answered && !self.responded
    }

    /// Whether only an answer shows it to be a request, if even that does.
    pub(super) fn needs_answer(&self) -> bool {
        self.tentative || self.unsure || self.odd || self.unserved
    }

    /// Whether its first line names a version of HTTP.
    pub(super) fn names_version(&self) -> bool {
        let line = self.request.head.get(..self.scan.first_line).unwrap_or_default();
        recognition::names_version(recognition::trim_blanks(line.trim_ascii_end()))
    }

    /// Response bytes went by.
    pub(super) fn respond(&mut self, bytes: u64, at: Timestamp) {
        self.responded = true;
        self.response_bytes += bytes;
        self.first_byte_at = self.first_byte_at.or(Some(at));
        self.last_byte_at = self.last_byte_at.max(Some(at));
    }

    fn memory(&self) -> usize {
        size_of::<Pending>()
            + self.request.head.capacity()
            + self.request.body.capacity()
            + self.request.headers.capacity() * size_of::<super::Header>()
    }

    /// Forgets the request but keeps its buffers.
    fn clear(&mut self) {
        let Request { mut head, mut headers, mut body, .. } = std::mem::take(&mut self.request);
        head.clear();
        headers.clear();
        body.clear();
        *self =
            Pending { request: Request { head, headers, body, ..Request::default() }, ..Pending::default() };
    }
}

/// Requests for reuse, and the memory of those in use.
#[derive(Debug, Default)]
pub(super) struct Pool {
    #[expect(
        clippy::vec_box,
        reason = "boxes travel between the pool and the connections without being copied"
    )]
    requests: Vec<Box<Pending>>,
    charged: usize,
}

impl Pool {
    /// An empty request.
    pub(super) fn acquire(&mut self) -> Box<Pending> {
        let mut pending = self.requests.pop().unwrap_or_default();
        self.charge(&mut pending);
        pending
    }

    /// Takes a request back.
    pub(super) fn release(&mut self, mut pending: Box<Pending>) {
        self.charged -= pending.charged;
        if self.requests.len() < KEPT && pending.memory() <= size_of::<Pending>() + KEPT_CAPACITY {
            pending.clear();
            self.requests.push(pending);
        }
    }

    /// Takes note of a request's memory after it has grown.
    pub(super) fn charge(&mut self, pending: &mut Pending) {
        let memory = pending.memory();
        self.charged = self.charged - pending.charged + memory;
        pending.charged = memory;
    }

    /// Memory of all requests in use.
    pub(super) fn charged(&self) -> usize {
        self.charged
    }
}
