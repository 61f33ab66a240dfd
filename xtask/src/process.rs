//! Running programs: a failure names the program, what it was told, and how it ended.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// Runs `command` to its end on this terminal.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("start {}", shown(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs `command` to its end and returns what it wrote to standard output. Its standard error stays on this
/// terminal unless the caller has sent it elsewhere.
pub(crate) fn stdout(command: &mut Command) -> Result<String> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let output = child
        .and_then(std::process::Child::wait_with_output)
        .with_context(|| format!("start {}", shown(command)))?;
    if !output.status.success() {
        bail!("{} failed ({})", shown(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("read the output of {}", shown(command)))
}

/// Where `program` is: on `PATH`, or among the administrator's programs, which an ordinary user's `PATH` lacks.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

/// The command line, shortened to what tells one call from another.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut line = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    for argument in command.get_args().take(6) {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    if command.get_args().len() > 6 {
        line.push_str(" …");
    }
    format!("`{line}`")
}
