//! Answers to what is asked about the packet at hand.

use aya_ebpf::{bindings::__sk_buff, programs::SkBuffContext};
use monitor_ebpf::{
    connection::Host,
    control::Advice,
    packet::Packet,
    sample::{self, Sampled},
};

use super::{packet::Skb, servers, socket::Socket};
use crate::maps::{advice, control, port_watched, ring, sampling_key};

/// Where the packet is.
pub struct Here<'a>(pub &'a SkBuffContext);

impl Host<'static> for Here<'_> {
    type Socket = Socket;

    #[inline(always)]
    fn first_word(&self, packet: &Packet) -> Option<u64> {
        packet.first_word(&Skb(self.0.skb.skb))
    }

    #[inline(always)]
    fn reads_tls(&self) -> bool {
        control().is_some_and(|control| control.reads_tls != 0)
    }

    #[inline(always)]
    fn is_watched(&self, port: u16) -> bool {
        port_watched(port)
    }

    #[inline(always)]
    fn serves(&self, port: u16) -> bool {
        servers::serves(port)
    }

    #[inline(always)]
    fn note_server(&self, port: u16) {
        servers::note(port);
    }

    #[inline(always)]
    fn socket(&self) -> Option<Socket> {
        Socket::of(self.0)
    }

    #[inline(always)]
    fn advice(&self, connection: u64) -> Option<Advice> {
        advice::take(connection)
    }

    #[inline(always)]
    fn is_ring_filling(&self) -> bool {
        ring::is_filling()
    }

    #[inline(always)]
    fn sampling(&self) -> u32 {
        control().map_or(sample::ALL, |control| control.sampling)
    }

    #[inline(always)]
    fn sampled(&self, packet: &Packet, rate: u32) -> Sampled {
        match sampled(self.0.skb.skb, packet.payload(), packet.length, rate) {
            KEPT => Sampled::Kept,
            LEFT_OUT => Sampled::LeftOut,
            _ => Sampled::Exempt,
        }
    }
}

const KEPT: u32 = Sampled::Kept as u32;
const LEFT_OUT: u32 = Sampled::LeftOut as u32;

/// A [`Sampled`]. Out of line: most daemons don't sample.
#[inline(never)]
fn sampled(skb: *mut __sk_buff, start: u32, length: u32, rate: u32) -> u32 {
    sample::sampled(&Skb(skb), start, length, rate, sampling_key()) as u32
}
