//! How `rollcall` ends: exit codes, and one line on stderr that says what failed, why, and what to do.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use rollcall_capture as capture;
use rollcall_daemon::{self as daemon, sandbox, state};
use rollcall_deliver::{self as delivery, lines};
use rollcall_replay as replay;
use rollcall_serve::web;
use rollcall_store::{self as ledger, checkpoints};

/// What the process exits with. Part of the interface: scripts and units rely on the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Ok = 0,
    Failed = 1,
    Usage = 2,
    Privilege = 3,
    Host = 4,
    Verifier = 5,
    Listen = 6,
    Input = 7,
    Output = 8,
    State = 9,
    Config = 10,
    Ledger = 11,
}

/// Every exit code with what it means.
pub(crate) const EXITS: [(Exit, &str); 12] = [
    (Exit::Ok, "success; for `run`, a stop by SIGTERM or SIGINT"),
    (Exit::Failed, "something failed at run time"),
    (Exit::Usage, "unknown flag, or a value that a flag can't have"),
    (Exit::Privilege, "not root, and without the capabilities that are needed"),
    (Exit::Host, "the kernel or the host lacks something, or is too old"),
    (Exit::Verifier, "the kernel's verifier rejected a program; the end of its log is printed"),
    (Exit::Listen, "the web address is in use or can't be listened on"),
    (
        Exit::Input,
        "a capture or an access log is unreadable, foreign, damaged or breaks off; what could be read was evaluated",
    ),
    (Exit::Output, "a log could not be opened, or lines did not reach it, or alerts the ledger (full disk)"),
    (
        Exit::State,
        "the state directory or one of its files is another user's, open to others, a link or unusable",
    ),
    (
        Exit::Config,
        "a file of routes, an OpenAPI document, a web configuration, a certificate, or a file of a URL or secret is unreadable or wrong; its line is named",
    ),
    (Exit::Ledger, "the ledger is not there or can't be read, or has nothing of what was asked for"),
];

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// The part of `--help` on exit codes.
pub(crate) fn after_help() -> String {
    let mut out = String::from("Exit codes:\n");
    for (exit, meaning) in EXITS {
        out.push_str(&format!("  {:2}  {meaning}\n", exit as u8));
    }
    out.push_str(
        "\nEach flag can be set by the environment variable named with it; the command line comes first.",
    );
    out
}

/// Why the command did not succeed.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    error: anyhow::Error,
    /// What the user can do about it, as a clause: `run it as root`.
    advice: Option<String>,
    /// More lines to print below, such as the end of the verifier's log.
    detail: Option<String>,
}

impl Failure {
    /// A failure that ends the process with `exit`.
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Failure {
        Failure { exit, error: error.into(), advice: None, detail: None }
    }

    /// Says what the user can do.
    pub(crate) fn advise(self, advice: impl Into<String>) -> Failure {
        Failure { advice: Some(advice.into()), ..self }
    }

    /// Adds lines to print below the message.
    pub(crate) fn detail(self, detail: impl Into<String>) -> Failure {
        Failure { detail: Some(detail.into()), ..self }
    }

    /// What the process is to exit with.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Prints it on stderr.
    pub(crate) fn report(&self) {
        // Without stderr there is the exit code.
        drop(writeln!(io::stderr(), "{}", self.message()));
    }

    /// Reports all but the first, which is to be the outcome.
    pub(crate) fn all(failures: Vec<Failure>) -> Result<Exit, Failure> {
        let mut failures = failures.into_iter();
        let Some(first) = failures.next() else { return Ok(Exit::Ok) };
        failures.for_each(|failure| failure.report());
        Err(first)
    }

    fn message(&self) -> String {
        let Failure { exit: _, error, advice, detail } = self;
        let mut message = format!("rollcall: {error:#}");
        if let Some(advice) = advice {
            message.push_str("; ");
            message.push_str(advice);
        }
        for line in detail.iter().flat_map(|detail| detail.lines()) {
            message.push_str("\n    ");
            message.push_str(line);
        }
        message
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::new(Exit::Failed, error)
    }
}

