//! The kernel as a source of segments: loads the programs, attaches them, and turns their records into
//! [`Segment`](rollcall_stream::Segment)s. The only crate that knows aya. Where there is no kernel to ask, [`Fed`] stands in.
//!
//! Nothing is pinned: the attachment belongs to file descriptors of this process, so that the kernel undoes it
//! when the process ends, however it ends.

mod advice;
mod batches;
mod capture;
mod cgroup;
mod checksum;
pub mod decode;
mod error;
mod fed;
mod mapped;
mod others;
mod probes;
mod programs;
mod runs;
mod statistics;

pub use capture::{Capture, Consumer, Stop, go_ahead};
pub use cgroup::cgroup2_root;
pub use error::Error;
pub use fed::{Fed, Take};
pub use others::attached;
pub use probes::{How, SecretHits, Sight, Watch};
pub use programs::{Attachment, Loaded, MINIMUM_KERNEL, Options, Programs, load, maps_by_descriptor, probe};
pub use runs::{Measuring, Runs};
pub use statistics::{DirectionStatistics, Statistics};
