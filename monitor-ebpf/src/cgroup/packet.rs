//! Getting at a packet's bytes.

use core::mem::MaybeUninit;

use aya_ebpf::{bindings::__sk_buff, helpers::generated::bpf_skb_load_bytes, programs::SkBuffContext};
use monitor_ebpf::{
    outcome::Outcome,
    packet::{self, Bytes, Headers, Packet},
    record::FLAG_IPV6,
};

use crate::verifier::{forget, opaque};

/// A packet, linear or not: each look at it is a call into the kernel, 10 ns.
pub struct Skb(pub *mut __sk_buff);

impl Skb {
    #[inline(always)]
    fn load<T: Copy>(&self, offset: u32) -> Option<T> {
        SkBuffContext::new(self.0).skb.load(offset as usize).ok()
    }
}

impl Bytes for Skb {
    #[inline(always)]
    fn words<const N: usize>(&self, offset: u32) -> Option<[u32; N]> {
        self.load(offset)
    }

    #[inline(always)]
    fn long(&self, offset: u32) -> Option<u64> {
        self.load(offset)
    }

    #[inline(always)]
    fn copy<const N: usize>(&self, offset: u32, to: &mut [u32; N]) {
        let length = size_of::<[u32; N]>() as u32;
        // SAFETY: a pointer to the context, and to as many bytes as are to be written. What can't be copied the kernel fills
        // with zeros.
        unsafe { bpf_skb_load_bytes(self.0.cast(), offset, to.as_mut_ptr().cast(), length) };
    }
}

/// Reads the headers. Everything that is not a readable TCP packet is an outcome of its own.
#[inline(always)]
pub fn parse(ctx: &SkBuffContext) -> Result<Packet, Outcome> {
    let headers = match common(ctx) {
        Some(headers) => headers?,
        None => {
            let mut found = MaybeUninit::uninit();
            let outcome = uncommon(ctx.skb.skb, &mut found);
            if outcome != Outcome::Submitted as u32 {
                let unreadable = outcome == Outcome::Unreadable as u32;
                return Err(if unreadable { Outcome::Unreadable } else { Outcome::NotTcp });
            }
            // SAFETY: written whenever the headers could be read.
            unsafe { found.assume_init() }
        }
    };
    Packet::new(&headers, ctx.skb.len())
}

/// Those that stand in the packet's linear part, where they can be read without a call.
#[inline(always)]
fn common(ctx: &SkBuffContext) -> Option<Result<Headers, Outcome>> {
    let start = linear(ctx)?;
    // SAFETY: within the bytes that `linear` has checked.
    packet::common(|index| unsafe { start.add(index).read_unaligned() })
}

/// The packet's first 40 bytes, if they stand in its linear part.
#[inline(always)]
fn linear(ctx: &SkBuffContext) -> Option<*const u32> {
    // SAFETY: fields of the context.
    let (start, end) = unsafe { ((*ctx.skb.skb).data as usize, (*ctx.skb.skb).data_end as usize) };
    if start + 40 <= end { Some(start as *const u32) } else { None }
}

/// IPv6, IPv4 with options, and headers outside the linear part. Out of line, to keep the common path short.
/// Returns an [`Outcome`], `Submitted` for success.
#[inline(never)]
fn uncommon(skb: *mut __sk_buff, found: &mut MaybeUninit<Headers>) -> u32 {
    match packet::headers(&Skb(skb)) {
        Ok(headers) => {
            found.write(Headers { tcp: forget(headers.tcp), ..headers });
            Outcome::Submitted as u32
        }
        Err(outcome) => outcome as u32,
    }
}

/// Copies the packet's addresses, four or sixteen bytes each, to the record.
#[inline(always)]
pub fn addresses(ctx: &SkBuffContext, flags: u16, source: &mut [u32; 4], destination: &mut [u32; 4]) {
    if flags & FLAG_IPV6 == 0
        && let Some(start) = linear(ctx)
    {
        // SAFETY: within the bytes that `linear` has checked.
        let (from, to) = unsafe { (start.add(3).read_unaligned(), start.add(4).read_unaligned()) };
        (*source, *destination) = ([from, 0, 0, 0], [to, 0, 0, 0]);
    } else {
        packet::addresses(&Skb(ctx.skb.skb), flags, source, destination);
    }
}

/// Copies `length` bytes of the packet to `to`, at most `N`. Returns how many were copied: all or none.
///
/// # Safety
///
/// `to` must point to `N` writable bytes.
#[inline(always)]
pub unsafe fn copy<const N: u32>(ctx: &SkBuffContext, offset: u32, length: u32, to: *mut u8) -> u32 {
    // In this form, a lower and an upper bound, kernels from 5.10 on follow it.
    let less = opaque(u64::from(length).wrapping_sub(1));
    if less >= u64::from(N) {
        return 0;
    }
    let length = opaque(less) + 1;
    // SAFETY: the caller's promise, and `length <= N` from the lines above.
    let result = unsafe {
        bpf_skb_load_bytes(ctx.skb.skb.cast::<__sk_buff>().cast(), offset, to.cast(), length as u32)
    };
    if result == 0 { length as u32 } else { 0 }
}
