//! What a connection is, and what a packet does to it. Knows no kernel: the programs fetch what is asked for through
//! [`Host`], and act on the [`Verdict`].
//!
//! A listening socket gets a value when a SYN arrives, and the kernel copies it to each socket that the
//! listener accepts. So a server's connections are known from the first byte, without a guess at roles.

mod host;
pub mod request;
pub mod response;
#[cfg(test)]
mod tests;
mod verdict;

pub use host::{Host, Socket};
pub use verdict::{Capture, START, Verdict, WHOLE};

use crate::{
    control::{ADVICE_IGNORE, ADVICE_SKIP, ADVICE_WHOLE, Advice},
    outcome::Outcome,
};

/// What a socket is to us.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A listening socket, or one just accepted from it.
    Listener = 1,
    /// The end that answers, on a connection that may be HTTP/1.
    Server,
    /// The end that opened the connection.
    Client,
    /// The first bytes are TLS, and the daemon can't read it. As with [`Role::Ignored`], for as long as nothing speaks against it.
    NotHttp,
    /// The daemon has no interest, until the client's next packet begins a request or the server answers in HTTP/1.
    Ignored,
}

/// A connection's state, kept in its socket: it dies with the socket. One byte a flag: requests and responses are seen on
/// different CPUs at once, and a store to one flag must not undo another.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    pub role: Role,
    /// Older than the programs.
    pub joined: u8,
    /// The daemon has been told of both ends.
    pub announced: u8,
    /// The server has sent payload since the client last did.
    pub responded: u8,
    /// The daemon lacks proof that TCP accepted the client's last payload.
    pub unconfirmed: u8,
    /// The daemon advises to capture response packets whole.
    pub whole: u8,
    /// Requests for which response packets are captured whole, up to `budget`, although the daemon has not said so: it may
    /// not have had the time to.
    pub suspicion: u8,
    /// `mark` is where a body ends that need not be captured.
    pub skipping: u8,
    /// The request being answered is left out by sampling.
    pub sampled_out: u8,
    /// The first bytes are TLS.
    pub tls: u8,
    /// Zero.
    pub reserved: [u8; 2],
    /// A sequence number of the request stream; see `skipping`.
    pub mark: u32,
    /// Request bytes captured since the server last sent payload.
    pub unanswered: u32,
    /// Response bytes since the client last sent payload.
    pub answered: u32,
    /// Request packets with payload.
    pub packets: u32,
    /// Response bytes that are captured whole on suspicion.
    pub budget: u32,
    /// Id of the socket's cgroup v2: that of the process which made it, and for a connection that of the process which made
    /// the listening socket; neither changes when the process moves. 0 where it isn't needed.
    pub cgroup: u64,
}

/// A packet longer than this may hold many requests: more than one Ethernet frame does.
const LONG: u32 = 1448;

/// Response bytes captured whole on suspicion…
const SUSPECT: u32 = 16 * 1024;
/// …and for each byte that was asked: short requests of 31 bytes are answered by servers' error pages of 720…
const SUSPECT_EACH: u32 = 32;
/// …but no more than this.
const SUSPECT_MAX: u32 = 512 * 1024;
/// The same where nobody may have seen what was asked: before the programs came, or with the handshake.
const SUSPECT_UNSEEN: u32 = 128 * 1024;

/// The daemon's advice is asked for each time this many packets of a connection have passed, more often among its first
/// ones, when the daemon finds out what the connection carries, and when a suspicion ends…
const ADVICE_EVERY: u32 = 32;
/// …and for each packet once this much has come without an answer: the daemon may know it for a body.
const ADVICE_UNANSWERED: u32 = 16 * 1024;

impl Connection {
    /// One of which nothing else is known.
    #[inline(always)]
    pub fn new(role: Role, joined: bool, cgroup: u64) -> Connection {
        Connection {
            role,
            joined: u8::from(joined),
            announced: 0,
            responded: 0,
            unconfirmed: 0,
            whole: 0,
            suspicion: 1,
            skipping: 0,
            sampled_out: 0,
            tls: 0,
            reserved: [0; 2],
            mark: 0,
            unanswered: 0,
            answered: 0,
            packets: 0,
            budget: SUSPECT_UNSEEN,
            cgroup,
        }
    }

    /// So many bytes have been asked: what of the answers is captured whole on suspicion.
    #[inline(always)]
    fn suspect(&mut self, asked: u32) {
        let budget = SUSPECT.saturating_add(asked.saturating_mul(SUSPECT_EACH));
        self.budget = if budget > SUSPECT_MAX { SUSPECT_MAX } else { budget };
    }

    /// Whether what has been asked may be more than one request: it is longer than one Ethernet frame holds.
    #[inline(always)]
    fn asked_much(&self) -> bool {
        self.budget > SUSPECT + LONG * SUSPECT_EACH
    }

    /// Whether its packets are left alone for now. What a client sends settles nothing for good: see
    /// [`probe::begins_request`](crate::probe::begins_request) and [`probe::is_response`](crate::probe::is_response).
    #[inline(always)]
    fn left_alone(&self) -> Option<Outcome> {
        match self.role {
            Role::NotHttp => Some(Outcome::NotHttp),
            Role::Ignored => Some(Outcome::Ignored),
            _ => None,
        }
    }

    /// Whether it is time to ask for the daemon's advice.
    #[inline(always)]
    fn is_advice_due(&self) -> bool {
        self.packets & (ADVICE_EVERY - 1) == 0
            || self.packets & self.packets.wrapping_sub(1) == 0
            || self.unanswered >= ADVICE_UNANSWERED
    }

    /// Takes up the daemon's advice.
    #[inline(always)]
    fn follow(&mut self, advice: Advice) {
        match advice.kind {
            ADVICE_IGNORE => self.role = if self.tls == 0 { Role::Ignored } else { Role::NotHttp },
            ADVICE_SKIP => {
                self.mark = advice.seq;
                self.skipping = 1;
                self.unanswered = 0;
            }
            ADVICE_WHOLE => self.whole = 1,
            _ => {}
        }
    }
}