impl From<daemon::Error> for Failure {
    fn from(error: daemon::Error) -> Failure {
        match error {
            daemon::Error::State(error) => error.into(),
            daemon::Error::Capture(error) => error.into(),
            daemon::Error::Sandbox(error) => error.into(),
            daemon::Error::Listen(error) => error.into(),
            daemon::Error::Store(error) => error.into(),
            daemon::Error::Lost(error) => error.into(),
            daemon::Error::Checkpoints(error) => error.into(),
            daemon::Error::Client(error) => error.into(),
            daemon::Error::Delivery(error) => error.into(),
            daemon::Error::Lines(error) => error.into(),
            error @ (daemon::Error::Metrics { .. }
            | daemon::Error::Io { .. }
            | daemon::Error::Panicked(_)) => Failure::new(Exit::Failed, error),
        }
    }
}

impl From<state::Error> for Failure {
    fn from(error: state::Error) -> Failure {
        let advice = error.advice();
        Failure::new(Exit::State, error).advise(advice)
    }
}

impl From<capture::Error> for Failure {
    fn from(error: capture::Error) -> Failure {
        let (exit, advice) = match &error {
            capture::Error::NotPrivileged { .. } => {
                (Exit::Privilege, "run it as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON")
            }
            capture::Error::KernelTooOld { .. } => (Exit::Host, "upgrade the kernel"),
            capture::Error::NoCgroup2 { .. } => {
                (Exit::Host, "mount one: mount -t cgroup2 none /sys/fs/cgroup/unified")
            }
            capture::Error::OpenCgroup { .. } => {
                (Exit::Host, "give --cgroup a directory of a cgroup v2 file system, or leave it out")
            }
            capture::Error::Verifier { .. } => {
                (Exit::Verifier, "report it with the kernel's version and the end of the verifier's log:")
            }
            capture::Error::Attach { .. } | capture::Error::Load { .. } | capture::Error::Object { .. } => {
                (Exit::Host, "see what this host lacks with: rollcall check")
            }
            capture::Error::Io { .. } => (Exit::Failed, "see what this host lacks with: rollcall check"),
        };
        let log = if let capture::Error::Verifier { log, .. } = &error { log.clone() } else { String::new() };
        Failure::new(exit, error).advise(advice).detail(log)
    }
}

impl From<sandbox::Error> for Failure {
    fn from(error: sandbox::Error) -> Failure {
        Failure::new(Exit::Host, error).advise("to go without, at your own risk: --sandbox off")
    }
}

impl From<web::ListenError> for Failure {
    fn from(error: web::ListenError) -> Failure {
        let advice = match error.source.kind() {
            io::ErrorKind::AddrInUse => "stop what listens there, or choose another --web.listen-address",
            _ => "choose another --web.listen-address",
        };
        Failure::new(Exit::Listen, error).advise(advice)
    }
}

impl From<ledger::Error> for Failure {
    fn from(error: ledger::Error) -> Failure {
        let advice = match &error {
            ledger::Error::Missing { .. } => {
                "give the --state-dir of the daemon; it is there once that has run"
            }
            ledger::Error::Thread { .. } => "raise the limit on threads (TasksMax=)",
            ledger::Error::Unusable { .. } => "see docs/ledger.md on what to do with it",
            _ => "check the state directory, its permissions and its disk",
        };
        Failure::new(Exit::Ledger, error).advise(advice)
    }
}

impl From<ledger::Lost> for Failure {
    fn from(lost: ledger::Lost) -> Failure {
        let lines = lost.lines.len();
        let keep = format!("make room, and keep the {lines} lines of JSON below");
        let advice = match lost.elsewhere {
            elsewhere if lines == 0 => format!("make room; all {elsewhere} are in the alert file"),
            0 => keep,
            elsewhere => format!("{keep}; {elsewhere} are in the alert file"),
        };
        let detail = lost.lines.join("\n");
        Failure::new(Exit::Output, lost).advise(advice).detail(detail)
    }
}

impl From<delivery::ClientError> for Failure {
    fn from(error: delivery::ClientError) -> Failure {
        let advice = match &error {
            delivery::ClientError::Runtime { .. } => "raise the limit on open files",
            delivery::ClientError::Certificates { .. } => {
                "install the package ca-certificates, or name a file of certificates in SSL_CERT_FILE"
            }
            delivery::ClientError::Proxy { .. } => {
                "give the proxy as http://HOST:PORT, or have NO_PROXY name the server"
            }
        };
        Failure::new(Exit::Host, error).advise(advice)
    }
}

