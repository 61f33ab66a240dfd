//! The programs on the ingress and egress hooks of the cgroup v2 root (`cgroup_skb`).
//!
//! Both only look: they return 1 ("let it pass") whatever happens, and end each packet in one counted
//! [`Outcome`]. What a packet means is the daemon's to find out; the programs
//! decide no more than which packets it must see, and that is [`monitor_ebpf::connection`]'s part.

mod batch;
mod host;
mod packet;
mod record;
mod servers;
mod socket;

use aya_ebpf::{bindings::__sk_buff, macros::cgroup_skb, programs::SkBuffContext};
use aya_log_ebpf::warn;
use monitor_ebpf::{
    connection::{Capture, request, response},
    outcome::Outcome,
    packet::Packet,
};

use self::host::Here;
use crate::maps::{control, counters};

/// Let the packet pass.
const PASS: i32 = 1;

/// Requests: packets that arrive at a socket.
#[cgroup_skb(ingress)]
pub fn rollcall_in(ctx: SkBuffContext) -> i32 {
    let (Ok(outcome) | Err(outcome)) = arrived(&ctx);
    if matches!(outcome, Outcome::NoMemory) {
        tell_no_memory(ctx.skb.skb);
    }
    counters::count(counters::REQUEST, outcome);
    PASS
}

/// Responses: packets that leave a socket.
#[cgroup_skb(egress)]
pub fn rollcall_out(ctx: SkBuffContext) -> i32 {
    let (Ok(outcome) | Err(outcome)) = left(&ctx);
    counters::count(counters::RESPONSE, outcome);
    PASS
}

#[inline(always)]
fn arrived(ctx: &SkBuffContext) -> Result<Outcome, Outcome> {
    let packet = packet::parse(ctx)?;
    let capture = request::arrives(&packet, &Here(ctx))?;
    let written = record::submit(ctx, &packet, capture);
    if !written && capture.begins_request() {
        counters::request_lost();
    }
    Ok(capture.outcome(&packet, written))
}

#[inline(always)]
fn left(ctx: &SkBuffContext) -> Result<Outcome, Outcome> {
    let packet = packet::parse(ctx)?;
    let capture = response::leaves(&packet, &Here(ctx))?;
    let written = match in_batch(ctx, &packet, &capture) {
        Some(written) => written,
        None => record::submit(ctx, &packet, capture),
    };
    Ok(capture.outcome(&packet, written))
}

/// Whether the packet's start has gone to the batch, `None` if it has to take the ring.
#[inline(always)]
fn in_batch(ctx: &SkBuffContext, packet: &Packet, capture: &Capture) -> Option<bool> {
    if capture.batch { batch::add(ctx, packet, capture.connection) } else { None }
}

/// Says so once: an operator must know, and a flood must not fill the log.
#[inline(never)]
fn tell_no_memory(skb: *mut __sk_buff) {
    if let Some(control) = control()
        && control.warned == 0
    {
        control.warned = 1;
        warn!(
            SkBuffContext::new(skb),
            "the kernel refuses memory for connection state (net.core.optmem_max): their requests are not seen"
        );
    }
}
