//! What a response shows of its request, and of the connection.

use rollcall_model::time::Timestamp;
use rollcall_stream::{
    Directive,
    protocol::{Link, Piece},
};

use super::Connection;
use crate::{
    connections::{Context, Unseen},
    counters::Unexplained,
    head::could_be_response,
    requests::Shared,
    responses::Effect,
};

impl Connection {
    /// Response bytes in order.
    pub(super) fn answer(&mut self, piece: Piece<'_>, link: &Link, context: &mut Context<'_>) {
        self.promote(&piece, context.shared);
        if self.tunnel && self.responses.is_lost() && !could_be_response(piece.data) {
            self.tunnel = false;
            context.sink.directive(link.id, Directive::Ignore);
        }
        self.take_answers(piece, link, context);
        if self.pending.len() > 1 || self.pending.front().is_some_and(|request| request.answered) {
            self.flush(link, context);
        }
    }

    /// The server may answer before the head is whole: too long, too slow, or wrong.
    fn promote(&mut self, piece: &Piece<'_>, shared: &mut Shared) {
        let answers = if self.responses.is_lost() {
            could_be_response(piece.data)
        } else {
            self.responses.is_at_start()
        };
        if answers && self.pending.iter().all(|request| request.answered) {
            self.requests.promote_answered(piece.ack, &mut self.pending, shared);
        }
    }

    /// Pairs the answers in the piece with requests, and does what they say.
    fn take_answers(&mut self, mut piece: Piece<'_>, link: &Link, context: &mut Context<'_>) {
        while piece.length > 0 {
            self.responses.may_be_hidden = self.requests.may_hide();
            let (taken, effect) = self.responses.feed(piece, &mut self.pending, context.shared);
            if std::mem::take(&mut self.responses.proves_guess) {
                let is_unsure = self.pending.iter().any(|request| request.unsure);
                self.requests.believe_guess(is_unsure);
            }
            if let Some(status) = self.responses.proves_nothing.take() {
                self.unexplained(Unexplained::Framing, status, piece.at, link, context);
            }
            piece.length -= taken;
            piece.place += u64::from(taken);
            piece.data = piece.data.get(taken as usize..).unwrap_or_default();
            match effect {
                None => {}
                Some(Effect::Unpaired) => {
                    let accepted = piece.ack.unwrap_or(link.accepted);
                    // It may be to bytes that have not been handed in yet; and an interim one shows nothing.
                    let is_settled = accepted <= self.requests.next && piece.data.get(9) != Some(&b'1');
                    if is_settled && self.requests.explain(accepted, &mut self.pending, context.shared) {
                        self.promote(&piece, context.shared);
                    } else if !self.responses.takes_odd {
                        self.responses.takes_odd = true;
                    } else {
                        self.responses.unpaired();
                    }
                }
                Some(Effect::Unexplained { status }) => {
                    // Servers say so to clients that are silent.
                    let is_unasked = status == Some(408) && self.requests.at_start();
                    if !is_unasked {
                        self.unexplained(self.requests.reason, status, piece.at, link, context);
                    }
                }
                Some(Effect::Foreign) => {
                    self.count_protocol(context.shared);
                    self.opaque(link, context);
                }
                Some(Effect::Closes) => self.unserved(),
                Some(Effect::Upgraded { http2 }) => {
                    context.shared.counters.upgraded += 1;
                    if http2 {
                        context.shared.counters.http2 += 1;
                        self.unexplained(Unexplained::UpgradedToHttp2, Some(101), piece.at, link, context);
                    }
                    self.elsewhere(context.shared);
                    context.sink.directive(link.id, Directive::Ignore);
                }
                Some(Effect::Tunnel) => {
                    context.shared.counters.tunnels += 1;
                    self.elsewhere(context.shared);
                    self.tunnel = true;
                }
            }
        }
    }

    /// An answer was given to a request that nobody saw.
    pub(super) fn unexplained(
        &mut self,
        why: Unexplained,
        status: Option<u16>,
        at: Timestamp,
        link: &Link,
        context: &mut Context<'_>,
    ) {
        context.shared.counters.unexplained[why as usize] += 1;
        // One request may have been under way when the source came.
        if why == Unexplained::Joined {
            self.requests.reason = Unexplained::Unknown;
        }
        context.sink.unseen(&Unseen { endpoints: link.endpoints, at, status, why });
    }

    /// Counts what the connection carries, which is not HTTP/1: the server's answer shows it.
    fn count_protocol(&mut self, shared: &mut Shared) {
        let first = self.pending.iter().find(|request| !request.answered).map(|request| &request.request);
        let counter = match first {
            Some(request) if request.head.first() == Some(&0x16) => &mut shared.counters.tls,
            Some(request) if request.method() == b"PRI" => &mut shared.counters.http2,
            _ => &mut shared.counters.not_http,
        };
        *counter += 1;
    }

    /// What follows may be of another protocol: requests that came behind count once they are answered.
    fn elsewhere(&mut self, shared: &mut Shared) {
        for request in self.pending.iter_mut().filter(|request| !request.answered && !request.called) {
            (request.tentative, request.confirmed) = (true, false);
            request.why = Unexplained::OtherProtocol;
        }
        self.requests.close(shared);
    }

    /// The server means to read no further than the request that it answers now: those behind count once they are answered.
    fn unserved(&mut self) {
        for request in self.pending.iter_mut().filter(|request| request.waits() && !request.called) {
            (request.unserved, request.confirmed) = (true, false);
        }
    }
}
