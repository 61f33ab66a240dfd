//! Memory that this process has allocated, as the allocator itself accounts for it: with what it adds to each block,
//! without what has been freed.

/// Bytes in use now.
pub(crate) fn allocated() -> u64 {
    // SAFETY: mallinfo2 takes nothing and returns a struct of numbers; it locks the arenas that it looks at.
    let info = unsafe { libc::mallinfo2() };
    (info.uordblks + info.hblkhd) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allocated_counts_until_it_is_freed() {
        // Far more than other tests take and free meanwhile.
        const LARGE: u64 = 256 << 20;
        let before = allocated();
        let large = std::hint::black_box(Vec::<u8>::with_capacity(LARGE as usize));
        assert!(allocated() > before + LARGE / 2);
        drop(large);
        assert!(allocated() < before + LARGE / 2);
    }
}
