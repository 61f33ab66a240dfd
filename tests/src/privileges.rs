//! A child process with few privileges, by system calls alone: virtual machines have no program for it.

use std::{io, os::unix::process::CommandExt, process::Command};

use nix::errno::Errno;

/// The user without privileges, on Debian and elsewhere.
pub const NOBODY: u32 = 65534;

/// A capability by its number in linux/capability.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability(pub u32);

pub const DAC_OVERRIDE: Capability = Capability(1);
pub const NET_ADMIN: Capability = Capability(12);
pub const PERFMON: Capability = Capability(38);
pub const BPF: Capability = Capability(39);

impl Capability {
    /// Its bit in a set.
    pub fn bit(self) -> u64 {
        1 << self.0
    }
}

/// Sets as capset(2) takes them, the lower halves first.
#[repr(C)]
#[derive(Clone, Copy)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// `_LINUX_CAPABILITY_VERSION_3` and the calling thread.
static HEADER: [u32; 2] = [0x2008_0522, 0];

/// Has `command` run as nobody with no more than `capabilities`, as a unit with `AmbientCapabilities=` would.
pub fn reduce(command: &mut Command, capabilities: &[Capability]) {
    let capabilities = capabilities.to_vec();
    // SAFETY: only system calls are made, on memory that was there before the fork.
    unsafe { command.pre_exec(move || become_nobody(&capabilities)) };
}

fn become_nobody(capabilities: &[Capability]) -> io::Result<()> {
    let set = capabilities.iter().fold(0, |set, capability| set | capability.bit());
    let half = |bits: u64| {
        let bits = bits as u32;
        Half { effective: bits, permitted: bits, inheritable: bits }
    };
    let halves = [half(set), half(set >> 32)];
    let unlimited = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the pointers are to values above, which the kernel only reads.
    unsafe {
        // Counts before Linux 5.11, where the unit lifts it as well; refused where it does not matter.
        libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const unlimited);
        Errno::result(libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0))?;
        Errno::result(libc::setgroups(0, std::ptr::null()))?;
        Errno::result(libc::setresgid(NOBODY, NOBODY, NOBODY))?;
        Errno::result(libc::setresuid(NOBODY, NOBODY, NOBODY))?;
        Errno::result(libc::syscall(libc::SYS_capset, &raw const HEADER, &raw const halves))?;
        for capability in capabilities {
            Errno::result(libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, capability.0, 0, 0))?;
        }
    }
    Ok(())
}
