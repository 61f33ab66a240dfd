//! Leaving out requests by target, when a rate below 1 is in force.

use aya_ebpf::{bindings::__sk_buff, programs::SkBuffContext};
use monitor_ebpf::sample;

use super::{
    maps::sampling_key,
    packet::{Packet, load},
    ring::control,
};

/// The rate that means everything.
pub const ALL: u32 = u32::MAX;

/// The rate at which the packet was captured; `None` if it is left out.
///
/// Left out is what is one whole request without a body whose target is sampled out. Anything else is captured:
/// leaving out part of a message would cost the daemon its place in the stream. Only asked where a request begins,
/// so a body cannot pose as one.
#[inline(always)]
pub fn judge(ctx: &SkBuffContext, packet: &Packet) -> Option<u32> {
    let rate = control().map_or(ALL, |control| control.sampling);
    if rate == ALL {
        return Some(ALL);
    }
    match verdict(ctx.skb.skb, packet.payload(), packet.length, rate) {
        LEFT_OUT => None,
        KEPT => Some(rate),
        _ => Some(ALL),
    }
}

const EXEMPT: u32 = 0;
const KEPT: u32 = 1;
const LEFT_OUT: u32 = 2;

/// What sampling says of the `length` bytes of payload at `start`.
#[inline(never)]
fn verdict(skb: *mut __sk_buff, start: u32, length: u32, rate: u32) -> u32 {
    let ctx = &SkBuffContext::new(skb);
    if length < 16 {
        return EXEMPT;
    }
    let Ok(last) = load::<[u8; 4]>(ctx, start + length - 4) else { return EXEMPT };
    let Ok(word) = load::<[u8; 8]>(ctx, start) else { return EXEMPT };
    let target = match &word {
        [b'G', b'E', b'T', b' ', ..] => start + 4,
        [b'H', b'E', b'A', b'D', b' ', ..] => start + 5,
        [b'D', b'E', b'L', b'E', b'T', b'E', b' ', ..] => start + 7,
        _ => return EXEMPT,
    };
    if last != *b"\r\n\r\n" {
        return EXEMPT;
    }
    let mut state = sampling_key();
    for index in 0..sample::WORDS as u32 {
        let Ok(bytes) = load::<[u8; 8]>(ctx, target + index * 8) else { return EXEMPT };
        let (next, end) = sample::step(state, u64::from_le_bytes(bytes));
        state = next;
        if end {
            break;
        }
    }
    if sample::captured(state, rate) { KEPT } else { LEFT_OUT }
}
