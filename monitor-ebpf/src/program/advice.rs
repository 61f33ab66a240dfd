//! The daemon's advice, taken up on the way.

use monitor_ebpf::control::{ADVICE_IGNORE, ADVICE_SKIP, ADVICE_WHOLE};

use super::{
    connection::{Connection, IGNORED},
    maps::ADVICE,
};

/// Asked each time this many packets of a connection have passed, more often among its first ones, when the
/// daemon finds out what the connection carries, and when a suspicion ends…
const EVERY: u32 = 32;
/// …and for each packet once this much has come without an answer: the daemon may know it for a body.
const UNANSWERED: u32 = 16 * 1024;

/// Whether it is time to ask.
#[inline(always)]
pub fn due(connection: &Connection) -> bool {
    let packets = connection.packets;
    packets & (EVERY - 1) == 0
        || packets & packets.wrapping_sub(1) == 0
        || connection.unanswered >= UNANSWERED
}

/// Takes up what the daemon has left for this connection, and removes it.
#[inline(never)]
pub fn take(cookie: u64, connection: &mut Connection) {
    // SAFETY: the value is read before anything else touches the map.
    let Some(advice) = (unsafe { ADVICE.get(cookie) }) else { return };
    let (kind, seq) = (advice.kind, advice.seq);
    match kind {
        ADVICE_IGNORE => connection.role = IGNORED,
        ADVICE_SKIP => {
            connection.mark = seq;
            connection.skipping = 1;
            connection.unanswered = 0;
        }
        ADVICE_WHOLE => connection.whole = 1,
        _ => {}
    }
    // Failure means that the kernel evicted it meanwhile.
    let _ = ADVICE.remove(cookie);
}
