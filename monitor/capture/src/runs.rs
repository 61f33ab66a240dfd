//! What the programs cost the kernel: their runs, and the time that these took.

use std::{os::fd::OwnedFd, time::Duration};

use aya::{
    programs::CgroupSkb,
    sys::{Stats, enable_stats},
};

use super::Error;

/// One program's runs while a [`Measuring`] lived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    pub count: u64,
    /// Of all runs together. Includes reading the clock twice a run.
    pub time: Duration,
}

/// While it lives, the kernel measures every run of every BPF program, as with `kernel.bpf_stats_enabled`: that
/// setting stays as it is, and the kernel stops by itself when this process ends, however it ends.
pub struct Measuring {
    #[expect(dead_code, reason = "kept for its Drop, which ends the measuring")]
    descriptor: OwnedFd,
}

impl Measuring {
    /// Starts it.
    pub fn start() -> Result<Self, Error> {
        let descriptor = enable_stats(Stats::RunTime)
            .map_err(|error| Error::Io { what: "measure the programs' runs", source: error.io_error })?;
        Ok(Self { descriptor })
    }
}

/// What the kernel has counted of a program's runs.
pub(super) fn of(program: &CgroupSkb) -> Result<Runs, Error> {
    let info = program.info().map_err(|error| Error::Load { source: error.into() })?;
    Ok(Runs { count: info.run_count(), time: info.run_time() })
}
