//! Programs from the distribution that tests run: servers, clients, virtual machines.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{privilege, process};

/// A program, and the Debian package that has it.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
}

/// Makes sure that all of `programs` are here. Missing ones are installed if we are root on a Debian-like system;
/// otherwise the error says what to install. With all of them here, apt isn't touched.
pub(crate) fn ensure(programs: &[Program]) -> Result<()> {
    let missing = missing(programs);
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.iter().map(|program| program.name).collect::<Vec<_>>().join(", ");
    let packages = missing.iter().map(|program| program.package).collect::<Vec<_>>();
    if process::find("apt-get").is_none() {
        bail!("these programs are missing: {names}; install them with the system's package manager");
    }
    if !privilege::is_root() {
        bail!(
            "these programs are missing: {names}; install them with `sudo apt-get install {}`",
            packages.join(" ")
        );
    }
    eprintln!("xtask: installing {} for {names}", packages.join(" "));
    let _quiet = NoServices::start(Path::new(POLICY))?;
    // One broken source among several needn't stop us; the installation tells.
    let _ = process::run(apt().args(["-qq", "update"]));
    process::run(apt().args(["-qq", "install", "--yes", "--no-install-recommends"]).args(packages))
}

fn missing(programs: &[Program]) -> Vec<&Program> {
    programs.iter().filter(|program| process::find(program.name).is_none()).collect()
}

fn apt() -> Command {
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    apt
}

const POLICY: &str = "/usr/sbin/policy-rc.d";
/// Tells our file from an administrator's, if a run was killed before it could remove it.
const POLICY_TEXT: &str = "#!/bin/sh\n# Put here by Rollcall's xtask while it installs packages.\nexit 101\n";

/// While it lives, packages that get installed don't start their services: a test starts its own servers. Does
/// nothing where the administrator has a policy already.
struct NoServices {
    /// The policy, if it is ours.
    ours: Option<PathBuf>,
}

impl NoServices {
    fn start(policy: &Path) -> Result<Self> {
        match File::create_new(policy) {
            Ok(mut file) => {
                let guard = Self { ours: Some(policy.to_owned()) };
                file.write_all(POLICY_TEXT.as_bytes())
                    .and_then(|()| file.set_permissions(fs::Permissions::from_mode(0o755)))
                    .with_context(|| format!("write {}", policy.display()))?;
                Ok(guard)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let ours = fs::read_to_string(policy).is_ok_and(|text| text == POLICY_TEXT);
                Ok(Self { ours: ours.then(|| policy.to_owned()) })
            }
            Err(error) => Err(error).with_context(|| format!("create {}", policy.display())),
        }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(policy) = &self.ours {
            let _ = fs::remove_file(policy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_policy_goes_and_an_administrators_stays() {
        let directory = tempfile::tempdir().unwrap();
        let policy = directory.path().join("policy-rc.d");
        let guard = NoServices::start(&policy).unwrap();
        assert_eq!(fs::metadata(&policy).unwrap().permissions().mode() & 0o777, 0o755);
        drop(guard);
        assert!(!policy.exists());

        fs::write(&policy, POLICY_TEXT).unwrap();
        drop(NoServices::start(&policy).unwrap());
        assert!(!policy.exists(), "what a killed run left is removed");

        fs::write(&policy, "#!/bin/sh\nexit 0\n").unwrap();
        drop(NoServices::start(&policy).unwrap());
        assert!(policy.exists());
    }
}
