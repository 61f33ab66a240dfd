//! `rollcall check`: is this host fit for `rollcall run`? One line a question, with what to do about each that is not
//! well. It reads, and changes nothing.

mod host;
mod judge;

use std::{
    fmt,
    io::{self, Write},
};

use clap::Args;
use host::Host;
use rollcall_capture::attached;

use super::{
    exit::{Exit, Failure},
    options::KernelArgs,
};

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    kernel: KernelArgs,
}

/// How bad an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grade {
    Ok,
    /// `rollcall run` works, with a drawback.
    Warn,
    /// `rollcall run` can't work, and would exit with this code.
    Fail(Exit),
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    grade: Grade,
    subject: &'static str,
    /// What was found.
    found: String,
    /// What to do, unless all is well.
    remedy: Option<String>,
}

impl Finding {
    fn ok(subject: &'static str, found: impl Into<String>) -> Finding {
        Finding { grade: Grade::Ok, subject, found: found.into(), remedy: None }
    }

    fn warn(subject: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { grade: Grade::Warn, subject, found: found.into(), remedy: Some(remedy.into()) }
    }

    fn fail(
        exit: Exit,
        subject: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding { grade: Grade::Fail(exit), subject, found: found.into(), remedy: Some(remedy.into()) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { grade, subject, found, remedy } = self;
        let grade = match grade {
            Grade::Ok => "ok",
            Grade::Warn => "warn",
            Grade::Fail(_) => "FAIL",
        };
        write!(f, "{grade:<5} {subject}: {found}")?;
        remedy.iter().try_for_each(|remedy| write!(f, "; {remedy}"))
    }
}

/// Prints every finding. Exits with 0 unless one is a failure.
pub(crate) fn check(args: &CheckArgs) -> Result<Exit, Failure> {
    let host = Host::read(args.kernel.cgroup.as_deref());
    let mut findings = judge::all(&host, args.kernel.ring_size);
    if let Some(cgroup) = host.cgroup_path() {
        findings.push(judge::other_programs(attached(&cgroup)));
    }
    let mut out = io::stdout().lock();
    // A reader that has seen enough is no reason to judge otherwise.
    drop(findings.iter().try_for_each(|finding| writeln!(out, "{finding}")));
    Ok(exit(&findings))
}

/// Missing privileges come first: they are what the operator changes first, and may be behind the rest.
fn exit(findings: &[Finding]) -> Exit {
    let failed = |exit| findings.iter().any(|finding| finding.grade == Grade::Fail(exit));
    [Exit::Privilege, Exit::Host].into_iter().find(|&exit| failed(exit)).unwrap_or(Exit::Ok)
}

/// The failure of a process that may not load programs, before anything else is tried.
pub(crate) fn permitted() -> Result<(), Failure> {
    let Finding { grade, found, remedy, .. } = judge::privileges(&Host::read(None));
    match grade {
        Grade::Fail(exit) => {
            let error = anyhow::anyhow!("loading programs into the kernel is not permitted {found}");
            Err(Failure::new(exit, error).advise(remedy.unwrap_or_default()))
        }
        Grade::Ok | Grade::Warn => Ok(()),
    }
}

#[cfg(test)]
mod tests;