impl From<delivery::ThreadError> for Failure {
    fn from(error: delivery::ThreadError) -> Failure {
        Failure::new(Exit::Failed, error).advise("raise the limit on threads (TasksMax=)")
    }
}

impl From<web::config::Error> for Failure {
    fn from(error: web::config::Error) -> Failure {
        let advice = match error {
            web::config::Error::Read { .. } => "check the path and its permissions",
            web::config::Error::Refused { .. } => "docs/web.md has every field",
        };
        Failure::new(Exit::Config, error).advise(advice)
    }
}

impl From<checkpoints::CheckpointError> for Failure {
    fn from(error: checkpoints::CheckpointError) -> Failure {
        Failure::new(Exit::Failed, error).advise("raise the limit on threads (TasksMax=)")
    }
}

impl From<lines::LogError> for Failure {
    fn from(error: lines::LogError) -> Failure {
        let advice = match &error {
            lines::LogError::Open { .. } => "check the directory and its permissions, or choose another file",
            lines::LogError::Thread { .. } => "raise the limit on threads (TasksMax=)",
            lines::LogError::Lost { source: Some(_), .. } => {
                "make room or choose another file; every other line was written"
            }
            lines::LogError::Lost { source: None, .. } => "use a faster disk; every other line was written",
        };
        Failure::new(Exit::Output, error).advise(advice)
    }
}

impl From<replay::Error> for Failure {
    fn from(error: replay::Error) -> Failure {
        let advice = match &error {
            replay::Error::Read { .. } => "check the path and its permissions",
            replay::Error::Foreign { .. } => "give a file that tcpdump -w or Wireshark has written",
            replay::Error::Empty { .. } | replay::Error::Unknown { .. } => {
                "give a capture, or an access log in a format that --format names"
            }
            replay::Error::Columns { .. } => "name the columns in the first line",
            replay::Error::NoCalls { .. } => "give the right --format, or leave it out",
            replay::Error::KeyLog { .. } => "give the file that SSLKEYLOGFILE named, whole",
            replay::Error::LinkType { .. } => "capture on a network interface",
            replay::Error::Truncated { .. }
            | replay::Error::Damaged { .. }
            | replay::Error::CutShort { .. }
            | replay::Error::LogDamaged { .. } => {
                "everything before was evaluated; copy the file again if it should be longer"
            }
        };
        Failure::new(Exit::Input, error).advise(advice)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_message_names_what_why_and_what_to_do() {
        let failure = Failure::new(Exit::Failed, anyhow::anyhow!("no such thing").context("do it"))
            .advise("do something else");
        assert_eq!(failure.message(), "rollcall: do it: no such thing; do something else");
    }

    #[test]
    fn codes_are_numbered_without_gaps() {
        for (number, (exit, _)) in EXITS.into_iter().enumerate() {
            assert_eq!(exit as usize, number);
        }
    }

    #[test]
    fn the_documentation_names_every_code() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/exit-codes.md");
        let mut expected = String::from(
            "# Exit codes\n\n\
             Written from the table in monitor/cli/src/exit.rs; a test keeps both alike.\n\
             On failure there is one line on stderr: `rollcall: <what>: <cause>; <what to do>`.\n\n\
             | code | meaning |\n|---|---|\n",
        );
        for (exit, meaning) in EXITS {
            expected.push_str(&format!("| {} | {meaning} |\n", exit as u8));
        }
        expected.push_str(
            "\nWhen several things fail, each has its line and the first gives the code. `rollcall check` exits with 3 or 4 \
             as `rollcall run` would, 3 if privileges are missing. A second SIGTERM or SIGINT ends the daemon at once, \
             with 1.\n",
        );
        if std::env::var_os("ROLLCALL_BLESS").is_some() {
            std::fs::write(&path, &expected).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            expected,
            "ROLLCALL_BLESS=1 cargo test writes docs/exit-codes.md anew"
        );
    }
}
