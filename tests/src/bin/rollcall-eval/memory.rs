//! Memory of this process, as the kernel accounts for it.

use std::fs;

use anyhow::{Context as _, Result};

/// The most that was resident, in bytes.
pub(crate) fn peak() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("read /proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()).context("VmHWM is missing")?;
    Ok(kibibytes.parse::<u64>().context("read VmHWM")? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_holds_what_was_touched() {
        let large = std::hint::black_box(vec![1_u8; 32 << 20]);
        assert!(peak().unwrap() > large.len() as u64);
    }
}
