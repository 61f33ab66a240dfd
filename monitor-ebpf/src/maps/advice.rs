//! The daemon's advice, taken up on the way.

use monitor_ebpf::control::Advice;

use super::ADVICE;

/// Takes what the daemon has left for this connection.
#[inline(always)]
pub fn take(connection: u64) -> Option<Advice> {
    // SAFETY: the value is read before anything else touches the map.
    let advice = *unsafe { ADVICE.get(connection) }?;
    // Failure means that the kernel evicted it meanwhile.
    let _ = ADVICE.remove(connection);
    Some(advice)
}
