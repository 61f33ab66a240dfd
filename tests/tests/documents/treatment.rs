//! How each command is tried. By default it is run on a stage, as it stands there, and has to succeed.
//!
//! A command that can't be is listed here with the reason, and with what is checked instead. One that is not listed and
//! fails, fails the test: what the documentation says is to be true.

use super::commands::words;

/// What is done with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Run to its end.
    Run,
    /// A daemon of its own, started, and stopped once it is ready.
    Daemon,
    /// Does not end by itself: run in a terminal until it has shown something, then ended by these keys.
    Endless(&'static str),
    /// A verb of this repository's: it and its flags exist.
    Xtask,
    /// Acts on what a test can't have. Units and files of the package that it names exist.
    Elsewhere,
}

/// Commands that go on until they are stopped, by words that they have, with the keys that stop them.
const ENDLESS: [(&[&str], &str); 2] =
    [(&["rollcall", "top"], "q"), (&["rollcall", "alerts", "--follow"], CONTROL_C)];

const CONTROL_C: &str = "\x03";

/// Programs that are not run, and why.
const ELSEWHERE: [(&str, &str); 15] = [
    ("apt", "installs on the machine; the package's own test installs, upgrades and removes it"),
    ("apt-get", "as `apt`"),
    ("dpkg", "as `apt`"),
    ("tar", "unpacks the tarball, which is tested where it is made"),
    ("systemctl", "there is no service manager where tests run; the package's own test boots one"),
    ("systemd-analyze", "as `systemctl`"),
    ("systemd-sysusers", "acts on all that is installed on the machine; the package's own test has it run"),
    ("systemd-tmpfiles", "as `systemd-sysusers`"),
    ("journalctl", "as `systemctl`"),
    ("docker", "needs its daemon"),
    ("podman", "as `docker`"),
    ("buildah", "as `docker`"),
    ("kubectl", "needs a cluster"),
    ("git", "the repository is at hand already"),
    ("rustup", "changes the machine's toolchain"),
];

/// What is done with this one.
pub fn of(command: &str) -> Treatment {
    let words = words(command);
    let begins = |with: &[&str]| words.starts_with(with);
    let endless =
        ENDLESS.iter().find(|(with, _)| begins(&with[..2]) && with.iter().all(|word| words.contains(word)));
    if begins(&["cargo"]) {
        Treatment::Xtask
    } else if begins(&["rollcall", "run"]) {
        Treatment::Daemon
    } else if let Some((_, keys)) = endless {
        Treatment::Endless(keys)
    } else if words.first().is_some_and(|program| ELSEWHERE.iter().any(|(name, _)| name == program)) {
        Treatment::Elsewhere
    } else {
        Treatment::Run
    }
}

/// What a command that failed calls for.
pub const ADVICE: &str = "\
Each indented block and each ```sh block of README.md, CONTRIBUTING.md and docs/*.md is run, command by command.
  - Is it no command? Fence it and say what it is: ```text, ```json, ```yaml …
  - Is the documentation wrong? Mend it.
  - Does it need a file, a program or a word that the stage does not have? Add it to tests/tests/documents/stage/.
  - Does it not end by itself, or act on what a test can't have? List it in tests/tests/documents/treatment.rs.";
