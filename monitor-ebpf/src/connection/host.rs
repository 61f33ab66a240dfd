//! What has to be asked to judge a packet.

use super::Connection;
use crate::{control::Advice, packet::Packet, sample::Sampled};

/// The kernel and the daemon, around the packet at hand. Each question costs some nanoseconds: it is asked once its answer
/// matters, and not before.
pub trait Host<'a> {
    type Socket: Socket<'a>;

    /// The first eight bytes of the payload in memory order, `None` if there are fewer.
    fn first_word(&self, packet: &Packet) -> Option<u64>;
    /// Whether the daemon can read TLS.
    fn reads_tls(&self) -> bool;
    /// Whether connections to this server port are watched.
    fn is_watched(&self, port: u16) -> bool;
    /// Whether a server has been seen on this local port.
    fn serves(&self, port: u16) -> bool;
    /// Takes note of a server.
    fn note_server(&self, port: u16);
    /// The packet's socket, `None` if it has no full one: a request or a time-wait socket, or none at all.
    fn socket(&self) -> Option<Self::Socket>;
    /// Takes what the daemon has left for this connection.
    fn advice(&self, connection: u64) -> Option<Advice>;
    /// Whether the ring is three quarters full: the daemon is woken at one.
    fn is_ring_filling(&self) -> bool;
    /// Share of request targets to capture, in units of 2^-32.
    fn sampling(&self) -> u32;
    /// What sampling at this rate says of the packet's payload.
    fn sampled(&self, packet: &Packet, rate: u32) -> Sampled;
}

/// A full socket.
pub trait Socket<'a> {
    /// Its cookie, which names the connection.
    fn cookie(&self) -> u64;
    /// See [`Connection::cgroup`]: asked once, when the socket is remembered.
    fn cgroup(&self) -> u64;
    fn is_listening(&self) -> bool;
    /// What is remembered of it.
    fn connection(&self) -> Option<&'a mut Connection>;
    /// Remembers it so. `None` if the kernel has no memory for it.
    fn remember(&self, connection: Connection) -> Option<&'a mut Connection>;
    /// `rcv_nxt` and `snd_nxt`: what TCP has accepted so far, and the next byte it will send.
    fn positions(&self) -> (u32, u32);
    /// Bytes that TCP has received.
    fn received(&self) -> u32;
}
