//! What can keep Rollcall from watching this host.

use std::{error, io};

use aya::{EbpfError, maps::MapError, programs::ProgramError};
use nix::errno::Errno;
use rollcall_model::error::causes;

/// An error of the loader, of whichever of its types.
pub type Cause = Box<dyn error::Error + Send + Sync>;

/// Why the programs could not be loaded, attached or read from.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("loading programs into the kernel is not permitted")]
    NotPrivileged { source: Cause },
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
        source: io::Error,
    },
    #[error("attach {program} to {cgroup}")]
    Attach { program: &'static str, cgroup: String, source: ProgramError },
    #[error("load the eBPF object")]
    Load { source: Cause },
    #[error("the eBPF object has no {lacks}")]
    Object { lacks: String },
    #[error("{what}")]
    Io { what: &'static str, source: io::Error },
}

impl Error {
    /// The kernel refused to make or to read a part of the object. `is_root` is whether this process is root.
    pub(super) fn refused(source: Cause, is_root: bool) -> Error {
        if !is_root && is_for_lack_of_privileges(&*source) {
            Error::NotPrivileged { source }
        } else {
            Error::Load { source }
        }
    }

    /// The kernel did not load a program, with this `log` of the verifier's.
    pub(super) fn rejected(program: &'static str, source: io::Error, log: &str, is_root: bool) -> Error {
        // Without a word in the log it never came to the verifier.
        if log.trim().is_empty() || !is_root && is_for_lack_of_privileges(&source) {
            Error::refused(source.into(), is_root)
        } else {
            Error::Verifier { program, log: tail(log), source }
        }
    }
}

impl From<EbpfError> for Error {
    fn from(error: EbpfError) -> Error {
        let is_root = nix::unistd::geteuid().is_root();
        // These only wrap another, whose text theirs repeats.
        let source = match error {
            EbpfError::MapError(error) => error.into(),
            EbpfError::ProgramError(error) => error.into(),
            EbpfError::BtfError(error) => error.into(),
            EbpfError::ParseError(error) => error.into(),
            error => error.into(),
        };
        Error::refused(source, is_root)
    }
}

impl From<MapError> for Error {
    fn from(error: MapError) -> Error {
        EbpfError::from(error).into()
    }
}

/// Whether the kernel said EPERM: bpf(2) does for a lack of capabilities. EACCES is the verifier's word for what a program
/// may not do, and that of security modules.
fn is_for_lack_of_privileges(error: &(dyn error::Error + 'static)) -> bool {
    causes(error)
        .find_map(|cause| cause.downcast_ref::<io::Error>())
        .is_some_and(|error| error.raw_os_error() == Some(Errno::EPERM as i32))
}

/// The end of the verifier's log, which says why.
fn tail(log: &str) -> String {
    const LINES: usize = 12;
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errno(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno as i32)
    }

    fn no_map(cause: Errno) -> Cause {
        MapError::CreateError { name: "RING".to_owned(), io_error: errno(cause) }.into()
    }

    /// As the program prints it.
    fn text(error: Error) -> String {
        format!("{:#}", anyhow::Error::from(error))
    }

    #[test]
    fn privileges_are_missed_where_the_kernel_says_so_and_not_by_a_text() {
        assert!(matches!(Error::refused(no_map(Errno::EPERM), false), Error::NotPrivileged { .. }));
        for (cause, is_root) in [(Errno::EPERM, true), (Errno::EACCES, false), (Errno::ENOMEM, false)] {
            let error = Error::refused(no_map(cause), is_root);
            assert!(matches!(error, Error::Load { .. }), "{cause} {error:?}");
        }
        let name = "Operation not permitted".to_owned();
        let error = Error::refused(MapError::InvalidName { name }.into(), false);
        assert!(matches!(error, Error::Load { .. }), "{error:?}");
    }

    #[test]
    fn what_the_verifier_rejects_is_not_for_lack_of_privileges() {
        let log = "0: (79) r1 = *(u64 *)(r1 +0)\ninvalid bpf_context access\n";
        for is_root in [false, true] {
            let error = Error::rejected("rollcall_in", errno(Errno::EACCES), log, is_root);
            assert!(matches!(&error, Error::Verifier { log, .. } if log.ends_with("access")), "{error:?}");
        }
        let error = Error::rejected("rollcall_in", errno(Errno::EPERM), log, false);
        assert!(matches!(error, Error::NotPrivileged { .. }), "{error:?}");
        // A security module's word.
        let error = Error::rejected("rollcall_in", errno(Errno::EACCES), "\n", false);
        assert!(matches!(error, Error::Load { .. }), "{error:?}");
    }

    #[test]
    fn the_cause_is_kept_and_told_once() {
        assert_eq!(
            text(Error::refused(no_map(Errno::EPERM), false)),
            "loading programs into the kernel is not permitted: failed to create map `RING`: \
             Operation not permitted (os error 1)"
        );
        let error = EbpfError::MapError(MapError::CreateError {
            name: "RING".to_owned(),
            io_error: errno(Errno::ENOMEM),
        });
        assert_eq!(
            text(error.into()),
            "load the eBPF object: failed to create map `RING`: Cannot allocate memory (os error 12)"
        );
        let log = (0..20).map(|line| format!("{line}\n")).collect::<String>();
        let error = Error::rejected("rollcall_in", errno(Errno::EINVAL), &log, true);
        assert!(
            matches!(&error, Error::Verifier { log, .. } if log.starts_with("8\n") && log.ends_with("19"))
        );
        assert_eq!(
            text(error),
            "the kernel's verifier rejected program rollcall_in: Invalid argument (os error 22)"
        );
    }
}
