//! Registers of the program that was hit, on x86-64 (`struct pt_regs`, arch/x86/include/uapi/asm/ptrace.h): finding hooks knows no
//! other machine, so that on others none of this runs.

use aya_ebpf::programs::ProbeContext;

/// The registers at the time of the hit.
#[derive(Clone, Copy)]
pub struct Registers(*const u64);

macro_rules! register {
    ($($name:ident = $index:expr;)*) => {
        $(
            #[inline(always)]
            pub fn $name(self) -> u64 {
                // SAFETY: within what the kernel hands to the program, which the verifier checks. Volatile: one load for each, at
                // an offset that it sees.
                unsafe { self.0.wrapping_add($index).read_volatile() }
            }
        )*
    };
}

impl Registers {
    #[inline(always)]
    pub fn of(ctx: &ProbeContext) -> Registers {
        Registers(ctx.regs.cast())
    }

    register! {
        rbx = 5;
        r10 = 7;
        r9 = 8;
        r8 = 9;
        rcx = 11;
        rdx = 12;
        rsi = 13;
        rdi = 14;
    }
}
