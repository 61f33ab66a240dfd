//! The capabilities of a thread.

use caps::{CapSet, Capability, CapsHashSet};
use nix::unistd::geteuid;
use rollcall_capture as capture;

use super::Error;

/// Leaves the calling thread, and those that it will start, with what is needed while watching: nothing.
///
/// There are two exceptions. On kernels that want it for [reading maps](capture::maps_by_descriptor), CAP_BPF, for the
/// counters and the advice; [`filter_calls`] leaves no other use of it. And when root runs the daemon by hand, root's access to files, so that a log can be opened again wherever it
/// lies.
///
/// [`filter_calls`]: super::filter_calls
pub fn give_up_capabilities() -> Result<(), Error> {
    let held = caps::read(None, CapSet::Permitted).map_err(failed)?;
    let kept: CapsHashSet = kept().filter(|capability| held.contains(capability)).collect();
    // Ambient ones cannot outlast the others. The bounding set stays: only what is executed could draw on it.
    caps::clear(None, CapSet::Ambient).map_err(failed)?;
    caps::set(None, CapSet::Effective, &kept).map_err(failed)?;
    caps::set(None, CapSet::Permitted, &kept).map_err(failed)?;
    caps::clear(None, CapSet::Inheritable).map_err(failed)
}

fn kept() -> impl Iterator<Item = Capability> {
    let bpf = (!capture::maps_by_descriptor()).then_some(Capability::CAP_BPF);
    let files = geteuid().is_root().then_some(Capability::CAP_DAC_OVERRIDE);
    bpf.into_iter().chain(files)
}

fn failed(source: caps::errors::CapsError) -> Error {
    Error::Capabilities { source }
}
