//! A source of segments beside the kernel: somebody hands them over. So a daemon runs where there is no eBPF, and in tests.

use std::{io, time::Duration};

use rollcall_model::time::Timestamp;
use rollcall_stream::Segment;

use super::{Consumer, Stop};

/// Between two turns.
const PAUSE: Duration = Duration::from_millis(5);

/// Takes a segment.
pub type Take<'a> = dyn FnMut(&Segment<'_>) + 'a;

/// Segments that somebody hands over when it is his turn.
pub struct Fed(Box<dyn FnMut(&mut Take<'_>) + Send>);

impl Fed {
    /// `turn` is called every few milliseconds, and once at the end; it hands over what there is, and does not wait.
    pub fn new(turn: impl FnMut(&mut Take<'_>) + Send + 'static) -> Fed {
        Fed(Box::new(turn))
    }

    /// Hands what comes to `consumer` until `stop`, and then what is left.
    pub fn run(&mut self, consumer: &mut impl Consumer, stop: &Stop) -> io::Result<()> {
        let mut is_over = false;
        loop {
            let upto = Timestamp::now();
            self.0(&mut |segment| consumer.segment(segment));
            consumer.captured(0, 0);
            consumer.settle(upto);
            consumer.looked(Timestamp::now());
            // Nobody to advise.
            consumer.directives().for_each(drop);
            if is_over {
                return Ok(());
            }
            is_over = stop.wait(PAUSE)?;
        }
    }
}
