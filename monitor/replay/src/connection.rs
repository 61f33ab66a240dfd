//! Whose segment it is: which connection, and which of its ends is the server.
//!
//! A connection is one incarnation of a pair of addresses, as RFC 9293 calls it. A SYN with another sequence number, or behind a FIN or a
//! reset, begins a new one. Until the server
//! has answered that SYN, or the client has gone on behind it, packets that do not fit it are of the incarnation before: a server
//! that still has the old connection says so (a challenge ACK, RFC 5961), which the client resets before it tries again,
//! and a SYN that was made up changes nothing. The server is the end that did not send the first SYN. Where the handshake is not in the capture, the first payload tells: a
//! request line comes from the client, a status line from the server; failing that the lower port is the
//! server's, until a request from there proves otherwise.

use std::{collections::HashMap, net::SocketAddr};

use rollcall_stream::{ConnectionId, Direction, Endpoints};

use super::packet::Packet;

/// Connections remembered in each of the two generations.
const GENERATION: usize = 500_000;

/// All connections of the captures.
///
/// Bounded by two generations: when the young one is full it becomes the old one, and what was in the old one and has not
/// been seen since is forgotten. A forgotten connection that goes on is a new one whose beginning was not seen.
#[derive(Debug)]
pub(super) struct Connections {
    young: HashMap<Pair, Incarnation>,
    old: HashMap<Pair, Incarnation>,
    generation: usize,
    numbered: u64,
}

/// Where a segment belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub connection: ConnectionId,
    pub direction: Direction,
    pub endpoints: Endpoints,
    /// No part of the handshake was seen.
    pub joined: bool,
}

/// Two addresses, the lower one first.
type Pair = (SocketAddr, SocketAddr);

/// One end of a pair: 0 is the lower address.
type End = usize;

#[derive(Clone, Copy, Debug)]
struct Incarnation {
    connection: ConnectionId,
    /// Initial sequence numbers, as far as the handshake told them.
    initial: [Option<u32>; 2],
    client: End,
    /// `client` is known from nothing better than the ports.
    guessed: bool,
    /// More than a SYN shows it.
    established: bool,
    /// One of its ends has said that it is over, so that a SYN is of the next.
    ended: bool,
    /// The incarnation before, while this one is not established.
    former: Option<Track>,
}

/// Where the packets of an incarnation go.
#[derive(Clone, Copy, Debug)]
struct Track {
    connection: ConnectionId,
    client: End,
    joined: bool,
}

impl Default for Connections {
    fn default() -> Connections {
        Connections::bounded(GENERATION)
    }
}

impl Connections {
    /// Remembers at least the last `generation` connections, and at most twice as many.
    fn bounded(generation: usize) -> Connections {
        Connections { young: HashMap::new(), old: HashMap::new(), generation, numbered: 0 }
    }

    /// How many connections have been numbered so far.
    pub(super) fn numbered(&self) -> u64 {
        self.numbered
    }

    /// Places a segment; `None` while the direction can't be told and there is no payload that could matter.
    pub(super) fn place(&mut self, packet: &Packet<'_>) -> Option<Place> {
        let (pair, sender) = if packet.source <= packet.destination {
            ((packet.source, packet.destination), 0)
        } else {
            ((packet.destination, packet.source), 1)
        };
        let known = self.young.get(&pair).copied().or_else(|| self.old.remove(&pair));
        let mut incarnation = match known {
            Some(incarnation) if !begins_anew(&incarnation, packet, sender) => incarnation,
            known => {
                let former = known.filter(|_| packet.syn).and_then(|incarnation| incarnation.survivor());
                Incarnation { former, ..self.begin(packet, sender)? }
            }
        };
        let owns = incarnation.owns(packet, sender);
        if owns {
            incarnation.learn(packet, sender);
        } else if incarnation.former.is_none() && packet.length > 0 {
            self.numbered += 1;
            let connection = ConnectionId(self.numbered);
            incarnation.former = Some(Track { connection, client: incarnation.client, joined: true });
        }
        self.remember(pair, incarnation);
        let Track { connection, client, joined } =
            if owns { incarnation.track() } else { incarnation.former? };
        let ends = [pair.0, pair.1];
        Some(Place {
            connection,
            direction: if client == sender { Direction::Request } else { Direction::Response },
            endpoints: Endpoints { client: ends[client], server: ends[1 - client] },
            joined,
        })
    }

