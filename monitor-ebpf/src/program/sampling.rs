//! Leaving out requests by target, when a rate below 1 is in force.

use aya_ebpf::programs::SkBuffContext;
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
    let Some(control) = control() else { return false };
    let rate = control.sampling;
    if rate == u32::MAX || packet.length < 16 {
        return false;
    }
    let start = packet.payload();
    let Ok(last) = load::<[u8; 4]>(ctx, start + packet.length - 4) else { return false };
    let Some(word) = packet.first_word(ctx) else { return false };
    let target = match &word.to_ne_bytes() {
        [b'G', b'E', b'T', b' ', ..] => start + 4,
        [b'H', b'E', b'A', b'D', b' ', ..] => start + 5,
        [b'D', b'E', b'L', b'E', b'T', b'E', b' ', ..] => start + 7,
        _ => return false,
    };
    if last != *b"\r\n\r\n" {
        return false;
    }
    let mut state = sampling_key();
    for index in 0..sample::WORDS as u32 {
        let Ok(bytes) = load::<[u8; 8]>(ctx, target + index * 8) else { return false };
        let (next, end) = sample::step(state, u64::from_le_bytes(bytes));
        state = next;
        if end {
            break;
        }
    }
    !sample::captured(state, rate)
}
