//! Attaching a program to a place in a file: from then on it is run whenever a process comes there, whichever.

use std::{
    ffi::CString,
    fs, io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use rollcall_hooks::Hook;

use super::{Probes, call};

/// How programs are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Links to any number of places, since Linux 6.6.
    Many,
    /// Events of perf's. Since July 2025 they take CAP_SYS_ADMIN (CVE-2025-38466).
    Perf,
}

impl Way {
    /// What a program is loaded for.
    pub(super) fn attach_type(self) -> u32 {
        match self {
            Way::Many => call::UPROBE_MULTI,
            Way::Perf => 0,
        }
    }
}

/// A program on its place; dropped, it is taken off. Nothing of it outlives its descriptor, which the kernel closes however the
/// process ends.
#[derive(Debug)]
pub struct Probe {
    #[expect(dead_code, reason = "kept for its Drop, which takes the probe off")]
    descriptor: OwnedFd,
}

impl Probes {
    /// Puts a probe where secrets pass in an open file.
    pub fn attach(&self, file: BorrowedFd<'_>, hook: &Hook) -> io::Result<Probe> {
        let program = self.program(hook.convention).ok_or(io::ErrorKind::NotFound)?;
        // The very file, whatever its name is, and whether it has one left.
        let path = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        let descriptor = match self.way {
            Way::Many => call::link(program, &path, hook.offset)?,
            Way::Perf => call::event(kind()?, program, &path, hook.offset)?,
        };
        Ok(Probe { descriptor })
    }
}

/// Whether this kernel has such links: one that has them says of a directory that it is no file.
pub(super) fn is_supported(program: BorrowedFd<'_>) -> bool {
    let tried = call::link(program.as_fd(), c"/", 0);
    tried.is_err_and(|error| error.raw_os_error() == Some(libc::EBADF))
}

/// The number that perf has for uprobes.
fn kind() -> io::Result<u32> {
    let text = fs::read_to_string("/sys/bus/event_source/devices/uprobe/type")?;
    text.trim().parse().map_err(io::Error::other)
}
