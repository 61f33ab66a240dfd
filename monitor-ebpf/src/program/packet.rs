//! IP and TCP headers. The only place that knows where things stand in a packet.

use aya_ebpf::{bindings::__sk_buff, helpers::generated::bpf_skb_load_bytes, programs::SkBuffContext};
use monitor_ebpf::{
    outcome::Outcome,
    record::{FLAG_ACK, FLAG_FIN, FLAG_IPV6, FLAG_RST, FLAG_SYN},
};

const TCP: u8 = 6;
/// IPv6 extension headers that are skipped before TCP (RFC 8200, section 4.1), at eight bytes each the least. Linux takes as
/// many as a packet holds (tried up to 8,000 in one of 64 KiB): 180 fit an Ethernet frame. More take fragments or jumbo
/// frames, and are counted as [`Outcome::Unreadable`].
const EXTENSIONS: usize = 192;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

/// A TCP packet's headers, in host byte order.
pub struct Packet {
    /// Where the TCP header begins.
    pub tcp: u32,
    /// Length of the TCP header.
    pub header: u32,
    /// Payload bytes.
    pub length: u32,
    pub seq: u32,
    pub ack: u32,
    pub source_port: u16,
    pub destination_port: u16,
    /// `FLAG_*` of the record that the headers tell.
    pub flags: u16,
}

impl Packet {
    /// Where the payload begins.
    #[inline(always)]
    pub fn payload(&self) -> u32 {
        self.tcp + self.header
    }

    /// Whether any of these flags is set.
    #[inline(always)]
    pub fn has(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }

    /// The first eight bytes of the payload in memory order, `None` if there are fewer.
    #[inline(always)]
    pub fn first_word(&self, ctx: &SkBuffContext) -> Option<u64> {
        if self.length < 8 { None } else { load(ctx, self.payload()).map(u64::from_ne_bytes).ok() }
    }
}

/// Reads the headers. Everything that is not a readable TCP packet is an outcome of its own.
#[inline(always)]
pub fn parse(ctx: &SkBuffContext) -> Result<Packet, Outcome> {
    let (tcp, flags, fields) = match common(ctx) {
        Some(fields) => (20, 0, fields?),
        None => {
            let mut found = Uncommon { tcp: 0, flags: 0, fields: [0; 5] };
            let outcome = uncommon(ctx.skb.skb, &mut found);
            if outcome != Outcome::Submitted as u32 {
                let unreadable = outcome == Outcome::Unreadable as u32;
                return Err(if unreadable { Outcome::Unreadable } else { Outcome::NotTcp });
            }
            (found.tcp, found.flags, found.fields)
        }
    };
    let ports = u32::from_be(fields[0]);
    let [offset, bits, ..] = fields[3].to_ne_bytes();
    let header = u32::from(offset >> 4) * 4;
    let length = ctx.skb.len().wrapping_sub(tcp + header);
    if header < 20 || length > i32::MAX as u32 {
        return Err(Outcome::Unreadable);
    }
    Ok(Packet {
        tcp,
        header,
        length,
        seq: u32::from_be(fields[1]),
        ack: u32::from_be(fields[2]),
        source_port: (ports >> 16) as u16,
        destination_port: ports as u16,
        flags: flags | tcp_flags(bits),
    })
}

/// The first five words of the TCP header of an IPv4 packet without options whose headers stand in the packet's
/// linear part, where they can be read without a call, 10 ns each. `None` for other packets.
#[inline(always)]
fn common(ctx: &SkBuffContext) -> Option<Result<[u32; 5], Outcome>> {
    let start = linear(ctx)?;
    // SAFETY: within the bytes that `linear` has checked.
    let word = |index: usize| unsafe { start.add(index).read_unaligned() };
    if word(0) as u8 != 0x45 {
        return None;
    }
    if word(2).to_ne_bytes()[1] != TCP {
        return Some(Err(Outcome::NotTcp));
    }
    Some(Ok([word(5), word(6), word(7), word(8), word(9)]))
}

