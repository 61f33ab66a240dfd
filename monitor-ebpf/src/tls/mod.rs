//! The programs on the functions that libraries for TLS hand their secrets to (`uprobe`), at a place behind the function's first
//! instruction at most: arguments are in their registers still. Nothing is looked at when such a function returns.
//!
//! They read the program's memory and change nothing. Each hit ends in one counted [`Hit`].

mod host;
mod registers;

use aya_ebpf::{macros::uprobe, programs::ProbeContext};
use monitor_ebpf::secret::{Hit, LABEL, RANDOM, UNLABELLED, is_secret, label};

use self::{
    host::{Handed, count, read, read_text, submit},
    registers::Registers,
};

/// `(connection, label, secret, length)`, in C.
#[uprobe]
pub fn rollcall_tls(ctx: ProbeContext) -> u32 {
    let registers = Registers::of(&ctx);
    let handed = Handed { secret: registers.rdx(), length: half(registers.rcx()), random: None };
    let (Ok(hit) | Err(hit)) = in_c(registers.rsi(), &handed);
    count(hit);
    0
}

/// `(label, connection, client random, 32, secret, length)`, in C.
#[uprobe]
pub fn rollcall_tls_cr(ctx: ProbeContext) -> u32 {
    let registers = Registers::of(&ctx);
    let random = (half(registers.rcx()) == RANDOM as u64).then_some(registers.rdx());
    let handed = Handed { secret: registers.r8(), length: half(registers.r9()), random };
    let (Ok(hit) | Err(hit)) = in_c(registers.rdi(), &handed);
    count(hit);
    0
}

/// `(configuration, label, client random, secret)`, in Go: of a string, pointer and length; of a slice, pointer, length and
/// capacity (cmd/compile/abi-internal.md).
#[uprobe]
pub fn rollcall_tls_go(ctx: ProbeContext) -> u32 {
    let registers = Registers::of(&ctx);
    let random = (registers.rsi() == RANDOM as u64).then_some(registers.rdi());
    let handed = Handed { secret: registers.r9(), length: registers.r10(), random };
    let (Ok(hit) | Err(hit)) = in_go(registers.rbx(), registers.rcx(), &handed);
    count(hit);
    0
}

/// The label ends with a zero.
#[inline(always)]
fn in_c(text: u64, handed: &Handed) -> Result<Hit, Hit> {
    if !is_secret(handed.length) {
        return Err(other(text));
    }
    let mut words = [0; LABEL / 8];
    match read_text(text, &mut words) {
        Some(length) => submit(label(&words, length).ok_or(Hit::NotNeeded)?, handed),
        None => submit(UNLABELLED, handed),
    }
}

/// The label's length is known.
#[inline(always)]
fn in_go(text: u64, length: u64, handed: &Handed) -> Result<Hit, Hit> {
    if !is_secret(handed.length) || length >= LABEL as u64 {
        return Err(Hit::Refused);
    }
    let mut words = [0; LABEL / 8];
    match read(text, &mut words) {
        true => submit(label(&words, length).ok_or(Hit::NotNeeded)?, handed),
        false => submit(UNLABELLED, handed),
    }
}

/// A secret of another length is none that is needed if it comes with a text.
#[inline(always)]
fn other(text: u64) -> Hit {
    let mut words = [0; LABEL / 8];
    match read_text(text, &mut words) {
        Some(length) if length >= 3 => Hit::NotNeeded,
        _ => Hit::Refused,
    }
}

/// Lengths of 32 bits leave the upper half of a register as it was.
#[inline(always)]
fn half(register: u64) -> u64 {
    register & 0xffff_ffff
}
