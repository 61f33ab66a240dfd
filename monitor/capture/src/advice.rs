//! Telling the programs what need not be captured.

use aya::maps::{HashMap, MapData};
use monitor_ebpf::control::{ADVICE_IGNORE, ADVICE_SKIP, ADVICE_WHOLE};
use rollcall_stream::ConnectionId;
use rollcall_stream::Directive;

/// The programs' advice map.
pub(super) struct Advice(pub(super) HashMap<MapData, u64, [u32; 2]>);

impl Advice {
    /// Leaves advice for one connection. A full map costs ring space, not correctness, so failure is let pass.
    pub(super) fn leave(&mut self, connection: ConnectionId, directive: Directive) {
        let advice = match directive {
            Directive::Ignore => [ADVICE_IGNORE, 0],
            Directive::SkipTo(seq) => [ADVICE_SKIP, seq],
            Directive::WholeResponses => [ADVICE_WHOLE, 0],
        };
        let _ = self.0.insert(connection.0, advice, 0);
    }
}
