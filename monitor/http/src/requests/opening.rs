//! The connection's beginning: before the first request may stand a PROXY header.
//!
//! Until it is known to be one, nothing is done differently: version 2 begins with line ends, which may precede a
//! request anyway, and version 1 is read into the head that it looks like.

use std::{collections::VecDeque, net::IpAddr};

use rollcall_stream::reassembly::Origin;

use super::{Requests, Shared, State};
use crate::{
    pending::Pending,
    proxy_header::{Status, text},
    recognition::{self, Recognition},
};

/// A PROXY header that has been found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced {
    source: Option<IpAddr>,
}

impl Requests {
    /// The source that a PROXY header names.
    pub(crate) fn proxied_for(&self) -> Option<IpAddr> {
        self.announced.and_then(|announced| announced.source)
    }

    /// A PROXY header has been found.
    pub(crate) fn is_announced(&self) -> bool {
        self.announced.is_some()
    }

    /// Whether a PROXY header has been found since this was last asked.
    pub(crate) fn announces(&mut self) -> bool {
        let new = !self.is_counted && self.announced.is_some();
        self.is_counted |= new;
        new
    }

    /// At the connection's first byte, or in what may become, or is, a header of version 2.
    pub(super) fn open(
        &mut self,
        rest: &[u8],
        first: bool,
        origin: &Origin,
        pending: &mut VecDeque<Box<Pending>>,
        shared: &mut Shared,
    ) -> usize {
        let State::Opening(header) = &mut self.state else { return 0 };
        let before = header.seen();
        let status = header.take(rest);
        let taken = (header.seen() - before) as usize;
        match status {
            Status::Partial => taken,
            Status::Complete { consumed, source } => {
                self.announce(source);
                consumed
            }
            Status::Not if header.seen() == 0 => self.start(rest, first, origin, pending, shared),
            Status::Not if header.is_blank() => {
                self.state = State::Start;
                taken
            }
            Status::Not => {
                // Behind line ends begins a message, whatever the server makes of it.
                let mut request = shared.pool.acquire();
                request.request.head.extend(header.behind_blank());
                request.head_end = self.next + taken as u64;
                request.start = request.head_end.saturating_sub(request.request.head.len() as u64);
                request.origin = *origin;
                request.place = origin.sent.filter(|_| origin.boundary);
                request.odd = true;
                self.state = State::Head(request);
                taken
            }
        }
    }

    /// A header has come.
    pub(super) fn announce(&mut self, source: Option<IpAddr>) {
        self.announced = Some(Announced { source });
        self.state = State::Start;
    }
}

/// What a head, of which `head` has come, is that starts at the connection's first byte.
///
/// `PROXY UNKNOWN HTTP/1.1` may be a header as well as a request. It is what the next line makes of it: a request
/// line is no field, and a field is no request line.
pub(super) fn line(head: &[u8]) -> Status {
    let status = text::line(head);
    let Status::Complete { consumed, .. } = status else { return status };
    let (line, next) = head.split_at(consumed);
    if recognition::recognise(line) != Recognition::Request {
        return status;
    }
    match recognition::recognise(next) {
        Recognition::Request => status,
        Recognition::Partial => Status::Partial,
        Recognition::Simple | Recognition::Not(_) => Status::Not,
    }
}
