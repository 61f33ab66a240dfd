//! What can keep Rollcall from watching this host.

use std::io;

/// Each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "loading programs into the kernel takes root (or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON): start it with sudo"
    )]
    NotPrivileged,
    #[error("this kernel is {found}; Rollcall needs Linux 5.10 or later")]
    KernelTooOld { found: String },
    #[error(
        "no cgroup v2 hierarchy is mounted, and mounting one privately failed ({source}): mount -t cgroup2 none /sys/fs/cgroup/unified"
    )]
    NoCgroup2 { source: io::Error },
    #[error("open cgroup {path}: {source}; --cgroup takes a directory of a cgroup v2 file system")]
    OpenCgroup { path: String, source: io::Error },
    #[error(
        "the kernel's verifier rejected program {program}; please report this with the kernel's version. The end of its log:\n{log}"
    )]
    Verifier { program: &'static str, log: String },
    #[error("attach {program} to {cgroup}: {reason}; `rollcall check` shows what this host lacks")]
    Attach { program: &'static str, cgroup: String, reason: String },
    #[error("load the eBPF object: {reason}; `rollcall check` shows what this host lacks")]
    Load { reason: String },
    #[error("{what}: {source}")]
    Io { what: &'static str, source: io::Error },
}