    fn begin(&mut self, packet: &Packet<'_>, sender: End) -> Option<Incarnation> {
        let (client, guessed) = client(packet, sender)?;
        self.numbered += 1;
        Some(Incarnation {
            connection: ConnectionId(self.numbered),
            initial: [None; 2],
            client,
            guessed,
            established: !packet.syn,
            ended: false,
            former: None,
        })
    }

    fn remember(&mut self, pair: Pair, incarnation: Incarnation) {
        if self.young.len() >= self.generation && !self.young.contains_key(&pair) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(pair, incarnation);
    }
}

impl Incarnation {
    fn learn(&mut self, packet: &Packet<'_>, sender: End) {
        if packet.syn {
            self.initial[sender] = Some(packet.seq);
            if let Some(ack) = packet.ack {
                // The answer to a SYN names it: should that one follow in the file, it is not another.
                self.initial[1 - sender].get_or_insert(ack.wrapping_sub(1));
                self.established = true;
            }
        } else {
            self.established |= sender == self.client;
        }
        self.ended |= packet.fin || packet.rst;
        if self.established {
            self.former = None;
        }
    }

    /// Whether a packet between the same addresses is of this incarnation, and not of one before it.
    fn owns(&self, packet: &Packet<'_>, sender: End) -> bool {
        let Some(initial) = self.initial[self.client].filter(|_| !self.established && !packet.syn) else {
            return true;
        };
        let first = initial.wrapping_add(1);
        if sender == self.client {
            // All of the handshake may be missing in the file, if nothing else can have been meant.
            packet.seq == first || (self.former.is_none() && !packet.rst)
        } else {
            packet.ack == Some(first)
        }
    }

    /// What packets that do not fit the next incarnation are of.
    fn survivor(self) -> Option<Track> {
        if self.established { Some(self.track()) } else { self.former }
    }

    fn track(&self) -> Track {
        Track { connection: self.connection, client: self.client, joined: self.initial == [None; 2] }
    }
}

/// Which end is the client by this packet alone, and whether that is a guess.
fn client(packet: &Packet<'_>, sender: End) -> Option<(End, bool)> {
    let receiver = 1 - sender;
    Some(match packet.ack {
        None if packet.syn => (sender, false),
        Some(_) if packet.syn => (receiver, false),
        _ if packet.length == 0 => return None,
        _ if is_request_line(packet.data) => (sender, false),
        _ if packet.data.starts_with(b"HTTP/1.") => (receiver, false),
        _ if packet.source.port() < packet.destination.port() => (receiver, true),
        _ => (sender, true),
    })
}

/// Whether `packet` belongs to another connection between the same addresses than `incarnation`.
fn begins_anew(incarnation: &Incarnation, packet: &Packet<'_>, sender: End) -> bool {
    if packet.syn {
        if incarnation.ended && packet.ack.is_none() {
            return true;
        }
        return match incarnation.initial[sender] {
            Some(initial) => initial != packet.seq,
            // Without any handshake so far, `incarnation` was joined midway and is over.
            None => incarnation.initial == [None; 2],
        };
    }
    // The guess was wrong: whatever was made of the connection under it is left behind.
    incarnation.guessed
        && if incarnation.client == sender {
            packet.data.starts_with(b"HTTP/1.")
        } else {
            is_request_line(packet.data) && names_version(packet.data)
        }
}

/// Whether `data` starts as a request line does: a method, which is a token (RFC 9110, section 5.6.2), a space, and
/// something visible.
fn is_request_line(data: &[u8]) -> bool {
    const LONGEST_METHOD: usize = 32;
    let Some(space) = memchr::memchr(b' ', &data[..data.len().min(LONGEST_METHOD + 1)]) else {
        return false;
    };
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    space > 0 && data[..space].iter().all(token) && data.get(space + 1).is_some_and(|byte| *byte > b' ')
}

/// Whether the first line of `data` ends with `HTTP/1.` and a digit.
fn names_version(data: &[u8]) -> bool {
    let line = memchr::memchr(b'\n', data).map_or(data, |end| &data[..end]).trim_ascii_end();
    line.len().checked_sub(8).is_some_and(|at| line[at..].starts_with(b"HTTP/1."))
}

#[cfg(test)]
mod tests;
