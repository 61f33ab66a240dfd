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
        let before = allocated();
        let large = std::hint::black_box(vec![1_u8; 64 << 20]);
        assert!(allocated() >= before + (60 << 20));
        drop(large);
        assert!(allocated() < before + (60 << 20));
    }
}
