//! The programs: `rollcall_in` and `rollcall_out`, on the ingress and egress hooks of the cgroup v2 root.
//!
//! Both only look: they return 1 ("let it pass") whatever happens, and end each packet in one counted
//! [`Outcome`](monitor_ebpf::outcome::Outcome). What a packet means is the daemon's to find out; the programs
//! decide no more than which packets it must see.

#![cfg_attr(target_arch = "bpf", no_std, no_main, feature(asm_experimental_arch))]

#[cfg(target_arch = "bpf")]
mod program;

#[cfg(target_arch = "bpf")]
mod entry {
    use aya_ebpf::{macros::cgroup_skb, programs::SkBuffContext};

    use crate::program::{counters, request, response};

    /// Let the packet pass.
    const PASS: i32 = 1;

    /// Requests: packets that arrive at a socket.
    #[cgroup_skb(ingress)]
    pub fn rollcall_in(ctx: SkBuffContext) -> i32 {
        counters::count(counters::REQUEST, request::packet(&ctx));
        PASS
    }

    /// Responses: packets that leave a socket.
    #[cgroup_skb(egress)]
    pub fn rollcall_out(ctx: SkBuffContext) -> i32 {
        counters::count(counters::RESPONSE, response::packet(&ctx));
        PASS
    }

    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
        // A panic that survives optimisation makes the verifier reject the program, which is what we want.
        loop {}
    }

    /// Some helpers are for GPL-compatible programs only.
    #[unsafe(link_section = "license")]
    #[unsafe(no_mangle)]
    static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}
