//! One connection as the kernel shows it, with a server whose TCP accepts what is sent in order.

use rollcall_model::time::Timestamp;
use rollcall_stream::{Checksum, ConnectionId, Direction, Endpoints, Segment};

/// Where one connection is.
#[derive(Clone, Debug)]
pub struct Wire {
    pub id: u64,
    pub now: Timestamp,
    /// The client's next octet, and the server's.
    pub client: u32,
    pub server: u32,
    pub received: u32,
    pub answered: bool,
    /// As the kernel shows it, with the state of the server's TCP; else as a capture file does.
    pub live: bool,
    pub joined: bool,
}

/// Both ends of every connection.
pub fn endpoints(id: u64) -> Endpoints {
    let port = 1024 + (id % 60_000) as u16;
    Endpoints { client: ([198, 51, 100, 7], port).into(), server: ([192, 0, 2, 2], 80).into() }
}

impl Wire {
    /// A new connection whose sequence numbers soon wrap.
    pub fn new(id: u64, now: Timestamp) -> Wire {
        let (client, server) = (u32::MAX - 20, u32::MAX - 50);
        Wire { id, now, client, server, received: client, answered: false, live: true, joined: false }
    }

    /// An empty segment of one direction, from where that direction stands.
    pub fn empty(&self, direction: Direction) -> Segment<'static> {
        let request = direction == Direction::Request;
        let seq = if request { self.client } else { self.server };
        Segment {
            endpoints: Some(endpoints(self.id)),
            ack: Some(if request { self.server } else { self.received }),
            received: (request && self.live).then_some(self.received),
            sent: (request && self.live).then_some(self.server),
            after_response: request && self.answered,
            joined: self.joined,
            checksum: Checksum::Valid,
            ..Segment::bare(ConnectionId(self.id), direction, self.now, seq)
        }
    }

    /// The next octets of one direction.
    pub fn segment<'a>(&self, direction: Direction, data: &'a [u8]) -> Segment<'a> {
        Segment { data, length: data.len() as u32, ..self.empty(direction) }
    }

    /// The other end has taken these octets.
    pub fn pass(&mut self, direction: Direction, octets: u32) {
        match direction {
            Direction::Request => {
                self.client = self.client.wrapping_add(octets);
                self.received = self.client;
                self.answered = false;
            }
            Direction::Response => {
                self.server = self.server.wrapping_add(octets);
                self.answered = true;
            }
        }
    }
}
