//! What can keep Rollcall from watching this host.

use std::io;

/// Why the programs could not be loaded, attached or read from.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("loading programs into the kernel is not permitted")]
    NotPrivileged,
    #[error("this kernel is Linux {found}, older than 5.10")]
    KernelTooOld { found: String },
    #[error("no cgroup v2 hierarchy is mounted, and mounting one privately failed")]
    NoCgroup2 { source: io::Error },
    #[error("open cgroup {path}")]
    OpenCgroup { path: String, source: io::Error },
    #[error("the kernel's verifier rejected program {program}")]
    Verifier {
        program: &'static str,
        /// The end of the verifier's log.
        log: String,
    },
    #[error("attach {program} to {cgroup}: {reason}")]
    Attach { program: &'static str, cgroup: String, reason: String },
    #[error("load the eBPF object: {reason}")]
    Load { reason: String },
    #[error("{what}")]
    Io { what: &'static str, source: io::Error },
}
