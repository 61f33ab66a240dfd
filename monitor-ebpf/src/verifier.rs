//! What keeps the compiler from undoing what the kernel's verifier has to see.

/// The same number, of which the compiler no longer knows a range: it drops checks that it can prove superfluous,
/// and the verifier cannot follow the proof.
#[inline(always)]
pub fn opaque(mut number: u64) -> u64 {
    // SAFETY: copies a register onto itself. (An empty instruction would make invalid line info.)
    unsafe { core::arch::asm!("{0} = {0}", inout(reg) number, options(nomem, nostack)) };
    number
}

/// The same number, of which the verifier no longer knows a range: it doesn't follow half a word through memory.
///
/// In programs that have functions of their own, Linux 5.10 and 6.1 take every range for one that matters (6.12 doesn't), and go
/// through all that follows once more for each. So where many ways meet, each with a range of its own, it has to be forgotten.
#[inline(always)]
pub fn forget(number: u32) -> u32 {
    let mut word = u64::from(number);
    let half = (&raw mut word).cast::<u32>().wrapping_add(usize::from(cfg!(target_endian = "big")));
    // SAFETY: a word of the stack, and its lower half. Volatile: the compiler would keep the number in a register.
    unsafe {
        core::ptr::write_volatile(&raw mut word, word);
        core::ptr::read_volatile(half)
    }
}
