//! Leaving out requests by target, when a rate below 1 is in force.

use aya_ebpf::{bindings::__sk_buff, programs::SkBuffContext};
use monitor_ebpf::sample;

use super::{
    maps::sampling_key,
    packet::{Packet, load},
    ring::control,
};

/// Whether the packet is one whole request without a body whose target is sampled out.
///
/// Anything else is captured: leaving out part of a message would cost the daemon its place in the stream.
/// Only called where a request begins, so a body cannot pose as one.
#[inline(always)]
pub fn leaves_out(ctx: &SkBuffContext, packet: &Packet) -> bool {
    let rate = control().map_or(u32::MAX, |control| control.sampling);
    rate != u32::MAX && hashed_out(ctx.skb.skb, packet.payload(), packet.length, rate) != 0
}

/// Non-zero if the `length` bytes of payload at `start` are left out.
#[inline(never)]
fn hashed_out(skb: *mut __sk_buff, start: u32, length: u32, rate: u32) -> u32 {
    let ctx = &SkBuffContext::new(skb);
    if length < 16 {
        return 0;
    }
    let Ok(last) = load::<[u8; 4]>(ctx, start + length - 4) else { return 0 };
    let Ok(word) = load::<[u8; 8]>(ctx, start) else { return 0 };
    let target = match &word {
        [b'G', b'E', b'T', b' ', ..] => start + 4,
        [b'H', b'E', b'A', b'D', b' ', ..] => start + 5,
        [b'D', b'E', b'L', b'E', b'T', b'E', b' ', ..] => start + 7,
        _ => return 0,
    };
    if last != *b"\r\n\r\n" {
        return 0;
    }
    let mut state = sampling_key();
    for index in 0..sample::WORDS as u32 {
        let Ok(bytes) = load::<[u8; 8]>(ctx, target + index * 8) else { return 0 };
        let (next, end) = sample::step(state, u64::from_le_bytes(bytes));
        state = next;
        if end {
            break;
        }
    }
    u32::from(!sample::captured(state, rate))
}