/// The packet's first 40 bytes, if they stand in its linear part.
#[inline(always)]
fn linear(ctx: &SkBuffContext) -> Option<*const u32> {
    // SAFETY: fields of the context.
    let (start, end) = unsafe { ((*ctx.skb.skb).data as usize, (*ctx.skb.skb).data_end as usize) };
    if start + 40 <= end { Some(start as *const u32) } else { None }
}

/// What [`uncommon`] finds.
struct Uncommon {
    tcp: u32,
    flags: u16,
    fields: [u32; 5],
}

/// IPv6, IPv4 with options, and headers outside the linear part. Out of line, to keep the common path short.
/// Returns an [`Outcome`], `Submitted` for success.
#[inline(never)]
fn uncommon(skb: *mut __sk_buff, found: &mut Uncommon) -> u32 {
    let ctx = SkBuffContext::new(skb);
    match headers(&ctx) {
        Ok((tcp, flags, fields)) => {
            *found = Uncommon { tcp, flags, fields };
            Outcome::Submitted as u32
        }
        Err(outcome) => outcome as u32,
    }
}

#[inline(always)]
fn headers(ctx: &SkBuffContext) -> Result<(u32, u16, [u32; 5]), Outcome> {
    let first: [u32; 3] = load(ctx, 0)?;
    let head = first[0].to_ne_bytes();
    let (tcp, flags) = match head[0] >> 4 {
        4 if first[2].to_ne_bytes()[1] == TCP => (u32::from(head[0] & 15) * 4, 0),
        6 => (after_extensions(ctx, first[1].to_ne_bytes()[2])?, FLAG_IPV6),
        _ => return Err(Outcome::NotTcp),
    };
    Ok((tcp, flags, load(ctx, tcp)?))
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
        return;
    }
    (*source, *destination) = ([0; 4], [0; 4]);
    // They were read a moment ago, or lie before what was: failure is not to be expected, and leaves zeros.
    if flags & FLAG_IPV6 == 0 {
        source[0] = load(ctx, 12).unwrap_or(0);
        destination[0] = load(ctx, 16).unwrap_or(0);
    } else {
        *source = load(ctx, 8).unwrap_or([0; 4]);
        *destination = load(ctx, 24).unwrap_or([0; 4]);
    }
}

/// The record's flags for the flag byte of a TCP header (RFC 9293, section 3.1).
#[inline(always)]
fn tcp_flags(bits: u8) -> u16 {
    let bits = u16::from(bits);
    let flag = |at: u16, flag: u16| ((bits >> at) & 1) * flag;
    flag(0, FLAG_FIN) | flag(1, FLAG_SYN) | flag(2, FLAG_RST) | flag(4, FLAG_ACK)
}

/// Skips IPv6 extension headers; returns where the TCP header begins.
#[inline(always)]
fn after_extensions(ctx: &SkBuffContext, mut next: u8) -> Result<u32, Outcome> {
    let mut offset = 40;
    for _ in 0..EXTENSIONS {
        if next == TCP {
            return Ok(offset);
        }
        let [following, length, high, low]: [u8; 4] = load(ctx, offset)?;
        offset += match next {
            HOP_BY_HOP | ROUTING | DESTINATION => (u32::from(length) + 1) * 8,
            AUTHENTICATION => (u32::from(length) + 2) * 4,
            // Whole packets may carry a fragment header too (RFC 6946); true fragments come reassembled.
            FRAGMENT if high == 0 && low & 0xf9 == 0 => 8,
            _ => return Err(Outcome::NotTcp),
        };
        next = following;
    }
    if next == TCP { Ok(offset) } else { Err(Outcome::Unreadable) }
}

/// Copies a fixed-size value out of the packet, linear or not.
#[inline(always)]
pub fn load<T: Copy>(ctx: &SkBuffContext, offset: u32) -> Result<T, Outcome> {
    ctx.skb.load(offset as usize).map_err(|_| Outcome::Unreadable)
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

/// The same number, of which the compiler no longer knows a range: it drops checks that it can prove superfluous,
/// and the verifier cannot follow the proof.
#[inline(always)]
pub fn opaque(mut number: u64) -> u64 {
    // SAFETY: copies a register onto itself. (An empty instruction would make invalid line info.)
    unsafe { core::arch::asm!("{0} = {0}", inout(reg) number, options(nomem, nostack)) };
    number
}
